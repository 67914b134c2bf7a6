/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses to functions, files and lines, through inlining, by elfutils' libdw. */
#ifndef VERIFY_SYMBOLS_H
#define VERIFY_SYMBOLS_H

#include "verify/finding.h"

struct arena;
struct symbols;

/* NULL when memory runs out. */
struct symbols *symbols_open(void);
void symbols_close(struct symbols *symbols);

/* Appends to stack the frame of the return address at offset in the module file (its ELF virtual
   address: pc minus load bias), preceded by one frame for each function inlined there, and by those
   that left the stack by jumping to what its last frame is (of an empty one: a routine of the
   library), where the debug information tells of them. A module without symbols or that cannot be
   read gives one frame with module and offset alone; code that lies in no module (NULL: a compiler
   at run time made it) one with its address. The frames' strings are malloc'ed copies. build_id
   (may be NULL) must match, else the file on disk is another
   one than ran, and it counts as unreadable. false: out of memory. */
bool symbols_append(struct symbols *symbols, const char *module, const void *build_id,
                    size_t build_id_size, uint64_t offset, struct source_stack *stack);

/* The frames of a stack that a run has left, innermost first, up to main. false: out of memory. */
bool verify_stack(const struct arena *arena, struct symbols *symbols, uint32_t id,
                  struct source_stack *stack);

#endif
