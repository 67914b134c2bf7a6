/* SPDX-License-Identifier: BSD-2-Clause */
#include "verify/symbols.h"

#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "verify/scopes.h"
#include "verify/tails.h"

/* A run of addresses that one compilation unit describes. */
struct run {
    Dwarf_Addr start, end;
    Dwarf_Die unit;
};

/* A file that was looked at, readable or not. */
struct module {
    char *path;
    Dwfl *dwfl;        /* NULL: cannot be read */
    Dwfl_Module *file; /* the one module of dwfl */
    Dwarf_Addr bias;   /* what the file's addresses are more than those of its debug information */
    struct run *runs;  /* sorted by start; empty without debug information */
    size_t run_count;
};

struct symbols {
    struct module **modules;
    size_t count;
};

/* libdw's own search ends by asking the servers in DEBUGINFOD_URLS, which some distributions set
   for everybody; the report of a test run must not wait for a network. */
static int find_debuginfo(Dwfl_Module *file, void **user, const char *name, Dwarf_Addr base,
                          const char *file_name, const char *link, GElf_Word crc, char **found) {
    static const char variable[] = "DEBUGINFOD_URLS";
    const char *set = getenv(variable);
    char *servers = set != NULL ? strdup(set) : NULL;
    if (set != NULL && (servers == NULL || unsetenv(variable) != 0)) {
        free(servers);
        return -1;
    }
    int descriptor =
        dwfl_standard_find_debuginfo(file, user, name, base, file_name, link, crc, found);
    if (servers != NULL)
        setenv(variable, servers, 1);
    free(servers);
    return descriptor;
}

static const Dwfl_Callbacks callbacks = {
    .find_elf = dwfl_build_id_find_elf,
    .find_debuginfo = find_debuginfo,
    .section_address = dwfl_offline_section_address,
};

struct symbols *symbols_open(void) {
    return calloc(1, sizeof(struct symbols));
}

static void module_close(struct module *module) {
    if (module == NULL)
        return;
    if (module->dwfl != NULL)
        dwfl_end(module->dwfl);
    free(module->runs);
    free(module->path);
    free(module);
}

void symbols_close(struct symbols *symbols) {
    if (symbols == NULL)
        return;
    for (size_t i = 0; i < symbols->count; i++)
        module_close(symbols->modules[i]);
    free(symbols->modules);
    free(symbols);
}

/* Opens a regular file, and nothing whose opening waits or has an effect of its own. */
static int open_regular(const char *path) {
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return -1;
    return open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
}

static void module_read(struct module *module) {
    int descriptor = open_regular(module->path);
    if (descriptor < 0)
        return;
    Dwfl *dwfl = dwfl_begin(&callbacks);
    if (dwfl == NULL) {
        close(descriptor);
        return;
    }
    /* Base 0 and the file's own p_vaddr: dwfl's addresses are then those of the file. */
    module->file = dwfl_report_elf(dwfl, module->path, module->path, descriptor, 0, true);
    if (module->file == NULL)
        close(descriptor);
    if (module->file == NULL || dwfl_report_end(dwfl, NULL, NULL) != 0) {
        dwfl_end(dwfl);
        return;
    }
    module->dwfl = dwfl;
}

static int compare_runs(const void *a, const void *b) {
    Dwarf_Addr x = ((const struct run *)a)->start, y = ((const struct run *)b)->start;
    return (x > y) - (x < y);
}

static bool add_run(struct module *module, const struct run *run) {
    size_t count = module->run_count;
    if ((count & (count - 1)) == 0) {
        size_t room = count == 0 ? 1 : 2 * count;
        struct run *more = reallocarray(module->runs, room, sizeof *more);
        if (more == NULL)
            return false;
        module->runs = more;
    }
    module->runs[module->run_count++] = *run;
    return true;
}

/* Notes which unit describes which addresses, from the units themselves: the table made for that
   (.debug_aranges) is left out by clang. false: out of memory. */
static bool module_index(struct module *module) {
    Dwarf *dwarf = dwfl_module_getdwarf(module->file, &module->bias);
    Dwarf_CU *cu = NULL;
    struct run run;
    while (dwarf != NULL && dwarf_get_units(dwarf, cu, &cu, NULL, NULL, &run.unit, NULL) == 0) {
        Dwarf_Addr base;
        ptrdiff_t next = 0;
        if (run.unit.addr == NULL)
            continue;
        while ((next = dwarf_ranges(&run.unit, next, &base, &run.start, &run.end)) > 0) {
            if (run.start < run.end && !add_run(module, &run))
                return false;
        }
    }
    if (module->run_count > 0)
        qsort(module->runs, module->run_count, sizeof *module->runs, compare_runs);
    return true;
}

/* The unit at an address of the debug information, or NULL. Where ranges overlap (the linker leaves
   those of dropped functions at low addresses) the last start before it is the right one. */
static Dwarf_Die *module_unit(struct module *module, Dwarf_Addr address) {
    size_t low = 0, high = module->run_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (module->runs[middle].start <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && address < module->runs[low - 1].end ? &module->runs[low - 1].unit : NULL;
}

static struct module *symbols_module(struct symbols *symbols, const char *path) {
    for (size_t i = 0; i < symbols->count; i++) {
        if (strcmp(symbols->modules[i]->path, path) == 0)
            return symbols->modules[i];
    }
    struct module **more =
        reallocarray(symbols->modules, symbols->count + 1, sizeof(struct module *));
    if (more == NULL)
        return NULL;
    symbols->modules = more;
    struct module *module = calloc(1, sizeof *module);
    if (module == NULL || (module->path = strdup(path)) == NULL) {
        free(module);
        return NULL;
    }
    module_read(module);
    if (module->dwfl != NULL && !module_index(module)) {
        module_close(module);
        return NULL;
    }
    symbols->modules[symbols->count++] = module;
    return module;
}

/* Is the file on disk the one that ran? */
static bool module_is(const struct module *module, const void *build_id, size_t size) {
    if (module->dwfl == NULL || build_id == NULL)
        return module->dwfl != NULL;
    const unsigned char *bits = NULL;
    GElf_Addr address;
    int have = dwfl_module_build_id(module->file, &bits, &address);
    return have > 0 && (size_t)have == size && memcmp(bits, build_id, size) == 0;
}

/* Appends a frame that owns the scope's strings. false: out of memory, and they are freed. */
static bool add_frame(struct source_stack *stack, const char *module, uint64_t offset,
                      const struct scope *scope, bool inlined) {
    struct source_frame *frames =
        reallocarray(stack->frames, stack->count + 1, sizeof(struct source_frame));
    char *path = module != NULL ? strdup(module) : NULL;
    if (frames != NULL)
        stack->frames = frames;
    if (frames == NULL || (path == NULL && module != NULL)) {
        free(path);
        free(scope->function);
        free(scope->file);
        return false;
    }
    frames[stack->count++] = (struct source_frame){.function = scope->function,
                                                   .file = scope->file,
                                                   .line = scope->line,
                                                   .module = path,
                                                   .offset = offset,
                                                   .inlined = inlined};
    return true;
}

/* The symbol's name without what a compiler adds for its clones (".constprop.0", ".cold").
   false: out of memory. */
static bool name_from_elf(struct module *module, GElf_Addr address, char **name) {
    GElf_Off within;
    GElf_Sym symbol;
    if (*name != NULL)
        return true;
    const char *found =
        dwfl_module_addrinfo(module->file, address, &within, &symbol, NULL, NULL, NULL);
    if (found == NULL || found[0] == '\0')
        return true;
    *name = strndup(found, 1 + strcspn(found + 1, "."));
    return *name != NULL;
}

static Dwarf_Die *unit_at(void *module, Dwarf_Addr address) {
    return module_unit(module, address);
}

static bool find_global(void *argument, const char *name, Dwarf_Addr *address) {
    struct module *module = argument;
    int count = dwfl_module_getsymtab(module->file);
    for (int i = 0; i < count; i++) {
        GElf_Sym symbol;
        GElf_Addr value;
        const char *found =
            dwfl_module_getsym_info(module->file, i, &symbol, &value, NULL, NULL, NULL);
        if (found != NULL && GELF_ST_TYPE(symbol.st_info) == STT_FUNC &&
            GELF_ST_BIND(symbol.st_info) != STB_LOCAL && symbol.st_shndx != SHN_UNDEF &&
            strcmp(found, name) == 0) {
            *address = value - module->bias;
            return true;
        }
    }
    return false;
}

/* Appends the functions at an address of the debug information. named: the module is the one that
   ran, and pc lies in it. false: out of memory. */
static bool append_place(struct module *module, Dwarf_Die *unit, bool named, Dwarf_Addr pc,
                         uint64_t offset, struct source_stack *stack) {
    struct scope scopes[SCOPES_MAX] = {{NULL, NULL, 0}};
    size_t count = 1;
    bool complete = true;
    if (unit != NULL)
        complete = scopes_find(unit, pc, scopes, &count);
    if (named && complete && count == 1)
        complete = name_from_elf(module, pc + module->bias, &scopes[0].function);
    for (size_t i = 0; i < count; i++) {
        if (complete) {
            complete = add_frame(stack, module->path, offset, &scopes[i], i + 1 < count);
        } else {
            free(scopes[i].function);
            free(scopes[i].file);
        }
    }
    return complete;
}

/* Appends the functions that left the stack by a jump between the last frame and the call at pc. */
static bool append_tails(struct module *module, Dwarf_Die *unit, Dwarf_Addr pc,
                         struct source_stack *stack) {
    const struct tails_module view = {.module = module, .unit = unit_at, .find = find_global};
    const char *callee = stack->count != 0 ? stack->frames[stack->count - 1].function : NULL;
    struct tail tails[TAILS_MAX];
    if (stack->count != 0 && callee == NULL)
        return true;
    size_t count = tails_find(&view, unit, pc, callee, tails);
    for (size_t i = 0; i < count; i++) {
        if (!append_place(module, tails[i].unit, true, tails[i].pc, tails[i].pc + module->bias + 1,
                          stack))
            return false;
    }
    return true;
}

bool symbols_append(struct symbols *symbols, const char *path, const void *build_id,
                    size_t build_id_size, uint64_t offset, struct source_stack *stack) {
    if (path == NULL)
        return add_frame(stack, NULL, offset, &(struct scope){0}, false);
    struct module *module = symbols_module(symbols, path);
    if (module == NULL)
        return false;
    if (!module_is(module, build_id, build_id_size))
        return append_place(module, NULL, false, 0, offset, stack);
    /* A return address may already belong to the next line, or function: look at the call. */
    Dwarf_Addr pc = offset - 1 - module->bias;
    Dwarf_Die *unit = module_unit(module, pc);
    return (unit == NULL || append_tails(module, unit, pc + 1, stack)) &&
           append_place(module, unit, true, pc, offset, stack);
}
