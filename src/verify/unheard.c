/* SPDX-License-Identifier: BSD-2-Clause */
/* Code that flushes by its own instructions is not heard of where only routines are, or pages are
   looked at, and under hooks where it has none. Nobody knows whether it did, but whether it can. */
#include "verify/unheard.h"

#include <fcntl.h>
#include <gelf.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "code/writeback.h"
#include "event/event.h"
#include "verify/collect.h"
#include "verify/remarks.h"

/* One file that is looked through. */
struct code_file {
    const char *path;
    Elf *elf;
    unsigned machine;
    bool fences;  /* are looked for, else flushes */
    bool streams; /* count as flushed */
    bool heard;   /* it has hooks, which tell of what they stand before */
    /* Where libnvrtl's own instructions are listed, if it is a part of the file. */
    const uint8_t *landings;
    size_t landings_size;
    GElf_Addr landings_address;
};

static bool has_name(const char *path, const char *name) {
    const char *slash = strrchr(path, '/');
    return strncmp(slash != NULL ? slash + 1 : path, name, strlen(name)) == 0;
}

static const uint8_t *bytes_of(Elf_Scn *section, size_t *size) {
    const Elf_Data *data = elf_rawdata(section, NULL);
    *size = data != NULL && data->d_buf != NULL ? data->d_size : 0;
    return *size != 0 ? data->d_buf : NULL;
}

/* Calls of hooks carry the runtime's version. */
static bool asks_for_hooks(Elf_Scn *section) {
    size_t size;
    const uint8_t *bytes = bytes_of(section, &size);
    return bytes != NULL && memmem(bytes, size, "NVRTL_RT_", sizeof "NVRTL_RT_" - 1) != NULL;
}

static void read_sections(struct code_file *file) {
    size_t names;
    if (elf_getshdrstrndx(file->elf, &names) != 0)
        return;
    for (Elf_Scn *section = NULL; (section = elf_nextscn(file->elf, section)) != NULL;) {
        GElf_Shdr header;
        const char *name = gelf_getshdr(section, &header) != NULL
                               ? elf_strptr(file->elf, names, header.sh_name)
                               : NULL;
        if (name != NULL && strcmp(name, "nvrtl_landings") == 0) {
            file->landings = bytes_of(section, &file->landings_size);
            file->landings_address = header.sh_addr;
        } else if (name != NULL && strcmp(name, ".dynstr") == 0) {
            file->heard = asks_for_hooks(section);
        }
    }
}

/* Is the instruction one of libnvrtl's? Those are told as distances, see os/guard.h. */
static bool is_ours(const struct code_file *file, GElf_Addr address) {
    int32_t part[3];
    for (size_t at = 0; at + sizeof part <= file->landings_size; at += sizeof part) {
        memcpy(part, file->landings + at, sizeof part);
        GElf_Addr from = file->landings_address + at;
        if (address >= from + (GElf_Addr)(int64_t)part[0] &&
            address < from + sizeof part[0] + (GElf_Addr)(int64_t)part[1])
            return true;
    }
    return false;
}

static bool find_next(const struct code_file *file, const uint8_t *code, size_t size, size_t from,
                      struct writeback *found) {
    return file->fences ? writeback_find_fence(code, size, file->machine, from, found)
                        : writeback_find(code, size, file->machine, file->streams, from, found);
}

static bool find_in(const struct code_file *file, Elf_Scn *section, GElf_Addr start,
                    struct writeback *found) {
    size_t size, from = 0;
    const uint8_t *code = bytes_of(section, &size);
    while (code != NULL && find_next(file, code, size, from, found)) {
        if (!is_ours(file, start + found->at) && !(file->heard && writeback_is_told(code, found)))
            return true;
        from = found->at + 1;
    }
    return false;
}

/* "clwb at file.c:3", or at a place in the module; NULL: out of memory. */
static char *name_place(const struct code_file *file, struct symbols *symbols,
                        const struct writeback *found, GElf_Addr address) {
    struct source_stack stack = {0};
    char *text = NULL;
    /* Frames are return addresses: the byte before is looked up. */
    bool found_place = symbols_append(symbols, file->path, NULL, 0, address + 1, &stack);
    collect_drop_system(&stack);
    char *place = found_place ? collect_place(&stack) : NULL;
    if (place == NULL || asprintf(&text, "%s at %s (%s)", found->name, place, file->path) < 0)
        text = NULL;
    free(place);
    verify_free_stack(&stack);
    return text;
}

static bool look_through(struct unheard_code *unheard, struct code_file *file,
                         struct symbols *symbols) {
    for (Elf_Scn *section = NULL; (section = elf_nextscn(file->elf, section)) != NULL;) {
        GElf_Shdr header;
        struct writeback found;
        if (gelf_getshdr(section, &header) == NULL || (header.sh_flags & SHF_EXECINSTR) == 0 ||
            header.sh_type == SHT_NOBITS || !find_in(file, section, header.sh_addr, &found))
            continue;
        unheard->where = name_place(file, symbols, &found, header.sh_addr + found.at);
        return true;
    }
    return false;
}

/* A file whose sections are not listed hides what it does. */
static bool look_at(struct unheard_code *unheard, const struct arena_head *head, const char *path,
                    struct symbols *symbols) {
    GElf_Ehdr header;
    size_t sections = 0;
    struct stat status;
    bool regular = stat(path, &status) == 0 && S_ISREG(status.st_mode), may = true;
    bool is_system = has_name(path, "libc.so") || has_name(path, "ld-linux");
    int descriptor = regular ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    Elf *elf = descriptor >= 0 ? elf_begin(descriptor, ELF_C_READ, NULL) : NULL;
    if (elf != NULL && gelf_getehdr(elf, &header) != NULL && elf_getshdrnum(elf, &sections) == 0 &&
        sections != 0) {
        struct code_file file = {.path = path,
                                 .elf = elf,
                                 .machine = header.e_machine,
                                 .fences = unheard->fences,
                                 .streams = head->placed == 0 && !is_system};
        read_sections(&file);
        file.heard = file.heard && atomic_load(&head->hooked) != 0;
        /* What code without hooks streams there is a store that nobody sees, and told as one. */
        file.streams = file.streams && !file.heard;
        /* Fences of libc stand behind what it streams, of libatomic around a lock; libnvrtl's drain
           by a call that tells. */
        bool knows = unheard->fences &&
                     (is_system || has_name(path, "libatomic.so") || file.landings != NULL);
        may = !knows && look_through(unheard, &file, symbols);
        unheard->heard = may && file.heard;
    } else if (asprintf(&unheard->where, "code of %s, which cannot be read,", path) < 0) {
        unheard->where = NULL;
    }
    if (elf != NULL)
        elf_end(elf);
    if (descriptor >= 0)
        close(descriptor);
    return may;
}

void unheard_look(struct unheard_code *unheard, const struct arena *arena,
                  struct symbols *symbols) {
    const struct arena_head *head = arena->head;
    uint32_t count = atomic_load(&head->module_count);
    elf_version(EV_CURRENT);
    unheard->looked = true;
    for (uint32_t i = 0; i < count && i < ARENA_MODULES && !unheard->may; i++) {
        const char *path = head->modules[i].path;
        if (path[0] == '/' && !has_name(path, "libnvrtl-rt.so"))
            unheard->may = look_at(unheard, head, path, symbols);
    }
    if (unheard->may || atomic_load(&head->made_code) == 0)
        return;
    unheard->may = true;
    unheard->where = strdup("code that was made at run time, or whose file is gone,");
}

/* What was not done, by what the finding says; NULL: it is about something else. */
static struct unheard_code *missing_of(struct unheard *unheard, const struct arena_head *head,
                                       const struct arena_finding *record) {
    /* Of a routine's flush the drain is a routine's: only hooks tell of flushes that are not. */
    struct unheard_code *fence = atomic_load(&head->hooked) != 0 ? &unheard->fence : NULL;
    switch ((enum kind)record->kind) {
    case KIND_UNFLUSHED_WRITE:
    case KIND_UNFLUSHED_STREAM:
    case KIND_OVERWRITTEN_UNFLUSHED:
    case KIND_UNPERSISTED_READ:
    case KIND_REDUNDANT_DRAIN:
        return &unheard->flush;
    case KIND_UNDRAINED_FLUSH:
        return fence;
    case KIND_UNORDERED_COMMIT:
        return record->value == 0 ? &unheard->flush : fence; /* else it was flushed */
    default:
        return NULL;
    }
}

/* Where pages are what counts, no instruction makes anything durable. */
static bool judged_by_lines(const struct arena_head *head, uint32_t file) {
    bool pages =
        file != 0 && file <= ARENA_FILES && head->files[file - 1].domain == DOMAIN_PAGE_CACHE;
    return head->judge != MODEL_JUDGE_PAGES && !(head->judge == MODEL_JUDGE_ACTUAL && pages);
}

bool unheard_may_help(struct unheard *unheard, const struct arena *arena, struct symbols *symbols,
                      const struct arena_finding *record) {
    struct unheard_code *missing = missing_of(unheard, arena->head, record);
    if (missing == NULL || !judged_by_lines(arena->head, record->file))
        return false;
    missing->fences = missing == &unheard->fence;
    if (!missing->looked)
        unheard_look(missing, arena, symbols);
    missing->notes += missing->may && record->kind != KIND_REDUNDANT_DRAIN;
    return missing->may;
}

static bool remark(const struct unheard_code *code, struct report *report) {
    if (code->notes == 0)
        return true;
    report->incomplete = true;
    return verify_remark(report,
                         "%" PRIu64 " finding%s not judged: %s may have %s that, which "
                         "--stores=%s does not see (%s, or %s by the routines alone)",
                         code->notes, code->notes == 1 ? " was" : "s were",
                         code->where != NULL ? code->where : "the program's own code",
                         code->fences ? "drained" : "flushed", report->stores,
                         code->heard ? "build all of it with nvrtl-cc, whose --audit tells "
                                       "where there are no call-outs"
                                     : "build it with nvrtl-cc and run with --stores=hooks",
                         code->fences ? "drain" : "flush");
}

bool unheard_remark(const struct unheard *unheard, struct report *report) {
    return remark(&unheard->flush, report) && remark(&unheard->fence, report);
}

void unheard_free(struct unheard *unheard) {
    free(unheard->flush.where);
    free(unheard->fence.where);
}
