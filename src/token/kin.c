/* SPDX-License-Identifier: BSD-2-Clause */
#include "token/kin.h"

#include "base/bits.h"
#include "os/kin.h"
#include "os/os.h"

#define KIN_FILES 16383 /* and one record for all the others */
#define KIN_PROBES 64   /* a table that is nearly full shall cost no Get its time */

static struct kin_file *kin_files;

bool kin_start(void) {
    if (kin_files == NULL)
        kin_files = os_share((KIN_FILES + 1) * sizeof *kin_files);
    return kin_files != NULL;
}

/* Before main, and so before the program forks; after that, with the first Get. */
__attribute__((constructor)) static void start_early(void) {
    kin_start();
}

struct kin_file *kin_find(uint64_t device, uint64_t inode) {
    uint64_t key = (inode ^ device * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xD6E8FEB86659FD93);
    key ^= key >> 32;
    key += key == 0;
    for (uint64_t i = 0; i < KIN_PROBES; i++) {
        struct kin_file *file = &kin_files[(key + i) % KIN_FILES];
        uint64_t seen = 0;
        if (atomic_compare_exchange_strong(&file->file, &seen, key) || seen == key)
            return file;
    }
    return &kin_files[KIN_FILES];
}

uint64_t kin_mark_of(const struct kin_file *file, uint32_t thread) {
    for (unsigned i = 0; i < KIN_WRITERS; i++) {
        uint64_t mark = atomic_load(&file->writers[i]);
        if (mark != 0 && os_mark_thread(mark) == thread)
            return mark;
    }
    return 0;
}

/* A mark's thread has ended without leaving. */
static void bury(struct kin_file *file, _Atomic uint64_t *place, uint64_t mark) {
    if (atomic_compare_exchange_strong(place, &mark, 0))
        atomic_fetch_add(&file->deaths, 1);
}

bool kin_is_writing(struct kin_file *file, uint64_t mark) {
    for (unsigned i = 0; i < KIN_WRITERS; i++) {
        if (atomic_load(&file->writers[i]) != mark)
            continue;
        if (os_mark_life(mark) != OS_DEAD)
            return true;
        bury(file, &file->writers[i], mark);
    }
    return false;
}

/* So long for a thread of which nobody says whether it lives: longer than a write-back may take
   that still ends well. */
#define PATIENCE (60000 / OS_MARK_WAIT_MS)

APART static void await(struct kin_file *file, _Atomic uint64_t *place, uint64_t mark) {
    for (unsigned waits = 0; atomic_load(place) == mark; waits++) {
        os_mark_wait(place, mark);
        enum os_life life = atomic_load(place) == mark ? os_mark_life(mark) : OS_LIVES;
        if (life == OS_DEAD || (life == OS_UNSURE && waits >= PATIENCE))
            bury(file, place, mark);
    }
}

void kin_await(struct kin_file *file) {
    for (unsigned i = 0; i < KIN_WRITERS; i++) {
        uint64_t mark = atomic_load(&file->writers[i]);
        /* This thread is there itself when it is a signal handler now, and two files share the
           record: of one file only one drain gets here. */
        if (mark != 0 && os_mark_thread(mark) != os_thread_id())
            await(file, &file->writers[i], mark);
    }
}

static _Atomic uint64_t *take_place(struct kin_file *file, uint64_t mark) {
    for (unsigned i = 0; i < KIN_WRITERS; i++) {
        uint64_t seen = 0;
        if (atomic_compare_exchange_strong(&file->writers[i], &seen, mark))
            return &file->writers[i];
    }
    return NULL;
}

_Atomic uint64_t *kin_enter(struct kin_file *file) {
    for (;;) {
        _Atomic uint64_t *place = take_place(file, os_mark());
        if (place != NULL)
            return place;
        kin_await(file);
    }
}

APART static void tell(struct kin_file *file, enum result result) {
    uint32_t old = atomic_load(&file->failures);
    while (!atomic_compare_exchange_weak(&file->failures, &old,
                                         ((old >> 8) + 1) << 8 | (uint32_t)result))
        ;
}

void kin_leave(struct kin_file *file, _Atomic uint64_t *place, enum result result) {
    if (result == RESULT_IO_ERROR || result == RESULT_NO_SPACE)
        tell(file, result);
    /* A signal handler may have forked in between: its child goes on here, in another's place. */
    uint64_t mark = atomic_load(place);
    if (os_mark_thread(mark) == os_thread_id() && atomic_compare_exchange_strong(place, &mark, 0))
        os_mark_wake(place);
}
