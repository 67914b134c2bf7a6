/* SPDX-License-Identifier: BSD-2-Clause */
/* Every image that a power cut at any moment of a trace could leave. */
#ifndef CRASH_ENUMERATE_H
#define CRASH_ENUMERATE_H

#include "crash/images.h"
#include "crash/replay.h"
#include "crash/scan.h"

#define ENUMERATE_MOST 4096 /* bytes of all regions */

/* Fills the set, which is sorted then. false, with *problem: they are too many for the memory, a
   line has too many stores in flight, or the trace and the scan disagree. pre: the set is started,
   with the scan's size; the trace is the one that was scanned, from its start */
bool enumerate(FILE *trace, const struct crash_scan *scan, const struct crash_wish *wish,
               struct images *images, const char **problem);

#endif
