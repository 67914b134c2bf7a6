/* SPDX-License-Identifier: BSD-2-Clause */
/* What a write-back, a fence and a wait for a file take on this machine: measured in a moment, for
   the shares of a profile, and no benchmark. */
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/run.h"
#include "isa/isa.h"
#include "verify/profile.h"

#define PAGE_BYTES 4096
#define ROUNDS 101
#define FENCES 64
#define WAITS 7
#define WAIT_PAGES 16
#define MEMORY_ONLY 0x01021994 /* TMPFS_MAGIC: nothing is waited for there */

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static int compare(const void *left, const void *right) {
    double a = *(const double *)left, b = *(const double *)right;
    return a < b ? -1 : a > b;
}

static double median(double *values, size_t count) {
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

/* Stores to this many lines, writes them back unless how is none, and fences. */
static double time_lines(char *memory, size_t lines, enum isa_flush how, uint32_t line_size) {
    double times[ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++) {
        double start = now();
        for (size_t i = 0; i < lines; i++)
            *(volatile char *)(memory + i * line_size) = (char)round;
        isa_write_back(how, memory, lines * line_size, line_size);
        isa_fence();
        times[round] = now() - start;
    }
    return median(times, ROUNDS);
}

/* A store and a fence, again and again: by itself that is too short to be timed. */
static double time_fence(char *memory) {
    double times[ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++) {
        double start = now();
        for (size_t i = 0; i < FENCES; i++) {
            *(volatile char *)memory = (char)i;
            isa_fence();
        }
        times[round] = (now() - start) / FENCES;
    }
    return median(times, ROUNDS);
}

static double no_less(double time) {
    return time > 0 ? time : 0;
}

static void measure_lines(struct profile_costs *costs) {
    const struct isa_choice choice =
        isa_choose(isa_features(), isa_line_size(), getenv("NVRTL_FLUSH"), NULL);
    char *memory =
        mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    size_t lines = PAGE_BYTES / choice.line_size;
    if (memory == MAP_FAILED || choice.flush == ISA_FLUSH_NONE || lines < 2)
        return;
    double none = time_lines(memory, 0, ISA_FLUSH_NONE, choice.line_size);
    double one = time_lines(memory, 1, choice.flush, choice.line_size);
    double all = time_lines(memory, lines, choice.flush, choice.line_size);
    costs->line = no_less((all - one) / (double)(lines - 1));
    costs->drain = no_less(one - none - costs->line);
    costs->fence = time_fence(memory);
    munmap(memory, PAGE_BYTES);
}

static double time_wait(char *view, size_t pages) {
    double times[WAITS];
    for (size_t round = 0; round < WAITS; round++) {
        for (size_t i = 0; i < pages; i++)
            view[i * PAGE_BYTES] = (char)(round + 1);
        double start = now();
        msync(view, pages * PAGE_BYTES, MS_SYNC);
        times[round] = now() - start;
    }
    return median(times, WAITS);
}

/* In a file without a name, which is gone with its descriptor. */
static bool measure_waits(const char *folder, struct profile_costs *costs) {
    struct statfs system;
    size_t size = (size_t)WAIT_PAGES * PAGE_BYTES;
    if (statfs(folder, &system) != 0 || system.f_type == MEMORY_ONLY)
        return false;
    int file = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (file < 0)
        return false;
    bool made = posix_fallocate(file, 0, (off_t)size) == 0 && fsync(file) == 0;
    char *view = made ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
    close(file);
    if (view == MAP_FAILED)
        return false;
    double one = time_wait(view, 1), all = time_wait(view, WAIT_PAGES);
    costs->page = no_less((all - one) / (WAIT_PAGES - 1));
    costs->wait = no_less(one - costs->page);
    munmap(view, size);
    return true;
}

void run_price(struct report *report) {
    struct profile_costs costs = {0};
    char folder[PATH_MAX];
    if (!report->profile.wanted)
        return;
    measure_lines(&costs);
    for (size_t i = 0; i < report->region_count && costs.wait <= 0; i++) {
        const struct report_region *region = &report->regions[i];
        snprintf(folder, sizeof folder, "%s", region->path);
        char *slash = strrchr(folder, '/');
        if (slash == NULL || strcmp(region->domain, "page-cache") != 0)
            continue;
        slash[slash == folder] = '\0';
        measure_waits(folder, &costs);
    }
    if (costs.wait <= 0)
        measure_waits(".", &costs);
    profile_price(&report->profile, &costs);
}
