/* SPDX-License-Identifier: BSD-2-Clause */
/* What a finding says of stores that the program made by itself: that they were made shows in what
   memory holds, and by whom in nothing. So it says which bytes, and the calls around. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "arena/shadow.h"
#include "verify/collect.h"

/* When the bytes were stored, as far as that is known; malloc'ed. NULL: out of memory. */
static char *time_of(const struct finding *finding, const struct collect_direct *direct) {
    char *text = NULL, *since = NULL, *place = collect_place(&finding->at);
    int length = -1;
    if (place == NULL)
        return NULL;
    if (direct->mark == SHADOW_BEFORE && direct->since.count != 0) {
        since = collect_place(&direct->since);
        if (since != NULL)
            length = finding->at.count != 0
                         ? asprintf(&text, " between the calls at %s and %s", since, place)
                         : asprintf(&text, " after the call at %s", since);
    } else if (direct->mark == SHADOW_BEFORE && finding->at.count != 0) {
        length = asprintf(&text, " before the call at %s", place);
    } else if (direct->mark != SHADOW_BEFORE && finding->at.count != 0) {
        length = asprintf(&text, " near what the call at %s is about", place);
    } else {
        length = asprintf(&text, "%s", "");
    }
    free(since);
    free(place);
    return length >= 0 ? text : NULL;
}

static bool say_undrained(struct finding *finding, uint64_t bytes, const char *when) {
    char *place = collect_place(&finding->at);
    bool said =
        place != NULL &&
        asprintf(&finding->message, "%" PRIu64 " byte%s stored directly: the flush at %s %s", bytes,
                 bytes == 1 ? "" : "s", place,
                 finding->rescued_by != NULL ? "was completed only by a drain of another token"
                                             : when) >= 0 &&
        asprintf(&finding->mend,
                 "after %s call RtlDrainNonVolatileFlush(token) on the same thread, or "
                 "leave NO_DRAIN out of the flags",
                 place) >= 0;
    free(place);
    return said;
}

static bool say_unflushed(struct finding *finding, const struct arena_finding *record,
                          const struct collect_direct *direct, const char *when) {
    char *time = time_of(finding, direct);
    uint64_t bytes = record->bytes;
    char *others = collect_others(record);
    const char *mend = direct->watched ? "after the store wait for it: msync(address, %" PRIu64
                                         ", MS_SYNC), with address at a page's begin, or fsync"
                                       : "after the store flush it and drain: "
                                         "RtlFlushNonVolatileMemory(token, address, %" PRIu64
                                         ", 0); --stores=hooks names the line";
    bool said =
        time != NULL && others != NULL &&
        asprintf(
            &finding->message, "%" PRIu64 " byte%s at 0x%" PRIx64 "%s stored directly%s %s %s%s",
            bytes, bytes == 1 ? "" : "s", record->ranges[0].offset, others, time,
            bytes == 1 && others[0] == '\0' ? "was" : "were",
            finding->rescued_by != NULL ? "saved only because the whole page was flushed" : when,
            direct->mark == SHADOW_DOUBTFUL ? ", unless somebody else stored them" : "") >= 0 &&
        asprintf(&finding->mend, mend, bytes) >= 0;
    free(others);
    free(time);
    return said;
}

bool collect_direct_words(struct finding *finding, const struct arena_finding *record,
                          const struct collect_direct *direct, const char *when) {
    return finding->kind == KIND_UNDRAINED_FLUSH ? say_undrained(finding, record->bytes, when)
                                                 : say_unflushed(finding, record, direct, when);
}
