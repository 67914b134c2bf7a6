/* SPDX-License-Identifier: BSD-2-Clause */
/* What the cases of odd.c share. */
#ifndef ODD_H
#define ODD_H

#include <nvrtl.h>

#define ODD_SIZE 65536

/* A case: file to map, the arguments after it. The result is the exit status. */
typedef int odd_case(const char *path, char **arguments);

odd_case odd_limit, odd_small_stack, odd_small_signal_stack, odd_filter, odd_step, odd_threads;
odd_case odd_many_tokens, odd_many_ranges;

/* Maps the file, or ends the program with status 99. */
NvRtlMapping odd_map(const char *path);

/* A Write, a Flush and a Drain at offset, as they should be; tells on standard output if one of
   them failed. */
void odd_work(const NvRtlMapping *mapping, size_t offset);

/* A Write that nobody flushes. */
void odd_forget(const NvRtlMapping *mapping, size_t offset);

/* Ends the program with status 98, with words, unless good. */
void odd_need(int good, const char *words);

#endif
