/* SPDX-License-Identifier: BSD-2-Clause */
#include "arena/stream.h"

#include <linux/futex.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"

#define GRAIN 16u
#define PATIENCE                                                                                   \
    5000u /* milliseconds without the parent moving, after which it is not waited for */

struct entry {
    _Atomic uint64_t state; /* state_of its place, once it is complete */
    uint64_t offset, length;
    uint32_t size, stack;
    uint16_t kind, thread, file, unused;
    uint8_t bytes[];
};

/* The word that only a complete record at this place begins with: neither an earlier one there nor
   what a program has stored is like that. */
static uint64_t state_of(uint64_t at) {
    uint64_t word = (at + 1) * UINT64_C(0x9E3779B97F4A7C15);
    return (word ^ word >> 29) | 1;
}

static struct entry *entry_at(const struct arena *arena, uint64_t at) {
    const struct arena_stream *stream = &arena->head->stream;
    return (struct entry *)((char *)arena->head + (uint64_t)stream->ring * ARENA_GRAIN +
                            at % STREAM_SIZE);
}

/* A record may go on behind the ring's end, so that none is divided. */
bool stream_make(const struct arena *arena) {
    struct arena_stream *stream = &arena->head->stream;
    void *ring = arena_new(arena, STREAM_SIZE + STREAM_RECORD);
    stream->ring = arena_id_of(arena, ring);
    return ring != NULL;
}

/* One call of the system for the memory ahead is much cheaper than a fault for each of its pages.
   Fails where it is not known, and does no harm then; but a program may have forbidden it. */
static void prepare_memory(const struct arena *arena, uint64_t at) {
    static _Atomic uint64_t prepared; /* up to here, in this process */
    const uint64_t step = UINT64_C(1) << 20;
    uint64_t known = atomic_load_explicit(&prepared, memory_order_relaxed);
    if (LIKELY(known > at) || known >= STREAM_SIZE || atomic_load(&arena->head->confined) != 0)
        return;
    uint64_t end = align_down(at, step) + 2 * step;
    end = end < STREAM_SIZE ? end : STREAM_SIZE;
    atomic_store_explicit(&prepared, end, memory_order_relaxed);
    char *from = (char *)align_down((uintptr_t)entry_at(arena, known < end ? known : 0), 4096);
    madvise(from, end - known, MADV_POPULATE_WRITE);
}

/* Waits until the place may be written to. false: the parent does not read any more. */
static bool wait_for_room(struct arena_stream *stream, uint64_t end) {
    const struct timespec pause = {.tv_nsec = 1000000};
    uint64_t seen = atomic_load(&stream->released);
    for (unsigned waits = 0; end - seen > STREAM_SIZE; waits++) {
        uint32_t moved = atomic_load(&stream->moved);
        uint64_t now = atomic_load(&stream->released);
        if (now != seen) {
            seen = now;
            waits = 0;
            continue;
        }
        if (waits >= PATIENCE || atomic_load(&stream->closed) != 0)
            return false;
        syscall(SYS_futex, &stream->moved, FUTEX_WAIT, moved, &pause, NULL, 0);
    }
    return true;
}

void stream_append(const struct arena *arena, const struct log_record *wish, const void *bytes) {
    struct arena_log *log = &arena->head->log;
    struct arena_stream *stream = &arena->head->stream;
    uint64_t size = align_up(sizeof(struct entry) + wish->size, GRAIN);
    if (UNLIKELY(atomic_load_explicit(&log->full, memory_order_relaxed) != 0))
        return;
    if (UNLIKELY(size > STREAM_RECORD ||
                 (uint64_t)stream->ring * ARENA_GRAIN + STREAM_SIZE + STREAM_RECORD >
                     arena->size)) {
        atomic_fetch_add(&arena->head->lost.memory, 1);
        return;
    }
    _Atomic uint32_t *writing = &stream->writing[wish->thread];
    atomic_store_explicit(writing, 1, memory_order_relaxed); /* seen before the place is taken */
    uint64_t at = atomic_fetch_add(&stream->taken, size);
    if (UNLIKELY(at + size - atomic_load_explicit(&stream->released, memory_order_acquire) >
                 STREAM_SIZE) &&
        !wait_for_room(stream, at + size)) {
        atomic_store(&log->full, 1);
        atomic_store(writing, 0);
        return;
    }
    if (UNLIKELY(at < STREAM_SIZE))
        prepare_memory(arena, at + size);
    struct entry *entry = entry_at(arena, at);
    entry->offset = wish->offset;
    entry->length = wish->length;
    entry->size = wish->size;
    entry->stack = wish->stack;
    entry->kind = (uint16_t)wish->kind;
    entry->thread = (uint16_t)wish->thread;
    entry->file = (uint16_t)wish->file;
    memcpy(entry->bytes, bytes, wish->size);
    atomic_store_explicit(&entry->state, state_of(at), memory_order_release);
    atomic_store_explicit(writing, 0, memory_order_release);
}

static bool is_complete(const struct arena *arena, uint64_t at) {
    const struct entry *entry = entry_at(arena, at);
    return atomic_load_explicit(&entry->state, memory_order_acquire) == state_of(at);
}

bool stream_next(struct stream_reader *reader, struct stream_event *event) {
    const struct entry *entry = entry_at(reader->arena, reader->at);
    if (!is_complete(reader->arena, reader->at) ||
        entry->size > STREAM_RECORD - sizeof *entry) /* the program has written over it */
        return false;
    *event = (struct stream_event){.kind = entry->kind,
                                   .thread = entry->thread,
                                   .file = entry->file,
                                   .size = entry->size,
                                   .stack = entry->stack,
                                   .offset = entry->offset,
                                   .length = entry->length,
                                   .bytes = entry->bytes};
    reader->at += align_up(sizeof *entry + entry->size, GRAIN);
    return true;
}

void stream_release(const struct stream_reader *reader) {
    struct arena_stream *stream = &reader->arena->head->stream;
    if (atomic_load(&stream->released) == reader->at)
        return;
    atomic_store(&stream->released, reader->at);
    atomic_fetch_add(&stream->moved, 1);
    syscall(SYS_futex, &stream->moved, FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
}

/* Does one that is about to write live? */
static bool somebody_writes(const struct arena *arena) {
    uint32_t count = atomic_load(&arena->head->thread_count);
    for (uint32_t i = 0; i < count && i < ARENA_THREADS; i++) {
        if (atomic_load(&arena->head->stream.writing[i]) != 0 && arena_thread_lives(arena, i + 1))
            return true;
    }
    return false;
}

bool stream_skip(struct stream_reader *reader, bool all) {
    const struct arena_stream *stream = &reader->arena->head->stream;
    uint64_t taken = atomic_load(&stream->taken), at = reader->at;
    if (at >= taken || is_complete(reader->arena, at) || (!all && somebody_writes(reader->arena)) ||
        is_complete(reader->arena, at))
        return false;
    for (at += GRAIN; at < taken && at - reader->at < STREAM_SIZE; at += GRAIN) {
        if (is_complete(reader->arena, at))
            break;
    }
    reader->at = at;
    reader->gaps++;
    return true;
}
