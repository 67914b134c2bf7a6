/* SPDX-License-Identifier: BSD-2-Clause */
/* The `hooks` source: what the program does by itself to the bytes of regions becomes state. What
   it does to others is none of the verifier's business. */
#ifndef SOURCE_HOOKS_H
#define SOURCE_HOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "source/self.h"

/* Where something was done, by one thread that keeps the runtime busy. */
struct hooks_site {
    struct self *me;
    arena_id stack;
};

/* [address, address + length) was stored to, or is about to be. */
void hooks_store(const struct hooks_site *site, uintptr_t address, size_t length,
                 enum model_way way);

/* Makes a store that may come to nothing, says whether it did not, and tells of it then: nobody can
   see it before it is told. It is a locked instruction in any case. pre: it is aligned */
typedef bool hooks_attempt(void *context);
bool hooks_store_if(const struct hooks_site *site, uintptr_t address, size_t length,
                    hooks_attempt *attempt, void *context);

/* The same for a small store, if that is as simple as most are; it is done without a system call.
   false: nothing was done. */
bool hooks_store_quick(const struct hooks_site *site, uintptr_t address, size_t length);

/* The line of address is written back; at_once: that is done when the instruction is. */
void hooks_flush(const struct hooks_site *site, uintptr_t address, bool at_once);

/* A fence. locked: of an instruction whose business is another one. */
void hooks_drain(const struct hooks_site *site, bool locked);

/* An event of a signal handler, some time later. */
void hooks_handle(struct self *me, const struct event *event, arena_id stack);

#endif
