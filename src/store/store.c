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

enum store_way store_copy(enum store_way way, void *destination, const void *source,
                          size_t length) {
    char *to = (char *)destination;
    const char *from = (const char *)source;
    struct cut cut = store_cut((uintptr_t)to, length);
    if (way == STORE_CACHED || cut.words == 0 ||
        range_overlaps((uintptr_t)to, length, (uintptr_t)from, length)) {
        store_portable_copy(to, from, length);
        return STORE_CACHED;
    }
    store_portable_copy(to, from, cut.head);
    to += cut.head, from += cut.head;
    if (way == STORE_STREAM)
        isa_stream_words((uint64_t *)to, from, cut.words);
    else
        isa_direct_words((uint64_t *)to, from, cut.words);
    to += cut.words * WORD, from += cut.words * WORD;
    store_portable_copy(to, from, cut.tail);
    return way;
}

enum store_way store_fill(enum store_way way, void *destination, uint8_t value, size_t length) {
    char *to = (char *)destination;
    struct cut cut = store_cut((uintptr_t)to, length);
    if (way == STORE_CACHED || cut.words == 0) {
        store_portable_fill(to, value, length);
        return STORE_CACHED;
    }
    store_portable_fill(to, value, cut.head);
    to += cut.head;
    if (way == STORE_STREAM)
        isa_stream_fill((uint64_t *)to, store_pattern(value), cut.words);
    else
        isa_direct_fill((uint64_t *)to, store_pattern(value), cut.words);
    store_portable_fill(to + cut.words * WORD, value, cut.tail);
    return way;
}
