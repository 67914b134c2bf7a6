/* SPDX-License-Identifier: BSD-2-Clause */
#include "sandbox/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/reads.h"
#include "sandbox/processes.h"

uint64_t batch_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void batch_wait(_Atomic uint32_t *word, uint32_t value) {
    syscall(SYS_futex, word, FUTEX_WAIT, value, NULL, NULL, 0);
}

void batch_wake(_Atomic uint32_t *word) {
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void *share(size_t size) {
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory != MAP_FAILED ? memory : NULL;
}

static size_t bits_size(const struct batch_region *region, uint64_t unit) {
    return (size_t)(region->room / unit / CHAR_BIT + sizeof(uint64_t));
}

static bool make_region(struct sandbox *sandbox, size_t index) {
    struct batch_region *region = &sandbox->regions[index];
    uint64_t size = sandbox->options.regions[index].size;
    region->room = align_up(size, SANDBOX_PAGE);
    region->descriptor = memfd_create("nvrtl-base", MFD_CLOEXEC);
    if (region->descriptor < 0 || ftruncate(region->descriptor, (off_t)region->room) != 0)
        return false;
    region->bytes =
        mmap(NULL, region->room, PROT_READ | PROT_WRITE, MAP_SHARED, region->descriptor, 0);
    region->touched = share(bits_size(region, SANDBOX_PAGE));
    region->lines = share(bits_size(region, READS_LINE));
    return region->bytes != MAP_FAILED && region->touched != NULL && region->lines != NULL;
}

static bool make_folder(struct sandbox *sandbox) {
    const char *parent = getenv("TMPDIR");
    int length = snprintf(sandbox->folder, sizeof sandbox->folder, "%s/nvrtl-crash-XXXXXX",
                          parent != NULL && parent[0] == '/' ? parent : "/tmp");
    if (length < (int)sizeof sandbox->folder && mkdtemp(sandbox->folder) != NULL)
        return true;
    sandbox->folder[0] = '\0';
    return false;
}

static bool make(struct sandbox *sandbox) {
    sandbox->batch = share(sizeof *sandbox->batch);
    sandbox->marks[0] = share(BATCH_MARKS * sizeof(uint64_t));
    sandbox->marks[1] = share(BATCH_MARKS * sizeof(uint64_t));
    if (sandbox->options.states)
        sandbox->records = share(BATCH_RECORDS * sizeof *sandbox->records);
    if (sandbox->batch == NULL || sandbox->marks[0] == NULL || sandbox->marks[1] == NULL ||
        (sandbox->options.states && sandbox->records == NULL))
        return false;
    for (size_t i = 0; i < sandbox->options.region_count; i++) {
        if (!make_region(sandbox, i))
            return false;
    }
    sandbox->batch->base = sandbox->batch->base_before = 1;
    return make_folder(sandbox) && pipe2(sandbox->news, O_CLOEXEC | O_NONBLOCK) == 0;
}

struct sandbox *sandbox_new(const struct sandbox_options *options) {
    struct sandbox *sandbox = calloc(1, sizeof *sandbox);
    if (sandbox == NULL)
        return NULL;
    sandbox->options = *options;
    sandbox->news[0] = sandbox->news[1] = -1;
    for (size_t i = 0; i < options->region_count; i++)
        sandbox->regions[i].descriptor = -1;
    if (options->region_count <= SANDBOX_REGIONS && options->workers <= SANDBOX_WORKERS &&
        make(sandbox))
        return sandbox;
    int error = errno;
    sandbox_end(sandbox);
    errno = error;
    return NULL;
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk) {
    (void)stat, (void)kind, (void)walk;
    remove(path);
    return 0;
}

static void end_region(const struct batch_region *region) {
    if (region->descriptor < 0)
        return;
    close(region->descriptor);
    if (region->bytes != MAP_FAILED && region->bytes != NULL)
        munmap(region->bytes, region->room);
    if (region->touched != NULL)
        munmap(region->touched, bits_size(region, SANDBOX_PAGE));
    if (region->lines != NULL)
        munmap(region->lines, bits_size(region, READS_LINE));
}

void sandbox_end(struct sandbox *sandbox) {
    if (sandbox == NULL)
        return;
    processes_end(sandbox);
    for (size_t i = 0; i < sandbox->options.region_count; i++)
        end_region(&sandbox->regions[i]);
    for (size_t i = 0; i < ARRAY_LENGTH(sandbox->marks); i++) {
        if (sandbox->marks[i] != NULL)
            munmap(sandbox->marks[i], BATCH_MARKS * sizeof(uint64_t));
        if (sandbox->news[i] >= 0)
            close(sandbox->news[i]);
    }
    if (sandbox->records != NULL)
        munmap(sandbox->records, BATCH_RECORDS * sizeof *sandbox->records);
    if (sandbox->batch != NULL)
        munmap(sandbox->batch, sizeof *sandbox->batch);
    if (sandbox->folder[0] != '\0')
        nftw(sandbox->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(sandbox);
}

void sandbox_rest(struct sandbox *sandbox) {
    processes_end(sandbox);
}

struct sandbox_marks sandbox_marks(const struct sandbox *sandbox) {
    return (struct sandbox_marks){{sandbox->marks[0], sandbox->marks[1]},
                                  {sandbox->mark_count[0], sandbox->mark_count[1]}};
}

char *sandbox_scratch(const struct sandbox *sandbox, const char *name) {
    char path[sizeof sandbox->folder + 64];
    snprintf(path, sizeof path, "%s/%s", sandbox->folder, name);
    if (mkdir(path, 0700) != 0 && errno != EEXIST)
        return NULL;
    return realpath(path, NULL);
}

const char *sandbox_problem(const struct sandbox *sandbox) {
    return sandbox->batch->problem;
}

const char *sandbox_remark(const struct sandbox *sandbox) {
    return sandbox->batch->unlimited
               ? "this system has no Landlock: the checker could have written to the user's files"
               : NULL;
}

const uint8_t *sandbox_base(const struct sandbox *sandbox, size_t region) {
    return sandbox->regions[region].bytes;
}

/* A batch that was run makes room for the next one. */
static void start_over(struct sandbox *sandbox) {
    struct batch *batch = sandbox->batch;
    if (!sandbox->ran)
        return;
    sandbox->ran = false;
    batch->count = batch->patch_count = batch->byte_count = batch->change_count = 0;
    batch->base_before = batch->base;
}

void sandbox_set(struct sandbox *sandbox, size_t region, uint64_t offset, const void *bytes,
                 size_t length) {
    struct batch *batch = sandbox->batch;
    start_over(sandbox);
    memcpy(sandbox->regions[region].bytes + offset, bytes, length);
    batch->base++;
    if (batch->change_count == BATCH_CHANGES) { /* then all is to be looked at */
        batch->base_before = batch->base;
        batch->change_count = 0;
    }
    if (batch->base_before != batch->base)
        batch->changes[batch->change_count++] =
            (struct batch_change){(uint32_t)region, (uint32_t)length, offset};
}

bool sandbox_mark(struct sandbox *sandbox, bool acked, uint64_t id) {
    size_t *count = &sandbox->mark_count[acked];
    if (*count == BATCH_MARKS)
        return false;
    sandbox->marks[acked][(*count)++] = id;
    return true;
}

bool sandbox_image(struct sandbox *sandbox, size_t begun, size_t acked) {
    struct batch *batch = sandbox->batch;
    start_over(sandbox);
    if (batch->count == SANDBOX_IMAGES)
        return false;
    struct batch_image *image = &batch->images[batch->count++];
    image->patch = batch->patch_count;
    image->patches = 0;
    image->begun = begun;
    image->acked = acked;
    image->outcome = SANDBOX_PENDING;
    return true;
}

bool sandbox_patch(struct sandbox *sandbox, size_t region, uint64_t offset, const void *bytes,
                   size_t length) {
    struct batch *batch = sandbox->batch;
    struct batch_image *image = &batch->images[batch->count - 1];
    if (batch->patch_count == BATCH_PATCHES || BATCH_BYTES - batch->byte_count < length) {
        batch->patch_count -= image->patches;
        batch->count--;
        return false;
    }
    batch->patches[batch->patch_count++] =
        (struct batch_patch){(uint32_t)region, (uint32_t)length, offset, batch->byte_count};
    memcpy(batch->bytes + batch->byte_count, bytes, length);
    batch->byte_count += (uint32_t)length;
    image->patches++;
    return true;
}

static void forget(const struct batch_region *region) {
    memset((void *)region->touched, 0, bits_size(region, SANDBOX_PAGE));
    memset((void *)region->lines, 0, bits_size(region, READS_LINE));
}

bool sandbox_run(struct sandbox *sandbox, enum sandbox_run run, const volatile int *stop) {
    struct batch *batch = sandbox->batch;
    sandbox->ran = true;
    batch->traced = run == SANDBOX_TRACED;
    batch->keeps_records = run == SANDBOX_RECORDS;
    batch->record_count = 0;
    atomic_store(&batch->told, 0);
    atomic_store(&batch->blind, 0);
    for (size_t i = 0; batch->traced && i < sandbox->options.region_count; i++)
        forget(&sandbox->regions[i]);
    return processes_run(sandbox, stop);
}

bool sandbox_run_again(struct sandbox *sandbox, size_t image, int output,
                       const volatile int *stop) {
    sandbox->ran = true;
    atomic_store(&sandbox->batch->images[image].outcome, SANDBOX_PENDING);
    return processes_run_fresh(sandbox, (uint32_t)image, output, stop);
}

size_t sandbox_count(const struct sandbox *sandbox) {
    return sandbox->batch->count;
}

struct sandbox_verdict sandbox_verdict(const struct sandbox *sandbox, size_t image) {
    const struct batch_image *at = &sandbox->batch->images[image];
    return (struct sandbox_verdict){atomic_load(&at->outcome), at->status};
}

uint64_t sandbox_state(const struct sandbox *sandbox, size_t image) {
    return sandbox->batch->images[image].state;
}

uint64_t sandbox_sum(const struct sandbox *sandbox, size_t image) {
    return sandbox->batch->images[image].sum;
}

const struct sandbox_record *sandbox_records(const struct sandbox *sandbox, size_t *count) {
    *count = sandbox->batch->record_count;
    return *count <= BATCH_RECORDS ? sandbox->records : NULL;
}

const uint64_t *sandbox_touched(const struct sandbox *sandbox, size_t region) {
    const struct batch *batch = sandbox->batch;
    if (atomic_load(&batch->untraced) != 0 || atomic_load(&batch->told) == 0)
        return NULL;
    return (const uint64_t *)sandbox->regions[region].touched;
}

static bool is_set(const _Atomic uint64_t *bits, uint64_t number) {
    return (atomic_load(&bits[number / 64]) >> number % 64 & 1) != 0;
}

static bool any_line(const struct batch_region *region, uint64_t offset, uint64_t length) {
    bool any = false;
    uint64_t last = (offset + length - 1) / READS_LINE;
    for (uint64_t line = offset / READS_LINE; line <= last; line++)
        any = any || is_set(region->lines, line);
    return any;
}

/* The page was touched, and code with hooks has not said so. */
static bool is_unsaid(const struct batch_region *region, uint64_t page, bool by_lines) {
    return is_set(region->touched, page) &&
           !(by_lines && any_line(region, page * SANDBOX_PAGE, SANDBOX_PAGE));
}

bool sandbox_looked(const struct sandbox *sandbox, size_t region, uint64_t offset,
                    uint64_t length) {
    const struct batch_region *at = &sandbox->regions[region];
    bool by_lines = atomic_load(&sandbox->batch->blind) == 0;
    bool by_pages = sandbox_touched(sandbox, region) != NULL;
    bool looked = (!by_pages && !by_lines) || (by_lines && any_line(at, offset, length));
    uint64_t last = (offset + length - 1) / SANDBOX_PAGE;
    for (uint64_t page = offset / SANDBOX_PAGE; by_pages && page <= last; page++)
        looked = looked || is_unsaid(at, page, by_lines);
    return looked;
}

bool sandbox_is_exact(const struct sandbox *sandbox) {
    const struct batch *batch = sandbox->batch;
    return batch->traced != 0 && atomic_load(&batch->blind) == 0 &&
           atomic_load(&batch->untraced) == 0 && atomic_load(&batch->told) == batch->count;
}
