/* SPDX-License-Identifier: BSD-2-Clause */
/* Might the program have flushed by itself what a finding is about? */
#ifndef VERIFY_UNHEARD_H
#define VERIFY_UNHEARD_H

#include "arena/arena.h"
#include "verify/finding.h"
#include "verify/symbols.h"

/* What is known of instructions of one kind. */
struct unheard_code {
    bool fences; /* those that drain, else those that flush */
    bool looked, may;
    bool heard;     /* the instruction stands in a file with hooks, and has no call-out */
    uint64_t notes; /* findings that were no more than notes for that reason */
    char *where; /* an instruction of that kind: "clwb at file.c:3"; or what cannot be looked at */
};
struct unheard {
    struct unheard_code flush, fence;
};

/* Looks through the code of the run's processes: may any of it have flushed, or drained, by
   instructions that nobody tells of? */
void unheard_look(struct unheard_code *unheard, const struct arena *arena, struct symbols *symbols);

/* Does the finding rest on a flush or drain that did not happen, and might it have happened all the
   same, by instructions that nobody tells of? Looks when first asked. */
bool unheard_may_help(struct unheard *unheard, const struct arena *arena, struct symbols *symbols,
                      const struct arena_finding *record);

/* A sentence about them, if there were any, which leaves the report incomplete. false: out of
   memory. */
bool unheard_remark(const struct unheard *unheard, struct report *report);

void unheard_free(struct unheard *unheard);

#endif
