/* SPDX-License-Identifier: BSD-2-Clause */
/* Which code was compiled with call-outs, though it may have had nothing to tell: the debug
   information has the options of the compiler. */
#include <dwarf.h>
#include <elfutils/libdw.h>
#include <string.h>

#include "cc/audit.h"

static bool has_callouts(Dwarf_Die *unit) {
    Dwarf_Attribute attribute;
    const char *producer = dwarf_formstring(dwarf_attr(unit, DW_AT_producer, &attribute));
    return producer != NULL && strstr(producer, "-fsanitize=thread") != NULL;
}

struct ranges audit_units(Elf *elf) {
    struct ranges ranges = {0};
    Dwarf *debug = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
    if (debug == NULL)
        return ranges;
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;
    while (dwarf_get_units(debug, unit, &unit, NULL, NULL, &die, NULL) == 0) {
        Dwarf_Addr base, from, to;
        ptrdiff_t offset = 0;
        while (has_callouts(&die) && (offset = dwarf_ranges(&die, offset, &base, &from, &to)) > 0)
            ranges_add(&ranges, (struct range){from, to, 0});
    }
    dwarf_end(debug);
    return ranges;
}
