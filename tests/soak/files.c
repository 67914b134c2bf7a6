/* SPDX-License-Identifier: BSD-2-Clause */
#include "soak/files.h"

#include <stdatomic.h>

#include "unit/faults.h"
#include "unit/medium.h"

struct soak_faults soak_faults;

static struct medium files[FILES];
static _Atomic bool faults_on;
static _Atomic uint64_t chance;

/* A random number for any thread (splitmix64). */
static uint64_t roll(uint64_t sides) {
    uint64_t x = atomic_fetch_add(&chance, UINT64_C(0x9e3779b97f4a7c15));
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (x ^ x >> 31) % sides;
}

/* All but msync fail in a way that passes; mincore's ENOMEM would be a hole in the view. */
static int decide(enum fault_call call) {
    static const int errors[] = {ENOMEM, EMFILE, EINTR};
    if (!faults_on || roll(128) != 0)
        return 0;
    int error = call == FAULT_IN_mincore ? EAGAIN : errors[roll(3)];
    if (!fault_is_real(call, error))
        return 0;
    soak_faults.calls++;
    return error;
}

static int soak_msync(void *address, size_t size, int flags) {
    static const int transient[] = {EINTR, EBUSY, ENOMEM}, lost[] = {EIO, ENOSPC};
    size_t view;
    struct medium *medium = medium_of(address, &view);
    int error = 0;
    if (flags == MS_SYNC && faults_on) {
        uint64_t kind = roll(1000);
        if (kind < 16)
            error = transient[roll(3)];
        else if (kind == 16)
            error = lost[roll(2)];
        else if (kind == 17 && medium != NULL) /* nobody is told, until the next wait */
            medium_write_back(medium, lost[roll(2)]);
    }
    int result = medium_sync(address, size, flags, error);
    soak_faults.waits += result != 0 && medium_loses(errno);
    soak_faults.transient += result != 0 && !medium_loses(errno);
    return result;
}

bool files_start(uint64_t seed) {
    const char *folder = access(MEMORY_FOLDER, W_OK) == 0 ? MEMORY_FOLDER : "/tmp";
    chance = seed;
    for (size_t f = 0; f < FILES; f++) {
        if (!medium_open(&files[f], folder, FILE_SIZE / PAGE))
            return false;
        for (size_t v = 1; v < VIEWS; v++) {
            if (medium_view(&files[f], v) == NULL)
                return false;
        }
        /* All of it is there from the start: what grows later is the library's. */
        memset(files[f].disk, 0, FILE_SIZE);
        memset(files[f].last, 0, FILE_SIZE);
    }
    faults_begin(decide);
    os_calls.msync = soak_msync;
    return true;
}

void files_set_faults(bool on) {
    faults_on = on;
}

void files_end(void) {
    faults_end();
    for (size_t f = 0; f < FILES; f++)
        medium_close(&files[f]);
}

unsigned char *files_view(size_t file, size_t view) {
    return files[file].views[view].bytes;
}

bool files_hold(size_t file, size_t offset, size_t size) {
    return medium_holds(&files[file], offset, size);
}
