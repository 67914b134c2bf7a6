/* SPDX-License-Identifier: BSD-2-Clause */
/* The checker in a shared object. */
#include <dlfcn.h>
#include <nvrtl_crash.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/reads.h"
#include "sandbox/batch.h"

static int (*check)(const struct NvRtlCrash *crash);
static int (*dump)(const struct NvRtlCrash *crash, struct NvRtlCrashDump *dump);
static void (*trace_reads)(const struct reads_range *ranges, size_t count); /* NULL: no hooks */

/* A byte that a forked process finds to be 0: to ask for the process's number would take as long as
   a quick check. NULL: the system has no such memory. */
static volatile unsigned char *own;

static void make_own(void) {
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *made = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made != MAP_FAILED && madvise(made, page, MADV_WIPEONFORK) == 0)
        own = made;
}

bool object_open(const struct sandbox *sandbox) {
    struct batch *batch = sandbox->batch;
    /* A name without a slash would be looked for among the system's libraries. */
    char *path = realpath(sandbox->options.check, NULL);
    void *object = dlopen(path != NULL ? path : sandbox->options.check, RTLD_NOW | RTLD_LOCAL);
    bool states = sandbox->options.states;
    if (object != NULL)
        *(void **)&check = dlsym(object, "nvrtl_check");
    if (object != NULL && states)
        *(void **)&dump = dlsym(object, "nvrtl_dump");
    if (states ? dump == NULL : check == NULL) {
        snprintf(batch->problem, sizeof batch->problem, "%s", dlerror());
        return false;
    }
    free(path);
    make_own();
    *(void **)&trace_reads = dlsym(object, READS_TRACE);
    return true;
}

bool object_trace(const struct live *live, bool on) {
    static struct reads_range ranges[SANDBOX_REGIONS];
    size_t count = on ? live->sandbox->options.region_count : 0;
    for (size_t i = 0; i < count; i++)
        ranges[i] = (struct reads_range){.address = (uintptr_t)live->regions[i].view,
                                         .length = live->regions[i].size,
                                         .lines = live->sandbox->regions[i].lines};
    if (trace_reads != NULL)
        trace_reads(ranges, count);
    return trace_reads != NULL;
}

/* The check first, where there is one, then the state. */
static int run(const struct NvRtlCrash *crash, const struct sandbox *sandbox,
               struct batch_image *image) {
    struct dump state;
    int status = check != NULL ? check(crash) : 0;
    if (status != 0 || dump == NULL)
        return status;
    dump_start(&state, sandbox);
    status = dump(crash, &state.public);
    dump_end(&state, sandbox, image);
    return status;
}

struct sandbox_verdict object_judge(const struct live *live, struct batch_image *image) {
    const struct sandbox *sandbox = live->sandbox;
    struct NvRtlCrashRegion regions[SANDBOX_REGIONS];
    for (size_t i = 0; i < sandbox->options.region_count; i++) {
        const struct sandbox_region *region = &sandbox->options.regions[i];
        regions[i] = (struct NvRtlCrashRegion){.path = region->path,
                                               .base = (void *)(uintptr_t)region->base,
                                               .image = live->regions[i].view,
                                               .size = region->size};
    }
    const struct NvRtlCrash crash = {.structSize = sizeof crash,
                                     .regionCount = (uint32_t)sandbox->options.region_count,
                                     .regions = regions,
                                     .begun = sandbox->marks[0],
                                     .begunCount = image->begun,
                                     .acked = sandbox->marks[1],
                                     .ackedCount = image->acked};
    if (own != NULL)
        *own = 1;
    int status = run(&crash, sandbox, image);
    if (own != NULL && *own == 0)
        _exit(0); /* a child that the checker has made, and let come back here: no worker */
    return (struct sandbox_verdict){status == 0 ? SANDBOX_FINE : SANDBOX_REFUSED, status};
}
