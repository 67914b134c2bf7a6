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

HOOK_EXPORT ssize_t hook_read(int file, void *to, size_t size) HOOK_AS("read");
HOOK_EXPORT ssize_t hook_pread(int file, void *to, size_t size, off_t at) HOOK_AS("pread");
HOOK_EXPORT ssize_t hook_pread64(int file, void *to, size_t size, off_t at) HOOK_AS("pread64");
HOOK_EXPORT ssize_t hook_readv(int file, const struct iovec *parts, int count) HOOK_AS("readv");
HOOK_EXPORT ssize_t hook_preadv(int file, const struct iovec *parts, int count, off_t at)
    HOOK_AS("preadv");
HOOK_EXPORT ssize_t hook_recv(int socket, void *to, size_t size, int flags) HOOK_AS("recv");
HOOK_EXPORT ssize_t hook_recvfrom(int socket, void *restrict to, size_t size, int flags,
                                  struct sockaddr *restrict from, socklen_t *restrict length)
    HOOK_AS("recvfrom");
HOOK_EXPORT ssize_t hook_recvmsg(int socket, struct msghdr *message, int flags) HOOK_AS("recvmsg");
HOOK_EXPORT ssize_t hook_getrandom(void *to, size_t size, unsigned flags) HOOK_AS("getrandom");
HOOK_EXPORT size_t hook_fread(void *restrict to, size_t size, size_t count, FILE *restrict file)
    HOOK_AS("fread");
HOOK_EXPORT char *hook_fgets(char *restrict to, int size, FILE *restrict file) HOOK_AS("fgets");
HOOK_EXPORT int hook_vsnprintf(char *restrict to, size_t size, const char *restrict format,
                               va_list arguments) HOOK_AS("vsnprintf");
HOOK_EXPORT int hook_snprintf(char *restrict to, size_t size, const char *restrict format, ...)
    HOOK_AS("snprintf");
HOOK_EXPORT int hook_vsprintf(char *restrict to, const char *restrict format, va_list arguments)
    HOOK_AS("vsprintf");
HOOK_EXPORT int hook_sprintf(char *restrict to, const char *restrict format, ...)
    HOOK_AS("sprintf");

HOOK_EXPORT ssize_t hook_preadv64(int file, const struct iovec *parts, int count, off_t at)
    HOOK_AS("preadv64");
HOOK_EXPORT ssize_t hook_preadv2(int file, const struct iovec *parts, int count, off_t at,
                                 int flags) HOOK_AS("preadv2");
HOOK_EXPORT ssize_t hook_preadv64v2(int file, const struct iovec *parts, int count, off_t at,
                                    int flags) HOOK_AS("preadv64v2");
HOOK_EXPORT int hook_recvmmsg(int socket, struct mmsghdr *messages, unsigned count, int flags,
                              struct timespec *limit) HOOK_AS("recvmmsg");

void __chk_fail(void) __attribute__((noreturn)); /* libc's */
HOOK_EXPORT ssize_t hook_read_chk(int file, void *to, size_t size, size_t room)
    HOOK_AS("__read_chk");
HOOK_EXPORT ssize_t hook_pread_chk(int file, void *to, size_t size, off_t at, size_t room)
    HOOK_AS("__pread_chk");
HOOK_EXPORT ssize_t hook_pread64_chk(int file, void *to, size_t size, off_t at, size_t room)
    HOOK_AS("__pread64_chk");
HOOK_EXPORT ssize_t hook_recv_chk(int socket, void *to, size_t size, size_t room, int flags)
    HOOK_AS("__recv_chk");
HOOK_EXPORT ssize_t hook_recvfrom_chk(int socket, void *restrict to, size_t size, size_t room,
                                      int flags, struct sockaddr *restrict from,
                                      socklen_t *restrict length) HOOK_AS("__recvfrom_chk");
HOOK_EXPORT size_t hook_fread_chk(void *restrict to, size_t room, size_t size, size_t count,
                                  FILE *restrict file) HOOK_AS("__fread_chk");
HOOK_EXPORT char *hook_fgets_chk(char *restrict to, size_t room, int size, FILE *restrict file)
    HOOK_AS("__fgets_chk");
HOOK_EXPORT int hook_vsnprintf_chk(char *restrict to, size_t size, int flag, size_t room,
                                   const char *restrict format, va_list arguments)
    HOOK_AS("__vsnprintf_chk");
HOOK_EXPORT int hook_snprintf_chk(char *restrict to, size_t size, int flag, size_t room,
                                  const char *restrict format, ...) HOOK_AS("__snprintf_chk");
HOOK_EXPORT int hook_vsprintf_chk(char *restrict to, int flag, size_t room,
                                  const char *restrict format, va_list arguments)
    HOOK_AS("__vsprintf_chk");
HOOK_EXPORT int hook_sprintf_chk(char *restrict to, int flag, size_t room,
                                 const char *restrict format, ...) HOOK_AS("__sprintf_chk");

HOOK_EXPORT int hook_msync(void *address, size_t length, int flags) HOOK_AS("msync");
HOOK_EXPORT int hook_fsync(int file) HOOK_AS("fsync");
HOOK_EXPORT int hook_fdatasync(int file) HOOK_AS("fdatasync");
HOOK_EXPORT void hook_sync(void) HOOK_AS("sync");
HOOK_EXPORT int hook_syncfs(int file) HOOK_AS("syncfs");
HOOK_EXPORT int hook_munmap(void *address, size_t length) HOOK_AS("munmap");
HOOK_EXPORT void *hook_mmap(void *address, size_t size, int access, int flags, int file, off_t at)
    HOOK_AS("mmap");
HOOK_EXPORT void *hook_mmap64(void *address, size_t size, int access, int flags, int file, off_t at)
    HOOK_AS("mmap64");
HOOK_EXPORT void *hook_mremap(void *old, size_t old_size, size_t size, int flags, ...)
    HOOK_AS("mremap");
HOOK_EXPORT int hook_dlclose(void *library) HOOK_AS("dlclose");

#endif
