/* SPDX-License-Identifier: BSD-2-Clause */
/* Which images of a trace does recovery not survive? */
#ifndef SEARCH_SEARCH_H
#define SEARCH_SEARCH_H

#include "search/history.h"
#include "search/walk.h"

#define SEARCH_FAILURES 64 /* that are told; the others are counted */
/* So many failures with the same look are kept to be told, and confirmed; others are counted. */
#define SEARCH_ALIKE 2
#define SEARCH_TIMEOUT UINT64_C(10000) /* of one image, milliseconds, where nobody says */

/* Images that recovery is to be recorded on. */
struct search_recovery {
    const char *folder; /* with a file for each region, and the plan; see search_read_plan */
    bool names;         /* of stacks are wanted */
};

struct search_options {
    struct crash_wish wish;
    enum sandbox_judge judge;
    const char *check;                /* as the sandbox has it */
    char *const *program;             /* likewise */
    uint64_t exhaustive;              /* images of a point, up to which all are tried */
    uint64_t seconds, images, memory; /* budgets; 0: none. memory: bytes, never 0 */
    uint64_t began;                   /* search_now when the seconds began to count */
    uint64_t seed;
    uint64_t timeout, respawn; /* as the sandbox has them */
    uint64_t shard, shards;    /* 1 to shards */
    uint32_t workers;
    bool isolate;
    enum history_kind atomic; /* which states of recovery are right */
    bool nested;              /* power is cut in recovery too, once */
    /* Runs recovery on the images in a folder, as `record` has them, and writes a trace of it.
       NULL: nobody can. Returns 0: recovery has coped; 1: it has not; -1: it could not be
       recorded. */
    int (*record)(void *context, const struct search_recovery *recovery, FILE *out);
    void *record_context;
    const char *resume; /* file that says how far an earlier search has come, and will; or NULL */
};

/* Where a search has met an image: in which pass, at which point, as which one of its new images
   from 1. The same for all parts of a search that is done in parts. */
struct search_place {
    uint32_t pass;
    uint64_t point, number;
};

/* An image that recovery does not survive, in the words of its point's space. */
struct search_failure {
    struct search_place place;
    uint64_t key; /* of the failures that have the same look */
    /* Of a second cut: the point of recovery's trace, and the image that recovery had found. */
    uint64_t inner_point;
    uint16_t *outer_picks; /* NULL: of the first cut */
    size_t outer_count;
    size_t begun, acked;
    size_t line_count;
    uint16_t *picks;
    struct sandbox_verdict verdict;
};

/* Crash points that were looked at; of those all images were tried, or some. lazy: so many of the
   latter have been tried in all lines that recovery's code with hooks reads. What else it has might
   read the same pages unseen: they do not count as exhausted. */
struct search_counts {
    uint64_t points, exhausted, bounded, lazy;
};

struct search_outcome {
    struct search_counts counts;
    uint64_t images;        /* tried */
    uint64_t failing;       /* of the images */
    uint64_t unconfirmed;   /* failed, but not in a fresh process */
    uint64_t unjudged;      /* images whose state could be right or wrong */
    uint64_t recoveries;    /* were recorded, and power was cut in them */
    uint64_t unrecorded;    /* could not be */
    bool over, interrupted; /* by a budget; by *stop */
    bool left_out; /* more was in flight in a line than the model keeps: no point is exhausted
                      from there on */
    struct search_failure failures[SEARCH_FAILURES];
    size_t failure_count;
    char problem[512]; /* why there is no answer; empty: there is one */
};

/* Seconds since some moment. */
uint64_t search_now(void);

/* How far it is, now and then. */
typedef void search_tell(void *context, const struct search_outcome *outcome, double part);

/* A word for whatever decides which images are tried and told, but for the part of the work: the
   same for all parts. Never 0. */
uint64_t search_identity(const struct walk_facts *facts, const struct search_options *options);

struct search;
/* NULL: outcome->problem. What is borrowed stays borrowed. */
struct search *search_new(FILE *trace, struct walk_facts *facts,
                          const struct search_options *options, struct search_outcome *outcome,
                          const volatile int *stop);
void search_end(struct search *search);
/* false: outcome->problem */
bool search_run(struct search *search, search_tell *tell, void *context);
void search_forget(struct search_outcome *outcome);

struct nested;

/* A store by its place in the trace. */
struct search_store {
    uint64_t place, offset, length;
    uint32_t stack, thread;
    size_t region;
    bool found; /* by what memory held: the stack is that of the call at which it was looked at */
};

/* The least that makes an image fail. */
#define SEARCH_CAUSES 8
struct search_cause {
    struct search_store early[SEARCH_CAUSES], missing[SEARCH_CAUSES];
    size_t early_count, missing_count;
    const char *unknown; /* why there is no cause to tell, and no image; NULL: there are */
    bool torn;           /* the early and the missing are pieces of one store */
    bool future;         /* the missing one had not been executed yet */
    bool lost;           /* acknowledged operation `operation` is lost; mark: of it */
    uint64_t operation;
    struct search_store mark;
    uint64_t image; /* hash of the shrunk image */
    struct sandbox_verdict verdict;
    char *output;                   /* what the checker has said, or NULL */
    char *replay;                   /* the image in words */
    struct nested *nested;          /* of a second cut: what the stores are those of */
    const struct walk_facts *facts; /* of the trace that the stores are in */
};

/* Gets the shrunk image, region by region. */
typedef void search_keep(void *context, size_t region, const uint8_t *bytes, uint64_t size);

/* Shrinks a failure; what does not come again is told as it was met. false: interrupted, or
   outcome->problem. */
bool search_shrink(struct search *search, const struct search_failure *failure,
                   struct search_cause *cause, search_keep *keep, void *context);
void search_forget_cause(struct search_cause *cause);

/* From here on another word says whether to stop. */
void search_go_on(struct search *search, const volatile int *stop);

/* What the sandbox could not have, or NULL. */
const char *search_remark(const struct search *search);

/* Checks the image that cause->replay tells of, in a fresh process whose output goes to a
   descriptor. false: outcome->problem. */
bool search_replay(struct search *search, const char *image, int output,
                   struct sandbox_verdict *verdict);

#endif
