/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/store.h"

#include <stdatomic.h>

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

#define LINE ((size_t)64)
/* Fewer bytes are no work for vectors. */
#define LINES_FROM (2 * LINE)

static bool goes_back(enum store_way way) {
    return way == STORE_CACHED_BACK || way == STORE_STREAM_BACK;
}

static enum isa_lines lines_of(enum store_way way) {
    return way == STORE_STREAM_BACK   ? ISA_LINES_STREAM_BACK
           : way == STORE_CACHED_BACK ? ISA_LINES_CACHED_BACK
                                      : ISA_LINES_CACHED;
}

static enum fault write_back(enum store_way way, const void *address, size_t length) {
    return goes_back(way) ? isa_write_back(ISA_FLUSH_CLWB, address, length, LINE) : FAULT_NONE;
}

/* Whole lines in vectors, the ends word by word. Each line is written back behind its last
   store. */
static enum fault copy_lines(enum store_way way, enum isa_vector vector, char *to, const char *from,
                             size_t length) {
    size_t head = -(uintptr_t)to & (LINE - 1), whole = (length - head) & ~(LINE - 1);
    size_t tail = length - head - whole;
    enum fault fault = FAULT_NONE;
    if (head != 0 && (fault = copy_cached(to, from, head)) == FAULT_NONE)
        fault = write_back(way, to, head);
    if (fault == FAULT_NONE)
        fault = isa_copy_lines(lines_of(way), vector, to + head, from + head, whole / LINE);
    to += head + whole, from += head + whole;
    if (tail != 0 && fault == FAULT_NONE && (fault = copy_cached(to, from, tail)) == FAULT_NONE)
        fault = write_back(way, to, tail);
    return fault;
}

static enum fault fill_lines(enum store_way way, enum isa_vector vector, char *to, uint8_t value,
                             size_t length) {
    size_t head = -(uintptr_t)to & (LINE - 1), whole = (length - head) & ~(LINE - 1);
    size_t tail = length - head - whole;
    enum fault fault = FAULT_NONE;
    if (head != 0 && (fault = fill_cached(to, value, head)) == FAULT_NONE)
        fault = write_back(way, to, head);
    if (fault == FAULT_NONE)
        fault =
            isa_fill_lines(lines_of(way), vector, to + head, store_pattern(value), whole / LINE);
    to += head + whole;
    if (tail != 0 && fault == FAULT_NONE && (fault = fill_cached(to, value, tail)) == FAULT_NONE)
        fault = write_back(way, to, tail);
    return fault;
}

/* Past the cache word by word: streaming without a write-back, or direct. */
static enum fault copy_words(enum store_way way, char *to, const char *from, struct cut cut) {
    enum fault fault = copy_cached(to, from, cut.head);
    to += cut.head, from += cut.head;
    if (fault == FAULT_NONE)
        fault = way == STORE_STREAM ? isa_stream_words((uint64_t *)to, from, cut.words)
                                    : isa_direct_words((uint64_t *)to, from, cut.words);
    to += cut.words * WORD, from += cut.words * WORD;
    return fault == FAULT_NONE ? copy_cached(to, from, cut.tail) : fault;
}

static enum fault fill_words(enum store_way way, char *to, uint8_t value, struct cut cut) {
    enum fault fault = fill_cached(to, value, cut.head);
    to += cut.head;
    if (fault == FAULT_NONE)
        fault = way == STORE_STREAM
                    ? isa_stream_fill((uint64_t *)to, store_pattern(value), cut.words)
                    : isa_direct_fill((uint64_t *)to, store_pattern(value), cut.words);
    to += cut.words * WORD;
    return fault == FAULT_NONE ? fill_cached(to, value, cut.tail) : fault;
}

enum fault store_copy(enum store_way *way, enum isa_vector vector, void *destination,
                      const void *source, size_t length) {
    char *to = (char *)destination;
    const char *from = (const char *)source;
    struct cut cut = store_cut((uintptr_t)to, length);
    if (cut.words == 0 || range_overlaps((uintptr_t)to, length, (uintptr_t)from, length))
        *way = goes_back(*way) ? STORE_CACHED_BACK : STORE_CACHED;
    if (*way == STORE_STREAM || *way == STORE_DIRECT)
        return copy_words(*way, to, from, cut);
    if (ISA_KERNELS && length >= LINES_FROM && !store_copies_down(to, from, length))
        return copy_lines(*way, vector, to, from, length);
    if (*way == STORE_STREAM_BACK)
        *way = STORE_CACHED_BACK;
    enum fault fault = copy_cached(to, from, length);
    return fault == FAULT_NONE ? write_back(*way, to, length) : fault;
}

enum fault store_fill(enum store_way *way, enum isa_vector vector, void *destination, uint8_t value,
                      size_t length) {
    char *to = (char *)destination;
    struct cut cut = store_cut((uintptr_t)to, length);
    if (cut.words == 0)
        *way = goes_back(*way) ? STORE_CACHED_BACK : STORE_CACHED;
    if (*way == STORE_STREAM || *way == STORE_DIRECT)
        return fill_words(*way, to, value, cut);
    if (ISA_KERNELS && length >= LINES_FROM)
        return fill_lines(*way, vector, to, value, length);
    if (*way == STORE_STREAM_BACK)
        *way = STORE_CACHED_BACK;
    enum fault fault = fill_cached(to, value, length);
    return fault == FAULT_NONE ? write_back(*way, to, length) : fault;
}

struct limit {
    uint32_t cpu; /* isa_cpu(); 0: every other one */
    enum isa_vector vector;
    bool aligned;
    size_t copy, fill;
};

static size_t find_limit(bool copies, enum isa_vector vector, bool aligned) {
    static const struct limit limits[] = {
#define LIMIT(cpu, vector, aligned, copy, fill) {cpu, vector, aligned, copy, fill},
#include "store/limits.def"
#undef LIMIT
    };
    uint32_t cpu = isa_cpu();
    for (size_t i = 0; i < ARRAY_LENGTH(limits); i++) {
        if ((limits[i].cpu == cpu || limits[i].cpu == 0) && limits[i].vector == vector &&
            limits[i].aligned == aligned)
            return copies ? limits[i].copy : limits[i].fill;
    }
    return SIZE_MAX;
}

size_t store_streams_from(bool copies, enum isa_vector vector, uintptr_t destination) {
    static _Atomic size_t known[2][ISA_VECTOR_512 + 1][2]; /* 0: not yet */
    bool aligned = destination % WORD == 0;
    _Atomic size_t *limit = &known[copies][vector][aligned];
    size_t found = atomic_load_explicit(limit, memory_order_relaxed);
    if (UNLIKELY(found == 0)) {
        found = find_limit(copies, vector, aligned);
        atomic_store_explicit(limit, found, memory_order_relaxed);
    }
    return found;
}
