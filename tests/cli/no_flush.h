/* SPDX-License-Identifier: BSD-2-Clause */
/* Included in front of a program (-include), it takes every flush out of it: what is left are
   stores, and drains of nothing. */
#ifndef CLI_NO_FLUSH_H
#define CLI_NO_FLUSH_H

#include <nvrtl.h>

#define RtlWriteNonVolatileMemory(token, to, from, size, flags)                                    \
    RtlWriteNonVolatileMemory(token, to, from, size, (flags)&0)
#define RtlFlushNonVolatileMemoryRanges(token, ranges, count, flags)                               \
    ((void)(ranges), STATUS_SUCCESS)

#endif
