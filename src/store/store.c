/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/store.h"

#include <stdatomic.h>

#include "base/bits.h"
#include "isa/isa.h"
#include "isa/quick.h"
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
static enum isa_lines lines_of(enum store_way way) {
    switch (way) {
    case STORE_STREAM_BACK:
        return ISA_LINES_STREAM_BACK;
    case STORE_PAST:
        return ISA_LINES_STREAM;
    case STORE_CACHED_BACK:
        return ISA_LINES_CACHED_BACK;
    case STORE_CACHED_BEHIND:
        return ISA_LINES_CACHED_BEHIND;
    default:
        return ISA_LINES_CACHED;
    }
}

static enum fault write_back(enum store_way way, const void *address, size_t length) {
    return store_goes_back(way) ? isa_write_back(ISA_FLUSH_CLWB, address, length, LINE)
                                : FAULT_NONE;
}

/* A range cut at its lines: what stands before the first whole one, those, and the rest. */
struct lines {
    size_t head, whole, tail;
};

static struct lines cut_lines(const char *to, size_t length) {
    size_t head = -(uintptr_t)to & (LINE - 1), whole = (length - head) & ~(LINE - 1);
    return (struct lines){head, whole, length - head - whole};
}

/* Claims the lines of the ends, which go through the cache, of what is to be written back; whole
   lines have their kernel for it, and those that go past the cache must not come there. */
static void claim_ends(enum store_way way, const char *to, struct lines cut) {
    uintptr_t first = (uintptr_t)to, last = first + cut.head + cut.whole;
    if (store_goes_back(way) && (cut.head | cut.tail) != 0)
        isa_quick_claim(cut.head != 0 ? first : last, cut.tail != 0 ? last : first);
}

/* The ends, which are no whole lines, are written back behind all stores: a write-back would hold
   up those that follow it. */
static enum fault back_ends(enum store_way way, const char *to, struct lines cut) {
    enum fault fault = FAULT_NONE;
    if (cut.head != 0)
        fault = write_back(way, to, cut.head);
    if (cut.tail != 0 && fault == FAULT_NONE)
        fault = write_back(way, to + cut.head + cut.whole, cut.tail);
    return fault;
}

/* Whole lines in vectors, the ends word by word, going up; but what goes past the cache goes first:
   meanwhile the lines of the ends come to the cache. */
enum fault store_copy_lines(enum store_way way, enum isa_vector vector, char *to, const char *from,
                            size_t length) {
    const struct lines cut = cut_lines(to, length);
    const size_t behind = cut.head + cut.whole;
    const bool ends_last = way == STORE_PAST;
    enum fault fault = FAULT_NONE;
    claim_ends(way, to, cut);
    if (cut.head != 0 && !ends_last)
        fault = isa_copy_up(to, from, cut.head);
    if (fault == FAULT_NONE)
        fault =
            isa_copy_lines(lines_of(way), vector, to + cut.head, from + cut.head, cut.whole / LINE);
    if (cut.head != 0 && ends_last && fault == FAULT_NONE)
        fault = isa_copy_up(to, from, cut.head);
    if (cut.tail != 0 && fault == FAULT_NONE)
        fault = isa_copy_up(to + behind, from + behind, cut.tail);
    return fault == FAULT_NONE ? back_ends(way, to, cut) : fault;
}

static enum fault fill_lines(enum store_way way, enum isa_vector vector, char *to, uint8_t value,
                             size_t length) {
    const struct lines cut = cut_lines(to, length);
    enum fault fault;
    claim_ends(way, to, cut);
    fault = isa_fill_lines(lines_of(way), vector, to + cut.head, store_pattern(value),
                           cut.whole / LINE);
    if (cut.head != 0 && fault == FAULT_NONE)
        fault = fill_cached(to, value, cut.head);
    if (cut.tail != 0 && fault == FAULT_NONE)
        fault = fill_cached(to + cut.head + cut.whole, value, cut.tail);
    return fault == FAULT_NONE ? back_ends(way, to, cut) : fault;
}

/* Fewer bytes than vectors are worth. */
static enum fault copy_few(enum store_way *way, char *to, const char *from, size_t length) {
    if (store_goes_back(*way) && length != 0) {
        *way = STORE_CACHED_BACK;
        isa_quick_claim((uintptr_t)to, (uintptr_t)to + length - 1);
    }
    enum fault fault = copy_cached(to, from, length);
    return fault == FAULT_NONE ? write_back(*way, to, length) : fault;
}

static enum fault fill_few(enum store_way *way, char *to, uint8_t value, size_t length) {
    if (store_goes_back(*way) && length != 0) {
        *way = STORE_CACHED_BACK;
        isa_quick_claim((uintptr_t)to, (uintptr_t)to + length - 1);
    }
    enum fault fault = fill_cached(to, value, length);
    return fault == FAULT_NONE ? write_back(*way, to, length) : fault;
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
        *way = store_goes_back(*way) ? STORE_CACHED_BACK : STORE_CACHED;
    if (*way == STORE_STREAM || *way == STORE_DIRECT)
        return copy_words(*way, to, from, cut);
    if (ISA_KERNELS && length >= STORE_LINES_FROM && !store_copies_down(to, from, length))
        return store_copy_lines(*way, vector, to, from, length);
    return copy_few(way, to, from, length);
}

enum fault store_fill(enum store_way *way, enum isa_vector vector, void *destination, uint8_t value,
                      size_t length) {
    char *to = (char *)destination;
    struct cut cut = store_cut((uintptr_t)to, length);
    if (cut.words == 0)
        *way = store_goes_back(*way) ? STORE_CACHED_BACK : STORE_CACHED;
    if (*way == STORE_STREAM || *way == STORE_DIRECT)
        return fill_words(*way, to, value, cut);
    if (ISA_KERNELS && length >= STORE_LINES_FROM)
        return fill_lines(*way, vector, to, value, length);
    return fill_few(way, to, value, length);
}

struct limit {
    uint32_t cpu; /* isa_cpu(); 0: every other one */
    enum isa_vector vector;
    bool aligned;
    size_t copy, fill, behind;
};

static const struct limit *find_limit(enum isa_vector vector, bool aligned) {
    static const struct limit limits[] = {
#define LIMIT(cpu, vector, aligned, copy, fill, behind) {cpu, vector, aligned, copy, fill, behind},
#include "store/limits.def"
#undef LIMIT
    };
    uint32_t cpu = isa_cpu();
    size_t i = 0;
    while ((limits[i].cpu != cpu && limits[i].cpu != 0) || limits[i].vector != vector ||
           limits[i].aligned != aligned)
        i++;
    return &limits[i];
}

static const struct limit *limit_of(enum isa_vector vector, bool aligned) {
    static const struct limit *_Atomic known[ISA_VECTOR_512 + 1][2];
    const struct limit *found = atomic_load_explicit(&known[vector][aligned], memory_order_relaxed);
    if (UNLIKELY(found == NULL)) {
        found = find_limit(vector, aligned);
        atomic_store_explicit(&known[vector][aligned], found, memory_order_relaxed);
    }
    return found;
}

size_t store_streams_from(bool copies, enum isa_vector vector, uintptr_t destination) {
    const struct limit *limit = limit_of(vector, destination % WORD == 0);
    return copies ? limit->copy : limit->fill;
}

size_t store_lags_from(enum isa_vector vector) {
    return limit_of(vector, true)->behind;
}
