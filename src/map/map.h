/* SPDX-License-Identifier: BSD-2-Clause */
/* What is this range of addresses, or this path? Finds the mappings, the file behind them and the
   persistence domain, with the reason in one sentence. It only reads what the system tells about
   itself; it never opens the file in question. */
#ifndef MAP_MAP_H
#define MAP_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"
#include "event/event.h"
#include "map/work.h"

/* Values are the public NVRTL_DOMAIN_..., weakest first. */
enum map_domain {
    MAP_DOMAIN_VOLATILE = 0,
    MAP_DOMAIN_PAGE_CACHE = 1,
    MAP_DOMAIN_MEMORY = 2,
    MAP_DOMAIN_CPU_CACHE = 3,
};

#define MAP_REASON_SIZE 160
#define MAP_PATH_SIZE 1024
#define MAP_SEGMENTS_MAX 64

/* What can be seen below a file that weakens "durable", or that a careful reader wants to know. */
enum map_note {
    MAP_NOTE_UNLINKED = 1 << 0,         /* no name: a power cut loses the file unless it gets one */
    MAP_NOTE_OVERLAY_VOLATILE = 1 << 1, /* overlayfs that ignores every sync */
    MAP_NOTE_OVERLAY_UNSEEN = 1 << 2,   /* overlayfs whose upper directory is not visible here */
    MAP_NOTE_NO_BARRIER = 1 << 3,       /* the file system does not flush the device's cache */
    MAP_NOTE_LOOP_ON_RAM = 1 << 4,      /* a loop device whose backing file lives in RAM */
    MAP_NOTE_ZRAM = 1 << 5,
    MAP_NOTE_RAM_DISK = 1 << 6,
    MAP_NOTE_FUSE = 1 << 7,        /* a program serves the file system */
    MAP_NOTE_REMOTE = 1 << 8,      /* another machine serves it */
    MAP_NOTE_WRITE_CACHE = 1 << 9, /* the device has a volatile cache; flushes reach it */
    MAP_NOTE_UNSEEN = 1 << 10,     /* the system does not say what the file system lies on */
    MAP_NOTE_EMULATED = 1 << 11,   /* what looks like persistent memory is RAM */
    MAP_NOTE_NO_SYNC = 1 << 12,    /* a mount option makes a sync mean less */
    MAP_NOTE_SERVED = 1 << 13,     /* a program or another machine serves a block device */
};
#define MAP_NOTE_COUNT 14

/* What lies behind an address or path. */
struct map_answer {
    enum map_domain domain;
    uint64_t device,
        inode;        /* as the system's table of mappings tells them; equal means same file */
    bool synchronous; /* mapped with MAP_SYNC */
    uint32_t notes;   /* MAP_NOTE_... */
    char reason[MAP_REASON_SIZE];
    char path[MAP_PATH_SIZE]; /* decoded; without the system's " (deleted)" */
};

/* A region: the answer, and the runs it is made of, contiguous in memory and file. Runs beyond
   MAP_SEGMENTS_MAX are counted and not kept. Large: keep it off small stacks. */
struct map_region {
    struct map_answer answer;
    struct event_segment segments[MAP_SEGMENTS_MAX];
    size_t segment_count;
    size_t segments_missed;
    struct map_work work; /* private to map/ */
};

/* Where the system tells about itself: a prefix for /proc and /sys ("" on the real machine, the
   folder of a recorded one in tests). live: stat and statfs of the mapped paths may be asked
   too. */
struct map_system {
    const char *root;
    bool live;
};
extern const struct map_system map_this_system;

/* Asks about [address, address + length) of this process. RESULT_NOT_MAPPED: address is in no
   mapping. RESULT_INVALID: not all of the range is mapped, or it is no shared view of one file.
   RESULT_DENIED: not writable. RESULT_NOT_SUPPORTED: device memory or a kernel interface that
   nothing makes durable. RESULT_NO_MEMORY: the table cannot be read. answer.reason says why in
   every case; the other fields of answer and the segments count after RESULT_OK.
   pre: length > 0 and the range does not wrap. Allocation-free; works in signal handlers; leaves
   errno as it was; each function of it uses less than 512 bytes of stack. */
enum result map_probe(const struct map_system *system, uintptr_t address, size_t length,
                      struct map_region *region);

/* The one mapping that holds address: [*start, *start + *length). RESULT_NOT_MAPPED, or
   RESULT_NO_MEMORY: the table cannot be read. Otherwise as map_probe. */
enum result map_extent(const struct map_system *system, uintptr_t address, uintptr_t *start,
                       size_t *length);

/* One mapping of a file, to be known again. */
struct map_identity {
    uintptr_t start;
    size_t length;
    uint64_t device, inode;
    uint64_t offset; /* of start, in the file, bytes */
};

/* Is there still this part of the file, in one mapping, shared and writable? One system call
   between an open and a close where the kernel has PROCMAP_QUERY (6.11), else a walk over the
   table. MAP_SYNC is not looked at. RESULT_INVALID: there is not; RESULT_NO_MEMORY: the table
   cannot be read, nobody knows. Otherwise as map_probe. */
enum result map_same(const struct map_system *system, const struct map_identity *identity);

/* Asks what a shared writable view of the file at path would be, or, if that is a directory, of a
   file made in it. RESULT_INVALID: no such file; RESULT_DENIED: its mount is read-only;
   RESULT_NOT_SUPPORTED as above. path is looked up live; a device's domain assumes that MAP_SYNC is
   granted where the file is on DAX. Uses the stack and libc freely. */
enum result map_probe_path(const struct map_system *system, const char *path,
                           struct map_answer *answer);

/* One shared file mapping of a process, as map_each tells it; result as of map_probe. */
typedef void map_visit(void *context, uintptr_t address, size_t length, enum result result,
                       const struct map_answer *answer);

/* Visits every shared file mapping of process pid (0 = this one). RESULT_DENIED, RESULT_INVALID:
   not allowed, or no such process. Uses the stack freely. */
enum result map_each(const struct map_system *system, uint32_t pid, map_visit *visit,
                     void *context);

/* One region of persistent memory: its name, what it says about persistence ("" when it says
   nothing), the best that a view of it can be, and why it is no better ("" when that is
   persistent). */
typedef void map_visit_region(void *context, const char *name, const char *persistence,
                              enum map_domain domain, const char *why);

/* Visits every region that libnvdimm knows. RESULT_NOT_SUPPORTED: /sys cannot be read. */
enum result map_each_region(const struct map_system *system, map_visit_region *visit,
                            void *context);

/* The word for a domain: "volatile", "page-cache", "memory", "cpu-cache". */
const char *map_domain_name(enum map_domain domain);

/* The word for one MAP_NOTE_..., "unlinked" for one, and a sentence about it without a full
   stop. */
const char *map_note_name(enum map_note note);
const char *map_note_text(enum map_note note);

#endif
