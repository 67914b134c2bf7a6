/* SPDX-License-Identifier: BSD-2-Clause */
/* What an audit finds out of one object, library or program. */
#ifndef CC_AUDIT_H
#define CC_AUDIT_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Addresses, or in an object file offsets in a section. */
struct range {
    uint64_t from, to; /* [from, to) */
    uint32_t section;  /* an object's section, else 0 */
};

struct ranges {
    struct range *items;
    size_t count, capacity;
};

void ranges_add(struct ranges *ranges, struct range range);
bool ranges_contain(const struct ranges *ranges, uint32_t section, uint64_t at);

/* The places that call a hook, each a range of 1 byte. */
struct ranges audit_calls(Elf *elf);
/* What was compiled with call-outs, by the debug information. */
struct ranges audit_units(Elf *elf);

/* The next section of a kind, or NULL. */
Elf_Scn *audit_section(Elf *elf, Elf_Scn *after, uint32_t type, Elf64_Shdr **header);

#endif
