/* SPDX-License-Identifier: BSD-2-Clause */
#include "verify/profile.h"

#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "verify/collect.h"

static double time_as(const struct profile_count *count, const struct profile_costs *costs,
                      enum profile_domain domain) {
    double lines = (double)count->lines, pages = (double)count->pages;
    double drains = (double)count->drains;
    if (domain == PROFILE_PAGES)
        return drains * costs->wait + pages * costs->page;
    if (domain == PROFILE_CACHES)
        return drains * costs->fence;
    return lines * costs->line + drains * costs->drain;
}

static int compare_sites(const void *left, const void *right) {
    const struct profile_site *a = left, *b = right;
    if (a->time != b->time)
        return a->time < b->time ? 1 : -1;
    if (a->count.bytes != b->count.bytes)
        return a->count.bytes < b->count.bytes ? 1 : -1;
    return a->at.count != 0 && b->at.count != 0 ? a->at.frames[0].line - b->at.frames[0].line : 0;
}

void profile_price(struct report_profile *profile, const struct profile_costs *costs) {
    profile->costs = *costs;
    profile->time = 0;
    for (size_t i = 0; i < profile->site_count; i++) {
        struct profile_site *site = &profile->sites[i];
        site->time = time_as(&site->count, costs, site->domain);
        profile->time += site->time;
    }
    for (size_t i = 0; i < PROFILE_DOMAINS; i++)
        profile->what_if[i] = time_as(&profile->total, costs, (enum profile_domain)i);
    if (profile->site_count != 0)
        qsort(profile->sites, profile->site_count, sizeof *profile->sites, compare_sites);
}

static bool same_text(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

/* Is it the same line for a reader? */
static bool same_place(const struct source_stack *a, const struct source_stack *b) {
    if (a->count == 0 || b->count == 0)
        return a->count == b->count;
    const struct source_frame *x = &a->frames[0], *y = &b->frames[0];
    if (!same_text(x->function, y->function) || !same_text(x->file, y->file))
        return false;
    return x->file != NULL ? x->line == y->line
                           : same_text(x->module, y->module) && x->offset == y->offset;
}

struct profile_site *profile_find(const struct report_profile *profile,
                                  const struct profile_site *wish) {
    for (size_t i = 0; i < profile->site_count; i++) {
        if (profile->sites[i].domain == wish->domain &&
            same_place(&profile->sites[i].at, &wish->at))
            return &profile->sites[i];
    }
    return NULL;
}

static void add_count(struct profile_count *to, const struct profile_count *from) {
    to->stores += from->stores;
    to->bytes += from->bytes;
    to->flushes += from->flushes;
    to->lines += from->lines;
    to->pages += from->pages;
    to->dirty += from->dirty;
    to->drains += from->drains;
}

bool profile_absorb(struct report_profile *into, struct report_profile *part) {
    if (!part->wanted)
        return true;
    struct profile_site *larger =
        realloc(into->sites, (into->site_count + part->site_count + 1) * sizeof *larger);
    if (larger == NULL)
        return false;
    into->sites = larger;
    if (!into->wanted)
        into->costs = part->costs;
    into->wanted = true;
    add_count(&into->total, &part->total);
    into->time += part->time;
    for (size_t i = 0; i < PROFILE_DOMAINS; i++)
        into->what_if[i] += part->what_if[i];
    for (size_t i = 0; i < part->site_count; i++) {
        struct profile_site *known = profile_find(into, &part->sites[i]);
        if (known == NULL) {
            into->sites[into->site_count++] = part->sites[i];
            part->sites[i].at = (struct source_stack){0};
        } else {
            add_count(&known->count, &part->sites[i].count);
            known->time += part->sites[i].time;
        }
    }
    if (into->site_count != 0)
        qsort(into->sites, into->site_count, sizeof *into->sites, compare_sites);
    return true;
}

static double factor(uint64_t units, uint64_t size, uint64_t bytes) {
    return bytes != 0 ? (double)units * (double)size / (double)bytes : 0;
}

double profile_line_factor(const struct profile_count *count) {
    return factor(count->lines, MODEL_LINE_SIZE, count->dirty);
}

double profile_page_factor(const struct profile_count *count) {
    return factor(count->pages, MODEL_PAGE_SIZE, count->dirty);
}

void profile_free(struct report_profile *profile) {
    for (size_t i = 0; i < profile->site_count; i++)
        verify_free_stack(&profile->sites[i].at);
    free(profile->sites);
    *profile = (struct report_profile){0};
}
