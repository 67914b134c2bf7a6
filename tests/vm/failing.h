/* SPDX-License-Identifier: BSD-2-Clause */
/* A disk that fails when it is told to, and what is written to it. */
#ifndef VM_FAILING_H
#define VM_FAILING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <nvrtl.h>

#define PAGE ((size_t)4096)
#define PAGES ((size_t)64)

enum mood {
    WELL,
    DEAD,    /* neither reads nor writes */
    REFUSES, /* writes nothing */
};

/* Where a part of a file lies on its disk, in bytes. */
struct piece {
    uint64_t offset, at, size;
};
#define PIECES_MAX 8u

/* A file with two views and a token for each: a plain one, and one of NvRtlMapFile. Their open
   files are two. */
struct subject {
    const char *name; /* of the case; every page that is stored says so */
    char path[64];
    int descriptor; /* of the plain view */
    int medium;     /* the disk, below all caches */
    struct piece pieces[PIECES_MAX];
    unsigned piece_count;
    NvRtlMapping mapped; /* of NvRtlMapFile */
    unsigned char *view[2];
    void *token[2];
    unsigned stored; /* turns */
};

extern const char *nonce;     /* of the machine */
extern const char *disk_type; /* of the disk's file system */

/* Ends the program, and says why, if this is not so. */
void check(bool condition, const char *what);
void check_status(NTSTATUS status, NTSTATUS wanted, const char *what);

/* Puts a device that can fail in front of the disk, and mounts it. */
void disk_make(const char *disk, const char *type);

/* All of the disk, or what the subject has of it, is in this mood from now on; the rest is well. */
void disk_turn(enum mood mood);
void disk_turn_subject(const struct subject *subject, enum mood mood);

/* A new file on the disk; its first bytes, all zeros, are on the medium. */
void subject_make(struct subject *subject, const char *name);
void subject_end(struct subject *subject);

/* Gives every page new bytes, through the token of a view, with flags of Write. */
NTSTATUS subject_store(struct subject *subject, size_t which, ULONG flags);

/* Of how many pages is what was stored in this turn on the medium, or in the view? */
size_t subject_on_medium(const struct subject *subject, unsigned turn);
size_t subject_in_view(const struct subject *subject, unsigned turn);
bool subject_equals_medium(const struct subject *subject);

/* Drops the pages that are clean: the next access reads the medium. */
void subject_evict(struct subject *subject);

#endif
