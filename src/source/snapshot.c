/* SPDX-License-Identifier: BSD-2-Clause */
/* The file itself is read, by a helper process that shares this one's memory and nothing else: when
   a process closes a descriptor of a file, all of its POSIX locks on that file are gone, and the
   helper has descriptors of its own. Through the view the holes of a large file would become
   pages. */
#include "source/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/shadow.h"
#include "base/bits.h"
#include "source/record.h"

#define BUFFER_SIZE ((size_t)64 << 10)
#define STACK_SIZE ((size_t)64 << 10)
#define DESCRIPTORS_MAX 4096

/* One snapshot; in memory that the helper shares. */
struct snapshot {
    struct arena *arena;
    const struct arena_file *file;
    const struct stretch *stretch;
    uint64_t end, done; /* in the file, bytes */
    uint64_t room;      /* pages that may still be copied */
    bool recorded;      /* what is known already stays: what has become of it is to be told */
    uint8_t buffer[BUFFER_SIZE];
    _Alignas(16) uint8_t stack[STACK_SIZE];
};

static const uint8_t zeros[MODEL_PAGE_SIZE];

static struct shadow_page *page_at(const struct snapshot *snapshot, uint64_t index, bool make) {
    struct shadow_chunk *chunk =
        shadow_chunk(snapshot->arena, snapshot->stretch->file, index / SHADOW_CHUNK_PAGES, make);
    return chunk == NULL ? NULL
                         : shadow_page(snapshot->arena, chunk, index % SHADOW_CHUNK_PAGES, make);
}

/* The page holds these bytes. false: there is no room. */
static bool keep(struct snapshot *snapshot, uint64_t index, const uint8_t *bytes) {
    bool empty = memcmp(bytes, zeros, MODEL_PAGE_SIZE) == 0;
    struct shadow_page *page = page_at(snapshot, index, false);
    if (page != NULL && snapshot->recorded)
        return true;
    if (page == NULL)
        page = page_at(snapshot, index, !empty && snapshot->room != 0);
    if (page == NULL)
        return empty;
    if (!empty && snapshot->room != 0)
        snapshot->room--;
    memcpy(page->bytes, bytes, MODEL_PAGE_SIZE);
    memset(page->flusher, 0, sizeof page->flusher);
    return true;
}

/* The pages of a hole, that may have shadows from an earlier token. */
static void keep_hole(struct snapshot *snapshot, uint64_t from, uint64_t to) {
    const uint64_t chunk_size = (uint64_t)SHADOW_CHUNK_PAGES * MODEL_PAGE_SIZE;
    for (uint64_t at = from; at < to;) {
        uint64_t next = (at / chunk_size + 1) * chunk_size;
        bool has = shadow_chunk(snapshot->arena, snapshot->stretch->file, at / chunk_size, false);
        for (; has && at < to && at < next; at += MODEL_PAGE_SIZE)
            keep(snapshot, at / MODEL_PAGE_SIZE, zeros);
        at = next;
    }
}

/* Reads [from, to), page-aligned; false: it cannot be, or there is no room. */
static bool keep_data(struct snapshot *snapshot, int descriptor, uint64_t from, uint64_t to) {
    for (uint64_t at = from; at < to;) {
        size_t part = to - at < BUFFER_SIZE ? (size_t)(to - at) : BUFFER_SIZE;
        ssize_t got = pread(descriptor, snapshot->buffer, part, (off_t)at);
        if (got < 0)
            return false;
        memset(snapshot->buffer + got, 0, part - (size_t)got);
        for (size_t i = 0; i < part; i += MODEL_PAGE_SIZE) {
            if (!keep(snapshot, (at + i) / MODEL_PAGE_SIZE, snapshot->buffer + i))
                return false;
            snapshot->done = at + i + MODEL_PAGE_SIZE;
        }
        at += part;
    }
    return true;
}

static bool is_file(const struct snapshot *snapshot, int descriptor) {
    struct stat stat;
    return fstat(descriptor, &stat) == 0 && stat.st_ino == snapshot->file->inode &&
           (S_ISREG(stat.st_mode) || S_ISCHR(stat.st_mode));
}

/* The file by its name, or, where it has none or another one, by one of the program's own
   descriptors: opened anew, since those have a position that the program counts on. */
static int open_file(const struct snapshot *snapshot) {
    const int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    int descriptor = open(snapshot->file->path, flags);
    if (descriptor >= 0 && is_file(snapshot, descriptor))
        return descriptor;
    for (int other = 0; other < DESCRIPTORS_MAX; other++) {
        char path[32];
        if (other == descriptor || !is_file(snapshot, other))
            continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", other);
        descriptor = open(path, flags);
        if (descriptor >= 0)
            return descriptor;
    }
    return -1;
}

/* In the helper. */
static int read_file(void *argument) {
    struct snapshot *snapshot = argument;
    int descriptor = open_file(snapshot);
    uint64_t at = snapshot->done;
    while (descriptor >= 0 && at < snapshot->end) {
        off_t data = lseek(descriptor, (off_t)at, SEEK_DATA);
        if (data < 0 && errno != ENXIO)
            break;
        uint64_t from = data < 0 || (uint64_t)data > snapshot->end
                            ? snapshot->end
                            : align_down((uint64_t)data, MODEL_PAGE_SIZE);
        keep_hole(snapshot, at, from);
        snapshot->done = from;
        off_t hole = from < snapshot->end ? lseek(descriptor, data, SEEK_HOLE) : 0;
        uint64_t to = align_up((uint64_t)hole, MODEL_PAGE_SIZE);
        to = to < snapshot->end ? to : snapshot->end;
        if (from < snapshot->end && (hole < 0 || !keep_data(snapshot, descriptor, from, to)))
            break;
        at = from < snapshot->end ? to : snapshot->end;
        snapshot->done = at;
    }
    _exit(0);
}

/* Every thread of this process goes on but this one, as after vfork. */
static void run_helper(struct snapshot *snapshot) {
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    /* No signal tells of its end, so that the program's own waits do not meet it. */
    pid_t helper = clone(read_file, snapshot->stack + STACK_SIZE, CLONE_VM | CLONE_VFORK, snapshot);
    while (helper > 0 && waitpid(helper, NULL, (int)__WCLONE) < 0 && errno == EINTR) {
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
}

/* A quarter of the machine's memory. */
static uint64_t room_for_pages(void) {
    long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages / 4 * (uint64_t)size / MODEL_PAGE_SIZE : 0;
}

void snapshot_note(_Atomic uint64_t *unread, uint64_t from) {
    uint64_t known = atomic_load(unread);
    while ((known == 0 || from < known - 1) &&
           !atomic_compare_exchange_weak(unread, &known, from + 1)) {
    }
}

void snapshot_give_up(const struct stretch *stretch) {
    snapshot_note(&source_process.arena.head->files[stretch->file].unread,
                  align_down(stretch->offset, MODEL_PAGE_SIZE));
}

uint64_t snapshot_take(const struct stretch *stretch, uint64_t room, _Atomic uint64_t *unread) {
    struct arena *arena = &source_process.arena;
    struct arena_file *file = &arena->head->files[stretch->file];
    struct snapshot *snapshot = mmap(NULL, sizeof *snapshot, PROT_READ | PROT_WRITE,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint64_t start = align_down(stretch->offset, MODEL_PAGE_SIZE);
    uint64_t end = align_up(stretch->offset + stretch->length, MODEL_PAGE_SIZE);
    uint64_t done = start, kept = 0;
    if (snapshot != MAP_FAILED) {
        snapshot->arena = arena;
        snapshot->file = file;
        snapshot->stretch = stretch;
        snapshot->done = start;
        snapshot->end = end;
        snapshot->room = room < room_for_pages() ? room : room_for_pages();
        kept = snapshot->room;
        snapshot->recorded = record_wanted();
        run_helper(snapshot);
        done = snapshot->done;
        kept -= snapshot->room;
        munmap(snapshot, sizeof *snapshot);
    }
    if (done < end)
        snapshot_note(unread, done);
    return kept;
}
