/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of libc that this library has of the same name: looked up when it is loaded, since
   a call by name would come back here. */
#ifndef HOOK_REAL_H
#define HOOK_REAL_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* REAL(result, name, parameters) */
#define REAL_MEMORY(REAL)                                                                          \
    REAL(void *, memcpy, (void *to, const void *from, size_t size))                                \
    REAL(void *, memmove, (void *to, const void *from, size_t size))                               \
    REAL(void *, memset, (void *to, int byte, size_t size))
#define REAL_SYSTEM(REAL)                                                                          \
    REAL(ssize_t, read, (int file, void *to, size_t size))                                         \
    REAL(ssize_t, pread, (int file, void *to, size_t size, off_t at))                              \
    REAL(ssize_t, readv, (int file, const struct iovec *parts, int count))                         \
    REAL(ssize_t, preadv, (int file, const struct iovec *parts, int count, off_t at))              \
    REAL(ssize_t, recv, (int socket, void *to, size_t size, int flags))                            \
    REAL(ssize_t, recvfrom,                                                                        \
         (int socket, void *to, size_t size, int flags, struct sockaddr *from, socklen_t *length)) \
    REAL(ssize_t, recvmsg, (int socket, struct msghdr *message, int flags))                        \
    REAL(ssize_t, getrandom, (void *to, size_t size, unsigned flags))                              \
    REAL(size_t, fread, (void *to, size_t size, size_t count, FILE *file))                         \
    REAL(char *, fgets, (char *to, int size, FILE *file))                                          \
    REAL(int, vsnprintf, (char *to, size_t size, const char *format, va_list arguments))           \
    REAL(int, msync, (void *address, size_t length, int flags))                                    \
    REAL(int, fsync, (int file))                                                                   \
    REAL(int, fdatasync, (int file))                                                               \
    REAL(int, munmap, (void *address, size_t length))                                              \
    REAL(void *, mremap, (void *old, size_t old_size, size_t size, int flags, ...))                \
    REAL(void *, mmap, (void *address, size_t size, int access, int flags, int file, off_t at))    \
    REAL(int, dlclose, (void *library))

struct real {
    bool found;
#define REAL_FIELD(result, name, parameters) result(*name) parameters;
    REAL_MEMORY(REAL_FIELD)
    REAL_SYSTEM(REAL_FIELD)
};
extern struct real real;

void real_find(void);

/* pre: not in the middle of the program's own loading; the functions of memory may be used then. */
static inline const struct real *real_get(void) {
    if (__builtin_expect(!real.found, 0))
        real_find();
    return &real;
}

#endif
