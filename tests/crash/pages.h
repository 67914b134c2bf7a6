/* SPDX-License-Identifier: BSD-2-Clause */
/* What pages.c keeps, and pages_check.c looks at. */
#ifndef PAGES_H
#define PAGES_H

#include <stddef.h>
#include <stdint.h>

#define PAGE 4096
#define DATA 4
#define WORDS 8

struct meta {
    uint64_t page, number, sum;
};
#define SUM(meta) ((meta).page * 31 + (meta).number * 7 + 1)

struct data {
    uint64_t words[WORDS];
    uint8_t rest[PAGE - WORDS * sizeof(uint64_t)];
};

struct pages {
    struct meta_page {
        struct meta meta;
        uint8_t rest[PAGE - sizeof(struct meta)];
    } metas[2];
    struct data data[DATA];
    uint64_t acked;
    uint8_t rest[PAGE - sizeof(uint64_t)];
    uint64_t ordered[PAGE / sizeof(uint64_t)];
};
#define META(pages, number) (&(pages)->metas[(number) % 2].meta)

#endif
