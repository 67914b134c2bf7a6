/* SPDX-License-Identifier: BSD-2-Clause */
/* A report with everything that a report can hold, for the tests of each format. It tells of
   tests/fixtures/report/ledger.c. */
#ifndef UNIT_REPORT_SAMPLE_H
#define UNIT_REPORT_SAMPLE_H

#include "base/bits.h"
#include "verify/finding.h"

#define SAMPLE_FOLDER NVRTL_TEST_FIXTURES "/report"
#define SAMPLE_FILE SAMPLE_FOLDER "/ledger.c"
#define SAMPLE_LIBC "/usr/lib/x86_64-linux-gnu/libc.so.6"

#define STACK(array)                                                                               \
    { .frames = (array), .count = ARRAY_LENGTH(array) }

#define FRAME(name, number)                                                                        \
    { .function = (name), .file = SAMPLE_FILE, .line = (number) }
#define BELOW_MAIN                                                                                 \
    {.function = "__libc_start_call_main", .module = SAMPLE_LIBC, .offset = 0x27249},              \
        {.module = SAMPLE_LIBC, .offset = 0x27304}, {                                              \
        .function = "_start", .module = "/home/u/ledger", .offset = 0x1120                         \
    }

static struct source_frame sample_append[] = {
    {.function = "append", .file = SAMPLE_FILE, .line = 37, .inlined = true},
    FRAME("main", 67),
    BELOW_MAIN,
};
static struct source_frame sample_freed[] = {FRAME("main", 76), BELOW_MAIN};
static struct source_frame sample_clear_flush[] = {FRAME("clear", 52), FRAME("main", 64),
                                                   BELOW_MAIN};
static struct source_frame sample_clear_store[] = {FRAME("clear", 51), FRAME("main", 64),
                                                   BELOW_MAIN};
static struct source_frame sample_library[] = {
    {.function = "book_move", .module = "/opt/lib/libbook.so.2", .offset = 0x11a9},
    {.module = "/opt/lib/libbook.so.2", .offset = 0x1300},
    FRAME("main", 68),
    BELOW_MAIN,
};
static struct source_frame sample_page[] = {FRAME("append", 33), FRAME("main", 68), BELOW_MAIN};
static struct source_frame sample_redundant[] = {FRAME("main", 72), BELOW_MAIN};

static struct related sample_freed_places[] = {{.role = "freed", .stack = STACK(sample_freed)}};
static struct related sample_clear_places[] = {
    {.role = "store", .stack = STACK(sample_clear_store)}};
static struct related sample_nowhere[] = {{.role = "got"}};

static struct byte_range sample_count[] = {{0, 8}};
static struct byte_range sample_block[] = {{16, 4096}};
static struct byte_range sample_move[] = {{4096, 48}};
static struct byte_range sample_many[] = {
    {24, 8},  {56, 8},  {88, 8},  {120, 8}, {152, 8}, {184, 8}, {216, 8}, {248, 8},
    {280, 8}, {312, 8}, {344, 8}, {376, 8}, {408, 8}, {440, 8}, {472, 8}, {504, 8},
    {536, 8}, {568, 8}, {600, 8}, {632, 8}, {664, 8}, {696, 8}, {728, 8}, {760, 8},
};

static struct finding sample_findings[] = {
    {.kind = KIND_UNFLUSHED_WRITE,
     .severity = SEVERITY_ERROR,
     .count = 102,
     .region = 1,
     .ranges = sample_count,
     .range_count = ARRAY_LENGTH(sample_count),
     .message = "8 bytes stored at ledger.c:37 were never flushed",
     .mend = "add RtlFlushNonVolatileMemory(token, ...) after ledger.c:37",
     .at = STACK(sample_append),
     .related = sample_freed_places,
     .related_count = ARRAY_LENGTH(sample_freed_places)},
    {.kind = KIND_UNDRAINED_FLUSH,
     .severity = SEVERITY_ERROR,
     .count = 1,
     .region = 1,
     .ranges = sample_count,
     .range_count = ARRAY_LENGTH(sample_count),
     .message = "8 bytes stored at ledger.c:51 were flushed at ledger.c:52 and not drained "
                "before the token was freed",
     .mend = "add RtlDrainNonVolatileFlush(token) after ledger.c:52, or take "
             "FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN away from its flags",
     .at = STACK(sample_clear_flush),
     .related = sample_clear_places,
     .related_count = ARRAY_LENGTH(sample_clear_places)},
    {.kind = KIND_UNFLUSHED_WRITE,
     .severity = SEVERITY_WARNING,
     .count = 30,
     .region = 1,
     .ranges = sample_many,
     .range_count = ARRAY_LENGTH(sample_many),
     .more_ranges = true,
     .message = "8 bytes stored at ledger.c:33 were never flushed",
     .rescued_by = "page",
     .at = STACK(sample_page)},
    {.kind = KIND_OVERLAPPING_WRITE,
     .severity = SEVERITY_WARNING,
     .count = 2,
     .region = 2,
     .ranges = sample_move,
     .range_count = ARRAY_LENGTH(sample_move),
     .message = "Source and destination of a Write overlap, which is undefined on Windows",
     .at = STACK(sample_library)},
    {.kind = KIND_REDUNDANT_FLUSH,
     .severity = SEVERITY_PERFORMANCE,
     .count = 1,
     .region = 1,
     .ranges = sample_block,
     .range_count = ARRAY_LENGTH(sample_block),
     .message = "all 65 lines of this flush were clean already",
     .mend = "remove the flush at ledger.c:72",
     .at = STACK(sample_redundant)},
    {.kind = KIND_BAD_TOKEN,
     .severity = SEVERITY_NOTE,
     .count = 1,
     .message = "a call before the first Get was refused",
     .related = sample_nowhere,
     .related_count = ARRAY_LENGTH(sample_nowhere)},
};

static struct report_region sample_regions[] = {
    {1, "/mnt/books/accounts.nv", 24576, "page-cache", "ext4 on nvme0n1p2 is mounted without dax"},
    {2, "/dev/shm/scratch.nv", 5000, "volatile",
     "tmpfs keeps its files in memory that no power cut spares"},
};

static char *sample_program[] = {"./ledger", "/mnt/books/accounts.nv", NULL};
static char *sample_remarks[] = {
    "libbook.so.2 was built without hooks: what it stored is known from the content alone",
    "the process wrote 3 more findings than there is room for",
};

static const struct report sample_full = {.program = sample_program,
                                          .exit = 0,
                                          .stores = "hooks",
                                          .judge = "strict",
                                          .regions = sample_regions,
                                          .region_count = ARRAY_LENGTH(sample_regions),
                                          .findings = sample_findings,
                                          .finding_count = ARRAY_LENGTH(sample_findings),
                                          .remarks = sample_remarks,
                                          .remark_count = ARRAY_LENGTH(sample_remarks)};

/* The same program once it is right. */
static const struct report sample_clean = {.program = sample_program,
                                           .exit = 0,
                                           .stores = "hooks",
                                           .judge = "strict",
                                           .regions = sample_regions,
                                           .region_count = ARRAY_LENGTH(sample_regions)};

#endif
