/* SPDX-License-Identifier: BSD-2-Clause */
/* The call-outs of compilers, by their names. */
#ifndef HOOK_ACCESS_H
#define HOOK_ACCESS_H

#include "hook/hook.h"

#define ACCESS_SIZES(X) X(1) X(2) X(4) X(8) X(16)
#define UNALIGNED_SIZES(X) X(2) X(4) X(8) X(16)

HOOK_EXPORT void __tsan_init(void);
HOOK_EXPORT void __tsan_func_entry(void *site);
HOOK_EXPORT void __tsan_func_exit(void);

#define ACCESS_DECLARE(size)                                                                       \
    HOOK_EXPORT void __tsan_read##size(void *address);                                             \
    HOOK_EXPORT void __tsan_write##size(void *address);                                            \
    HOOK_EXPORT void __tsan_read_write##size(void *address);
ACCESS_SIZES(ACCESS_DECLARE)
#define UNALIGNED_DECLARE(size)                                                                    \
    HOOK_EXPORT void __tsan_unaligned_read##size(void *address);                                   \
    HOOK_EXPORT void __tsan_unaligned_write##size(void *address);                                  \
    HOOK_EXPORT void __tsan_unaligned_read_write##size(void *address);
UNALIGNED_SIZES(UNALIGNED_DECLARE)

HOOK_EXPORT void __tsan_read_range(void *address, unsigned long length);
HOOK_EXPORT void __tsan_write_range(void *address, unsigned long length);
HOOK_EXPORT void __tsan_vptr_read(void **address);
HOOK_EXPORT void __tsan_vptr_update(void **address, void *value);

#endif
