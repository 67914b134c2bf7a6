/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of system.c and mapping.c, by the names that libc has for them. */
#ifndef HOOK_SYSTEM_H
#define HOOK_SYSTEM_H

#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "hook/hook.h"

HOOK_EXPORT ssize_t read(int file, void *to, size_t size);
HOOK_EXPORT ssize_t pread(int file, void *to, size_t size, off_t at);
HOOK_EXPORT ssize_t pread64(int file, void *to, size_t size, off_t at);
HOOK_EXPORT ssize_t readv(int file, const struct iovec *parts, int count);
HOOK_EXPORT ssize_t preadv(int file, const struct iovec *parts, int count, off_t at);
HOOK_EXPORT ssize_t recv(int socket, void *to, size_t size, int flags);
HOOK_EXPORT ssize_t recvfrom(int socket, void *restrict to, size_t size, int flags,
                             struct sockaddr *restrict from, socklen_t *restrict length);
HOOK_EXPORT ssize_t recvmsg(int socket, struct msghdr *message, int flags);
HOOK_EXPORT ssize_t getrandom(void *to, size_t size, unsigned flags);
HOOK_EXPORT size_t fread(void *restrict to, size_t size, size_t count, FILE *restrict file);
HOOK_EXPORT char *fgets(char *restrict to, int size, FILE *restrict file);
HOOK_EXPORT int vsnprintf(char *restrict to, size_t size, const char *restrict format,
                          va_list arguments);
HOOK_EXPORT int snprintf(char *restrict to, size_t size, const char *restrict format, ...);
HOOK_EXPORT int vsprintf(char *restrict to, const char *restrict format, va_list arguments);
HOOK_EXPORT int sprintf(char *restrict to, const char *restrict format, ...);

HOOK_EXPORT int msync(void *address, size_t length, int flags);
HOOK_EXPORT int fsync(int file);
HOOK_EXPORT int fdatasync(int file);
HOOK_EXPORT int munmap(void *address, size_t length);
HOOK_EXPORT void *mmap(void *address, size_t size, int access, int flags, int file, off_t at);
HOOK_EXPORT void *mmap64(void *address, size_t size, int access, int flags, int file, off_t at);
HOOK_EXPORT void *mremap(void *old, size_t old_size, size_t size, int flags, ...);
HOOK_EXPORT int dlclose(void *library);

#endif
