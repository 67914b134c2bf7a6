/* SPDX-License-Identifier: BSD-2-Clause */
/* What the sandbox and its workers share. The sandbox writes a batch and counts `number` up; a
   worker takes the image `next` until there is none left. A worker may die at any moment: what it
   was at stands in its seat. */
#ifndef SANDBOX_BATCH_H
#define SANDBOX_BATCH_H

#include <nvrtl_crash.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "sandbox/sandbox.h"

#define BATCH_PATCHES (SANDBOX_IMAGES * 64u)
#define BATCH_BYTES (8u << 20)
#define BATCH_RECORDS (UINT64_C(1) << 22)
#define BATCH_MARKS (UINT64_C(1) << 26) /* of a kind: address space, not memory */

struct batch_patch {
    uint32_t region, length;
    uint64_t offset;
    uint32_t bytes; /* where they begin in the batch's */
};

struct batch_image {
    uint32_t patch, patches; /* the first one, and how many */
    uint64_t begun, acked;
    _Atomic uint32_t outcome; /* enum sandbox_outcome */
    int32_t status;
    uint64_t state, sum; /* of what the checker has written */
};

#define BATCH_LOADING UINT32_MAX

struct batch_seat {
    _Atomic uint32_t image; /* + 1 that the worker is at; 0: none; BATCH_LOADING: the checker */
    _Atomic uint64_t since; /* milliseconds */
    _Atomic uint64_t ready; /* number of the batch that it has no more to do for */
};

/* What of the base has changed since the batch before. */
#define BATCH_CHANGES 65536u
struct batch_change {
    uint32_t region, length;
    uint64_t offset;
};

struct batch {
    _Atomic uint32_t number; /* futex of the workers */
    _Atomic uint32_t next;
    _Atomic uint64_t served; /* images, ever */
    uint32_t count;
    uint32_t traced;
    uint32_t keeps_records;
    uint64_t record_count;
    uint64_t base;        /* number of the base's state */
    uint64_t base_before; /* changes lead to it from this one */
    uint32_t change_count, patch_count, byte_count;
    _Atomic uint32_t untracked; /* somebody wrote without being seen: compare all */
    _Atomic uint32_t untraced;  /* what was touched is not known */
    _Atomic uint32_t blind;     /* which lines are read is not known */
    _Atomic uint32_t told;      /* images of a traced batch that did not end their process */
    _Atomic uint32_t unlimited; /* files outside of the folder can be written to */
    _Atomic uint32_t broken;    /* no worker can do anything: problem */
    char problem[256];
    struct batch_seat seats[SANDBOX_WORKERS + 1]; /* the last: of fresh processes */
    struct batch_image images[SANDBOX_IMAGES];
    struct batch_change changes[BATCH_CHANGES];
    struct batch_patch patches[BATCH_PATCHES];
    uint8_t bytes[BATCH_BYTES];
};

/* The content of a region between the processes: a file in memory. */
struct batch_region {
    int descriptor;
    uint8_t *bytes;            /* the base; written by the sandbox alone */
    uint64_t room;             /* size in whole pages, bytes */
    _Atomic uint64_t *touched; /* one bit a page; shared */
    _Atomic uint64_t *lines;   /* one bit for 64 bytes that a checker with hooks has read; shared */
};

struct sandbox {
    struct sandbox_options options;
    struct batch *batch;
    struct batch_region regions[SANDBOX_REGIONS];
    uint64_t *marks[2];             /* begun, acked: shared with the workers */
    struct sandbox_record *records; /* likewise; NULL: nobody asks for states */
    size_t mark_count[2];
    bool ran;         /* the batch's images have been run */
    int news[2];      /* a pipe: a worker has no more to do */
    uint64_t served;  /* images, when last looked at */
    unsigned barren;  /* processes in a row that have ended without an image */
    char folder[256]; /* of the workers' own files; empty: there is none */
    pid_t workers[SANDBOX_WORKERS];
};

/* Milliseconds since some moment. */
uint64_t batch_now(void);
/* Waits while *word is value. */
void batch_wait(_Atomic uint32_t *word, uint32_t value);
void batch_wake(_Atomic uint32_t *word);

/* The images as one process has them. */
struct live_region {
    int descriptor;
    uint8_t *view;  /* where the checker sees it */
    uint8_t *alias; /* the same bytes, untracked */
    const uint8_t *base;
    uint64_t size, room;
    bool tracked, differs;
};
#define LIVE_PATH 4096u
struct live {
    const struct sandbox *sandbox;
    uint32_t seat;
    char folder[288];
    struct live_region regions[SANDBOX_REGIONS];
    uint64_t base; /* number of the base's state that they show; 0: none */
};

/* Makes them; for an object views at the recorded addresses, else files in a folder. false: the
   batch's problem says why. */
bool live_open(struct live *live, const struct sandbox *sandbox, uint32_t seat);
/* Makes them the batch's base. */
void live_follow(struct live *live);
void live_apply(const struct live *live, const struct batch_image *image);
/* Makes them the base again after the image. all: do not trust what is known of who has written.
   false: as live_open */
bool live_restore(struct live *live, const struct batch_image *image, bool all);
/* Do they show the base, every byte? */
bool live_is_base(struct live *live);
/* From here on no page has been touched; false: that cannot be known here. */
bool live_forget_touched(const struct live *live);
/* Adds the pages that were to what is known of the batch. */
void live_tell_touched(const struct live *live);

/* The path of a region's file. */
const char *live_path(const struct live *live, size_t region, char *buffer, size_t size);

/* The process of a worker, from its first step to its end. */
struct worker {
    const struct sandbox *sandbox;
    uint32_t seat;
    uint32_t only; /* + 1: the one image of a fresh process; 0: all that there are */
    int output;    /* -1: nowhere */
    pid_t parent;
};
_Noreturn void worker_main(const struct worker *worker);

/* From here on the process has no more memory than it is allowed, and writes to no file outside of
   the sandbox's folder. false: the system cannot see to the latter. */
bool limits_set(const struct sandbox *sandbox);

/* The judges. object_open: false: the batch's problem says why. */
bool object_open(const struct sandbox *sandbox);
struct sandbox_verdict object_judge(const struct live *live, struct batch_image *image);
/* From here on, or no more, the lines are noted that the checker reads. false: it has no hooks. */
bool object_trace(const struct live *live, bool on);
struct sandbox_verdict command_judge(const struct live *live, struct batch_image *image);

/* In the child: becomes the command, or the program. output: its standard output, or -1. */
_Noreturn void command_become(const struct live *live, const struct batch_image *image, int output);

/* The state that a checker writes of one image. */
struct dump {
    struct NvRtlCrashDump public;
    uint64_t state, sum, key, value;
    bool in_line, in_value;
    struct sandbox_record *records; /* where they are kept; NULL: nowhere */
    uint64_t count;
};
void dump_start(struct dump *dump, const struct sandbox *sandbox);
/* The image has it. */
void dump_end(struct dump *dump, const struct sandbox *sandbox, struct batch_image *image);

#endif
