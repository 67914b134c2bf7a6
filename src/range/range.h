/* SPDX-License-Identifier: BSD-2-Clause */
/* Ranges of addresses: does one wrap, does one lie inside another. Pure arithmetic; never touches
   the memory that it speaks of. */
#ifndef RANGE_RANGE_H
#define RANGE_RANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Does [start, start + length) pass the end of the address space? A range may end exactly there. */
static inline bool range_wraps(uintptr_t start, size_t length) {
    return length != 0 && start + (length - 1) < start;
}

/* Does [start, start + length) lie in [base, base + size)? Safe for every combination of values;
   an empty range lies inside where its start does, the end of the region included.
   pre: [base, base + size) does not wrap */
static inline bool range_inside(uintptr_t start, size_t length, uintptr_t base, size_t size) {
    return start - base <= size && length <= size - (start - base);
}

/* Do the two ranges share a byte? pre: neither wraps */
static inline bool range_overlaps(uintptr_t a, size_t a_length, uintptr_t b, size_t b_length) {
    return a_length != 0 && b_length != 0 && (a <= b ? b - a < a_length : a - b < b_length);
}

#endif
