/* SPDX-License-Identifier: BSD-2-Clause */
/* Copies memory that others may read meanwhile, word by word. A reader may get a mixture of old and
   new words; it finds out by a check of its own, and there is no data race. */
#ifndef BASE_WORDS_H
#define BASE_WORDS_H

#include <stddef.h>
#include <stdint.h>

/* pre: both are 8-aligned; size is a multiple of 8 bytes */
static inline void words_copy(void *destination, const void *source, size_t size) {
    uint64_t *to = (uint64_t *)destination;
    const uint64_t *from = (const uint64_t *)source;
    for (size_t i = 0; i < size / sizeof *to; i++)
        __atomic_store_n(&to[i], __atomic_load_n(&from[i], __ATOMIC_ACQUIRE), __ATOMIC_RELEASE);
}

#endif
