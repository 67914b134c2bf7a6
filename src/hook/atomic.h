/* SPDX-License-Identifier: BSD-2-Clause */
/* The call-outs of compilers for atomic operations, by their names. */
#ifndef HOOK_ATOMIC_H
#define HOOK_ATOMIC_H

#include <stdint.h>

#include "hook/hook.h"

typedef unsigned __int128 uint128_t;

/* X(bits, bytes) */
#define ATOMIC_SIZES(X) X(8, 1) X(16, 2) X(32, 4) X(64, 8) X(128, 16)
/* X(bits, bytes, name, what becomes of found) */
#define ATOMIC_CHANGES(X, bits, bytes)                                                             \
    X(bits, bytes, exchange, value)                                                                \
    X(bits, bytes, fetch_add, found + value)                                                       \
    X(bits, bytes, fetch_sub, found - value)                                                       \
    X(bits, bytes, fetch_and, found &value)                                                        \
    X(bits, bytes, fetch_or, found | value)                                                        \
    X(bits, bytes, fetch_xor, found ^ value)                                                       \
    X(bits, bytes, fetch_nand, ~(found & value))

#define ATOMIC_DECLARE_CHANGE(bits, bytes, name, becomes)                                          \
    HOOK_EXPORT uint##bits##_t __tsan_atomic##bits##_##name(volatile void *at,                     \
                                                            uint##bits##_t value, int order);
#define ATOMIC_DECLARE(bits, bytes)                                                                \
    HOOK_EXPORT uint##bits##_t __tsan_atomic##bits##_load(const volatile void *at, int order);     \
    HOOK_EXPORT void __tsan_atomic##bits##_store(volatile void *at, uint##bits##_t value,          \
                                                 int order);                                       \
    HOOK_EXPORT int __tsan_atomic##bits##_compare_exchange_strong(                                 \
        volatile void *at, void *expected, uint##bits##_t value, int success, int failure);        \
    HOOK_EXPORT int __tsan_atomic##bits##_compare_exchange_weak(                                   \
        volatile void *at, void *expected, uint##bits##_t value, int success, int failure);        \
    HOOK_EXPORT uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                         \
        volatile void *at, uint##bits##_t expected, uint##bits##_t value, int success,             \
        int failure);                                                                              \
    ATOMIC_CHANGES(ATOMIC_DECLARE_CHANGE, bits, bytes)
ATOMIC_SIZES(ATOMIC_DECLARE)

HOOK_EXPORT void __tsan_atomic_thread_fence(int order);
HOOK_EXPORT void __tsan_atomic_signal_fence(int order);

#endif
