/* SPDX-License-Identifier: BSD-2-Clause */
/* Where an address lies in the debug information of one compilation unit: the line, and the chain
   of functions that were inlined there. It knows DWARF only; modules and files are symbols.c's. */
#ifndef VERIFY_SCOPES_H
#define VERIFY_SCOPES_H

#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stddef.h>

/* A function at an address. The strings are malloc'ed or NULL; line 0 is unknown. */
struct scope {
    char *function;
    char *file;
    int line;
};

/* Deeper nests than this occur in damaged files only; they are cut. */
#define SCOPES_MAX 64

/* Fills scopes with the functions at pc, innermost first; unit is a compile or skeleton unit. At
   least one is told, with what is known. false: out of memory; count tells what is to be freed in
   every case. */
bool scopes_find(Dwarf_Die *unit, Dwarf_Addr pc, struct scope scopes[SCOPES_MAX], size_t *count);

#endif
