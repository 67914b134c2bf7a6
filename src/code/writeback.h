/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions by which code makes its stores durable without any routine, found by their bytes. */
#ifndef CODE_WRITEBACK_H
#define CODE_WRITEBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One that was found. */
struct writeback {
    const char *name; /* "clwb" */
    size_t at;        /* where in the code */
};

/* The first one that stands at from or behind. Nothing is decoded: what stands for something else,
   an operand or a table, may be taken for one; none is overlooked but a streaming store of 4 bytes.
   machine: EM_X86_64 or EM_AARCH64 of <elf.h>; streams: do streaming and direct stores count?
   false: there is none. Any bytes are safe. */
bool writeback_find(const uint8_t *code, size_t size, unsigned machine, bool streams, size_t from,
                    struct writeback *found);

/* The same for instructions that complete write-backs: sfence, mfence, dsb. */
bool writeback_find_fence(const uint8_t *code, size_t size, unsigned machine, size_t from,
                          struct writeback *found);

/* Does a call-out of nvrtl-cc stand before the instruction? Objects that the assembler step left
   alone, and those of another compiler that were linked in, have none.
   pre: found in this code, no streaming store, for EM_X86_64 */
bool writeback_is_told(const uint8_t *code, const struct writeback *found);

#endif
