/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl crash --nested: recovery of one image is run by a process of its own, nvrtl once more, and
   recorded as any program is. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <nvrtl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "cli/crash.h"
#include "cli/record.h"
#include "search/plan.h"
#include "verify/session.h"

/* This command on the folder, and who judges: words from texts that live as long. NULL: no
   memory. */
static char **make_words(const struct crash_explore *explore, char *recover, char *check) {
    const struct search_options *options = &explore->search;
    static char self[] = "/proc/self/exe", crash[] = "crash", trace[] = "-", end[] = "--";
    size_t count = 0, used = 0;
    while (options->program != NULL && options->program[count] != NULL)
        count++;
    char **words = calloc(count + 8, sizeof *words);
    if (words == NULL)
        return NULL;
    words[used++] = self;
    words[used++] = crash;
    words[used++] = recover;
    if (options->check != NULL)
        words[used++] = check;
    words[used++] = trace;
    if (count != 0)
        words[used++] = end;
    for (size_t i = 0; i < count; i++)
        words[used++] = options->program[i];
    return words;
}

static int record(char **words, bool names, FILE *out) {
    const struct verify_options options = {.judge = "strict",
                                           .stacks = "cached",
                                           .stores = "auto",
                                           .streams = "drain",
                                           .record = true};
    const struct run_preload preload = {.wanted = false};
    const struct record_facts facts = {.names = names};
    struct record_target target = {.out = out, .name = "a trace of recovery"};
    int result = -1;
    struct verify_session *session = verify_begin(&options);
    if (session != NULL && record_run(session, words, &preload, &facts, &target) == 0) {
        const struct record_counts *counts = &target.counts;
        bool coped = WIFEXITED(target.status) && WEXITSTATUS(target.status) == 0;
        result = !coped ? 1 : counts->full || counts->waiting || counts->lost ? -1 : 0;
    }
    verify_end(session);
    return result;
}

int crash_record(void *context, const struct search_recovery *recovery, FILE *out) {
    const struct crash_explore *explore = context;
    char *folder = NULL, *check = NULL, **words = NULL;
    int result = -1;
    if (asprintf(&folder, "--recover=%s", recovery->folder) < 0)
        return -1;
    const char *own = explore->search.check;
    if (asprintf(&check, "--check=%s", own != NULL ? own : "") < 0)
        check = NULL;
    if (check != NULL)
        words = make_words(explore, folder, check);
    if (words != NULL)
        result = record(words, recovery->names, out);
    free(words);
    free(folder);
    free(check);
    return result;
}

/* A view of an image, where the run had it if that is free; the runtime gets to know it by its
   token. NULL, with errno. */
static uint8_t *map(const struct sandbox_options *options, const char *images, size_t index) {
    const struct sandbox_region *region = &options->regions[index];
    char path[PATH_MAX];
    void *token, *view = MAP_FAILED;
    sandbox_image_path(options, images, index, path, sizeof path);
    int file = open(path, O_RDWR | O_CLOEXEC);
    if (file >= 0 && region->base != 0)
        view = mmap((void *)(uintptr_t)region->base, region->size, PROT_READ | PROT_WRITE,
                    MAP_SHARED | MAP_FIXED_NOREPLACE, file, 0);
    if (file >= 0 && view == MAP_FAILED)
        view = mmap(NULL, region->size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (view == MAP_FAILED || RtlGetNonVolatileToken(view, region->size, &token) != 0)
        return NULL;
    return view; /* the file stays open: to close it would drop the checker's locks on it */
}

int crash_recover(const struct crash_explore *explore) {
    struct plan plan;
    uint8_t *views[SANDBOX_REGIONS] = {NULL};
    char images[PATH_MAX];
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (!plan_read(&plan, explore->recover) || null < 0)
        return CLI_RUN_FAILED;
    const struct sandbox_options options = {.judge = explore->search.judge,
                                            .check = explore->search.check,
                                            .program = explore->search.program,
                                            .regions = plan.regions,
                                            .region_count = plan.region_count,
                                            .timeout = explore->search.timeout};
    snprintf(images, sizeof images, "%s/" PLAN_IMAGES, explore->recover);
    for (size_t i = 0; options.judge == SANDBOX_OBJECT && i < plan.region_count; i++) {
        views[i] = map(&options, images, i);
        if (views[i] == NULL)
            return CLI_RUN_FAILED;
    }
    for (int standard = 0; standard < 3; standard++)
        dup2(null, standard);
    sandbox_recover(&options, images, &plan.marks, views);
}
