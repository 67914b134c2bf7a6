/* SPDX-License-Identifier: BSD-2-Clause */
/* Who wants to know which lines code with hooks reads. The runtime has, for whoever has loaded such
   code and is not run under it,

       void nvrtl_rt_trace_reads(const struct reads_range *ranges, size_t count);

   From then on each read sets the bits of its lines; the ranges are borrowed until the next call,
   none of them ends it. One thread calls it, while no other runs code with hooks. */
#ifndef BASE_READS_H
#define BASE_READS_H

#include <stdatomic.h>
#include <stdint.h>

#define READS_LINE 64u /* bytes */
#define READS_TRACE "nvrtl_rt_trace_reads"

struct reads_range {
    uintptr_t address;
    uint64_t length;
    _Atomic uint64_t *lines; /* one bit each, from the address on */
};

#endif
