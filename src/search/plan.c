/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/plan.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "search/number.h"

static FILE *open_plan(const char *folder, const char *mode) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/plan", folder);
    return fopen(path, mode);
}

bool plan_write(const struct plan *plan, const char *folder) {
    FILE *out = open_plan(folder, "we");
    if (out == NULL)
        return false;
    fprintf(out, "%zu %zu %zu\n", plan->region_count, plan->marks.counts[0], plan->marks.counts[1]);
    for (size_t kind = 0; kind < 2; kind++) {
        for (size_t i = 0; i < plan->marks.counts[kind]; i++)
            fprintf(out, "%" PRIu64 "\n", plan->marks.ids[kind][i]);
    }
    /* A path may hold anything but a zero. */
    for (size_t i = 0; i < plan->region_count; i++) {
        fprintf(out, "%" PRIu64 " %" PRIu64 " %s", plan->regions[i].base, plan->regions[i].size,
                plan->regions[i].path);
        putc('\0', out);
    }
    return fclose(out) == 0;
}

static bool read_marks(struct plan *plan, FILE *in) {
    for (size_t kind = 0; kind < 2; kind++) {
        uint64_t *ids = calloc(plan->marks.counts[kind] + 1, sizeof *ids);
        plan->marks.ids[kind] = ids;
        for (size_t i = 0; i < plan->marks.counts[kind]; i++) {
            if (ids == NULL || !number_read(in, NULL, UINT64_MAX, &ids[i]))
                return false;
        }
    }
    return true;
}

static bool read_region(struct sandbox_region *region, FILE *in) {
    char *path = NULL;
    size_t room = 0;
    bool good = number_read(in, NULL, UINT64_MAX, &region->base) &&
                number_read(in, NULL, UINT64_MAX, &region->size) && getc(in) == ' ' &&
                getdelim(&path, &room, '\0', in) > 0;
    region->path = path;
    return good;
}

bool plan_read(struct plan *plan, const char *folder) {
    FILE *in = open_plan(folder, "re");
    uint64_t regions, begun, acked;
    *plan = (struct plan){.region_count = 0};
    if (in == NULL)
        return false;
    bool good = number_read(in, NULL, SANDBOX_REGIONS, &regions) &&
                number_read(in, NULL, SIZE_MAX / 16, &begun) &&
                number_read(in, NULL, SIZE_MAX / 16, &acked);
    if (good) {
        plan->region_count = (size_t)regions;
        plan->marks.counts[0] = (size_t)begun;
        plan->marks.counts[1] = (size_t)acked;
        good = read_marks(plan, in);
    }
    for (size_t i = 0; good && i < plan->region_count; i++)
        good = read_region(&plan->regions[i], in);
    fclose(in);
    return good;
}
