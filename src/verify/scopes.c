/* SPDX-License-Identifier: BSD-2-Clause */
#include "verify/scopes.h"

#include <dwarf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verify/path.h"

/* Functions that hold an address, outermost first. */
struct nest {
    Dwarf_Die dies[SCOPES_MAX];
    size_t count;
    Dwarf_Addr pc;
    bool everywhere; /* look into functions that do not hold the address, too */
};

/* May a function's code be described below an entry of this kind? */
static bool holds_functions(int tag) {
    switch (tag) {
    case DW_TAG_namespace:
    case DW_TAG_module:
    case DW_TAG_class_type:
    case DW_TAG_structure_type:
    case DW_TAG_union_type:
    case DW_TAG_lexical_block:
    case DW_TAG_try_block:
    case DW_TAG_catch_block:
        return true;
    default:
        return false;
    }
}

/* Descends to the innermost function at nest->pc; false when there is none below parent. */
static bool nest_descend(struct nest *nest, Dwarf_Die *parent, int depth) {
    Dwarf_Die die, next;
    if (depth == SCOPES_MAX || dwarf_child(parent, &next) != 0)
        return false;
    do {
        die = next;
        int tag = dwarf_tag(&die);
        bool function = tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
        bool here = function && dwarf_haspc(&die, nest->pc) > 0;
        bool nested = nest->everywhere && tag == DW_TAG_subprogram;
        if (here && nest->count < SCOPES_MAX)
            nest->dies[nest->count++] = die;
        if ((here || nested || holds_functions(tag)) && nest_descend(nest, &die, depth + 1))
            return true;
        if (here)
            return true;
        /* A damaged file may name a sibling that lies before this entry, and so make a ring. */
    } while (dwarf_siblingof(&die, &next) == 0 && dwarf_dieoffset(&next) > dwarf_dieoffset(&die));
    return false;
}

static void nest_find(struct nest *nest, Dwarf_Die *unit, Dwarf_Addr pc) {
    nest->count = 0;
    nest->pc = pc;
    nest->everywhere = false;
    if (nest_descend(nest, unit, 0))
        return;
    /* A function inside a function (a GNU extension; a lambda) is described inside the outer one,
       whose code is elsewhere. */
    nest->everywhere = true;
    nest_descend(nest, unit, 0);
}

static bool has_namespaces(Dwarf_Die *unit) {
    switch (dwarf_srclang(unit)) {
    case DW_LANG_C_plus_plus:
    case DW_LANG_C_plus_plus_03:
    case DW_LANG_C_plus_plus_11:
    case DW_LANG_C_plus_plus_14:
        return true;
    default:
        return false;
    }
}

/* The entry that stands where the function was declared: it alone shows the class. */
static Dwarf_Die declaration(Dwarf_Die die) {
    static const unsigned links[] = {DW_AT_abstract_origin, DW_AT_specification};
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        Dwarf_Attribute attribute;
        Dwarf_Die target;
        if (dwarf_attr(&die, links[i], &attribute) != NULL &&
            dwarf_formref_die(&attribute, &target) != NULL)
            die = target;
    }
    return die;
}

/* Puts "outer::" for each namespace and class around die before name. NULL: out of memory. */
static char *qualify(Dwarf_Die *die, const char *name) {
    char *full = strdup(name);
    Dwarf_Die declared = declaration(*die);
    Dwarf_Die *around = NULL;
    int count = dwarf_getscopes_die(&declared, &around);
    for (int i = 1; i < count && full != NULL; i++) {
        int tag = dwarf_tag(&around[i]);
        if (tag != DW_TAG_namespace && tag != DW_TAG_class_type && tag != DW_TAG_structure_type &&
            tag != DW_TAG_union_type)
            continue;
        const char *outer = dwarf_diename(&around[i]);
        if (outer == NULL)
            outer = tag == DW_TAG_namespace ? "(anonymous namespace)" : "(anonymous class)";
        char *longer = NULL;
        if (asprintf(&longer, "%s::%s", outer, full) < 0)
            longer = NULL;
        free(full);
        full = longer;
    }
    free(around);
    return full;
}

/* false: out of memory. A nameless function gives NULL. */
static bool function_name(Dwarf_Die *unit, Dwarf_Die *die, char **name) {
    const char *plain = dwarf_diename(die);
    *name = NULL;
    if (plain == NULL || plain[0] == '\0')
        return true;
    *name = has_namespaces(unit) ? qualify(die, plain) : strdup(plain);
    return *name != NULL;
}

/* Makes a file name of the debug information absolute. false: out of memory. */
static bool absolute_file(Dwarf_Die *unit, const char *name, char **file) {
    Dwarf_Attribute attribute;
    const char *directory = NULL;
    *file = NULL;
    if (name == NULL)
        return true;
    if (dwarf_attr_integrate(unit, DW_AT_comp_dir, &attribute) != NULL)
        directory = dwarf_formstring(&attribute);
    *file = path_absolute(directory, name);
    return *file != NULL;
}

static bool number_of(Dwarf_Die *die, unsigned name, Dwarf_Word *number) {
    Dwarf_Attribute attribute;
    return dwarf_attr(die, name, &attribute) != NULL && dwarf_formudata(&attribute, number) == 0;
}

static int line_of(Dwarf_Word number) {
    return number <= INT32_MAX ? (int)number : 0;
}

/* Where the inlined function die was called from. NULL and 0 when that is not told. */
static const char *call_site(Dwarf_Die *unit, Dwarf_Half version, Dwarf_Die *die, int *line) {
    Dwarf_Word number, index;
    *line = number_of(die, DW_AT_call_line, &number) ? line_of(number) : 0;
    /* Up to DWARF 4 the place 0 means that there is no file; from 5 on it is the first one. */
    if (!number_of(die, DW_AT_call_file, &index) || (version < 5 && index == 0))
        return NULL;
    Dwarf_Files *files;
    size_t count;
    if (dwarf_getsrcfiles(unit, &files, &count) != 0 || index >= count)
        return NULL;
    return dwarf_filesrc(files, (size_t)index, NULL, NULL);
}

bool scopes_find(Dwarf_Die *unit, Dwarf_Addr pc, struct scope scopes[SCOPES_MAX], size_t *count) {
    Dwarf_Half version = 0;
    uint8_t type = 0;
    Dwarf_Die split;
    Dwarf_Die *functions = unit;
    if (dwarf_cu_info(unit->cu, &version, &type, NULL, &split, NULL, NULL, NULL) == 0 &&
        type == DW_UT_skeleton && split.cu != NULL)
        functions = &split;

    struct nest nest;
    nest_find(&nest, functions, pc);
    int line = 0;
    Dwarf_Line *record = dwarf_getsrc_die(unit, pc);
    const char *file = record != NULL ? dwarf_linesrc(record, NULL, NULL) : NULL;
    if (record != NULL && (dwarf_lineno(record, &line) != 0 || line < 0))
        line = 0;

    *count = 0;
    do {
        struct scope *scope = &scopes[(*count)++];
        *scope = (struct scope){.line = line};
        if (!absolute_file(unit, file, &scope->file))
            return false;
        if (nest.count == 0)
            return true;
        Dwarf_Die *die = &nest.dies[--nest.count];
        if (!function_name(functions, die, &scope->function))
            return false;
        if (nest.count > 0)
            file = call_site(functions, version, die, &line);
    } while (nest.count > 0);
    return true;
}
