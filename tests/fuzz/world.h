/* SPDX-License-Identifier: BSD-2-Clause */
/* The world in which fuzz_api lives: two files in memory with several views, the real library, and
   beside it a model: plain byte arrays for what the files hold, and for each page and line when it
   was last made durable. What the library asks of the CPU and of msync is watched on the way (the
   linker's --wrap, and the table of system calls), and msync can be made to fail. */
#ifndef FUZZ_WORLD_H
#define FUZZ_WORLD_H

#include <nvrtl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "fuzz.h"

#define WORLD_PAGE ((size_t)4096)
#define WORLD_UNIT ((size_t)8) /* what one direct store makes durable */
#define WORLD_FILES 2
#define WORLD_PAGES 4
#define WORLD_SIZE (WORLD_PAGES * WORLD_PAGE)
#define WORLD_UNITS (WORLD_SIZE / WORLD_UNIT)

/* Moments are numbers that grow; 0 is never. */
typedef uint64_t moment;

struct world_file {
    int descriptor;
    size_t length; /* bytes that there are; behind them lies no page */
    uint8_t bytes[WORLD_SIZE];
    moment written[WORLD_UNITS];      /* a write-back, or a direct store */
    moment synced[WORLD_PAGES];       /* an msync that succeeded */
    moment touched[WORLD_PAGES];      /* made dirty by a retry */
    moment pending[WORLD_PAGES];      /* page-cache: flushed, and not yet promised */
    bool used[WORLD_PAGES];           /* stored to: the page is in memory */
    unsigned syncs[WORLD_PAGES];      /* in this call */
    unsigned by_default[WORLD_PAGES]; /* pending, flushed with the default token: in which views */
    bool orphaned[WORLD_PAGES]; /* pending, flushed with the default token; that view went away */
    bool left_some;             /* a view went away with pages that somebody had flushed */
    NTSTATUS failure;           /* of a write-back, kept; else STATUS_SUCCESS */
    NTSTATUS before;            /* what that was when the call began */
    NTSTATUS first;             /* the first failure of an msync in this call */
};

/* A mapping. file < 0: private memory. */
struct world_view {
    uintptr_t start;
    size_t length;
    int file;
    size_t offset;
    bool writable;
};
#define WORLD_VIEWS 9
#define WORLD_SPARE 5 /* the view that is mapped anew, now and then */
#define WORLD_AREA_PAGES 32

struct world {
    struct world_file files[WORLD_FILES];
    struct world_view views[WORLD_VIEWS];
    uintptr_t area; /* all views lie in it, with inaccessible pages between and around them */
    moment now, fence, call;
    /* What the next msyncs meet: an errno each, 0 for the real thing. */
    int errors[4];
    unsigned error_count;
    bool hole; /* and an msync with MS_ASYNC finds a hole */
};
extern struct world world;

/* A fresh world: files as random as seed, no token, settings as given (NULL: not set), and a CPU
   without the features that are not in mask. */
void world_begin(uint8_t seed, const char *domain, const char *flush, const char *stores,
                 uint32_t mask);

/* The beginning of a call: what is watched from here on belongs to it. */
void world_call(void);

/* The view that holds an address, or NULL. */
const struct world_view *world_view_at(uintptr_t address);

/* The file and offset of an address in a view; NULL: in none. */
struct world_file *world_locate(uintptr_t address, size_t *offset);

/* Does a part of the range lie behind its file's end, where there is no page? */
bool world_is_cut(uintptr_t address, size_t length);

/* Makes a file shorter or longer, in pages. */
void world_truncate(unsigned file, size_t pages);

/* Maps the spare view to another place of a file, or away (pages 0). */
void world_remap(unsigned file, size_t first, size_t pages);

/* What files and views hold is what the model holds. */
void world_check_bytes(void);

/* Tells what happens, when FUZZ_TRACE is set: to see what an input that fails is about. */
__attribute__((format(printf, 1, 2))) void world_tell(const char *format, ...);

/* Nothing was stored, flushed or synced since world_call. */
void world_check_untouched(void);

#endif
