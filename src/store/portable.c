/* SPDX-License-Identifier: BSD-2-Clause */
/* Every store of 1, 2, 4 or 8 bytes is aligned to its width. Going up, the head takes the widths
   whose bit is set in the address, until it is 8-aligned or too little is left; the tail takes
   those whose bit is set in the length that is left. Going down is the mirror image. */
#include "store/portable.h"

#include <stdbool.h>

typedef struct {
    uint16_t value;
} __attribute__((packed, may_alias)) loose16;
typedef struct {
    uint32_t value;
} __attribute__((packed, may_alias)) loose32;
typedef struct {
    uint64_t value;
} __attribute__((packed, may_alias)) loose64;

typedef uint16_t __attribute__((may_alias)) word16;
typedef uint32_t __attribute__((may_alias)) word32;
typedef uint64_t __attribute__((may_alias)) word64;

/* Atomic, because a compiler may split, widen or merge a plain store, or turn a loop of them into a
   call of memcpy. Each returns its width. */
static inline size_t store8(char *to, uint8_t value) {
    __atomic_store_n((uint8_t *)to, value, __ATOMIC_RELAXED);
    return sizeof value;
}
static inline size_t store16(char *to, uint16_t value) {
    __atomic_store_n((word16 *)to, value, __ATOMIC_RELAXED);
    return sizeof value;
}
static inline size_t store32(char *to, uint32_t value) {
    __atomic_store_n((word32 *)to, value, __ATOMIC_RELAXED);
    return sizeof value;
}
static inline size_t store64(char *to, uint64_t value) {
    __atomic_store_n((word64 *)to, value, __ATOMIC_RELAXED);
    return sizeof value;
}

static inline size_t move8(char *to, const char *from) {
    return store8(to, *(const uint8_t *)from);
}
static inline size_t move16(char *to, const char *from) {
    return store16(to, ((const loose16 *)from)->value);
}
static inline size_t move32(char *to, const char *from) {
    return store32(to, ((const loose32 *)from)->value);
}
static inline size_t move64(char *to, const char *from) {
    return store64(to, ((const loose64 *)from)->value);
}

/* May a step of width bytes be the next one on the way to 8-alignment? */
static inline bool head_takes(const char *at, size_t left, size_t width) {
    return left >= width && ((uintptr_t)at & width) != 0;
}

static void copy_up(char *to, const char *from, size_t length) {
    size_t done = 0;
    if (head_takes(to + done, length - done, 1))
        done += move8(to + done, from + done);
    if (head_takes(to + done, length - done, 2))
        done += move16(to + done, from + done);
    if (head_takes(to + done, length - done, 4))
        done += move32(to + done, from + done);
    while (length - done >= 8)
        done += move64(to + done, from + done);
    size_t tail = length - done;
    if (tail & 4)
        done += move32(to + done, from + done);
    if (tail & 2)
        done += move16(to + done, from + done);
    if (tail & 1)
        move8(to + done, from + done);
}

static void copy_down(char *to, const char *from, size_t length) {
    size_t left = length;
    if (head_takes(to + left, left, 1))
        left -= move8(to + left - 1, from + left - 1);
    if (head_takes(to + left, left, 2))
        left -= move16(to + left - 2, from + left - 2);
    if (head_takes(to + left, left, 4))
        left -= move32(to + left - 4, from + left - 4);
    while (left >= 8)
        left -= move64(to + left - 8, from + left - 8);
    if (left & 4)
        left -= move32(to + left - 4, from + left - 4);
    if (left & 2)
        left -= move16(to + left - 2, from + left - 2);
    if (left & 1)
        move8(to, from);
}

void store_portable_copy(void *destination, const void *source, size_t length) {
    if (store_copies_down(destination, source, length))
        copy_down((char *)destination, (const char *)source, length);
    else
        copy_up((char *)destination, (const char *)source, length);
}

void store_portable_fill(void *destination, uint8_t value, size_t length) {
    char *to = (char *)destination;
    uint64_t pattern = store_pattern(value);
    size_t done = 0;
    if (head_takes(to + done, length - done, 1))
        done += store8(to + done, value);
    if (head_takes(to + done, length - done, 2))
        done += store16(to + done, (uint16_t)pattern);
    if (head_takes(to + done, length - done, 4))
        done += store32(to + done, (uint32_t)pattern);
    while (length - done >= 8)
        done += store64(to + done, pattern);
    size_t tail = length - done;
    if (tail & 4)
        done += store32(to + done, (uint32_t)pattern);
    if (tail & 2)
        done += store16(to + done, (uint16_t)pattern);
    if (tail & 1)
        store8(to + done, value);
}
