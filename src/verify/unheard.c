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
#include "base/notes.h"
#include "code/writeback.h"
#include "event/event.h"
#include "verify/collect.h"
#include "verify/remarks.h"

/* One file that is looked through. */
struct code_file {
    const char *path;
    Elf *elf;
    unsigned machine;
    bool streams; /* count as flushed */
    bool heard;   /* its hooks tell of what it does */
    bool silent;  /* but not everywhere of its own flushes */
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

/* Does an object of it say that nothing could be put before its instructions? */
static bool has_silent(Elf_Scn *section) {
    Elf_Data *data = elf_getdata(section, NULL);
    size_t owner, words;
    GElf_Nhdr note;
    for (size_t at = 0, next;
         data != NULL && (next = gelf_getnote(data, at, &note, &owner, &words)) > 0; at = next) {
        if (note.n_type == NOTES_SILENT)
            return true;
    }
    return false;
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
        } else if (name != NULL && strcmp(name, NOTES_SECTION) == 0) {
            file->silent = has_silent(section);
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

static bool find_in(const struct code_file *file, Elf_Scn *section, GElf_Addr start,
                    struct writeback *found) {
    size_t size, from = 0;
    const uint8_t *code = bytes_of(section, &size);
    while (code != NULL && writeback_find(code, size, file->machine, file->streams, from, found)) {
        if (!is_ours(file, start + found->at))
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
    char *place = symbols_append(symbols, file->path, NULL, 0, address + 1, &stack)
                      ? collect_place(&stack)
                      : NULL;
    if (place == NULL || asprintf(&text, "%s at %s (%s)", found->name, place, file->path) < 0)
        text = NULL;
    free(place);
    verify_free_stack(&stack);
    return text;
}

static bool look_through(struct unheard *unheard, struct code_file *file, struct symbols *symbols) {
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
static bool look_at(struct unheard *unheard, const struct arena_head *head, const char *path,
                    struct symbols *symbols) {
    GElf_Ehdr header;
    size_t sections = 0;
    struct stat status;
    bool regular = stat(path, &status) == 0 && S_ISREG(status.st_mode), may = true;
    int descriptor = regular ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    Elf *elf = descriptor >= 0 ? elf_begin(descriptor, ELF_C_READ, NULL) : NULL;
    if (elf != NULL && gelf_getehdr(elf, &header) != NULL && elf_getshdrnum(elf, &sections) == 0 &&
        sections != 0) {
        struct code_file file = {.path = path,
                                 .elf = elf,
                                 .machine = header.e_machine,
                                 .streams = head->placed == 0 && !has_name(path, "libc.so") &&
                                            !has_name(path, "ld-linux")};
        read_sections(&file);
        may = !(file.heard && !file.silent && atomic_load(&head->hooked) != 0) &&
              look_through(unheard, &file, symbols);
    } else if (asprintf(&unheard->where, "code of %s, which cannot be read,", path) < 0) {
        unheard->where = NULL;
    }
    if (elf != NULL)
        elf_end(elf);
    if (descriptor >= 0)
        close(descriptor);
    return may;
}

static void look(struct unheard *unheard, const struct arena *arena, struct symbols *symbols) {
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

/* Kinds that say: this was not flushed. */
static bool is_about_flushes(const struct arena_finding *record) {
    switch ((enum kind)record->kind) {
    case KIND_UNFLUSHED_WRITE:
    case KIND_UNFLUSHED_STREAM:
    case KIND_OVERWRITTEN_UNFLUSHED:
    case KIND_UNPERSISTED_READ:
    case KIND_REDUNDANT_DRAIN:
        return true;
    case KIND_UNORDERED_COMMIT:
        return record->value == 0; /* of what was flushed and not drained otherwise */
    default:
        return false;
    }
}

/* Where pages are what counts, no instruction makes anything durable. */
static bool judged_by_lines(const struct arena_head *head, uint32_t file) {
    bool pages =
        file != 0 && file <= ARENA_FILES && head->files[file - 1].domain == DOMAIN_PAGE_CACHE;
    return head->judge != MODEL_JUDGE_PAGES && !(head->judge == MODEL_JUDGE_ACTUAL && pages);
}

bool unheard_may_flush(struct unheard *unheard, const struct arena *arena, struct symbols *symbols,
                       const struct arena_finding *record) {
    if (!is_about_flushes(record) || !judged_by_lines(arena->head, record->file))
        return false;
    if (!unheard->looked)
        look(unheard, arena, symbols);
    unheard->notes += unheard->may && record->kind != KIND_REDUNDANT_DRAIN;
    return unheard->may;
}

bool unheard_remark(const struct unheard *unheard, struct report *report) {
    if (unheard->notes == 0)
        return true;
    report->incomplete = true;
    return verify_remark(report,
                         "%" PRIu64 " finding%s not judged: %s may have flushed that, which "
                         "--stores=%s does not see (build it with nvrtl-cc and run with "
                         "--stores=hooks, or flush by the routines alone)",
                         unheard->notes, unheard->notes == 1 ? " was" : "s were",
                         unheard->where != NULL ? unheard->where : "the program's own code",
                         report->stores);
}

void unheard_free(struct unheard *unheard) {
    free(unheard->where);
}
