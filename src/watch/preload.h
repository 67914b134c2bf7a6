/* SPDX-License-Identifier: BSD-2-Clause */
/* libnvrtl-watch.so is loaded before the program and stands before functions of libc, to tell the
   runtime (libnvrtl-rt.so, loaded beside it) of them. Each does what libc's does. */
#ifndef WATCH_PRELOAD_H
#define WATCH_PRELOAD_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/bits.h"
#include "source/watch.h"

#define WATCH_EXPORT __attribute__((visibility("default")))
#define WATCH_SITE ((const struct watch_site){__builtin_return_address(0), &(char){0}})

/* REAL(result, name, parameters): the next ones of these names. */
#define WATCH_REAL(REAL)                                                                           \
    REAL(void *, mmap, (void *address, size_t size, int access, int flags, int file, off_t at))    \
    REAL(int, munmap, (void *address, size_t length))                                              \
    REAL(void *, mremap, (void *old, size_t old_size, size_t size, int flags, ...))                \
    REAL(int, mprotect, (void *address, size_t length, int access))                                \
    REAL(int, msync, (void *address, size_t length, int flags))                                    \
    REAL(int, fsync, (int file))                                                                   \
    REAL(int, fdatasync, (int file))                                                               \
    REAL(void, sync, (void))                                                                       \
    REAL(int, syncfs, (int file))                                                                  \
    REAL(int, ftruncate, (int file, off_t size))                                                   \
    REAL(int, fallocate, (int file, int mode, off_t offset, off_t size))                           \
    REAL(int, unlink, (const char *name))                                                          \
    REAL(int, unlinkat, (int directory, const char *name, int flags))                              \
    REAL(int, remove, (const char *name))                                                          \
    REAL(int, renameat, (int from, const char *old, int to, const char *name))                     \
    REAL(int, rename, (const char *old, const char *name))                                         \
    REAL(int, dlclose, (void *library))                                                            \
    REAL(int, prctl, (int option, ...))                                                            \
    REAL(int, setrlimit, (__rlimit_resource_t resource, const struct rlimit *limit))               \
    REAL(int, prlimit,                                                                             \
         (pid_t process, __rlimit_resource_t resource, const struct rlimit *limit,                 \
          struct rlimit *old))                                                                     \
    REAL(ssize_t, write, (int file, const void *from, size_t size))                                \
    REAL(ssize_t, pwrite, (int file, const void *from, size_t size, off_t at))                     \
    REAL(ssize_t, writev, (int file, const struct iovec *parts, int count))                        \
    REAL(ssize_t, pwritev, (int file, const struct iovec *parts, int count, off_t at))

struct watch_real {
#define WATCH_FIELD(result, name, parameters) result(*name) parameters;
    WATCH_REAL(WATCH_FIELD)
};

/* Looked up at the first call, which may come before any constructor. */
const struct watch_real *watch_real(void);

/* The runtime; its functions do nothing where there is none. */
const struct watch_calls *watch_runtime(void);

WATCH_EXPORT void *mmap(void *address, size_t size, int access, int flags, int file, off_t at);
WATCH_EXPORT void *mmap64(void *address, size_t size, int access, int flags, int file, off_t at);
WATCH_EXPORT int munmap(void *address, size_t length);
WATCH_EXPORT void *mremap(void *old, size_t old_size, size_t size, int flags, ...);
WATCH_EXPORT int mprotect(void *address, size_t length, int access);
WATCH_EXPORT int msync(void *address, size_t length, int flags);
WATCH_EXPORT int fsync(int file);
WATCH_EXPORT int fdatasync(int file);
WATCH_EXPORT void sync(void);
WATCH_EXPORT int syncfs(int file);
WATCH_EXPORT int ftruncate(int file, off_t size);
WATCH_EXPORT int ftruncate64(int file, off_t size);
WATCH_EXPORT int fallocate(int file, int mode, off_t offset, off_t size);
WATCH_EXPORT int fallocate64(int file, int mode, off_t offset, off_t size);
WATCH_EXPORT int unlink(const char *name);
WATCH_EXPORT int unlinkat(int fd, const char *name, int flag);
WATCH_EXPORT int remove(const char *filename);
WATCH_EXPORT int renameat(int oldfd, const char *old, int newfd, const char *new);
WATCH_EXPORT int rename(const char *old, const char *new);
WATCH_EXPORT ssize_t write(int file, const void *from, size_t size);
WATCH_EXPORT ssize_t pwrite(int file, const void *from, size_t size, off_t at);
WATCH_EXPORT ssize_t pwrite64(int file, const void *from, size_t size, off_t at);

#endif
