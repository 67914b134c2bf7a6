/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/stack.h"

#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <unwind.h>

#include "base/bits.h"
#include "source/self.h"

/* Return addresses of one walk, and which module each lies in. */
struct walk {
    const void *caller;
    bool found;       /* caller was met: what follows is the program's */
    bool interrupted; /* a signal handler: not every frame is one that a call made */
    uint32_t depth;
    uintptr_t values[ARENA_STACK_DEPTH];
    const uintptr_t *places[ARENA_STACK_DEPTH];
    uint64_t frames[ARENA_STACK_DEPTH];
};

static _Unwind_Reason_Code visit_frame(struct _Unwind_Context *context, void *argument) {
    struct walk *walk = argument;
    int exact = 0;
    uintptr_t value = _Unwind_GetIPInfo(context, &exact);
    walk->found = walk->found || value == (uintptr_t)walk->caller;
    if (!walk->found)
        return _URC_NO_REASON;
    if (value == 0 || walk->depth == ARENA_STACK_DEPTH)
        return _URC_END_OF_STACK;
    /* Whoever reads a stack looks up the byte before each address, to be inside the call. Where a
       signal struck, the address itself is meant. */
    walk->interrupted = walk->interrupted || exact;
    walk->values[walk->depth] = value + (exact != 0);
    /* The canonical frame address here is the callee's: its return address lies just below. */
    walk->places[walk->depth] = (const uintptr_t *)_Unwind_GetCFA(context) - 1;
    walk->depth++;
    return _URC_NO_REASON;
}

static uint32_t same_module(const struct arena_module *a, const struct arena_module *b) {
    return a->build_id_size == b->build_id_size && strcmp(a->path, b->path) == 0 &&
           memcmp(a->build_id, b->build_id, a->build_id_size) == 0;
}

/* The number of a module in the arena, made if it is new; 0 when there is no place. */
static uint32_t module_number(const struct arena_module *wish) {
    struct arena_head *head = source_process.arena.head;
    uint32_t count = atomic_load(&head->module_count);
    for (uint32_t i = 0; i < count; i++) {
        if (same_module(&head->modules[i], wish))
            return i + 1;
    }
    struct self *me = self_get();
    arena_lock(&source_process.arena, &head->lock, me->thread + 1);
    uint32_t number = 0;
    for (uint32_t i = count; i < atomic_load(&head->module_count) && number == 0; i++)
        number = same_module(&head->modules[i], wish) ? i + 1 : 0;
    count = atomic_load(&head->module_count);
    if (number == 0 && count < ARENA_MODULES) {
        head->modules[count] = *wish;
        atomic_store(&head->module_count, count + 1);
        number = count + 1;
    }
    arena_unlock(&head->lock);
    return number;
}

bool stack_note_module(const char *path) {
    const struct arena_head *head = source_process.arena.head;
    uint32_t count = atomic_load(&head->module_count);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(head->modules[i].path, path) == 0)
            return true;
    }
    struct arena_module module = {.build_id_size = 0};
    snprintf(module.path, sizeof module.path, "%s", path);
    return module_number(&module) != 0;
}

static void read_build_id(const struct dl_phdr_info *info, const ElfW(Phdr) * segment,
                          struct arena_module *module) {
    const char *at = (const char *)(info->dlpi_addr + segment->p_vaddr);
    const char *end = at + segment->p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
        const ElfW(Nhdr) *note = (const void *)at;
        const char *name = at + sizeof *note;
        const char *value = name + align_up(note->n_namesz, 4);
        if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && memcmp(name, "GNU", 4) == 0 &&
            note->n_descsz <= sizeof module->build_id && value + note->n_descsz <= end) {
            module->build_id_size = note->n_descsz;
            memcpy(module->build_id, value, note->n_descsz);
            return;
        }
        at = value + align_up(note->n_descsz, 4);
    }
}

static bool holds(const struct dl_phdr_info *info, uintptr_t address) {
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type == PT_LOAD &&
            address - (info->dlpi_addr + segment->p_vaddr) < segment->p_memsz)
            return true;
    }
    return false;
}

/* Names the frames of the walk that lie in this module. */
static int visit_module(struct dl_phdr_info *info, size_t size, void *argument) {
    struct walk *walk = argument;
    uint32_t number = 0;
    (void)size;
    for (uint32_t i = 0; i < walk->depth; i++) {
        if (!holds(info, walk->values[i]))
            continue;
        if (number == 0) {
            struct arena_module module = {.build_id_size = 0};
            const char *name = info->dlpi_name;
            if (name == NULL || name[0] == '\0')
                name = source_process.executable;
            snprintf(module.path, sizeof module.path, "%s", name);
            for (int s = 0; s < info->dlpi_phnum; s++) {
                if (info->dlpi_phdr[s].p_type == PT_NOTE && module.build_id_size == 0)
                    read_build_id(info, &info->dlpi_phdr[s], &module);
            }
            number = module_number(&module);
        }
        walk->frames[i] = ARENA_FRAME(number, walk->values[i] - info->dlpi_addr);
    }
    return 0;
}

#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 35)
/* Without the loader's lock: a signal handler may leave this function by a longjmp, and the lock
   would then stay with it for ever. */
static void visit_modules(struct walk *walk) {
    uint32_t seen = 0; /* one bit a frame */
    for (uint32_t i = 0; i < walk->depth; i++) {
        struct dl_find_object found;
        if ((seen & 1u << i) != 0 || _dl_find_object((void *)walk->values[i], &found) != 0)
            continue;
        const ElfW(Ehdr) *header = found.dlfo_map_start;
        struct dl_phdr_info info = {.dlpi_addr = found.dlfo_link_map->l_addr,
                                    .dlpi_name = found.dlfo_link_map->l_name};
        if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
            continue;
        info.dlpi_phdr = (const void *)((const char *)header + header->e_phoff);
        info.dlpi_phnum = header->e_phnum;
        for (uint32_t f = i; f < walk->depth; f++)
            seen |= holds(&info, walk->values[f]) ? 1u << f : 0;
        visit_module(&info, sizeof info, walk);
    }
}
#else
static void visit_modules(struct walk *walk) {
    dl_iterate_phdr(visit_module, walk);
}
#endif

static arena_id keep(struct walk *walk) {
    for (uint32_t i = 0; i < walk->depth; i++)
        walk->frames[i] = ARENA_FRAME(0, ARENA_FRAME_OFFSET(walk->values[i]));
    visit_modules(walk);
    return arena_stack(&source_process.arena, walk->frames, walk->depth);
}

arena_id stack_of_places(const uintptr_t *places, uint32_t count) {
    struct walk walk = {.depth = count};
    memcpy(walk.values, places, count * sizeof *places);
    return keep(&walk);
}

arena_id stack_of_site(const void *caller) {
    struct walk walk = {.depth = 1, .values = {(uintptr_t)caller}};
    return caller != NULL ? keep(&walk) : 0;
}

static bool still_stands(const struct stack_seen *seen, uint32_t most) {
    uint32_t depth = seen->depth < most ? seen->depth : most;
    for (uint32_t i = 0; i < depth; i++) {
        if (*(const volatile uintptr_t *)seen->returns[i].place != seen->returns[i].value)
            return false;
    }
    return true;
}

/* One call may be reached on several ways, and calls that stand close to each other in one function
   shall not meet: a few places for each. */
static struct stack_seen *places_of(struct stack_cache *cache, const void *caller,
                                    const void *frame) {
    uint64_t key = (uintptr_t)caller ^ (uint64_t)(uintptr_t)frame << 20;
    uint64_t set = key * UINT64_C(0x9E3779B97F4A7C15) >> 32;
    return &cache->seen[set % (STACK_CACHE_PLACES / STACK_CACHE_WAYS) * STACK_CACHE_WAYS];
}

static const struct stack_seen *find_seen(const struct stack_seen *places, const void *caller,
                                          const void *frame, uint32_t depth) {
    for (unsigned i = 0; i < STACK_CACHE_WAYS; i++) {
        const struct stack_seen *seen = &places[i];
        if (seen->caller == caller && seen->frame == frame && still_stands(seen, depth))
            return seen;
    }
    return NULL;
}

arena_id stack_near(struct stack_cache *cache, const void *caller, const void *frame) {
    const struct stack_seen *known =
        source_process.arena.head->stacks_mode == ARENA_STACKS_CACHED
            ? find_seen(places_of(cache, caller, frame), caller, frame, STACK_NEAR)
            : NULL;
    return known != NULL ? known->id : stack_id(cache, caller, frame);
}

arena_id stack_id(struct stack_cache *cache, const void *caller, const void *frame) {
    uint32_t mode = source_process.arena.head->stacks_mode;
    if (caller == NULL)
        return 0;
    if (mode == ARENA_STACKS_SITE)
        return stack_of_site(caller);
    struct stack_seen *places = places_of(cache, caller, frame);
    const struct stack_seen *known =
        mode == ARENA_STACKS_CACHED ? find_seen(places, caller, frame, ARENA_STACK_DEPTH) : NULL;
    if (known != NULL)
        return known->id;
    struct walk walk = {.caller = caller};
    _Unwind_Backtrace(visit_frame, &walk);
    if (!walk.found) {
        /* Somewhere on the way out there is code without unwind tables. */
        return stack_of_site(caller);
    }
    arena_id id = keep(&walk);
    if (walk.interrupted)
        return id;
    struct stack_seen *seen = &places[cache->turn++ % STACK_CACHE_WAYS];
    /* Not valid before it is complete: a handler may leave this function for good. */
    seen->caller = NULL;
    atomic_signal_fence(memory_order_seq_cst);
    seen->frame = frame;
    seen->id = id;
    seen->depth = walk.depth;
    for (uint32_t i = 0; i < walk.depth; i++) {
        seen->returns[i].place = walk.places[i];
        seen->returns[i].value = walk.values[i];
    }
    atomic_signal_fence(memory_order_seq_cst);
    seen->caller = caller;
    return id;
}
