/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of files.c, by the names that libc has for them. */
#ifndef HOOK_FILES_H
#define HOOK_FILES_H

#include <sys/types.h>
#include <sys/uio.h>

#include "hook/hook.h"

HOOK_EXPORT ssize_t hook_write(int file, const void *from, size_t size) HOOK_AS("write");
HOOK_EXPORT ssize_t hook_pwrite(int file, const void *from, size_t size, off_t at)
    HOOK_AS("pwrite");
HOOK_EXPORT ssize_t hook_pwrite64(int file, const void *from, size_t size, off_t at)
    HOOK_AS("pwrite64");
HOOK_EXPORT ssize_t hook_writev(int file, const struct iovec *parts, int count) HOOK_AS("writev");
HOOK_EXPORT ssize_t hook_pwritev(int file, const struct iovec *parts, int count, off_t at)
    HOOK_AS("pwritev");
HOOK_EXPORT ssize_t hook_pwritev64(int file, const struct iovec *parts, int count, off_t at)
    HOOK_AS("pwritev64");
HOOK_EXPORT ssize_t hook_pwritev2(int file, const struct iovec *parts, int count, off_t at,
                                  int flags) HOOK_AS("pwritev2");
HOOK_EXPORT ssize_t hook_pwritev64v2(int file, const struct iovec *parts, int count, off_t at,
                                     int flags) HOOK_AS("pwritev64v2");
HOOK_EXPORT int hook_ftruncate(int file, off_t size) HOOK_AS("ftruncate");
HOOK_EXPORT int hook_ftruncate64(int file, off_t size) HOOK_AS("ftruncate64");
HOOK_EXPORT int hook_fallocate(int file, int mode, off_t at, off_t size) HOOK_AS("fallocate");
HOOK_EXPORT int hook_fallocate64(int file, int mode, off_t at, off_t size) HOOK_AS("fallocate64");

#endif
