/* SPDX-License-Identifier: BSD-2-Clause */
/* What libnvrtl-watch.so, which is loaded before the program, tells of the functions of libc that
   it stands before: views of files come and go, and files are written and waited for. A view of a
   file that is to be watched becomes a region, though the program calls no routine. */
#ifndef SOURCE_WATCH_H
#define SOURCE_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "source/sync.h"

/* Where in the program a function was called. */
struct watch_site {
    const void *caller, *frame;
};

struct watch_sync {
    struct sync sync;
    bool begun;
};

/* The last name of a file that may be watched; inode 0: none. */
struct watch_name {
    uint64_t inode;
};

/* Each keeps errno, and does nothing while the run does not look for the program's own stores. */
struct watch_calls {
    /* A view was made or may be stored to from now on; descriptor: -1 if it is not known. */
    void (*mapped)(const struct watch_site *site, uintptr_t address, size_t length, int descriptor);
    /* Addresses are about to mean something else. */
    void (*unmapping)(const struct watch_site *site, uintptr_t address, size_t length);
    /* A wait for a range of memory, or, where its length is 0, for a file or (-1) for all. */
    void (*sync_begin)(struct watch_sync *sync, const struct watch_site *site, uintptr_t address,
                       size_t length, int descriptor);
    void (*sync_end)(struct watch_sync *sync, bool done);
    /* The file has got these bytes at offset (-1: before its position), or, without any, zeros. */
    void (*wrote)(const struct watch_site *site, int descriptor, int64_t offset,
                  const struct iovec *parts, size_t count, size_t length);
    /* The process is about to forbid itself system calls. */
    void (*confining)(void);
    /* It is about to limit its address space: the limit is made one with the runtime in it. */
    void (*limiting)(struct rlimit *limit);
    /* A library may be about to go. */
    void (*unloading)(void);
    /* A name is about to go, by unlink(2) or rename(2), which stands at path in the directory (as
       openat(2) takes them); it has gone. */
    void (*removing)(struct watch_name *name, int directory, const char *path);
    void (*removed)(const struct watch_name *name);
    /* A call that writes to a file, or cuts it, is about to be passed on: to hooks, if there are
       some, and they tell of it. */
    void (*passing)(const struct watch_site *site);
};

/* Where this thread's call was made that comes to hooks next; caller NULL: nobody passes it on. */
extern _Thread_local struct watch_site watch_passing;

/* For libnvrtl-watch.so. */
const struct watch_calls *nvrtl_rt_watch(void);

/* For hooks, which stand before the same functions; where that library is there it stands before
   hooks, and tells of the calls that come to them. */
const struct watch_calls *watch_calls(void);
extern _Atomic bool watch_loaded;

/* Of watch_calls. */
void watch_removing(struct watch_name *name, int directory, const char *path);
void watch_removed(const struct watch_name *name);

/* Are there files to be watched? */
bool watch_wanted(void);

#define WATCH_VARIABLE "NVRTL_WATCH" /* patterns of absolute paths, one a line */

#endif
