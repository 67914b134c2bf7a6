/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes in which recovery meets images of a power cut. They come in batches: the sandbox has a
   base, the content of all regions at one moment, and an image is what differs from it. Workers
   take the images of a batch one after the other and keep nothing of one for the next; verdicts
   stand in the order of the images, whichever worker came to them. */
#ifndef SANDBOX_SANDBOX_H
#define SANDBOX_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SANDBOX_WORKERS 64 /* at most */
#define SANDBOX_REGIONS 64
#define SANDBOX_IMAGES 1024 /* of a batch */
#define SANDBOX_PAGE 4096u  /* bytes */

struct sandbox_region {
    const char *path; /* absolute */
    uint64_t base;    /* where the recorded program had it; 0: not known */
    uint64_t size;    /* bytes */
};

/* Who judges. */
enum sandbox_judge {
    SANDBOX_OBJECT,  /* nvrtl_check of a shared object */
    SANDBOX_COMMAND, /* a command of the shell; {} in it is the files */
    SANDBOX_PROGRAM  /* a program on the files, which must not crash */
};

struct sandbox_options {
    enum sandbox_judge judge;
    const char *check;    /* the object's path, or the command */
    char *const *program; /* argument vector */
    const struct sandbox_region *regions;
    size_t region_count;
    uint32_t workers;
    uint64_t timeout; /* of one image, milliseconds */
    uint64_t respawn; /* a new process after so many images; 0: only when the old one has ended */
    uint64_t memory;  /* that a worker may use for itself, bytes; 0: no limit */
    bool isolate;     /* a new process for each */
    bool states;      /* the checker writes the state that recovery makes: nvrtl_dump of the object,
                         standard output of others */
};

/* Does a word of the program name that file of the run, so that it will name the image instead? */
bool sandbox_names(char *const *program, const char *path);

enum sandbox_outcome {
    SANDBOX_PENDING,
    SANDBOX_FINE,
    SANDBOX_REFUSED, /* status: what the checker returned */
    SANDBOX_EXITED,  /* it ended its process; status: exit status */
    SANDBOX_KILLED,  /* status: the signal */
    SANDBOX_HUNG,
    SANDBOX_STRANGE, /* its state is none that the operations explain; the sandbox never says so */
    SANDBOX_UNUSABLE /* there is no verdict: sandbox_problem says why */
};

struct sandbox_verdict {
    uint32_t outcome; /* enum sandbox_outcome */
    int32_t status;
};

/* A line of a state: hashes of what stands before its first tab and of what stands behind it, the
   latter never 0. */
struct sandbox_record {
    uint64_t key, value;
};

/* Of the state's lines in any order the sum of these. */
static inline uint64_t sandbox_record_hash(struct sandbox_record record) {
    uint64_t hash = record.key * UINT64_C(0x9E3779B97F4A7C15) ^ record.value;
    hash = (hash ^ hash >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    hash = (hash ^ hash >> 32) * UINT64_C(0xD6E8FEB86659FD93);
    return hash ^ hash >> 32;
}

struct sandbox;

/* NULL, with errno: no memory or no processes. What is borrowed stays borrowed. */
struct sandbox *sandbox_new(const struct sandbox_options *options);
void sandbox_end(struct sandbox *sandbox);

/* Why an image is unusable; empty: it is not known. */
const char *sandbox_problem(const struct sandbox *sandbox);

/* What could not be had, as a sentence for the report; NULL: nothing. */
const char *sandbox_remark(const struct sandbox *sandbox);

/* The workers' processes end; new ones begin with the next batch. pre: no image is waiting */
void sandbox_rest(struct sandbox *sandbox);

/* Marks of a run: ids, begun and acknowledged. */
struct sandbox_marks {
    uint64_t *ids[2];
    size_t counts[2];
};

/* All that were told, borrowed; counts may be lowered. */
struct sandbox_marks sandbox_marks(const struct sandbox *sandbox);

/* A folder of this name in the sandbox's own, its path a fresh text that a link does not lead to;
   NULL, with errno. */
char *sandbox_scratch(const struct sandbox *sandbox, const char *name);

/* Where sandbox_recover looks for the image of a region. */
void sandbox_image_path(const struct sandbox_options *options, const char *folder, size_t region,
                        char *path, size_t size);
/* In a process of its own: recovery on the files in the folder, as a worker would run it; its end
   is the process's end, with status 0 where it copes. views: of the files, for an object. The
   folder is all that it may write to. */
_Noreturn void sandbox_recover(const struct sandbox_options *options, const char *folder,
                               const struct sandbox_marks *marks, uint8_t *const *views);

/* The base's content of a region, to be read. */
const uint8_t *sandbox_base(const struct sandbox *sandbox, size_t region);

/* The base has these bytes from now on. pre: no image is waiting to be run */
void sandbox_set(struct sandbox *sandbox, size_t region, uint64_t offset, const void *bytes,
                 size_t length);

/* The next mark of its kind has this id. false: there is no room for more. */
bool sandbox_mark(struct sandbox *sandbox, bool acked, uint64_t id);

/* Begins a new image: the base, after so many marks of each kind. false: the batch is full, run it
   first. */
bool sandbox_image(struct sandbox *sandbox, size_t begun, size_t acked);
/* Gives these bytes to the image that was begun last. false: the batch is full, and the image is
   taken out of it. */
bool sandbox_patch(struct sandbox *sandbox, size_t region, uint64_t offset, const void *bytes,
                   size_t length);

enum sandbox_run {
    SANDBOX_ALL,     /* by all workers */
    SANDBOX_RECORDS, /* likewise, and sandbox_records has those of the one image that there is */
    SANDBOX_TRACED   /* likewise, and sandbox_touched tells what they have touched */
};
/* Runs the images that were begun since the last run. The verdicts stay until the next image is
   begun. false: interrupted, as *stop says; images are pending. */
bool sandbox_run(struct sandbox *sandbox, enum sandbox_run run, const volatile int *stop);
/* Runs one of them once more, in a fresh process; its verdict is that one's from then on. Standard
   output and error go to a descriptor; -1: nowhere. */
bool sandbox_run_again(struct sandbox *sandbox, size_t image, int output, const volatile int *stop);
size_t sandbox_count(const struct sandbox *sandbox);
struct sandbox_verdict sandbox_verdict(const struct sandbox *sandbox, size_t image);

/* Of an image whose verdict is fine: hash of its state, and sum of its records. */
uint64_t sandbox_state(const struct sandbox *sandbox, size_t image);
uint64_t sandbox_sum(const struct sandbox *sandbox, size_t image);
/* NULL: there are too many. */
const struct sandbox_record *sandbox_records(const struct sandbox *sandbox, size_t *count);

/* Which pages (4096 bytes) of a region have the images of the last traced batch made recovery read
   or write? One bit a page. Images that ended their process do not count; NULL: there are no
   others, or it is not known. */
const uint64_t *sandbox_touched(const struct sandbox *sandbox, size_t region);
/* Could they have made it read this range? Of a checker with hooks that is known line by line, but
   for pages on which only code without hooks reads. */
bool sandbox_looked(const struct sandbox *sandbox, size_t region, uint64_t offset, uint64_t length);
/* Is that all that they can have made it read? */
bool sandbox_is_exact(const struct sandbox *sandbox);

#endif
