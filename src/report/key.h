/* SPDX-License-Identifier: BSD-2-Clause */
/* What makes a finding the same one in another run, of another build: its kind, its file and its
   functions. Lines move, addresses change, counts vary. */
#ifndef REPORT_KEY_H
#define REPORT_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "verify/finding.h"

struct key {
    uint64_t high, low; /* of kind, file and functions */
    size_t number;      /* 1 for the first with these, in the order of the report */
};

/* The keys of all findings, and behind them of those that are suppressed; to be freed. Files below
   the report's directory, or near it, count as named from there, so that a checkout elsewhere has
   the same keys. NULL: out of memory. */
struct key *key_all(const struct report *report);

/* What tells findings of one kind and one place apart. */
enum key_extent {
    KEY_PLACE,    /* nothing more */
    KEY_SEVERITY, /* how bad they are */
    KEY_REGION    /* that, the file that they are about, and what saved the data */
};

/* The key of one finding by all that places are known by, lines and addresses too: of those that
   are one within a report. */
struct key key_exact(const struct finding *finding, enum key_extent extent);

/* The order of keys; number is the least of it. */
int key_compare(struct key a, struct key b);

/* 32 hexadecimal digits, a colon and the number. */
#define KEY_SIZE 64
const char *key_text(struct key key, char buffer[KEY_SIZE]);

#endif
