/* SPDX-License-Identifier: BSD-2-Clause */
#include "arena/log.h"

#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "event/event.h"

/* The end of this process, on the spot. The parent waits for `stopped`, and ends whatever may not
   end itself. */
static _Noreturn void cut(struct arena_log *log) {
    const struct timespec second = {.tv_sec = 1};
    atomic_store(&log->stopped, 1);
    for (;;) {
        syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
        syscall(SYS_futex, &log->stopped, FUTEX_WAIT, 1, &second, NULL, 0);
    }
}

/* One call of the system for the memory ahead is much cheaper than a fault for each of its pages.
   Fails where it is not known, and does no harm then. */
static void prepare_memory(const struct arena *arena, const struct log_record *record) {
    static _Atomic uint64_t prepared; /* up to here, in this process */
    const uint64_t step = UINT64_C(1) << 20;
    uint64_t offset = (uint64_t)((const char *)record - (const char *)arena->head);
    uint64_t end = align_up(offset + sizeof *record + record->size, step) + step;
    if (atomic_load(&prepared) >= end || end > arena->size)
        return;
    atomic_store(&prepared, end);
    madvise((char *)arena->head + end - step, step, MADV_POPULATE_WRITE);
}

static bool reached(const struct arena_log *log, const struct log_record *record) {
    return record->number == log->stop_record ||
           (log->stop_ack != 0 && record->acks >= log->stop_ack);
}

/* Counts the record behind the last one. false: the power is cut before it. */
static bool count(const struct arena_log *log, struct log_record *record,
                  const struct log_record *last) {
    uint64_t drains = record->kind == LOG_DRAIN;
    uint64_t acks = record->kind == LOG_MARK && record->length == EVENT_OP_ACK;
    record->number = (last != NULL ? last->number : 0) + 1;
    record->drains = (last != NULL ? last->drains : 0) + drains;
    record->acks = (last != NULL ? last->acks : 0) + acks;
    return log->stop_drain == 0 || record->drains < log->stop_drain;
}

void log_append(const struct arena *arena, const struct log_record *wish, const void *bytes) {
    struct arena_log *log = &arena->head->log;
    struct log_record *record = NULL;
    if (atomic_load(&log->stopped))
        cut(log);
    if (atomic_load(&log->full))
        return;
    if (atomic_load(&arena->head->used) < log->room)
        record = arena_new(arena, sizeof *record + wish->size);
    if (record == NULL) {
        atomic_store(&log->full, 1);
        return;
    }
    *record = *wish;
    memcpy(record->bytes, bytes, wish->size);
    prepare_memory(arena, record);
    arena_id before = atomic_load(&log->last), id = arena_id_of(arena, record);
    do {
        const struct log_record *last = arena_at(arena, before, sizeof *last);
        if ((last != NULL && reached(log, last)) || !count(log, record, last))
            cut(log);
        record->previous = before;
    } while (!atomic_compare_exchange_weak(&log->last, &before, id));
    if (reached(log, record))
        cut(log);
}

static const struct log_record *checked(const struct arena *arena, arena_id id) {
    const struct log_record *record = arena_at(arena, id, sizeof *record);
    return record != NULL && arena_at(arena, id, sizeof *record + record->size) != NULL ? record
                                                                                        : NULL;
}

const struct log_record *log_last(const struct arena *arena) {
    return checked(arena, atomic_load(&arena->head->log.last));
}

const struct log_record *log_before(const struct arena *arena, const struct log_record *record) {
    /* The chain runs down through memory, far beyond any cache, and each link is known only by the
       one above it. */
    for (uintptr_t ahead = 512; ahead <= 768; ahead += ARENA_GRAIN)
        __builtin_prefetch((const void *)((uintptr_t)record - ahead));
    const struct log_record *before = checked(arena, record->previous);
    return before != NULL && before->number + 1 == record->number ? before : NULL;
}
