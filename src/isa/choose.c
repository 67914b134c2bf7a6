/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "base/bits.h"
#include "isa/isa.h"

/* Best first: clwb keeps the line in the cache, clflushopt overlaps with others, clflush waits. */
static const struct {
    uint32_t feature;
    enum isa_flush flush;
    const char *name;
} choices[] = {
    {ISA_CLWB, ISA_FLUSH_CLWB, "clwb"},
    {ISA_CLFLUSHOPT, ISA_FLUSH_CLFLUSHOPT, "clflushopt"},
    {ISA_CLFLUSH, ISA_FLUSH_CLFLUSH, "clflush"},
};

static enum isa_flush choose_flush(uint32_t features, const char *setting) {
    enum isa_flush best = ISA_FLUSH_NONE;
    for (size_t i = 0; i < ARRAY_LENGTH(choices); i++) {
        if (!(features & choices[i].feature))
            continue;
        if (setting != NULL && strcmp(setting, choices[i].name) == 0)
            return choices[i].flush;
        if (best == ISA_FLUSH_NONE)
            best = choices[i].flush;
    }
    return best;
}

struct isa_choice isa_choose(uint32_t features, uint32_t line_size, const char *flush_setting,
                             const char *stores_setting) {
    const uint32_t both = ISA_MOVDIRI | ISA_MOVDIR64B;
    bool cached = stores_setting != NULL && strcmp(stores_setting, "cached") == 0;
    enum isa_flush flush = choose_flush(features, flush_setting);
    bool stream = !cached && (features & ISA_SSE2) != 0;
    bool lines = flush == ISA_FLUSH_CLWB && line_size == 64 && (features & ISA_SSE2) != 0;
    bool evicts = (features & ISA_EVICTS) != 0;
    return (struct isa_choice){
        .flush = flush,
        .stream = stream,
        .line_size = line_size,
        .lines = lines,
        .past = stream && lines && evicts,
        /* A CPU whose streaming stores do as much is several times slower by movdiri. */
        .direct = !cached && lines && (features & both) == both && !evicts,
        /* Measured: an eighth to a half of the time on Intel's, a loss of a tenth on AMD's. */
        .claims = lines && evicts,
        .vector = features & ISA_AVX512F ? ISA_VECTOR_512
                  : features & ISA_AVX2  ? ISA_VECTOR_256
                                         : ISA_VECTOR_128,
    };
}
