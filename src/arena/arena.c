/* SPDX-License-Identifier: BSD-2-Clause */
#include "arena/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"

/* Sparse: what is not touched costs nothing, not even after mlockall(MCL_FUTURE), which gives pages
   at once to all that may be touched. Not in core dumps. */
static bool map_size(struct arena *arena, int descriptor, uint64_t size) {
    void *memory = mmap(NULL, size, PROT_NONE, MAP_SHARED | MAP_NORESERVE, descriptor, 0);
    if (memory == MAP_FAILED)
        return false;
    munlock(memory, size);
    if (mprotect(memory, size, PROT_READ | PROT_WRITE) != 0) {
        munmap(memory, size);
        return false;
    }
    madvise(memory, size, MADV_DONTDUMP);
    *arena = (struct arena){.head = memory, .size = size};
    return true;
}

/* Moves a descriptor out of the way of programs that expect low numbers. The program gets the same
   number: when it has closed its own, it finds this one by that. */
static int move_away(int descriptor) {
    int moved = fcntl(descriptor, F_DUPFD_CLOEXEC, RUN_DESCRIPTOR);
    if (moved < 0)
        moved = fcntl(descriptor, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    int error = errno;
    close(descriptor);
    errno = error;
    return moved;
}

/* The limit of the size of files counts for those in memory too, and passing it is a deadly signal,
   so it is lifted meanwhile, as far as that is allowed. */
static bool set_size(int descriptor, uint64_t size) {
    struct rlimit limit;
    bool limited = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < size;
    struct rlimit wider = {.rlim_cur = size, .rlim_max = limit.rlim_max};
    if (limited && size > limit.rlim_max)
        wider.rlim_max = size; /* for those who may */
    if (limited && setrlimit(RLIMIT_FSIZE, &wider) != 0) {
        errno = EFBIG;
        return false;
    }
    bool set = ftruncate(descriptor, (off_t)size) == 0;
    int error = errno;
    if (limited)
        setrlimit(RLIMIT_FSIZE, &limit);
    errno = error;
    return set;
}

/* pre: all of it is zeros */
static void begin(const struct arena *arena) {
    memcpy(arena->head->run.magic, RUN_MAGIC, sizeof arena->head->run.magic);
    arena->head->size = arena->size;
    atomic_store(&arena->head->used, align_up(sizeof *arena->head, ARENA_GRAIN));
}

bool arena_reset(const struct arena *arena, int descriptor) {
    const uint64_t most = UINT64_C(256) << 20;
    uint64_t used = align_up(atomic_load(&arena->head->used), UINT64_C(1) << 16);
    if (used > most || used > arena->size ||
        fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)used,
                  (off_t)(arena->size - used)) != 0)
        return false;
    memset(arena->head, 0, used);
    begin(arena);
    return true;
}

int arena_create(struct arena *arena) {
    int descriptor = memfd_create(ARENA_NAME, MFD_CLOEXEC);
    if (descriptor >= 0)
        descriptor = move_away(descriptor);
    if (descriptor < 0)
        return -1;
    for (uint64_t size = ARENA_SIZE_MAX; size >= ARENA_SIZE_MIN; size /= 4) {
        if (!set_size(descriptor, size) || !map_size(arena, descriptor, size))
            continue;
        begin(arena);
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

/* What a process may spare of its address space: an eighth where that is limited. */
static uint64_t room_for_map(uint64_t size) {
    struct rlimit limit;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return size;
    return limit.rlim_cur / 8 < size ? align_down(limit.rlim_cur / 8, page) : size;
}

/* The first page of the arena has room for the one thing that is to be told. */
static void tell_left_out(int descriptor) {
    struct arena arena;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (!map_size(&arena, descriptor, page))
        return;
    atomic_fetch_add(&arena.head->lost.processes, 1);
    munmap(arena.head, page);
}

static bool is_arena(int descriptor) {
    struct arena arena;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (!map_size(&arena, descriptor, page))
        return false;
    bool is = memcmp(arena.head->run.magic, RUN_MAGIC, sizeof arena.head->run.magic) == 0;
    munmap(arena.head, page);
    return is;
}

enum arena_mapped arena_map(struct arena *arena, int descriptor) {
    struct stat stat;
    if (fstat(descriptor, &stat) != 0 || stat.st_size < (off_t)ARENA_SIZE_MIN ||
        !is_arena(descriptor))
        return ARENA_NOT_FOUND;
    uint64_t room = room_for_map((uint64_t)stat.st_size);
    for (uint64_t size = room; size >= ARENA_MAP_MIN; size /= 4) {
        if (map_size(arena, descriptor, size))
            return ARENA_MAPPED;
    }
    tell_left_out(descriptor);
    return ARENA_LEFT_OUT;
}

bool arena_escaped(const struct arena_head *head) {
    const struct arena_lost *lost = &head->lost;
    return atomic_load(&head->run.unheard) != 0 || atomic_load(&lost->processes) != 0 ||
           atomic_load(&lost->threads) != 0 || atomic_load(&lost->events) != 0 ||
           atomic_load(&lost->memory) != 0 || atomic_load(&head->two_runtimes) != 0;
}

void *arena_new(const struct arena *arena, size_t size) {
    uint64_t wanted = align_up(size, ARENA_GRAIN);
    uint64_t used = atomic_load(&arena->head->used);
    do {
        if (used < sizeof *arena->head || used % ARENA_GRAIN != 0 || used > arena->size ||
            wanted > arena->size - used) {
            atomic_fetch_add(&arena->head->lost.memory, 1);
            return NULL;
        }
    } while (!atomic_compare_exchange_weak(&arena->head->used, &used, used + wanted));
    return (char *)arena->head + used;
}

void *arena_at(const struct arena *arena, arena_id id, size_t size) {
    uint64_t offset = (uint64_t)id * ARENA_GRAIN;
    if (offset < sizeof *arena->head || offset > arena->size || size > arena->size - offset)
        return NULL;
    return (char *)arena->head + offset;
}

bool arena_follow(const struct arena *arena, uint64_t *links) {
    return (*links)++ < atomic_load(&arena->head->used) / ARENA_GRAIN;
}
