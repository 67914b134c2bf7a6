/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions of libc that store to memory: what they will store is told, as one store. They are
   written in terms of three of libc's own. */
#include "hook/memory.h"

#include <string.h>

#include "hook/hook.h"
#include "hook/real.h"

/* Jumped to (see the build). */
APART static void tell(uintptr_t to, const void *site, size_t size) {
    hook_copy(to, size, site, HOOK_FRAME);
}

static inline void told(const void *to, size_t size, const void *site) {
    if (size != 0 && hook_concerns((uintptr_t)to, size))
        tell((uintptr_t)to, site, size);
}

static inline void check(size_t size, size_t room) {
    if (UNLIKELY(size > room))
        __chk_fail();
}

void *hook_memcpy(void *restrict to, const void *restrict from, size_t size) {
    hook_reads_from(from, HOOK_SITE, size);
    told(to, size, HOOK_SITE);
    return real.memcpy(to, from, size);
}

void *hook_memmove(void *to, const void *from, size_t size) {
    hook_reads_from(from, HOOK_SITE, size);
    told(to, size, HOOK_SITE);
    return real.memmove(to, from, size);
}

void *hook_memset(void *to, int byte, size_t size) {
    told(to, size, HOOK_SITE);
    return real.memset(to, byte, size);
}

void *hook_mempcpy(void *restrict to, const void *restrict from, size_t size) {
    hook_also_reads(from, size);
    told(to, size, HOOK_SITE);
    return (char *)real.memcpy(to, from, size) + size;
}

void *hook_memccpy(void *restrict to, const void *restrict from, int byte, size_t size) {
    const char *found = memchr(from, byte, size);
    size_t length = found != NULL ? (size_t)(found - (const char *)from) + 1 : size;
    hook_also_reads(from, length);
    told(to, length, HOOK_SITE);
    real.memcpy(to, from, length);
    return found != NULL ? (char *)to + length : NULL;
}

void hook_bcopy(const void *from, void *to, size_t size) {
    hook_also_reads(from, size);
    told(to, size, HOOK_SITE);
    real.memmove(to, from, size);
}

void hook_bzero(void *to, size_t size) {
    told(to, size, HOOK_SITE);
    real.memset(to, 0, size);
}

void hook_explicit_bzero(void *to, size_t size) {
    told(to, size, HOOK_SITE);
    real.memset(to, 0, size);
    __asm__ volatile("" ::: "memory");
}

/* What strcpy and its like have in common; returns where the text ends. */
static inline char *copy_text(char *to, const char *from, size_t length, const void *site) {
    hook_also_reads(from, length + 1);
    told(to, length + 1, site);
    real.memcpy(to, from, length);
    to[length] = '\0';
    return to + length;
}

/* Fills up with zeros, and ends without one where there is no room. */
static inline char *copy_padded(char *to, const char *from, size_t size, const void *site) {
    size_t length = strnlen(from, size);
    hook_also_reads(from, length < size ? length + 1 : size);
    told(to, size, site);
    real.memcpy(to, from, length);
    real.memset(to + length, 0, size - length);
    return to + length;
}

char *hook_strcpy(char *restrict to, const char *restrict from) {
    copy_text(to, from, strlen(from), HOOK_SITE);
    return to;
}

char *hook_stpcpy(char *restrict to, const char *restrict from) {
    return copy_text(to, from, strlen(from), HOOK_SITE);
}

char *hook_strncpy(char *restrict to, const char *restrict from, size_t size) {
    copy_padded(to, from, size, HOOK_SITE);
    return to;
}

char *hook_stpncpy(char *restrict to, const char *restrict from, size_t size) {
    return copy_padded(to, from, size, HOOK_SITE);
}

char *hook_strcat(char *restrict to, const char *restrict from) {
    hook_also_reads(to, strlen(to) + 1);
    copy_text(to + strlen(to), from, strlen(from), HOOK_SITE);
    return to;
}

char *hook_strncat(char *restrict to, const char *restrict from, size_t size) {
    hook_also_reads(to, strlen(to) + 1);
    copy_text(to + strlen(to), from, strnlen(from, size), HOOK_SITE);
    return to;
}

/* What _FORTIFY_SOURCE makes of them. */
void *hook_memcpy_chk(void *restrict to, const void *restrict from, size_t size, size_t room) {
    check(size, room);
    hook_also_reads(from, size);
    told(to, size, HOOK_SITE);
    return real.memcpy(to, from, size);
}

void *hook_memmove_chk(void *to, const void *from, size_t size, size_t room) {
    check(size, room);
    hook_also_reads(from, size);
    told(to, size, HOOK_SITE);
    return real.memmove(to, from, size);
}

void *hook_memset_chk(void *to, int byte, size_t size, size_t room) {
    check(size, room);
    told(to, size, HOOK_SITE);
    return real.memset(to, byte, size);
}

void *hook_mempcpy_chk(void *restrict to, const void *restrict from, size_t size, size_t room) {
    check(size, room);
    hook_also_reads(from, size);
    told(to, size, HOOK_SITE);
    return (char *)real.memcpy(to, from, size) + size;
}

void hook_explicit_bzero_chk(void *to, size_t size, size_t room) {
    check(size, room);
    told(to, size, HOOK_SITE);
    real.memset(to, 0, size);
    __asm__ volatile("" ::: "memory");
}

char *hook_strcpy_chk(char *restrict to, const char *restrict from, size_t room) {
    size_t length = strlen(from);
    check(length + 1, room);
    copy_text(to, from, length, HOOK_SITE);
    return to;
}

char *hook_stpcpy_chk(char *restrict to, const char *restrict from, size_t room) {
    size_t length = strlen(from);
    check(length + 1, room);
    return copy_text(to, from, length, HOOK_SITE);
}

char *hook_strncpy_chk(char *restrict to, const char *restrict from, size_t size, size_t room) {
    check(size, room);
    copy_padded(to, from, size, HOOK_SITE);
    return to;
}

char *hook_stpncpy_chk(char *restrict to, const char *restrict from, size_t size, size_t room) {
    check(size, room);
    return copy_padded(to, from, size, HOOK_SITE);
}

char *hook_strcat_chk(char *restrict to, const char *restrict from, size_t room) {
    size_t before = strlen(to), length = strlen(from);
    check(before + length + 1, room);
    hook_also_reads(to, before + 1);
    copy_text(to + before, from, length, HOOK_SITE);
    return to;
}

char *hook_strncat_chk(char *restrict to, const char *restrict from, size_t size, size_t room) {
    size_t before = strlen(to), length = strnlen(from, size);
    check(before + length + 1, room);
    hook_also_reads(to, before + 1);
    copy_text(to + before, from, length, HOOK_SITE);
    return to;
}

/* What only reads is told where lines that are read are noted: as far as it may have looked. */
int hook_memcmp(const void *one, const void *other, size_t size) {
    hook_also_reads(one, size);
    hook_also_reads(other, size);
    return real.memcmp(one, other, size);
}

int hook_bcmp(const void *one, const void *other, size_t size) {
    return hook_memcmp(one, other, size);
}

void *hook_memchr(const void *in, int byte, size_t size) {
    hook_also_reads(in, size);
    return real.memchr(in, byte, size);
}

size_t hook_strlen(const char *text) {
    size_t length = real.strlen(text);
    hook_also_reads(text, length + 1);
    return length;
}

size_t hook_strnlen(const char *text, size_t size) {
    size_t length = real.strnlen(text, size);
    hook_also_reads(text, length < size ? length + 1 : size);
    return length;
}

/* A text that was compared up to size is read to its end at most. */
static inline void compared(const char *text, size_t size) {
    if (UNLIKELY(hook_traced))
        hook_strnlen(text, size);
}

int hook_strcmp(const char *one, const char *other) {
    compared(one, SIZE_MAX);
    compared(other, SIZE_MAX);
    return real.strcmp(one, other);
}

int hook_strncmp(const char *one, const char *other, size_t size) {
    compared(one, size);
    compared(other, size);
    return real.strncmp(one, other, size);
}
