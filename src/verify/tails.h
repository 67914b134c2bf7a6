/* SPDX-License-Identifier: BSD-2-Clause */
/* A function whose last act is a call may jump there instead, and then is on no stack. The debug
   information tells: what was called at a place is not what returned there, and there is one way
   only from the one to the other. */
#ifndef VERIFY_TAILS_H
#define VERIFY_TAILS_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>

/* What is asked of the module around. Addresses are the debug information's. */
struct tails_module {
    void *module;
    /* The unit at an address, or NULL. */
    Dwarf_Die *(*unit)(void *module, Dwarf_Addr address);
    /* Where a function that other files can call begins; false: there is none of that name. */
    bool (*find)(void *module, const char *name, Dwarf_Addr *address);
};

/* A place where a function left by a jump. */
struct tail {
    Dwarf_Die *unit;
    Dwarf_Addr pc; /* inside the jump */
};

#define TAILS_MAX 4

/* The functions that are missing between the call that returns to pc, in unit, and the function
   that came of it, innermost first; how many. callee: its name; NULL: one of the library's
   routines. 0 as well when nothing is known, or there is more than one way. */
size_t tails_find(const struct tails_module *module, Dwarf_Die *unit, Dwarf_Addr pc,
                  const char *callee, struct tail tails[TAILS_MAX]);

#endif
