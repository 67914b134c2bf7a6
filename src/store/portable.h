/* SPDX-License-Identifier: BSD-2-Clause */
/* The meaning of a copy and a fill, in plain stores; private to store/. */
#ifndef STORE_PORTABLE_H
#define STORE_PORTABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The byte in each of a word's eight. */
static inline uint64_t store_pattern(uint8_t value) {
    return value * UINT64_C(0x0101010101010101);
}

/* Going up reads each byte before it is overwritten, unless the destination starts inside the
   source. */
static inline bool store_copies_down(const void *destination, const void *source, size_t length) {
    uintptr_t distance = (uintptr_t)destination - (uintptr_t)source;
    return distance != 0 && distance < length;
}

/* pre: neither range wraps; they may overlap */
void store_portable_copy(void *destination, const void *source, size_t length);
void store_portable_fill(void *destination, uint8_t value, size_t length);

#endif
