/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/store.h"

#include "base/bits.h"
#include "isa/isa.h"
#include "range/range.h"
#include "store/portable.h"

#define WORD sizeof(uint64_t)

/* A range cut at its aligned words: head and tail in bytes, narrower than a word. */
struct cut {
    size_t head, words, tail;
};

static struct cut store_cut(uintptr_t start, size_t length) {
    size_t head = -start & (WORD - 1);
    size_t rest = length < head ? 0 : length - head;
    return (struct cut){length - rest, rest / WORD, rest % WORD};
}

/* Kernels that can be left at a fault, where the CPU has them; else the meaning itself. */
static enum fault copy_cached(void *to, const void *from, size_t length) {
    if (ISA_KERNELS && store_copies_down(to, from, length))
        return isa_copy_down(to, from, length);
    if (ISA_KERNELS)
        return isa_copy_up(to, from, length);
    store_portable_copy(to, from, length);
    return FAULT_NONE;
}

static enum fault fill_cached(void *to, uint8_t value, size_t length) {
    if (ISA_KERNELS)
        return isa_fill(to, store_pattern(value), length);
    store_portable_fill(to, value, length);
    return FAULT_NONE;
}

enum fault store_copy(enum store_way *way, void *destination, const void *source, size_t length) {
    char *to = (char *)destination;
    const char *from = (const char *)source;
    struct cut cut = store_cut((uintptr_t)to, length);
    if (*way == STORE_CACHED || cut.words == 0 ||
        range_overlaps((uintptr_t)to, length, (uintptr_t)from, length)) {
        *way = STORE_CACHED;
        return copy_cached(to, from, length);
    }
    enum fault fault = copy_cached(to, from, cut.head);
    to += cut.head, from += cut.head;
    if (fault == FAULT_NONE)
        fault = *way == STORE_STREAM ? isa_stream_words((uint64_t *)to, from, cut.words)
                                     : isa_direct_words((uint64_t *)to, from, cut.words);
    to += cut.words * WORD, from += cut.words * WORD;
    return fault == FAULT_NONE ? copy_cached(to, from, cut.tail) : fault;
}

enum fault store_fill(enum store_way *way, void *destination, uint8_t value, size_t length) {
    char *to = (char *)destination;
    struct cut cut = store_cut((uintptr_t)to, length);
    if (*way == STORE_CACHED || cut.words == 0) {
        *way = STORE_CACHED;
        return fill_cached(to, value, length);
    }
    enum fault fault = fill_cached(to, value, cut.head);
    to += cut.head;
    if (fault == FAULT_NONE)
        fault = *way == STORE_STREAM
                    ? isa_stream_fill((uint64_t *)to, store_pattern(value), cut.words)
                    : isa_direct_fill((uint64_t *)to, store_pattern(value), cut.words);
    to += cut.words * WORD;
    return fault == FAULT_NONE ? fill_cached(to, value, cut.tail) : fault;
}
