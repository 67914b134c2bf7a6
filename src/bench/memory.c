/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench/memory.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "bench/peers.h"

#define LINE ((size_t)64)
#define HOT_SIZE ((size_t)64 << 10)
#define COLD_SIZE ((size_t)256 << 20)
#define QUICK_COLD_SIZE ((size_t)8 << 20)
#define SLACK ((size_t)2 << 20) /* the longest operation, misaligned */
#define PLACES_MAX ((size_t)1 << 16)
#define PASS_BYTES_MAX ((size_t)8 << 20)
#define SKEW ((size_t)17)
#define ROUNDS 25
#define SAMPLE_NANOS 2e5
#define QUICK_SAMPLE_NANOS 5e3

/* Memory of a file in memory, for as long as the command runs. */
static struct {
    char *base;
    size_t size;
    char *source;
    PVOID token, deferring;
    NV_MEMORY_RANGE places[PLACES_MAX];
} field;

/* A verifier that listens is to hear of no token that was forgotten. */
static void unmap(void) {
    RtlFreeNonVolatileToken(field.deferring);
    RtlFreeNonVolatileToken(field.token);
    munmap(field.base, field.size + SLACK);
    munmap(field.source, SLACK);
}

static bool make_field(struct bench_ground *ground) {
    if (field.base != NULL)
        return true;
    field.size = ground->wish->quick ? QUICK_COLD_SIZE : COLD_SIZE;
    int file = memfd_create("nvrtl-bench", MFD_CLOEXEC);
    void *base = MAP_FAILED, *source;
    if (file >= 0 && ftruncate(file, (off_t)(field.size + SLACK)) == 0)
        base = mmap(NULL, field.size + SLACK, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                    file, 0);
    source = mmap(NULL, SLACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED || source == MAP_FAILED) {
        measure_give_up(ground, "no %zu MiB of memory: %s", field.size >> 20, strerror(errno));
        return false;
    }
    close(file);
    memset(base, 1, field.size + SLACK);
    memset(source, 2, SLACK);
    NTSTATUS status = RtlGetNonVolatileToken(base, field.size + SLACK, &field.token);
    if (status == STATUS_SUCCESS)
        status = RtlGetNonVolatileToken(base, field.size + SLACK, &field.deferring);
    if (status == STATUS_SUCCESS)
        status = NvRtlSetTokenOption(field.deferring, NVRTL_OPTION_DEFER_FLUSH, 1);
    if (status != STATUS_SUCCESS) {
        measure_give_up(ground, "no token: %s", NvRtlStatusText(status));
        return false;
    }
    field.base = (char *)base;
    field.source = (char *)source;
    atexit(unmap);
    return true;
}

struct contest {
    const struct memory_question *question;
    const struct memory_lane *lanes[BENCH_LANES];
    struct memory_pass pass;
    bool cold;
    size_t skew, slot, slots, position, stride;
    double nanos;
};

/* The longest first, so that one that begins near the end of the field fits. */
static size_t length_of(const struct contest *contest, size_t index) {
    const struct memory_question *question = contest->question;
    if (question->scattered == 0 || question->lines != 0)
        return contest->pass.length;
    return 8 + index * 40 % 249;
}

/* The places of the next pass: all of a hot set in order, and the next ones of a cold set. */
static void choose_places(struct contest *contest) {
    const struct memory_question *question = contest->question;
    for (size_t i = 0; i < contest->pass.count; i++) {
        char *at = field.base + contest->position * contest->slot + contest->skew;
        if (question->lines != 0)
            at = field.base + i * question->lines / question->scattered * LINE + i % 4 * 8;
        field.places[i] = (NV_MEMORY_RANGE){at, length_of(contest, i)};
        contest->position = (contest->position + contest->stride) % contest->slots;
    }
}

static void make_dirty(const struct contest *contest) {
    for (size_t i = 0; i < contest->pass.count; i++) {
        volatile char *at = (volatile char *)field.places[i].BaseAddress;
        size_t length = field.places[i].Length;
        for (size_t done = 0; done < length; done += LINE)
            at[done] = (char)i;
        at[length - 1] = (char)i;
    }
}

static double sample(void *context, size_t lane) {
    struct contest *contest = (struct contest *)context;
    double taken = 0, passes = 0;
    do {
        choose_places(contest);
        if (contest->question->dirty)
            make_dirty(contest);
        double start = measure_now();
        contest->lanes[lane]->run(&contest->pass);
        taken += measure_now() - start;
        passes++;
        /* What a lane has left under way is not the next one's to wait for. */
        RtlDrainNonVolatileFlush(field.deferring);
    } while (taken < contest->nanos);
    return taken / passes / (double)contest->pass.count;
}

/* Is there a divisor other than 1? */
static bool common(size_t a, size_t b) {
    while (b != 0) {
        size_t rest = a % b;
        a = b;
        b = rest;
    }
    return a != 1;
}

static struct contest contest_for(const struct memory_question *question, size_t length, bool cold,
                                  size_t skew, bool quick) {
    struct contest contest = {.question = question, .cold = cold, .skew = skew};
    size_t longest = question->scattered != 0 && question->lines == 0 ? 256 : length;
    contest.slot = align_up(longest + skew, LINE);
    contest.slots = (cold ? field.size : HOT_SIZE) / contest.slot;
    contest.slots = contest.slots == 0 ? 1 : contest.slots;
    contest.stride = 1;
    if (cold && contest.slots > 3) {
        contest.stride = contest.slots / 8 * 5 | 1;
        while (common(contest.stride, contest.slots))
            contest.stride += 2;
    }
    size_t count = contest.slots < PLACES_MAX ? contest.slots : PLACES_MAX;
    if (count * contest.slot > PASS_BYTES_MAX)
        count = PASS_BYTES_MAX / contest.slot;
    if (cold && !question->dirty && count > 2048)
        count = 2048;
    if (quick && count > 64)
        count = 64;
    if (question->scattered != 0)
        count = question->scattered;
    contest.nanos = quick ? QUICK_SAMPLE_NANOS : SAMPLE_NANOS;
    contest.pass = (struct memory_pass){.places = field.places,
                                        .count = count == 0 ? 1 : count,
                                        .length = length,
                                        .source = field.source,
                                        .token = field.token,
                                        .deferring = field.deferring};
    return contest;
}

static void set_goal(const struct memory_question *question, const struct contest *contest,
                     struct bench_row *row) {
    unsigned set = contest->cold ? MEMORY_COLD : MEMORY_HOT;
    for (size_t i = 0; i < MEMORY_GOALS && question->goals[i].lane != NULL; i++) {
        const struct memory_goal *goal = &question->goals[i];
        if ((goal->sets & set) == 0 || row->length < goal->least || row->length > goal->most ||
            (goal->skewed >= 0 && goal->skewed != (contest->skew != 0)))
            continue;
        row->goal = goal->ratio;
        row->goal_lane = goal->lane;
        return;
    }
}

static void measure_case(struct bench_ground *ground, const struct bench_asked *asked,
                         size_t length, bool cold, size_t skew) {
    const struct memory_question *question = (const struct memory_question *)asked->more;
    struct contest contest = contest_for(question, length, cold, skew, ground->wish->quick);
    struct bench_row row = {.question = asked->name,
                            .title = asked->title,
                            .set = cold ? "cold" : "hot",
                            .alignment = !question->skewed ? ""
                                         : skew != 0       ? "skewed"
                                                           : "aligned",
                            .length = length};
    for (size_t i = 0; i < BENCH_LANES && question->lanes[i].name != NULL; i++) {
        const struct memory_lane *lane = &question->lanes[i];
        if (lane->libpmem && (!ground->wish->libpmem || peers_libpmem.flush == NULL))
            continue;
        contest.lanes[row.lane_count] = lane;
        row.lanes[row.lane_count].name = lane->name;
        row.lanes[row.lane_count].undocumented =
            !peers_choice.past && lane->undocumented_at != 0 && length >= lane->undocumented_at;
        row.lane_count++;
    }
    set_goal(question, &contest, &row);
    measure_and_tell(ground, &row, ROUNDS, sample, &contest);
}

void memory_measure(struct bench_ground *ground, const struct bench_asked *asked) {
    const struct memory_question *question = (const struct memory_question *)asked->more;
    if (!make_field(ground))
        return;
    for (unsigned set = MEMORY_HOT; set <= MEMORY_COLD; set <<= 1) {
        for (unsigned skewed = 0;
             (question->sets & set) != 0 && skewed <= (question->skewed ? 1u : 0u); skewed++) {
            for (size_t i = 0; i < MEMORY_SIZES && question->sizes[i] != 0; i++) {
                if (!ground->wish->quick || question->sizes[i] <= 4096)
                    measure_case(ground, asked, question->sizes[i], set == MEMORY_COLD,
                                 skewed ? SKEW : 0);
            }
        }
    }
}
