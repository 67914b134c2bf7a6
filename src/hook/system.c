/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions of libc by which the kernel, or libc itself, stores to the program's memory: told of
   when they have returned, since only then it is known how much. */
#include "hook/system.h"

#include <limits.h>
#include <string.h>

#include "hook/hook.h"
#include "hook/real.h"

void hook_stored_told(uintptr_t to, const void *site, size_t size) {
    hook_store(to, size, site, HOOK_FRAME);
}

static inline void stored(const void *to, ssize_t size, const void *site) {
    hook_stored(to, size > 0 ? (size_t)size : 0, site);
}

static void stored_parts(const struct iovec *parts, size_t count, ssize_t size, const void *site) {
    for (size_t i = 0; i < count && size > 0; i++) {
        size_t length = parts[i].iov_len < (size_t)size ? parts[i].iov_len : (size_t)size;
        stored(parts[i].iov_base, (ssize_t)length, site);
        size -= (ssize_t)length;
    }
}

ssize_t hook_read(int file, void *to, size_t size) {
    ssize_t got = real_get()->read(file, to, size);
    stored(to, got, HOOK_SITE);
    return got;
}

ssize_t hook_pread(int file, void *to, size_t size, off_t at) {
    ssize_t got = real_get()->pread(file, to, size, at);
    stored(to, got, HOOK_SITE);
    return got;
}

/* One function, where off_t has 64 bits. */
ssize_t hook_pread64(int file, void *to, size_t size, off_t at) {
    ssize_t got = real_get()->pread(file, to, size, at);
    stored(to, got, HOOK_SITE);
    return got;
}

ssize_t hook_readv(int file, const struct iovec *parts, int count) {
    ssize_t got = real_get()->readv(file, parts, count);
    stored_parts(parts, (size_t)count, got, HOOK_SITE);
    return got;
}

ssize_t hook_preadv(int file, const struct iovec *parts, int count, off_t at) {
    ssize_t got = real_get()->preadv(file, parts, count, at);
    stored_parts(parts, (size_t)count, got, HOOK_SITE);
    return got;
}

/* One function, where off_t has 64 bits. */
ssize_t hook_preadv64(int file, const struct iovec *parts, int count, off_t at) {
    ssize_t got = real_get()->preadv(file, parts, count, at);
    stored_parts(parts, (size_t)count, got, HOOK_SITE);
    return got;
}

ssize_t hook_preadv2(int file, const struct iovec *parts, int count, off_t at, int flags) {
    ssize_t got = real_get()->preadv2(file, parts, count, at, flags);
    stored_parts(parts, (size_t)count, got, HOOK_SITE);
    return got;
}

ssize_t hook_preadv64v2(int file, const struct iovec *parts, int count, off_t at, int flags) {
    ssize_t got = real_get()->preadv2(file, parts, count, at, flags);
    stored_parts(parts, (size_t)count, got, HOOK_SITE);
    return got;
}

ssize_t hook_recv(int socket, void *to, size_t size, int flags) {
    ssize_t got = real_get()->recv(socket, to, size, flags);
    stored(to, got < (ssize_t)size ? got : (ssize_t)size, HOOK_SITE);
    return got;
}

ssize_t hook_recvfrom(int socket, void *restrict to, size_t size, int flags,
                      struct sockaddr *restrict from, socklen_t *restrict length) {
    ssize_t got = real_get()->recvfrom(socket, to, size, flags, from, length);
    stored(to, got < (ssize_t)size ? got : (ssize_t)size, HOOK_SITE);
    return got;
}

ssize_t hook_recvmsg(int socket, struct msghdr *message, int flags) {
    ssize_t got = real_get()->recvmsg(socket, message, flags);
    stored_parts(message->msg_iov, message->msg_iovlen, got, HOOK_SITE);
    return got;
}

int hook_recvmmsg(int socket, struct mmsghdr *messages, unsigned count, int flags,
                  struct timespec *limit) {
    int got = real_get()->recvmmsg(socket, messages, count, flags, limit);
    for (int i = 0; i < got; i++)
        stored_parts(messages[i].msg_hdr.msg_iov, messages[i].msg_hdr.msg_iovlen,
                     (ssize_t)messages[i].msg_len, HOOK_SITE);
    return got;
}

ssize_t hook_getrandom(void *to, size_t size, unsigned flags) {
    ssize_t got = real_get()->getrandom(to, size, flags);
    stored(to, got, HOOK_SITE);
    return got;
}

size_t hook_fread(void *restrict to, size_t size, size_t count, FILE *restrict file) {
    size_t got = real_get()->fread(to, size, count, file);
    stored(to, (ssize_t)(got * size), HOOK_SITE);
    return got;
}

char *hook_fgets(char *restrict to, int size, FILE *restrict file) {
    char *got = real_get()->fgets(to, size, file);
    if (got != NULL)
        stored(to, (ssize_t)strlen(got) + 1, HOOK_SITE);
    return got;
}

/* What the printing functions stored: no more than there is room for, and its end. */
static void printed(const char *to, size_t size, int length, const void *site) {
    if (length >= 0 && size != 0)
        stored(to, (size_t)length < size ? (ssize_t)length + 1 : (ssize_t)size, site);
}

int hook_vsnprintf(char *restrict to, size_t size, const char *restrict format, va_list arguments) {
    int length = real_get()->vsnprintf(to, size, format, arguments);
    printed(to, size, length, HOOK_SITE);
    return length;
}

int hook_snprintf(char *restrict to, size_t size, const char *restrict format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = real_get()->vsnprintf(to, size, format, arguments);
    va_end(arguments);
    printed(to, size, length, HOOK_SITE);
    return length;
}

/* The same without a limit. */
int hook_vsprintf(char *restrict to, const char *restrict format, va_list arguments) {
    int length = real_get()->vsnprintf(to, INT_MAX, format, arguments);
    printed(to, SIZE_MAX, length, HOOK_SITE);
    return length;
}

int hook_sprintf(char *restrict to, const char *restrict format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = real_get()->vsnprintf(to, INT_MAX, format, arguments);
    va_end(arguments);
    printed(to, SIZE_MAX, length, HOOK_SITE);
    return length;
}

/* As compilers call them where _FORTIFY_SOURCE is set: with the room that there is. */
static inline void check(size_t size, size_t room) {
    if (UNLIKELY(size > room))
        __chk_fail();
}

ssize_t hook_read_chk(int file, void *to, size_t size, size_t room) {
    check(size, room);
    ssize_t got = real_get()->read(file, to, size);
    stored(to, got, HOOK_SITE);
    return got;
}

ssize_t hook_pread_chk(int file, void *to, size_t size, off_t at, size_t room) {
    check(size, room);
    ssize_t got = real_get()->pread(file, to, size, at);
    stored(to, got, HOOK_SITE);
    return got;
}

ssize_t hook_pread64_chk(int file, void *to, size_t size, off_t at, size_t room) {
    check(size, room);
    ssize_t got = real_get()->pread(file, to, size, at);
    stored(to, got, HOOK_SITE);
    return got;
}

ssize_t hook_recv_chk(int socket, void *to, size_t size, size_t room, int flags) {
    check(size, room);
    ssize_t got = real_get()->recv(socket, to, size, flags);
    stored(to, got < (ssize_t)size ? got : (ssize_t)size, HOOK_SITE);
    return got;
}

ssize_t hook_recvfrom_chk(int socket, void *restrict to, size_t size, size_t room, int flags,
                          struct sockaddr *restrict from, socklen_t *restrict length) {
    check(size, room);
    ssize_t got = real_get()->recvfrom(socket, to, size, flags, from, length);
    stored(to, got < (ssize_t)size ? got : (ssize_t)size, HOOK_SITE);
    return got;
}

size_t hook_fread_chk(void *restrict to, size_t room, size_t size, size_t count,
                      FILE *restrict file) {
    size_t all;
    if (UNLIKELY(__builtin_mul_overflow(size, count, &all) || all > room))
        __chk_fail();
    size_t got = real_get()->fread(to, size, count, file);
    stored(to, (ssize_t)(got * size), HOOK_SITE);
    return got;
}

char *hook_fgets_chk(char *restrict to, size_t room, int size, FILE *restrict file) {
    check(size > 0 ? (size_t)size : 0, room);
    char *got = real_get()->fgets(to, size, file);
    if (got != NULL)
        stored(to, (ssize_t)strlen(got) + 1, HOOK_SITE);
    return got;
}

/* flag: to be strict with %n as well, which is libc's business. */
int hook_vsnprintf_chk(char *restrict to, size_t size, int flag, size_t room,
                       const char *restrict format, va_list arguments) {
    int length = real_get()->__vsnprintf_chk(to, size, flag, room, format, arguments);
    printed(to, size, length, HOOK_SITE);
    return length;
}

int hook_snprintf_chk(char *restrict to, size_t size, int flag, size_t room,
                      const char *restrict format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = real_get()->__vsnprintf_chk(to, size, flag, room, format, arguments);
    va_end(arguments);
    printed(to, size, length, HOOK_SITE);
    return length;
}

int hook_vsprintf_chk(char *restrict to, int flag, size_t room, const char *restrict format,
                      va_list arguments) {
    int length = real_get()->__vsprintf_chk(to, flag, room, format, arguments);
    printed(to, SIZE_MAX, length, HOOK_SITE);
    return length;
}

int hook_sprintf_chk(char *restrict to, int flag, size_t room, const char *restrict format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int length = real_get()->__vsprintf_chk(to, flag, room, format, arguments);
    va_end(arguments);
    printed(to, SIZE_MAX, length, HOOK_SITE);
    return length;
}
