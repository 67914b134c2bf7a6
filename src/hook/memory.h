/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of memory.c, by the names that libc has for them. */
#ifndef HOOK_MEMORY_H
#define HOOK_MEMORY_H

#include <stddef.h>

#include "hook/real.h"

void __chk_fail(void) __attribute__((noreturn)); /* libc's */

HOOK_EXPORT void *hook_memcpy(void *restrict to, const void *restrict from, size_t size)
    HOOK_AS("memcpy");
HOOK_EXPORT void *hook_memmove(void *to, const void *from, size_t size) HOOK_AS("memmove");
HOOK_EXPORT void *hook_memset(void *to, int byte, size_t size) HOOK_AS("memset");
HOOK_EXPORT void *hook_mempcpy(void *restrict to, const void *restrict from, size_t size)
    HOOK_AS("mempcpy");
HOOK_EXPORT void *hook_memccpy(void *restrict to, const void *restrict from, int byte, size_t size)
    HOOK_AS("memccpy");
HOOK_EXPORT void hook_bcopy(const void *from, void *to, size_t size) HOOK_AS("bcopy");
HOOK_EXPORT void hook_bzero(void *to, size_t size) HOOK_AS("bzero");
HOOK_EXPORT void hook_explicit_bzero(void *to, size_t size) HOOK_AS("explicit_bzero");
HOOK_EXPORT char *hook_strcpy(char *restrict to, const char *restrict from) HOOK_AS("strcpy");
HOOK_EXPORT char *hook_stpcpy(char *restrict to, const char *restrict from) HOOK_AS("stpcpy");
HOOK_EXPORT char *hook_strncpy(char *restrict to, const char *restrict from, size_t size)
    HOOK_AS("strncpy");
HOOK_EXPORT char *hook_stpncpy(char *restrict to, const char *restrict from, size_t size)
    HOOK_AS("stpncpy");
HOOK_EXPORT char *hook_strcat(char *restrict to, const char *restrict from) HOOK_AS("strcat");
HOOK_EXPORT char *hook_strncat(char *restrict to, const char *restrict from, size_t size)
    HOOK_AS("strncat");
HOOK_EXPORT void *hook_memcpy_chk(void *restrict to, const void *restrict from, size_t size,
                                  size_t room) HOOK_AS("__memcpy_chk");
HOOK_EXPORT void *hook_memmove_chk(void *to, const void *from, size_t size, size_t room)
    HOOK_AS("__memmove_chk");
HOOK_EXPORT void *hook_memset_chk(void *to, int byte, size_t size, size_t room)
    HOOK_AS("__memset_chk");
HOOK_EXPORT void *hook_mempcpy_chk(void *restrict to, const void *restrict from, size_t size,
                                   size_t room) HOOK_AS("__mempcpy_chk");
HOOK_EXPORT void hook_explicit_bzero_chk(void *to, size_t size, size_t room)
    HOOK_AS("__explicit_bzero_chk");
HOOK_EXPORT char *hook_strcpy_chk(char *restrict to, const char *restrict from, size_t room)
    HOOK_AS("__strcpy_chk");
HOOK_EXPORT char *hook_stpcpy_chk(char *restrict to, const char *restrict from, size_t room)
    HOOK_AS("__stpcpy_chk");
HOOK_EXPORT char *hook_strncpy_chk(char *restrict to, const char *restrict from, size_t size,
                                   size_t room) HOOK_AS("__strncpy_chk");
HOOK_EXPORT char *hook_stpncpy_chk(char *restrict to, const char *restrict from, size_t size,
                                   size_t room) HOOK_AS("__stpncpy_chk");
HOOK_EXPORT char *hook_strcat_chk(char *restrict to, const char *restrict from, size_t room)
    HOOK_AS("__strcat_chk");
HOOK_EXPORT char *hook_strncat_chk(char *restrict to, const char *restrict from, size_t size,
                                   size_t room) HOOK_AS("__strncat_chk");

#define MEMORY_READERS(NAMED)                                                                      \
    NAMED(int, memcmp, (const void *one, const void *other, size_t size))                          \
    NAMED(int, bcmp, (const void *one, const void *other, size_t size))                            \
    NAMED(void *, memchr, (const void *in, int byte, size_t size))                                 \
    NAMED(size_t, strlen, (const char *text))                                                      \
    NAMED(size_t, strnlen, (const char *text, size_t size))                                        \
    NAMED(int, strcmp, (const char *one, const char *other))                                       \
    NAMED(int, strncmp, (const char *one, const char *other, size_t size))
MEMORY_READERS(REAL_NAMED)

#endif
