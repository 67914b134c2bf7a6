/* SPDX-License-Identifier: BSD-2-Clause */
/* Which kernel is the fastest for which length: every way of store/store.h that is durable, each
   with every width of vectors, and the table that the library takes its limits from. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/bits.h"
#include "bench/measure.h"
#include "bench/peers.h"
#include "store/store.h"

#define FIELD ((size_t)256 << 20)
#define HOT ((size_t)64 << 10)
#define LENGTH_MAX ((size_t)1 << 20)
#define SLACK (2 * LENGTH_MAX)
#define SKEW ((size_t)17)
#define ROUNDS 41

static const size_t lengths[] = {128,  192,  256,  384,   512,   768,    1024,
                                 1536, 2048, 4096, 16384, 65536, 524288, LENGTH_MAX};

/* Direct stores last: not every CPU has them. */
enum lane { LANE_AFTER, LANE_BACK, LANE_BEHIND, LANE_STREAM, LANE_DIRECT, LANES };
static const char *const lane_names[LANES] = {"store, then write back", "line by line",
                                              "some lines behind", "streaming", "direct"};

struct trial {
    char *field;
    const char *source;
    struct isa_choice choice;
    bool copies, hot;
    size_t skew, length, slots, stride, position;
};

static void store(const struct trial *trial, enum lane lane, char *at) {
    const enum store_way ways[LANES] = {
        STORE_CACHED,        STORE_CACHED_BACK,
        STORE_CACHED_BEHIND, trial->choice.past ? STORE_PAST : STORE_STREAM_BACK,
        STORE_DIRECT,
    };
    enum store_way way = ways[lane];
    if (trial->copies)
        store_copy(&way, &trial->choice, at, trial->source, trial->length);
    else
        store_fill(&way, &trial->choice, at, 0, trial->length);
    if (lane == LANE_AFTER)
        isa_write_back(ISA_FLUSH_CLWB, at, trial->length, 64);
    isa_fence();
}

static double sample(void *context, size_t lane) {
    struct trial *trial = (struct trial *)context;
    size_t slot = align_up(trial->length + trial->skew, 64);
    size_t count = ((size_t)256 << 10) / slot + 4;
    double start = measure_now();
    for (size_t i = 0; i < count; i++) {
        store(trial, (enum lane)lane, trial->field + trial->position * slot + trial->skew);
        trial->position += trial->stride;
        trial->position -= trial->position >= trial->slots ? trial->slots : 0;
    }
    return (measure_now() - start) / (double)count;
}

/* What one length takes; talks of it. */
struct times {
    double lanes[LANES];
};

static struct times times_of(struct trial *trial, size_t length, FILE *talk) {
    struct times times = {{0}};
    const size_t lanes = trial->choice.direct ? LANES : LANE_DIRECT;
    struct bench_row row = {.lane_count = lanes};
    trial->length = length;
    size_t slot = align_up(trial->length + trial->skew, 64);
    trial->slots = trial->hot ? HOT / slot + 1 : FIELD / slot;
    trial->stride = trial->hot ? 1 : (trial->slots / 8 * 5) | 1;
    trial->position = 0;
    measure_row(&row, ROUNDS, sample, trial);
    fprintf(talk, "%s %s %s, vectors of %d bits, %zu bytes:", trial->copies ? "copy" : "fill",
            trial->hot ? "hot" : "cold", trial->skew != 0 ? "skewed" : "aligned",
            128 << trial->choice.vector, trial->length);
    for (size_t lane = 0; lane < lanes; lane++) {
        times.lanes[lane] = row.lanes[lane].nanos.median;
        fprintf(talk, " %s %.0f ns", lane_names[lane], times.lanes[lane]);
    }
    fputc('\n', talk);
    return times;
}

/* Less than this share of difference is noise. */
#define NOISE 0.06

/* From where on a lane is never slower than others, and there faster. Streaming: of memory that is
   not cached, since what streams need not stay there. Behind: of memory that is. */
static size_t pays_from(struct trial *trial, enum lane lane, bool copies, FILE *talk) {
    size_t from = SIZE_MAX;
    trial->copies = copies;
    trial->hot = lane == LANE_BEHIND;
    for (size_t i = ARRAY_LENGTH(lengths); i-- > 0;) {
        const struct times times = times_of(trial, lengths[i], talk);
        double other = times.lanes[LANE_BACK];
        if (lane == LANE_STREAM && times.lanes[LANE_BEHIND] < other)
            other = times.lanes[LANE_BEHIND];
        if (times.lanes[lane] > other * (1 + NOISE))
            break;
        if (times.lanes[lane] < other * (1 - NOISE))
            from = lengths[i];
    }
    return from;
}

static void print_length(FILE *to, size_t length, const char *after) {
    if (length == SIZE_MAX)
        fprintf(to, "SIZE_MAX%s", after);
    else
        fprintf(to, "%zu%s", length, after);
}

static void print_limits(FILE *to, FILE *talk, struct trial *trial) {
    static const char *const names[] = {"ISA_VECTOR_128", "ISA_VECTOR_256", "ISA_VECTOR_512"};
    size_t copy = pays_from(trial, LANE_STREAM, true, talk);
    size_t fill = pays_from(trial, LANE_STREAM, false, talk);
    size_t copies = pays_from(trial, LANE_BEHIND, true, talk);
    size_t fills = pays_from(trial, LANE_BEHIND, false, talk);
    fprintf(to, "LIMIT(0x%x, %s, %s, ", isa_cpu(), names[trial->choice.vector],
            trial->skew != 0 ? "false" : "true");
    print_length(to, copy, ", ");
    print_length(to, fill, ", ");
    print_length(to, copies > fills ? copies : fills, ")\n");
}

bool bench_calibrate(FILE *to, FILE *talk) {
    char machine[256], day[16];
    time_t now = time(NULL);
    struct tm parts;
    void *field = mmap(NULL, FIELD + 2 * SLACK, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    peers_choice = isa_choose(isa_features(), isa_line_size(), NULL, NULL);
    if (!peers_choice.lines || field == MAP_FAILED)
        return false;
    memset(field, 1, FIELD + 2 * SLACK);
    bench_machine(machine, sizeof machine);
    strftime(day, sizeof day, "%Y-%m-%d", gmtime_r(&now, &parts));
    fprintf(to, "/* Written by nvrtl bench --calibrate on %s:\n   %s. */\n", day, machine);
    for (enum isa_vector vector = ISA_VECTOR_128; vector <= peers_choice.vector; vector++) {
        for (unsigned skewed = 0; skewed < 2; skewed++) {
            struct trial trial = {.field = (char *)field,
                                  .source = (char *)field + FIELD + SLACK,
                                  .choice = peers_choice,
                                  .skew = skewed ? SKEW : 0};
            trial.choice.vector = vector;
            print_limits(to, talk, &trial);
        }
    }
    munmap(field, FIELD + 2 * SLACK);
    return true;
}
