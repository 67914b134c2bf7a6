/* SPDX-License-Identifier: BSD-2-Clause */
/* A view of a file or device in the guest, and what is done with it. */
#ifndef VM_GUEST_H
#define VM_GUEST_H

#include <stdbool.h>
#include <stddef.h>

#include <nvrtl.h>

/* Every view has room for what exercise() overwrites, then for the records that have to survive. */
#define AREA_SIZE ((size_t)0x20000)
#define VIEW_SIZE_MIN ((size_t)0x100000)

struct view {
    char name[32];
    char how[16]; /* sync, plain, mapfile: how it is mapped; ask: plain, and left unchanged */
    char path[128];
    unsigned number; /* among the views of one list */
    size_t size;
    unsigned char *base;
    const unsigned char *other; /* a second, plain view of the same bytes */
    NvRtlMapping mapping;       /* of NvRtlMapFile */
    void *token;
};

/* Stores into the view in every way that there is and compares it, and the other view, with what
   should be there. NULL, or what went wrong. */
const char *exercise(struct view *view);

/* Stores the records of the view and makes each durable in a way of its own; one that nothing makes
   durable comes first. NULL, or what went wrong. */
const char *keep_records(struct view *view, const char *nonce);

/* How many durable records of that nonce are missing or changed. */
unsigned count_missing(const struct view *view, const char *nonce);

#endif
