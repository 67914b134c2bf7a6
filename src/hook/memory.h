/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of memory.c, by the names that libc has for them. */
#ifndef HOOK_MEMORY_H
#define HOOK_MEMORY_H

#include <stddef.h>

#include "hook/hook.h"

void __chk_fail(void) __attribute__((noreturn)); /* libc's */

HOOK_EXPORT void *memcpy(void *restrict to, const void *restrict from, size_t size);
HOOK_EXPORT void *memmove(void *to, const void *from, size_t size);
HOOK_EXPORT void *memset(void *to, int byte, size_t size);
HOOK_EXPORT void *mempcpy(void *restrict to, const void *restrict from, size_t size);
HOOK_EXPORT void *memccpy(void *restrict to, const void *restrict from, int byte, size_t size);
HOOK_EXPORT void bcopy(const void *from, void *to, size_t size);
HOOK_EXPORT void bzero(void *to, size_t size);
HOOK_EXPORT void explicit_bzero(void *to, size_t size);
HOOK_EXPORT char *strcpy(char *restrict to, const char *restrict from);
HOOK_EXPORT char *stpcpy(char *restrict to, const char *restrict from);
HOOK_EXPORT char *strncpy(char *restrict to, const char *restrict from, size_t size);
HOOK_EXPORT char *stpncpy(char *restrict to, const char *restrict from, size_t size);
HOOK_EXPORT char *strcat(char *restrict to, const char *restrict from);
HOOK_EXPORT char *strncat(char *restrict to, const char *restrict from, size_t size);
HOOK_EXPORT void *__memcpy_chk(void *restrict to, const void *restrict from, size_t size,
                               size_t room);
HOOK_EXPORT void *__memmove_chk(void *to, const void *from, size_t size, size_t room);
HOOK_EXPORT void *__memset_chk(void *to, int byte, size_t size, size_t room);
HOOK_EXPORT void *__mempcpy_chk(void *restrict to, const void *restrict from, size_t size,
                                size_t room);
HOOK_EXPORT void __explicit_bzero_chk(void *to, size_t size, size_t room);
HOOK_EXPORT char *__strcpy_chk(char *restrict to, const char *restrict from, size_t room);
HOOK_EXPORT char *__stpcpy_chk(char *restrict to, const char *restrict from, size_t room);
HOOK_EXPORT char *__strncpy_chk(char *restrict to, const char *restrict from, size_t size,
                                size_t room);
HOOK_EXPORT char *__stpncpy_chk(char *restrict to, const char *restrict from, size_t size,
                                size_t room);
HOOK_EXPORT char *__strcat_chk(char *restrict to, const char *restrict from, size_t room);
HOOK_EXPORT char *__strncat_chk(char *restrict to, const char *restrict from, size_t size,
                                size_t room);

#endif
