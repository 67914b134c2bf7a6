/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions of libc that write to a file, which may be a region's too. */
#include "hook/files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hook/real.h"
#include "hook/sync.h"
#include "source/batch.h"
#include "source/record.h"
#include "source/watch.h"
#include "source/written.h"

#define HERE ((off_t)-1) /* at the file's position */

/* One call that has written. */
struct call {
    int file, flags;
    const struct iovec *parts;
    size_t count;
    ssize_t size;
    off_t at;
    const void *site;
    const char *frame;
};

/* Where its first byte lies: at the file's end, if the descriptor says so, whatever the call. */
static off_t place_of(const struct call *call, const struct stat *stat, int flags) {
    if ((flags & O_APPEND) != 0 || (call->flags & RWF_APPEND) != 0)
        return stat->st_size - call->size;
    return call->at != HERE ? call->at : lseek(call->file, 0, SEEK_CUR) - call->size;
}

static void tell_call(const struct call *call) {
    struct stat stat;
    if (fstat(call->file, &stat) != 0 || !S_ISREG(stat.st_mode))
        return;
    int flags = fcntl(call->file, F_GETFL);
    off_t at = flags != -1 ? place_of(call, &stat, flags) : -1;
    struct self *me = at >= 0 ? hook_enter(__builtin_frame_address(0)) : NULL;
    if (me == NULL)
        return;
    const struct written written = {.site = {me, hook_stack(me, call->site, call->frame)},
                                    .device = stat.st_dev,
                                    .inode = stat.st_ino,
                                    .offset = (uint64_t)at,
                                    .parts = call->parts,
                                    .count = call->count,
                                    .size = (size_t)call->size,
                                    .durable = (flags & O_DSYNC) != 0 ||
                                               (call->flags & (RWF_DSYNC | RWF_SYNC)) != 0};
    written_tell(&written);
    runtime_leave(me);
}

APART static void tell(const struct call *call) {
    int error = errno;
    tell_call(call);
    errno = error;
}

static inline ssize_t wrote(struct call call, ssize_t size) {
    call.size = size;
    for (size_t i = 0; UNLIKELY(hook_traced) && i < call.count; i++)
        hook_read_traced((uintptr_t)call.parts[i].iov_base, call.parts[i].iov_len);
    if (UNLIKELY(hook_on) && size > 0 && written_matters() && !source_process.confined)
        tell(&call);
    return size;
}

/* Whoever reads what is written may be told by it of what was stored before; and what is cut off is
   gone. */
APART static void settle_now(void) {
    int error = errno;
    struct self *me = hook_enter(__builtin_frame_address(0));
    if (me != NULL) {
        record_settle(me);
        runtime_leave(me);
    }
    errno = error;
}

static inline void settle(void) {
    if (UNLIKELY(hook_on) && self_current != NULL &&
        (batch_waits(self_current) || self_current->storing.length != 0))
        settle_now();
}

static void tell_cut(const struct call *call) {
    struct stat stat;
    int error = errno;
    bool regular = fstat(call->file, &stat) == 0 && S_ISREG(stat.st_mode);
    struct self *me = regular ? hook_enter(__builtin_frame_address(0)) : NULL;
    if (me != NULL) {
        const struct written cut = {.site = {me, hook_stack(me, call->site, call->frame)},
                                    .device = stat.st_dev,
                                    .inode = stat.st_ino,
                                    .offset = (uint64_t)call->at,
                                    .size = (size_t)call->size};
        written_cut(&cut);
        runtime_leave(me);
    }
    errno = error;
}

/* From a place of the file on something is gone, up to its end or as far as size says. */
static inline int cut(struct call call, ssize_t size, int result) {
    call.size = size;
    if (UNLIKELY(hook_on) && result == 0 && written_matters() && !source_process.confined)
        tell_cut(&call);
    return result;
}

/* Where the program has made the call: libnvrtl-watch.so may stand before this. */
static inline struct watch_site begin(const void *site, const char *frame) {
    const struct watch_site passing = watch_passing;
    watch_passing.caller = NULL;
    settle();
    return passing.caller != NULL ? passing : (struct watch_site){site, frame};
}

#define BEGIN const struct watch_site site = begin(HOOK_SITE, HOOK_FRAME)
#define CALL(...)                                                                                  \
    (struct call) {                                                                                \
        __VA_ARGS__, .site = site.caller, .frame = site.frame                                      \
    }

ssize_t hook_write(int file, const void *from, size_t size) {
    BEGIN;
    const struct iovec part = {(void *)from, size};
    return wrote(CALL(.file = file, .parts = &part, .count = 1, .at = HERE),
                 real_get()->write(file, from, size));
}

ssize_t hook_pwrite(int file, const void *from, size_t size, off_t at) {
    BEGIN;
    const struct iovec part = {(void *)from, size};
    return wrote(CALL(.file = file, .parts = &part, .count = 1, .at = at),
                 real_get()->pwrite(file, from, size, at));
}

/* One function, where off_t has 64 bits. */
ssize_t hook_pwrite64(int file, const void *from, size_t size, off_t at) {
    BEGIN;
    const struct iovec part = {(void *)from, size};
    return wrote(CALL(.file = file, .parts = &part, .count = 1, .at = at),
                 real_get()->pwrite(file, from, size, at));
}

ssize_t hook_writev(int file, const struct iovec *parts, int count) {
    BEGIN;
    return wrote(CALL(.file = file, .parts = parts, .count = (size_t)count, .at = HERE),
                 real_get()->writev(file, parts, count));
}

ssize_t hook_pwritev(int file, const struct iovec *parts, int count, off_t at) {
    BEGIN;
    return wrote(CALL(.file = file, .parts = parts, .count = (size_t)count, .at = at),
                 real_get()->pwritev(file, parts, count, at));
}

ssize_t hook_pwritev64(int file, const struct iovec *parts, int count, off_t at) {
    BEGIN;
    return wrote(CALL(.file = file, .parts = parts, .count = (size_t)count, .at = at),
                 real_get()->pwritev(file, parts, count, at));
}

ssize_t hook_pwritev2(int file, const struct iovec *parts, int count, off_t at, int flags) {
    BEGIN;
    return wrote(
        CALL(.file = file, .parts = parts, .count = (size_t)count, .at = at, .flags = flags),
        real_get()->pwritev2(file, parts, count, at, flags));
}

ssize_t hook_pwritev64v2(int file, const struct iovec *parts, int count, off_t at, int flags) {
    BEGIN;
    return wrote(
        CALL(.file = file, .parts = parts, .count = (size_t)count, .at = at, .flags = flags),
        real_get()->pwritev2(file, parts, count, at, flags));
}

int hook_ftruncate(int file, off_t size) {
    BEGIN;
    return cut(CALL(.file = file, .at = size), SSIZE_MAX, real_get()->ftruncate(file, size));
}

/* One function, where off_t has 64 bits. */
int hook_ftruncate64(int file, off_t size) {
    BEGIN;
    return cut(CALL(.file = file, .at = size), SSIZE_MAX, real_get()->ftruncate(file, size));
}

static bool cuts(int mode) {
    return (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) != 0;
}

int hook_fallocate(int file, int mode, off_t at, off_t size) {
    BEGIN;
    int result = real_get()->fallocate(file, mode, at, size);
    return cuts(mode) ? cut(CALL(.file = file, .at = at), size, result) : result;
}

/* One function, where off_t has 64 bits. */
int hook_fallocate64(int file, int mode, off_t at, off_t size) {
    BEGIN;
    int result = real_get()->fallocate(file, mode, at, size);
    return cuts(mode) ? cut(CALL(.file = file, .at = at), size, result) : result;
}
