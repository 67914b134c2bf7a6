/* SPDX-License-Identifier: BSD-2-Clause */
/* The binary form. A file begins with the magic and goes on in blocks, each of which can be read
   without those before it, but for the regions:

     block:  the word BINARY_BLOCK, the size of the frame, the size of what it holds (32 bits each,
             little-endian), and a zstd frame with a checksum
     record: a byte (kind and BINARY_SAME_...), then as the kind needs them and in this order
             thread, region, stack, offset, length, id as numbers of 7 bits a byte, lowest first;
             texts with their length before them; the bytes. Offsets and stacks are told as
             differences from those of the record before, in zigzag, all else as it is.

   The first record of the first block is the head. */
#ifndef TRACE_BINARY_H
#define TRACE_BINARY_H

#include "trace/trace.h"

#define BINARY_MAGIC "nvrtl-trace-1\n\r\0" /* 16 bytes with its last zero */
#define BINARY_MAGIC_SIZE 16u
#define BINARY_BLOCK 0x6B426E54u
#define BINARY_BLOCK_HEAD 12u

#define BINARY_KIND 0x1Fu
#define BINARY_HEAD 0x1Fu /* in place of a kind */
#define BINARY_SAME_THREAD 0x20u
#define BINARY_SAME_REGION 0x40u
#define BINARY_SAME_STACK 0x80u

/* What a block holds: a record begins before this, and may have as many bytes as there may be. */
#define BINARY_BLOCK_SIZE (256u << 10)
#define BINARY_TEXT 65536u /* bytes, at most */
#define BINARY_BLOCK_MOST (BINARY_BLOCK_SIZE + TRACE_BYTES + BINARY_TEXT + 256u)

/* What the record before was about. */
struct binary_state {
    uint32_t thread, region, stack;
    uint64_t offset;
};

#endif
