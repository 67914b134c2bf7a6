/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processes that forked from one another tell each other of failed write-backs. They share
   the open files behind their views, and the system tells a failure once to each open file: to
   whichever of them asks first. So who was told says it here, and who was not looks here; and as
   the one may be told while the other, beside it, is not, nobody takes success for success before
   those have spoken who were writing back at the same time. docs/models/kin.pml argues it. */
#ifndef TOKEN_KIN_H
#define TOKEN_KIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/result.h"

#define KIN_WRITERS 6 /* of one file at a time; more wait */

/* One file, in memory that all of them share. */
struct kin_file {
    _Atomic uint64_t file;     /* which; 0: nobody's */
    _Atomic uint32_t failures; /* how many there were, in the upper 24 bits, and the last result */
    _Atomic uint32_t deaths;   /* of threads that were writing it back, and may have been told */
    _Atomic uint64_t writers[KIN_WRITERS]; /* marks of those that write it back; 0: none */
};

/* Makes the memory that is shared; once, and as early as may be: a process that was forked before
   shares nothing. false: there is none to be had. */
bool kin_start(void);

/* The record of a file. With very many files some share one, and fail together. pre: kin_start() */
struct kin_file *kin_find(uint64_t device, uint64_t inode);

/* Before and after a write-back: takes a place among the writers, and leaves it and says how it
   ended. */
_Atomic uint64_t *kin_enter(struct kin_file *file);
void kin_leave(struct kin_file *file, _Atomic uint64_t *place, enum result result);

/* The mark of a thread of this process that is among the writers, told by its id; 0. */
uint64_t kin_mark_of(const struct kin_file *file, uint32_t thread);

/* Is it still there, and its thread alive? */
bool kin_is_writing(struct kin_file *file, uint64_t mark);

/* Waits until all who are among the writers now have left. Those that died there are counted. */
void kin_await(struct kin_file *file);

/* The last failure after what was heard of, which is an earlier value of failures; RESULT_OK. */
static inline enum result kin_failure(const struct kin_file *file, uint32_t heard) {
    uint32_t failures = atomic_load_explicit(&file->failures, memory_order_acquire);
    return failures == heard ? RESULT_OK : (enum result)(failures & 0xFF);
}

#endif
