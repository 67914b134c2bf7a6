/* SPDX-License-Identifier: BSD-2-Clause */
/* From the arena's ids to the findings of a report. */
#ifndef VERIFY_COLLECT_H
#define VERIFY_COLLECT_H

#include "arena/arena.h"
#include "verify/finding.h"
#include "verify/symbols.h"

struct collect_run {
    const struct arena *arena;
    const bool *wanted; /* by kind */
    bool profile;       /* was asked for */
    bool ended_well;    /* data in flight at the end is an error, not only a note */
};

/* Judges the end of the run and fills in the report's regions, findings and remarks. false: out of
   memory; what was filled in is freed by verify_free_report all the same. */
bool collect_report(const struct collect_run *run, struct report *report);

/* What is known of a store that nobody saw: how (enum shadow_mark; 0: it was seen), and since which
   call it was made, where that is known. */
struct collect_direct {
    uint32_t mark;
    bool watched; /* a view of a watched file, whose program calls no routine */
    bool hooked;  /* stores need not be those of routines */
    bool unheard; /* the program may have flushed by itself */
    bool cut_off; /* the file ends before it by now */
    struct source_stack since;
};

/* The words of a finding: message, mend. asserted: where an assertion found it, or NULL.
   false: out of memory. */
bool collect_words(struct finding *finding, const struct arena_finding *record,
                   const struct source_stack *asserted, const struct collect_direct *direct);

/* Of a finding about a store that nobody saw; when: "never flushed", or the like. */
bool collect_direct_words(struct finding *finding, const struct arena_finding *record,
                          const struct collect_direct *direct, const char *when);

/* Is the file one that a pattern found, and that nobody has ever waited for? Then it is not meant
   to last: a lock, or an index that is made anew. */
bool collect_is_scratch(const struct arena_file *file);

/* Where else it was found, " and at 2 other places" or ""; malloc'ed. NULL: out of memory. */
char *collect_others(const struct arena_finding *record);

/* std::atomic and the compiler's intrinsics store and flush in functions of their headers. What a
   reader has to look at is who called them, unless nobody else is known. */
void collect_drop_system(struct source_stack *stack);

/* "file.c:38", "function in module" or "an unknown place", for the innermost frame; malloc'ed. */
char *collect_place(const struct source_stack *stack);

#endif
