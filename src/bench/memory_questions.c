/* SPDX-License-Identifier: BSD-2-Clause */
/* What is asked of memory, and how each lane does it. A lane loops over its pass by itself, so that
   no call through a pointer is timed with the operation. */
#include <string.h>

#include "base/bits.h"
#include "bench/memory.h"
#include "bench/peers.h"

#define WRITE(token, to, flags)                                                                    \
    RtlWriteNonVolatileMemory(token, to, pass->source, pass->length, flags)

/* static void name(pass): the statement for each place, `at`. */
#define LANE(name, statement)                                                                      \
    static void name(const struct memory_pass *pass) {                                             \
        for (size_t i = 0; i < pass->count; i++) {                                                 \
            char *at = (char *)pass->places[i].BaseAddress;                                        \
            statement;                                                                             \
        }                                                                                          \
    }

LANE(own_flush, RtlFlushNonVolatileMemory(pass->token, at, pass->length, 1))
LANE(pmem_flush, peers_libpmem.flush(at, pass->length))
LANE(raw_flush, peers_flush(at, pass->length))

LANE(own_persist, RtlFlushNonVolatileMemory(pass->token, at, pass->length, 0))
LANE(pmem_persist, peers_libpmem.persist(at, pass->length))
LANE(raw_persist, peers_flush(at, pass->length); isa_fence())

LANE(own_write, WRITE(pass->token, at, 0))
LANE(pmem_write, peers_libpmem.copy(at, pass->source, pass->length, PMEM_F_MEM_NOFLUSH))
LANE(raw_write, memcpy(at, pass->source, pass->length); __asm__ volatile("" ::: "memory"))

LANE(own_fill, RtlFillNonVolatileMemory(pass->token, at, pass->length, 7, 0))
LANE(pmem_fill, peers_libpmem.fill(at, 7, pass->length, PMEM_F_MEM_NOFLUSH))
LANE(raw_fill, memset(at, 7, pass->length); __asm__ volatile("" ::: "memory"))

LANE(own_start, WRITE(pass->token, at, 0x101))
LANE(pmem_start, peers_libpmem.copy(at, pass->source, pass->length, PMEM_F_MEM_NODRAIN))
LANE(raw_start, memcpy(at, pass->source, pass->length); peers_flush(at, pass->length))

LANE(own_write_flush, WRITE(pass->token, at, WRITE_NV_MEMORY_FLAG_FLUSH))
LANE(own_write_persist, WRITE(pass->token, at, WRITE_NV_MEMORY_FLAG_PERSIST))
LANE(pmem_copy_persist, peers_libpmem.copy(at, pass->source, pass->length, PMEM_F_MEM_NOFLUSH);
     peers_libpmem.persist(at, pass->length))
LANE(pmem_default, peers_libpmem.copy(at, pass->source, pass->length, 0))
LANE(raw_cached, memcpy(at, pass->source, pass->length); peers_flush(at, pass->length); isa_fence())
LANE(raw_copy, peers_copy_back(at, pass->source, pass->length); isa_fence())
LANE(raw_streaming, peers_stream(at, pass->source, pass->length); isa_fence())

LANE(own_zero,
     RtlFillNonVolatileMemory(pass->token, at, pass->length, 0, FILL_NV_MEMORY_FLAG_PERSIST))
LANE(pmem_zero, peers_libpmem.fill(at, 0, pass->length, 0))
LANE(raw_zero, memset(at, 0, pass->length); peers_flush(at, pass->length); isa_fence())
LANE(least_zero, peers_zero(at, pass->length); isa_fence())

static void own_ranges(const struct memory_pass *pass) {
    RtlFlushNonVolatileMemoryRanges(pass->token, (PNV_MEMORY_RANGE)pass->places, pass->count, 0);
}
LANE(pmem_flush_each, peers_libpmem.flush(at, pass->places[i].Length))
static void pmem_ranges(const struct memory_pass *pass) {
    pmem_flush_each(pass);
    peers_libpmem.drain();
}
LANE(pmem_ranges_persisted, peers_libpmem.persist(at, pass->places[i].Length))
LANE(raw_flush_each, peers_flush(at, pass->places[i].Length))
static void raw_ranges(const struct memory_pass *pass) {
    raw_flush_each(pass);
    isa_fence();
}

/* Stores to the same lines again and again, and one commit. */
LANE(own_defer_each, RtlWriteNonVolatileMemory(pass->deferring, at, pass->source, 8, 0x101))
static void own_deferred(const struct memory_pass *pass) {
    own_defer_each(pass);
    RtlDrainNonVolatileFlush(pass->deferring);
}
LANE(own_start_each, RtlWriteNonVolatileMemory(pass->token, at, pass->source, 8, 0x101))
static void own_undeferred(const struct memory_pass *pass) {
    own_start_each(pass);
    RtlDrainNonVolatileFlush(pass->token);
}
LANE(pmem_start_each, peers_libpmem.copy(at, pass->source, 8, PMEM_F_MEM_NODRAIN))
static void pmem_undeferred(const struct memory_pass *pass) {
    pmem_start_each(pass);
    peers_libpmem.drain();
}
LANE(raw_store_each, memcpy(at, pass->source, 8); __asm__ volatile("" ::: "memory"))
static void raw_deferred(const struct memory_pass *pass) {
    raw_store_each(pass);
    peers_flush((const char *)pass->places[0].BaseAddress, (size_t)16 * 64);
    isa_fence();
}

#define ALL (MEMORY_HOT | MEMORY_COLD)
#define ANY SIZE_MAX
#define STREAMS PEERS_LIBPMEM_STREAMS

static const struct memory_question flush = {
    .sizes = {8, 64, 256, 1024},
    .sets = ALL,
    .dirty = true,
    .goals = {{MEMORY_HOT, 8, 64, 0, 1.15, "libpmem"}, {MEMORY_COLD, 8, 64, 0, 1.5, "libpmem"}},
    .lanes = {{"nvrtl", own_flush, false, 0},
              {"libpmem", pmem_flush, true, 0},
              {"raw", raw_flush, false, 0}},
};
static const struct memory_question flush_drain = {
    .sizes = {8, 64, 256, 1024, 4096, 16384, 65536, 1 << 20},
    .sets = ALL,
    .dirty = true,
    .goals = {{ALL, 8, ANY, 0, 0.97, "libpmem"}},
    .lanes = {{"nvrtl", own_persist, false, 0},
              {"libpmem", pmem_persist, true, 0},
              {"raw", raw_persist, false, 0}},
};
static const struct memory_question write = {
    .sizes = {8, 16, 32, 64, 128, 256},
    .sets = MEMORY_HOT,
    .skewed = true,
    .goals = {{ALL, 8, 64, -1, 2.5, "libpmem"}},
    .lanes = {{"nvrtl", own_write, false, 0},
              {"libpmem", pmem_write, true, 0},
              {"memcpy", raw_write, false, 0}},
};
static const struct memory_question fill = {
    .sizes = {8, 16, 32, 64, 128, 256},
    .sets = MEMORY_HOT,
    .skewed = true,
    .goals = {{ALL, 8, 64, -1, 2.5, "libpmem"}},
    .lanes = {{"nvrtl", own_fill, false, 0},
              {"libpmem", pmem_fill, true, 0},
              {"memset", raw_fill, false, 0}},
};
static const struct memory_question write_start = {
    .sizes = {8, 16, 32, 64, 128, 256},
    .sets = MEMORY_HOT,
    .skewed = true,
    .goals = {{ALL, 8, 64, -1, 2.5, "libpmem"}},
    .lanes = {{"nvrtl", own_start, false, 0},
              {"libpmem", pmem_start, true, STREAMS},
              {"memcpy+raw", raw_start, false, 0}},
};
static const struct memory_question write_flush = {
    .sizes = {8, 64, 128, 256, 512, 1024, 4096, 16384, 65536, 1 << 20},
    .sets = MEMORY_HOT,
    .skewed = true,
    .goals = {{ALL, 8, 8192, -1, 0.97, "libpmem"}, {ALL, 16384, ANY, -1, 1.1, "libpmem"}},
    .lanes = {{"nvrtl", own_write_flush, false, 0},
              {"libpmem", pmem_copy_persist, true, 0},
              {"memcpy+raw", raw_cached, false, 0}},
};
static const struct memory_question write_persist = {
    .sizes = {8, 64, 128, 256, 512, 1024, 4096, 16384, 65536, 1 << 20},
    .sets = ALL,
    .skewed = true,
    .goals = {{MEMORY_COLD, 8, 255, 0, 1.4, "libpmem"},
              {ALL, 8, ANY, 1, 0.97, "libpmem"},
              {MEMORY_COLD, 65536, ANY, 0, 2, "copy+persist"},
              {MEMORY_COLD, 256, ANY, 0, 1.3, "copy+persist"}},
    .lanes = {{"nvrtl", own_write_persist, false, 0},
              {"libpmem", pmem_default, true, STREAMS},
              {"copy+persist", pmem_copy_persist, true, 0},
              {"memcpy+raw", raw_cached, false, 0},
              {"streaming", raw_streaming, false, 1},
              {"raw", raw_copy, false, 0}},
};
static const struct memory_question fill_zero = {
    .sizes = {4096, 16384, 65536, 1 << 20},
    .sets = ALL,
    .goals = {{ALL, 4096, ANY, 0, 1.2, "libpmem"}},
    .lanes = {{"nvrtl", own_zero, false, 0},
              {"libpmem", pmem_zero, true, STREAMS},
              {"memset+raw", raw_zero, false, 0},
              {"least", least_zero, false, 0}},
};
static const struct memory_question ranges = {
    .sizes = {1000},
    .sets = ALL,
    .dirty = true,
    .scattered = 1000,
    .goals = {{ALL, 0, ANY, 0, 1.2, "libpmem"}},
    .lanes = {{"nvrtl", own_ranges, false, 0},
              {"libpmem", pmem_ranges, true, 0},
              {"persist each", pmem_ranges_persisted, true, 0},
              {"raw", raw_ranges, false, 0}},
};

static const struct memory_question deferred = {
    .sizes = {8},
    .sets = MEMORY_HOT,
    .scattered = 64,
    .lines = 16,
    .goals = {{ALL, 0, ANY, 0, 8, "libpmem"}},
    .lanes = {{"nvrtl", own_deferred, false, 0},
              {"not deferred", own_undeferred, false, 0},
              {"libpmem", pmem_undeferred, true, 0},
              {"raw", raw_deferred, false, 0}},
};

const struct bench_asked memory_questions[] = {
    {"flush", "Flush, no drain, of lines just stored to", memory_measure, &flush},
    {"flush-drain", "Flush and drain of lines just stored to", memory_measure, &flush_drain},
    {"write", "Write, not flushed", memory_measure, &write},
    {"fill", "Fill, not flushed", memory_measure, &fill},
    {"write-start", "Write FLUSH | NO_DRAIN", memory_measure, &write_start},
    {"write-flush", "Write FLUSH", memory_measure, &write_flush},
    {"write-persist", "Write PERSIST", memory_measure, &write_persist},
    {"fill-zero", "Fill PERSIST with zeros", memory_measure, &fill_zero},
    {"deferred", "one of 64 Writes to 16 lines, and a drain", memory_measure, &deferred},
    {"ranges", "one of 1,000 Ranges of 8 to 256 bytes", memory_measure, &ranges},
};
const size_t memory_question_count = ARRAY_LENGTH(memory_questions);
