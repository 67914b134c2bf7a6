/* SPDX-License-Identifier: BSD-2-Clause */
#include "store/store.h"

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
    return store_goes_back(way) ? isa_write_back(ISA_FLUSH_CLWB, address, length, STORE_LINE)
                                : FAULT_NONE;
}

/* A range cut at its lines: what stands before the first whole one, those, and the rest. Of a range
   within a line, one of head and tail is all. */
struct lines {
    size_t head, whole, tail;
};

static struct lines cut_lines(uintptr_t to, size_t length) {
    size_t head = -to & (STORE_LINE - 1);
    head = head < length ? head : length;
    size_t whole = (length - head) & ~(STORE_LINE - 1);
    return (struct lines){head, whole, length - head - whole};
}

/* Is this end of a range one word that can be stored whole? */
static bool is_word(uintptr_t end, size_t length) {
    return length == WORD && is_aligned(end, WORD);
}

/* An end through the cache costs what its line's write-back costs, whatever else is stored; beside
   it one line alone gains nothing. A second direct store to a line takes longer than any
   write-back. docs/decisions.md, "What direct stores are worth" */
bool store_pays_direct(uintptr_t destination, size_t length) {
    const struct lines cut = cut_lines(destination, length);
    const uintptr_t behind = destination + cut.head + cut.whole;
    const bool cached = (cut.head != 0 && !is_word(destination, cut.head)) ||
                        (cut.tail != 0 && !is_word(behind, cut.tail));
    return length != 0 && (!cached || cut.whole >= 2 * STORE_LINE);
}

/* What is stored over a range: bytes, or one byte eight times. */
struct content {
    bool copies;
    const char *from;
    uint64_t pattern;
};

/* All that follows is one function, for a copy and for a fill. Nothing of it is handed over in
   memory: a load that the CPU cannot forward from the stores before it waits until all of those,
   and what an earlier call has to write back, have left the CPU. */
#define WITHIN static inline __attribute__((always_inline))

/* Claims the lines of the ends, which go through the cache, of what is to be written back; whole
   lines have their kernel for it, and those that go past the cache must not come there. */
WITHIN void claim_ends(uintptr_t first, struct lines cut) {
    uintptr_t last = first + cut.head + cut.whole;
    if ((cut.head | cut.tail) != 0)
        isa_quick_claim(cut.head != 0 ? first : last, cut.tail != 0 ? last : first);
}

/* pre: at and length are of an end of the range at to */
WITHIN enum fault store_end(char *to, struct content content, size_t at, size_t length) {
    if (length == 0)
        return FAULT_NONE;
    return content.copies ? isa_copy_up(to + at, content.from + at, length)
                          : isa_fill(to + at, content.pattern, length);
}

WITHIN enum fault store_whole(enum store_way way, enum isa_vector vector, char *to,
                              struct content content, struct lines cut) {
    return content.copies ? isa_copy_lines(lines_of(way), vector, to + cut.head,
                                           content.from + cut.head, cut.whole / STORE_LINE)
                          : isa_fill_lines(lines_of(way), vector, to + cut.head, content.pattern,
                                           cut.whole / STORE_LINE);
}

/* The ends, which are no whole lines, are written back behind all stores: a write-back would hold
   up those that follow it. */
WITHIN enum fault back_ends(enum store_way way, const char *to, struct lines cut) {
    enum fault fault = FAULT_NONE;
    if (cut.head != 0)
        fault = write_back(way, to, cut.head);
    if (cut.tail != 0 && fault == FAULT_NONE)
        fault = write_back(way, to + cut.head + cut.whole, cut.tail);
    return fault;
}

/* Whole lines in vectors, the ends word by word, going up; but what streams and is not written back
   goes first: meanwhile the lines of the ends come to the cache. */
WITHIN enum fault store_lines(enum store_way way, const struct isa_choice *choice, char *to,
                              struct content content, size_t length) {
    const struct lines cut = cut_lines((uintptr_t)to, length);
    const size_t tail = cut.head + cut.whole;
    const bool ends_last = way == STORE_PAST;
    enum fault fault = FAULT_NONE;
    if (choice->claims && store_goes_back(way))
        claim_ends((uintptr_t)to, cut);
    if (!ends_last)
        fault = store_end(to, content, 0, cut.head);
    if (fault == FAULT_NONE)
        fault = store_whole(way, choice->vector, to, content, cut);
    if (ends_last && fault == FAULT_NONE)
        fault = store_end(to, content, 0, cut.head);
    if (fault == FAULT_NONE)
        fault = store_end(to, content, tail, cut.tail);
    return fault == FAULT_NONE ? back_ends(way, to, cut) : fault;
}

/* Few bytes: one kernel does it all, the write-back too. */
static enum fault copy_few(bool back, char *to, const char *from, size_t length) {
    if (!back)
        return copy_cached(to, from, length);
    if (!store_copies_down(to, from, length))
        return isa_copy_back(to, from, length);
    enum fault fault = isa_copy_down(to, from, length);
    return fault == FAULT_NONE ? isa_write_back(ISA_FLUSH_CLWB, to, length, STORE_LINE) : fault;
}

static enum fault fill_few(bool back, char *to, uint8_t value, size_t length) {
    return back ? isa_fill_back(to, store_pattern(value), length) : fill_cached(to, value, length);
}

static bool are_few(enum store_way way, size_t length) {
    bool plain = way == STORE_CACHED || way == STORE_CACHED_BACK;
    return !ISA_KERNELS || length < (plain ? STORE_LINES_FROM : STORE_PAST_FROM);
}

WITHIN bool begin_few(enum store_way way, const struct isa_choice *choice, const char *to,
                      size_t length) {
    bool back = store_goes_back(way) && length != 0;
    if (back && choice->claims)
        isa_quick_claim((uintptr_t)to, (uintptr_t)to + length - 1);
    return back;
}

enum fault store_copy_apart(enum store_way way, const struct isa_choice *choice, char *to,
                            const char *from, size_t length) {
    if (way == STORE_DIRECT)
        return isa_copy_direct(to, from, length);
    if (are_few(way, length))
        return copy_few(begin_few(way, choice, to, length), to, from, length);
    return store_lines(way, choice, to, (struct content){true, from, 0}, length);
}

enum fault store_fill_apart(enum store_way way, const struct isa_choice *choice, char *to,
                            uint8_t value, size_t length) {
    if (way == STORE_DIRECT)
        return isa_fill_direct(to, store_pattern(value), length);
    if (are_few(way, length))
        return fill_few(begin_few(way, choice, to, length), to, value, length);
    return store_lines(way, choice, to, (struct content){false, NULL, store_pattern(value)},
                       length);
}

/* Past the cache word by word, without a write-back. */
static enum fault copy_words(char *to, const char *from, struct cut cut) {
    enum fault fault = copy_cached(to, from, cut.head);
    to += cut.head, from += cut.head;
    if (fault == FAULT_NONE)
        fault = isa_stream_words((uint64_t *)to, from, cut.words);
    to += cut.words * WORD, from += cut.words * WORD;
    return fault == FAULT_NONE ? copy_cached(to, from, cut.tail) : fault;
}

static enum fault fill_words(char *to, uint8_t value, struct cut cut) {
    enum fault fault = fill_cached(to, value, cut.head);
    to += cut.head;
    if (fault == FAULT_NONE)
        fault = isa_stream_fill((uint64_t *)to, store_pattern(value), cut.words);
    to += cut.words * WORD;
    return fault == FAULT_NONE ? fill_cached(to, value, cut.tail) : fault;
}

/* How it can be done, and how it is done of few bytes. */
static enum store_way store_possible(enum store_way way, const char *to, size_t length,
                                     size_t words, bool overlaps) {
    const bool back = store_goes_back(way);
    if (words == 0 || overlaps ||
        (way == STORE_DIRECT && !store_pays_direct((uintptr_t)to, length)))
        return back ? STORE_CACHED_BACK : STORE_CACHED;
    return back && way != STORE_DIRECT && are_few(way, length) ? STORE_CACHED_BACK : way;
}

enum fault store_copy(enum store_way *way, const struct isa_choice *choice, void *destination,
                      const void *source, size_t length) {
    char *to = (char *)destination;
    const char *from = (const char *)source;
    const struct cut cut = store_cut((uintptr_t)to, length);
    *way = store_possible(*way, to, length, cut.words,
                          range_overlaps((uintptr_t)to, length, (uintptr_t)from, length));
    if (*way == STORE_STREAM)
        return copy_words(to, from, cut);
    if (store_copies_down(to, from, length))
        return copy_few(begin_few(*way, choice, to, length), to, from, length);
    return store_copy_apart(*way, choice, to, from, length);
}

enum fault store_fill(enum store_way *way, const struct isa_choice *choice, void *destination,
                      uint8_t value, size_t length) {
    char *to = (char *)destination;
    const struct cut cut = store_cut((uintptr_t)to, length);
    *way = store_possible(*way, to, length, cut.words, false);
    if (*way == STORE_STREAM)
        return fill_words(to, value, cut);
    return store_fill_apart(*way, choice, to, value, length);
}

struct limit {
    uint32_t cpu; /* isa_cpu(); 0: every other one */
    enum isa_vector vector;
    bool whole; /* lines, and nothing else */
    size_t copy, fill, behind;
};

static const struct limit *find_limit(enum isa_vector vector, bool whole) {
    static const struct limit limits[] = {
#define LIMIT(cpu, vector, whole, copy, fill, behind) {cpu, vector, whole, copy, fill, behind},
#include "store/limits.def"
#undef LIMIT
    };
    uint32_t cpu = isa_cpu();
    size_t i = 0;
    while ((limits[i].cpu != cpu && limits[i].cpu != 0) || limits[i].vector != vector ||
           limits[i].whole != whole)
        i++;
    return &limits[i];
}

/* Until store_learn nothing streams, and no range is few. */
struct store_limits store_limits = {
    .streams = {{SIZE_MAX, SIZE_MAX}, {SIZE_MAX, SIZE_MAX}},
    .lags = SIZE_MAX,
};

static void learn(_Atomic size_t *limit, size_t value) {
    atomic_store_explicit(limit, value, memory_order_relaxed);
}

/* Below which length neither a stream nor a write-back behind is faster, nor wide vectors. */
static size_t few_below(const struct isa_choice *choice, bool persist, size_t streams) {
    size_t below = store_lags_from();
    if (!ISA_KERNELS || (persist && choice->direct))
        return 0;
    if (persist && choice->stream && streams < below)
        below = streams;
    return below < STORE_LINES_FROM ? below : STORE_LINES_FROM;
}

void store_learn(const struct isa_choice *choice) {
    learn(&store_limits.lags, find_limit(choice->vector, true)->behind);
    for (size_t i = 0; i < 4; i++) {
        const bool copies = (i & 2) != 0, whole = (i & 1) != 0;
        const struct limit *limit = find_limit(choice->vector, whole);
        const size_t streams = copies ? limit->copy : limit->fill;
        learn(&store_limits.streams[copies][whole], streams);
        for (size_t persist = 0; persist < 2; persist++)
            learn(&store_limits.few[persist][copies][whole],
                  few_below(choice, persist != 0, streams));
    }
}
