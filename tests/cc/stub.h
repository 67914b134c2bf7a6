/* SPDX-License-Identifier: BSD-2-Clause */
/* What the stub of the runtime offers to the programs that test nvrtl-cc. */
#ifndef STUB_H
#define STUB_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* From now on each call-out that touches [address, +length) is printed, as "kind offset+length";
   fences always. */
void stub_watch(void *address, size_t length);
/* A line of the program's own, between those. */
void stub_say(const char *line);
/* How many frames an unwinder finds from the next call-outs on; printed if it is wanted. */
extern int stub_unwind;

#ifdef __cplusplus
}
#endif

#endif
