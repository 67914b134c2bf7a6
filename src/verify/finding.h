/* SPDX-License-Identifier: BSD-2-Clause */
/* What a run of the verifier found, in the form that every report format prints. Made by verify/,
   read by report/; strings that are not const belong to the report that holds them. */
#ifndef VERIFY_FINDING_H
#define VERIFY_FINDING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arena/kinds.h"

enum severity { SEVERITY_ERROR, SEVERITY_WARNING, SEVERITY_PERFORMANCE, SEVERITY_NOTE };

struct kind_fact {
    const char *name; /* "unflushed-write" */
    enum severity severity;
    bool on; /* reported unless --disable; else only with --enable */
};
extern const struct kind_fact kind_facts[KIND_COUNT];
#define KIND_FIRST_CODE 0x0B00u

/* One line of a stack. Absent strings are NULL, an absent line is 0. */
struct source_frame {
    char *function;
    char *file; /* as the compiler recorded it, made absolute by the compilation directory */
    int line;
    char *module;    /* path of the executable or library */
    uint64_t offset; /* address inside the module, as the file has it */
    bool inlined;    /* the compiler put this function into the next frame's */
};

/* Source lines around a place, as they were when the report was made. */
struct source_excerpt {
    char **lines; /* without their ends; NULL: not known */
    size_t count;
    int first;    /* number of the first one */
    bool changed; /* the file is newer than the program: there are no lines */
};

struct source_stack {
    struct source_frame *frames; /* innermost first */
    size_t count;
};

/* Another place that matters to a finding: "store", "flush", "read", "dependent", "commit", "data",
   "freed", "got". */
struct related {
    const char *role;
    struct source_stack stack;
    struct source_excerpt source;
};

struct byte_range {
    uint64_t offset, length; /* in the region's file, bytes */
};

/* Text to be put in place of what stands from one place up to another, in the file of the innermost
   frame. Columns count from 1, in UTF-16 code units. */
struct source_edit {
    int line, column, end_line, end_column;
    char *text;
};

/* Where a search of a trace has met a failure: in which pass, at which crash point, as which image
   of it. Failures of one look are so much alike that only the first FINDING_ALIKE are told, and
   no more than FINDING_MET of all. */
#define FINDING_ALIKE 2
#define FINDING_MET 64
struct finding_met {
    uint64_t pass, point, number, look;
};

struct finding {
    enum kind kind;
    enum severity severity;
    uint64_t count;            /* how many equal ones */
    uint32_t region;           /* id of struct report_region, 0 when it is about none */
    struct byte_range *ranges; /* the first ones */
    size_t range_count;
    bool more_ranges;       /* there were more than are listed */
    char *message;          /* one sentence, without a full stop */
    char *mend;             /* what to add where; may be NULL */
    char *image;            /* file of a failing image, and ... */
    char *replay;           /* ... the command that checks it again; may be NULL */
    const char *rescued_by; /* "page", "drain on another token", or NULL */
    struct source_stack at;
    struct source_excerpt source; /* around the innermost frame of at */
    struct related *related;
    size_t related_count;
    struct source_edit *fix; /* what mends it, where that is known to the letter */
    size_t fix_count;
    struct finding_met *met; /* of a search: each failure that it stands for */
    size_t met_count;
    char *suppression, *suppressor; /* why it does not count, and who says so; NULL: it counts */
};

struct report_region {
    uint32_t id;
    char *path;
    uint64_t size; /* bytes: the end of the furthest token region in the file */
    const char *domain;
    char *reason;
};

/* What was done, and how often. */
struct profile_count {
    uint64_t stores, bytes;         /* and what they stored */
    uint64_t flushes, lines, pages; /* and what they wrote back, page by page in each call */
    uint64_t dirty;                 /* bytes of that which waited for it, as far as is known */
    uint64_t drains;
};

/* How something is written back. */
enum profile_domain { PROFILE_LINES, PROFILE_PAGES, PROFILE_CACHES };
#define PROFILE_DOMAINS 3

/* What that takes, in nanoseconds; 0: not known. */
struct profile_costs {
    double line, drain; /* a write-back of a line, and the fence behind it */
    double fence;       /* where caches are saved */
    double page, wait;  /* a page more for a wait for a file, and that wait */
};

struct profile_site {
    struct source_stack at; /* its innermost frame is the place */
    enum profile_domain domain;
    struct profile_count count;
    double time; /* ns, at the costs */
};

struct report_profile {
    bool wanted;
    struct profile_count total;
    struct profile_costs costs;
    double time, what_if[PROFILE_DOMAINS]; /* ns: as it was; if all files were of that domain */
    struct profile_site *sites;            /* the dearest ones first */
    size_t site_count;
};

struct report {
    char **program;        /* NULL-terminated argument vector */
    int exit;              /* the program's own status, 128 + signal when killed */
    const char *directory; /* where the program was started, absolute; may be NULL */
    const char *stores, *judge;
    uint64_t
        search; /* of a trace: the same for all parts of a search that is done in parts; or 0 */
    struct report_region *regions;
    size_t region_count;
    struct finding *findings; /* errors first, then warnings, performance, notes */
    size_t finding_count;
    struct finding *suppressed; /* that do not count */
    size_t suppressed_count;
    char **remarks; /* sentences about the run itself: what could not be seen, what was lost */
    size_t remark_count;
    struct report_profile profile;
    bool incomplete; /* stores may have escaped the verifier: no finding is no good news */
    bool unasked;    /* kinds of errors were not looked for, as was asked */
};

/* By severity, kind and place. */
void verify_sort_findings(struct report *report);

/* Adds a remark. false: out of memory. */
__attribute__((format(printf, 2, 3))) bool verify_remark(struct report *report, const char *format,
                                                         ...);

/* All but the argument vector, which is its maker's. */
void verify_free_report(struct report *report);
void verify_free_finding(struct finding *finding);
void verify_free_stack(struct source_stack *stack);
void verify_free_excerpt(struct source_excerpt *excerpt);

#endif
