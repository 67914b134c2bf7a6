/* SPDX-License-Identifier: BSD-2-Clause */
/* From the arena's counts to a profile, by lines of source. */
#include "verify/sites.h"

#include <stdlib.h>
#include <string.h>

#include "event/event.h"
#include "verify/profile.h"

static void add_count(struct profile_count *to, const struct arena_site *from) {
    to->stores += atomic_load(&from->counts[ARENA_COST_STORES]);
    to->bytes += atomic_load(&from->counts[ARENA_COST_BYTES]);
    to->flushes += atomic_load(&from->counts[ARENA_COST_FLUSHES]);
    to->lines += atomic_load(&from->counts[ARENA_COST_LINES]);
    to->pages += atomic_load(&from->counts[ARENA_COST_PAGES]);
    to->dirty += atomic_load(&from->counts[ARENA_COST_DIRTY]);
    to->drains += atomic_load(&from->counts[ARENA_COST_DRAINS]);
}

/* A drain of every token is a fence. */
static enum profile_domain domain_of(const struct arena_head *head, uint32_t file) {
    uint32_t domain = file != 0 ? head->files[file - 1].domain : DOMAIN_VOLATILE;
    return domain == DOMAIN_PAGE_CACHE  ? PROFILE_PAGES
           : domain == DOMAIN_CPU_CACHE ? PROFILE_CACHES
                                        : PROFILE_LINES;
}

/* Takes the stack over. */
static bool add_site(struct report_profile *profile, struct profile_site *wish,
                     const struct arena_site *record) {
    struct profile_site *site = profile_find(profile, wish);
    if (site == NULL) {
        struct profile_site *larger =
            realloc(profile->sites, (profile->site_count + 1) * sizeof *larger);
        if (larger == NULL) {
            verify_free_stack(&wish->at);
            return false;
        }
        profile->sites = larger;
        site = &larger[profile->site_count++];
        *site = *wish;
    } else {
        verify_free_stack(&wish->at);
    }
    add_count(&site->count, record);
    add_count(&profile->total, record);
    return true;
}

bool sites_collect(const struct arena *arena, sites_stack *stack, void *context,
                   struct report_profile *profile) {
    uint64_t links = 0;
    profile->wanted = true;
    for (size_t b = 0; b < ARENA_SITE_BUCKETS; b++) {
        for (arena_id id = atomic_load(&arena->head->sites[b]);
             id != 0 && arena_follow(arena, &links);) {
            const struct arena_site *record = arena_at(arena, id, sizeof *record);
            if (record == NULL)
                break;
            struct profile_site wish = {.domain = domain_of(arena->head, record->file)};
            if (!stack(context, record->stack, &wish.at)) {
                verify_free_stack(&wish.at);
                return false;
            }
            if (!add_site(profile, &wish, record))
                return false;
            id = record->next;
        }
    }
    return true;
}
