/* SPDX-License-Identifier: BSD-2-Clause */
#include "arena/arena.h"

#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"

/* Sparse: what is not touched costs nothing. Not in core dumps, which would only be larger by it. */
static bool map_size(struct arena *arena, int descriptor, uint64_t size) {
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, descriptor, 0);
    if (memory == MAP_FAILED)
        return false;
    madvise(memory, size, MADV_DONTDUMP);
    *arena = (struct arena){.head = memory, .size = size};
    return true;
}

int arena_create(struct arena *arena) {
    int descriptor = memfd_create("nvrtl-arena", MFD_CLOEXEC);
    if (descriptor < 0)
        return -1;
    for (uint64_t size = ARENA_SIZE_MAX; size >= ARENA_SIZE_MIN; size /= 4) {
        if (ftruncate(descriptor, (off_t)size) != 0 || !map_size(arena, descriptor, size))
            continue;
        memcpy(arena->head->magic, ARENA_MAGIC, sizeof arena->head->magic);
        arena->head->size = size;
        atomic_store(&arena->head->used, align_up(sizeof *arena->head, ARENA_GRAIN));
        return descriptor;
    }
    int error = errno;
    close(descriptor);
    errno = error;
    return -1;
}

void arena_unmap(struct arena *arena) {
    munmap(arena->head, arena->size);
}

bool arena_map(struct arena *arena, int descriptor) {
    struct stat stat;
    if (fstat(descriptor, &stat) != 0 || stat.st_size < (off_t)ARENA_SIZE_MIN)
        return false;
    for (uint64_t size = (uint64_t)stat.st_size; size >= ARENA_SIZE_MIN; size /= 4) {
        if (!map_size(arena, descriptor, size))
            continue;
        if (memcmp(arena->head->magic, ARENA_MAGIC, sizeof arena->head->magic) == 0)
            return true;
        munmap(arena->head, size);
        break;
    }
    return false;
}

void *arena_new(const struct arena *arena, size_t size) {
    uint64_t wanted = align_up(size, ARENA_GRAIN);
    uint64_t used = atomic_load(&arena->head->used);
    do {
        if (used > arena->size || wanted > arena->size - used) {
            atomic_fetch_add(&arena->head->lost.memory, 1);
            return NULL;
        }
    } while (!atomic_compare_exchange_weak(&arena->head->used, &used, used + wanted));
    return (char *)arena->head + used;
}

arena_id arena_id_of(const struct arena *arena, const void *record) {
    if (record == NULL)
        return 0;
    return (arena_id)((uint64_t)((const char *)record - (const char *)arena->head) / ARENA_GRAIN);
}

void *arena_at(const struct arena *arena, arena_id id, size_t size) {
    uint64_t offset = (uint64_t)id * ARENA_GRAIN;
    if (offset < sizeof *arena->head || offset > arena->size || size > arena->size - offset)
        return NULL;
    return (char *)arena->head + offset;
}

/* Of this process or another of the run. A thread id that was given to a new thread keeps us
   waiting for that one's end at the longest. */
static bool thread_lives(const struct arena *arena, uint32_t thread) {
    if (thread == 0 || thread > ARENA_THREADS)
        return false;
    uint32_t id = arena->head->thread_ids[thread - 1];
    return syscall(SYS_tkill, id, 0) == 0 || errno != ESRCH;
}

void arena_lock(const struct arena *arena, _Atomic uint32_t *lock, uint32_t thread) {
    const struct timespec pause = {.tv_nsec = 1000000};
    uint32_t holder = 0;
    for (unsigned tries = 0; !atomic_compare_exchange_strong(lock, &holder, thread); tries++) {
        if (tries < 100) {
            holder = 0;
            continue;
        }
        if (!thread_lives(arena, holder)) {
            /* Only from that holder: somebody else may have been quicker. */
            if (atomic_compare_exchange_strong(lock, &holder, thread))
                return;
        }
        /* Woken by nobody: a short wait again and again needs no waiter's mark in the word. */
        syscall(SYS_futex, lock, FUTEX_WAIT, holder, &pause, NULL, 0);
        holder = 0;
    }
}

void arena_unlock(_Atomic uint32_t *lock) {
    atomic_store_explicit(lock, 0, memory_order_release);
}
