/* SPDX-License-Identifier: BSD-2-Clause */
/* nvrtl-cc --audit: what of a file the verifier will not see. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/notes.h"
#include "cc/audit.h"
#include "cc/cc.h"
#include "hook/callout.h"

enum { AUDIT_COMPLETE, AUDIT_FOUND, AUDIT_UNREADABLE };

/* Of one file, or of one member of an archive. */
struct found {
    Elf *elf;
    const char *name;
    bool object;
    size_t hooked_notes; /* objects that went through the assembler step */
    struct ranges calls, units;
    size_t functions, calling, silent, without, opaque;
};

/* What the compiler brings into every program. */
static bool is_start_code(const char *name) {
    static const char *const names[] = {
        "_start",
        "_init",
        "_fini",
        "deregister_tm_clones",
        "register_tm_clones",
        "frame_dummy",
        "__do_global_dtors_aux",
        "_dl_relocate_static_pie",
        "__libc_csu_init",
        "__libc_csu_fini",
        "_sub_I_00099_0",
        "tsan.module_ctor",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

static void visit_note(struct found *found, const Elf64_Nhdr *note, const char *words, bool tell) {
    if (note->n_type == NOTES_HOOKED && !tell)
        found->hooked_notes++;
    if (note->n_type != NOTES_OPAQUE || !tell)
        return;
    found->opaque++;
    printf("  opaque   %.*s\n", (int)note->n_descsz, words);
}

/* Notes of ours: counts what they say, or tells it. */
static void visit_notes(struct found *found, bool tell) {
    Elf64_Shdr *header;
    for (Elf_Scn *section = NULL;
         (section = audit_section(found->elf, section, SHT_NOTE, &header)) != NULL;) {
        Elf_Data *data = elf_getdata(section, NULL);
        size_t size = data != NULL && data->d_buf != NULL ? data->d_size : 0;
        const char *bytes = size > 0 ? data->d_buf : NULL;
        for (size_t at = 0; at + sizeof(Elf64_Nhdr) <= size;) {
            Elf64_Nhdr note;
            memcpy(&note, bytes + at, sizeof note);
            size_t owner = at + sizeof note;
            size_t words = owner + align_up(note.n_namesz, 4);
            size_t end = words + align_up(note.n_descsz, 4);
            if (end > size || end <= at)
                break;
            if (note.n_namesz == sizeof NOTES_OWNER &&
                memcmp(bytes + owner, NOTES_OWNER, sizeof NOTES_OWNER) == 0)
                visit_note(found, &note, bytes + words, tell);
            at = end;
        }
    }
}

static bool has_calls(const struct found *found, const Elf64_Sym *symbol) {
    uint32_t section = found->object ? symbol->st_shndx : 0;
    for (size_t i = 0; i < found->calls.count; i++) {
        const struct range *call = &found->calls.items[i];
        if (call->section == section && call->from >= symbol->st_value &&
            call->from < symbol->st_value + symbol->st_size)
            return true;
    }
    return false;
}

/* Went its code through nvrtl-cc, and has nothing to tell? Of an object its note says so. */
static bool is_silent(const struct found *found, const Elf64_Sym *symbol) {
    if (found->object)
        return found->hooked_notes > 0;
    return ranges_contain(&found->units, 0, symbol->st_value);
}

static void visit_function(struct found *found, const Elf64_Sym *symbol, const char *name,
                           bool tell) {
    bool calling = has_calls(found, symbol), silent = !calling && is_silent(found, symbol);
    if (tell && !calling && !silent)
        printf("  without  %s\n", name);
    if (tell)
        return;
    found->functions++;
    found->calling += calling;
    found->silent += silent;
    found->without += !calling && !silent;
}

static void visit_functions(struct found *found, bool tell) {
    Elf64_Shdr *header;
    Elf_Scn *section = audit_section(found->elf, NULL, SHT_SYMTAB, &header);
    if (section == NULL)
        section = audit_section(found->elf, NULL, SHT_DYNSYM, &header);
    Elf_Data *data = section != NULL ? elf_getdata(section, NULL) : NULL;
    size_t count = data != NULL && data->d_buf != NULL ? data->d_size / sizeof(Elf64_Sym) : 0;
    const Elf64_Sym *symbols = count > 0 ? data->d_buf : NULL;
    for (size_t i = 0; i < count; i++) {
        const char *name = elf_strptr(found->elf, header->sh_link, symbols[i].st_name);
        if (ELF64_ST_TYPE(symbols[i].st_info) == STT_FUNC && symbols[i].st_shndx != SHN_UNDEF &&
            symbols[i].st_size > 0 && name != NULL && !is_start_code(name))
            visit_function(found, &symbols[i], name, tell);
    }
}

static int audit_elf(Elf *elf, const char *name) {
    Elf64_Ehdr *header = elf64_getehdr(elf);
    if (header == NULL || header->e_machine != EM_X86_64) {
        fprintf(stderr, "%s: %s: not an object, a library or a program of 64-bit x86\n", cc_name,
                name);
        return AUDIT_UNREADABLE;
    }
    struct found found = {.elf = elf, .name = name, .object = header->e_type == ET_REL};
    visit_notes(&found, false);
    found.calls = audit_calls(elf);
    if (!found.object)
        found.units = audit_units(elf);
    visit_functions(&found, false);
    if (found.functions == 0) /* stripped: what calls is all that can be said */
        printf("%s: names no functions; %zu calls of call-outs\n", name, found.calls.count);
    else
        printf("%s: %zu functions: %zu with call-outs, %zu with nothing to tell, %zu without\n",
               name, found.functions, found.calling, found.silent, found.without);
    visit_functions(&found, true);
    visit_notes(&found, true);
    bool empty = found.functions == 0 && found.calls.count == 0 && found.hooked_notes == 0;
    free(found.calls.items);
    free(found.units.items);
    return empty || found.without > 0 || found.opaque > 0 ? AUDIT_FOUND : AUDIT_COMPLETE;
}

static int worse(int one, int other) {
    return one > other ? one : other;
}

static int audit_archive(Elf *archive, int descriptor, const char *name) {
    int status = AUDIT_COMPLETE;
    Elf_Cmd command = ELF_C_READ;
    Elf *member;
    while ((member = elf_begin(descriptor, command, archive)) != NULL) {
        Elf_Arhdr *header = elf_getarhdr(member);
        if (header != NULL && elf_kind(member) == ELF_K_ELF)
            status = worse(status, audit_elf(member, cc_text("%s(%s)", name, header->ar_name)));
        command = elf_next(member);
        elf_end(member);
    }
    return status;
}

static int audit_file(const char *name) {
    int descriptor = open(name, O_RDONLY | O_CLOEXEC);
    Elf *elf = descriptor >= 0 ? elf_begin(descriptor, ELF_C_READ, NULL) : NULL;
    int status = AUDIT_UNREADABLE;
    if (elf != NULL && elf_kind(elf) == ELF_K_AR)
        status = audit_archive(elf, descriptor, name);
    else if (elf != NULL && elf_kind(elf) == ELF_K_ELF)
        status = audit_elf(elf, name);
    else
        fprintf(stderr, "%s: %s: %s\n", cc_name, name,
                descriptor < 0 ? "cannot be opened" : "neither an object nor an archive");
    elf_end(elf);
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

int audit(int count, char **files) {
    if (count == 0) {
        fprintf(stderr, "%s: --audit needs a file\n", cc_name);
        return AUDIT_UNREADABLE;
    }
    elf_version(EV_CURRENT);
    int status = AUDIT_COMPLETE;
    for (int i = 0; i < count; i++)
        status = worse(status, audit_file(files[i]));
    return status;
}
