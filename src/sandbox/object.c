/* SPDX-License-Identifier: BSD-2-Clause */
/* The checker in a shared object. */
#include <dlfcn.h>
#include <nvrtl_crash.h>
#include <stdio.h>

#include "sandbox/batch.h"

static int (*check)(const struct NvRtlCrash *crash);

bool object_open(const struct sandbox *sandbox) {
    struct batch *batch = sandbox->batch;
    void *object = dlopen(sandbox->options.check, RTLD_NOW | RTLD_LOCAL);
    void *found = object != NULL ? dlsym(object, "nvrtl_check") : NULL;
    *(void **)&check = found;
    if (found == NULL)
        snprintf(batch->problem, sizeof batch->problem, "%s", dlerror());
    return found != NULL;
}

struct sandbox_verdict object_judge(const struct live *live, const struct batch_image *image) {
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
    int status = check(&crash);
    return (struct sandbox_verdict){status == 0 ? SANDBOX_FINE : SANDBOX_REFUSED, status};
}
