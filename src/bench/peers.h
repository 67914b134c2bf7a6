/* SPDX-License-Identifier: BSD-2-Clause */
/* Those that the routines are measured against: libpmem, loaded while the command runs, and the
   bare instructions; private to bench/. */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "isa/isa.h"

/* Published by libpmem(7). */
#define PMEM_F_MEM_NODRAIN (1u << 0)
#define PMEM_F_MEM_NOFLUSH (1u << 5)

/* libpmem's functions; NULL: it is not there. */
struct peers_libpmem {
    void (*flush)(const void *address, size_t length);
    void (*drain)(void);
    void (*persist)(const void *address, size_t length);
    int (*msync)(const void *address, size_t length);
    void *(*copy)(void *to, const void *from, size_t length, unsigned flags);
    void *(*fill)(void *to, int value, size_t length, unsigned flags);
};
extern struct peers_libpmem peers_libpmem;

/* From this length on libpmem's copy and fill with a flush use streaming stores and no write-back
   (its default, PMEM_MOVNT_THRESHOLD). */
#define PEERS_LIBPMEM_STREAMS 256

/* Loads it once; NULL, or why it is not there. */
const char *peers_load_libpmem(void);

/* What this CPU has. */
extern struct isa_choice peers_choice;

/* Line by line, without a function call where the CPU has clwb. */
static inline void peers_flush(const char *address, size_t length) {
#if defined(__x86_64__)
    if (peers_choice.flush == ISA_FLUSH_CLWB) {
        const char *line = (const char *)((uintptr_t)address & ~(uintptr_t)63);
        for (; line < address + length; line += 64)
            __asm__ volatile("clwb (%0)" ::"r"(line) : "memory");
        return;
    }
#endif
    isa_write_back(peers_choice.flush, address, length, peers_choice.line_size);
}

/* Streaming stores of whole words and nothing after them. pre: to is 8-aligned */
void peers_stream(char *to, const char *from, size_t length);

/* Stores and write-backs in the fastest order known of those that are documented as durable at the
   next fence, with nothing checked or guarded: what a copy cannot be faster than. */
void peers_copy_back(char *to, const char *from, size_t length);

/* What zeros cannot be faster than: streaming stores where they are enough, or direct ones, and
   else the write-back of lines to which nothing is stored. pre: to and length are aligned to a
   line */
void peers_zero(char *to, size_t length);

#endif
