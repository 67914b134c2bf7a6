/* SPDX-License-Identifier: BSD-2-Clause */
/* Which lines code with hooks reads, for a checker of nvrtl crash: nobody verifies it. */
#include <stddef.h>

#include "base/reads.h"
#include "hook/hook.h"

bool hook_traced;

static const struct reads_range *traced;
static size_t traced_count;

HOOK_EXPORT void nvrtl_rt_trace_reads(const struct reads_range *ranges, size_t count);

void nvrtl_rt_trace_reads(const struct reads_range *ranges, size_t count) {
    traced = ranges;
    traced_count = count;
    hook_traced = hook_reads = count != 0;
    for (size_t i = 0; i < count; i++)
        regions_widen(ranges[i].address, ranges[i].address + ranges[i].length);
}

void hook_read_traced(uintptr_t address, size_t length) {
    for (size_t i = 0; i < traced_count; i++) {
        const struct reads_range *range = &traced[i];
        uintptr_t end = range->address + range->length;
        uintptr_t first = address > range->address ? address : range->address;
        uintptr_t last = length < UINTPTR_MAX - address ? address + length : UINTPTR_MAX;
        last = last < end ? last : end;
        if (first >= last)
            continue;
        for (uint64_t line = (first - range->address) / READS_LINE;
             line <= (last - 1 - range->address) / READS_LINE; line++) {
            _Atomic uint64_t *word = &range->lines[line / 64];
            uint64_t bit = UINT64_C(1) << line % 64;
            if ((atomic_load_explicit(word, memory_order_relaxed) & bit) == 0)
                atomic_fetch_or(word, bit);
        }
    }
}
