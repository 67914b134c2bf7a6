/* SPDX-License-Identifier: BSD-2-Clause */
#include "verify/tails.h"

#include <dwarf.h>
#include <string.h>

/* How deep entries may lie in each other. */
#define DEPTH_MAX 64

/* A call, or a jump in place of one. */
struct site {
    Dwarf_Addr pc; /* inside the instruction */
    Dwarf_Die origin;
};

/* DWARF 5 and what GCC had before it. */
static bool is_site(int tag) {
    return tag == DW_TAG_call_site || tag == DW_TAG_GNU_call_site;
}

static bool address_of(Dwarf_Die *die, unsigned name, unsigned old_name, Dwarf_Addr *address) {
    Dwarf_Attribute attribute;
    return (dwarf_attr(die, name, &attribute) != NULL ||
            dwarf_attr(die, old_name, &attribute) != NULL) &&
           dwarf_formaddr(&attribute, address) == 0;
}

static bool is_tail(Dwarf_Die *die) {
    Dwarf_Attribute attribute;
    bool tail = false;
    return (dwarf_attr(die, DW_AT_call_tail_call, &attribute) != NULL ||
            dwarf_attr(die, DW_AT_GNU_tail_call, &attribute) != NULL) &&
           dwarf_formflag(&attribute, &tail) == 0 && tail;
}

/* false: a call through a pointer, or of something unknown. */
static bool read_site(Dwarf_Die *die, struct site *site) {
    Dwarf_Attribute attribute;
    if (dwarf_attr(die, DW_AT_call_origin, &attribute) == NULL &&
        dwarf_attr(die, DW_AT_abstract_origin, &attribute) == NULL)
        return false;
    if (dwarf_formref_die(&attribute, &site->origin) == NULL)
        return false;
    if (address_of(die, DW_AT_call_pc, DW_AT_call_pc, &site->pc))
        return true;
    if (!address_of(die, DW_AT_call_return_pc, DW_AT_low_pc, &site->pc))
        return false;
    site->pc--;
    return true;
}

/* Visits the entries of a call below parent; a visit that says so ends it. */
typedef bool visit_site(void *context, Dwarf_Die *site);

static bool each_site(Dwarf_Die *parent, int depth, visit_site *visit, void *context) {
    Dwarf_Die die, next;
    if (depth == DEPTH_MAX || dwarf_child(parent, &next) != 0)
        return false;
    do {
        die = next;
        int tag = dwarf_tag(&die);
        bool holds = tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine ||
                     tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
        if (is_site(tag) ? visit(context, &die)
                         : holds && each_site(&die, depth + 1, visit, context))
            return true;
        /* A damaged file may name a sibling that lies before this entry, and so make a ring. */
    } while (dwarf_siblingof(&die, &next) == 0 && dwarf_dieoffset(&next) > dwarf_dieoffset(&die));
    return false;
}

/* Where a unit's functions are described. */
static Dwarf_Die *functions_of(Dwarf_Die *unit, Dwarf_Die *split) {
    uint8_t type = 0;
    if (dwarf_cu_info(unit->cu, NULL, &type, NULL, split, NULL, NULL, NULL) == 0 &&
        type == DW_UT_skeleton && split->cu != NULL)
        return split;
    return unit;
}

struct search {
    const Dwarf_Die *origin; /* or NULL: the one at pc is looked for */
    Dwarf_Addr pc;
};

/* Is the entry the function's code, or is that described elsewhere? */
static bool is_code_of(Dwarf_Die *die, const struct search *search) {
    static const unsigned links[] = {DW_AT_abstract_origin, DW_AT_specification};
    Dwarf_Addr low;
    if (dwarf_tag(die) != DW_TAG_subprogram || dwarf_lowpc(die, &low) != 0)
        return false;
    if (search->origin == NULL)
        return dwarf_haspc(die, search->pc) > 0;
    if (die->addr == search->origin->addr)
        return true;
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        Dwarf_Attribute attribute;
        Dwarf_Die target;
        if (dwarf_attr(die, links[i], &attribute) != NULL &&
            dwarf_formref_die(&attribute, &target) != NULL && target.addr == search->origin->addr)
            return true;
    }
    return false;
}

static bool find_function(Dwarf_Die *parent, int depth, const struct search *search,
                          Dwarf_Die *found) {
    Dwarf_Die die, next;
    if (depth == DEPTH_MAX || dwarf_child(parent, &next) != 0)
        return false;
    do {
        die = next;
        int tag = dwarf_tag(&die);
        if (is_code_of(&die, search)) {
            *found = die;
            return true;
        }
        if ((tag == DW_TAG_namespace || tag == DW_TAG_class_type || tag == DW_TAG_structure_type) &&
            find_function(&die, depth + 1, search, found))
            return true;
    } while (dwarf_siblingof(&die, &next) == 0 && dwarf_dieoffset(&next) > dwarf_dieoffset(&die));
    return false;
}

/* The function whose code a call of origin reaches, and its unit: in the same unit, or by its name
   anywhere in the module. */
static Dwarf_Die *follow(const struct tails_module *module, Dwarf_Die *unit, Dwarf_Die *origin,
                         Dwarf_Die *function) {
    Dwarf_Die split;
    Dwarf_Attribute attribute;
    struct search search = {.origin = origin};
    if (find_function(functions_of(unit, &split), 0, &search, function))
        return unit;
    const char *name = NULL;
    if (dwarf_attr_integrate(origin, DW_AT_linkage_name, &attribute) != NULL)
        name = dwarf_formstring(&attribute);
    if (name == NULL)
        name = dwarf_diename(origin);
    if (name == NULL || !module->find(module->module, name, &search.pc))
        return NULL;
    search.origin = NULL;
    unit = module->unit(module->module, search.pc);
    return unit != NULL && find_function(functions_of(unit, &split), 0, &search, function) ? unit
                                                                                           : NULL;
}

/* The names that a routine of the library has. */
static bool is_callee(Dwarf_Die *origin, const char *callee) {
    const char *name = dwarf_diename(origin);
    if (name == NULL)
        return false;
    if (callee == NULL)
        return strncmp(name, "Rtl", 3) == 0 || strncmp(name, "NvRtl", 5) == 0;
    const char *last = strrchr(callee, ':'); /* "class::function" */
    return strcmp(name, last != NULL ? last + 1 : callee) == 0;
}

/* A search for the ways from a function to the callee. */
struct ways {
    const struct tails_module *module;
    const char *callee;
    Dwarf_Die *unit;            /* of the function that is looked through */
    struct tail now[TAILS_MAX]; /* outermost first */
    size_t depth;
    struct tail *found; /* innermost first */
    size_t length, count;
};

static void look_through(struct ways *ways, Dwarf_Die *unit, Dwarf_Die *function);

static bool try_site(void *context, Dwarf_Die *die) {
    struct ways *ways = context;
    struct site site;
    Dwarf_Die function;
    if (!is_tail(die) || !read_site(die, &site))
        return false;
    ways->now[ways->depth++] = (struct tail){ways->unit, site.pc};
    if (is_callee(&site.origin, ways->callee)) {
        ways->length = ways->depth;
        for (size_t i = 0; i < ways->depth; i++)
            ways->found[i] = ways->now[ways->depth - 1 - i];
        ways->count++;
    } else if (ways->depth < TAILS_MAX) {
        Dwarf_Die *unit = follow(ways->module, ways->unit, &site.origin, &function);
        if (unit != NULL)
            look_through(ways, unit, &function);
    }
    ways->depth--;
    return ways->count > 1;
}

static void look_through(struct ways *ways, Dwarf_Die *unit, Dwarf_Die *function) {
    Dwarf_Die *before = ways->unit;
    ways->unit = unit;
    each_site(function, 0, try_site, ways);
    ways->unit = before;
}

struct call {
    Dwarf_Addr pc;
    struct site site;
};

static bool is_call_at(void *context, Dwarf_Die *die) {
    struct call *call = context;
    Dwarf_Addr pc;
    return address_of(die, DW_AT_call_return_pc, DW_AT_low_pc, &pc) && pc == call->pc &&
           read_site(die, &call->site);
}

size_t tails_find(const struct tails_module *module, Dwarf_Die *unit, Dwarf_Addr pc,
                  const char *callee, struct tail tails[TAILS_MAX]) {
    struct call call = {.pc = pc};
    const struct search search = {.pc = pc - 1};
    Dwarf_Die split, caller, function;
    struct ways ways = {.module = module, .callee = callee, .found = tails};
    if (!find_function(functions_of(unit, &split), 0, &search, &caller) ||
        !each_site(&caller, 0, is_call_at, &call) || is_callee(&call.site.origin, callee))
        return 0;
    unit = follow(module, unit, &call.site.origin, &function);
    if (unit != NULL)
        look_through(&ways, unit, &function);
    return ways.count == 1 ? ways.length : 0;
}
