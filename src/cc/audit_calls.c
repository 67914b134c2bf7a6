/* SPDX-License-Identifier: BSD-2-Clause */
/* Who calls a hook. An object's relocations say it; in what is linked the calls lead to entries
   of the procedure linkage table or through words of the global offset table. Those have names. */
#include <stdlib.h>
#include <string.h>

#include "cc/audit.h"
#include "cc/cc.h"

static bool is_hook(const char *name) {
    return name != NULL &&
           (strncmp(name, "__tsan_", 7) == 0 || strcmp(name, "__nvrtl_callout") == 0);
}

void ranges_add(struct ranges *ranges, struct range range) {
    if (ranges->count == ranges->capacity) {
        ranges->capacity = ranges->capacity * 2 + 64;
        ranges->items = realloc(ranges->items, ranges->capacity * sizeof *ranges->items);
        if (ranges->items == NULL)
            cc_refuse("out of memory");
    }
    ranges->items[ranges->count++] = range;
}

bool ranges_contain(const struct ranges *ranges, uint32_t section, uint64_t at) {
    for (size_t i = 0; i < ranges->count; i++) {
        const struct range *range = &ranges->items[i];
        if (range->section == section && at >= range->from && at < range->to)
            return true;
    }
    return false;
}

Elf_Scn *audit_section(Elf *elf, Elf_Scn *after, uint32_t type, Elf64_Shdr **header) {
    while ((after = elf_nextscn(elf, after)) != NULL) {
        *header = elf64_getshdr(after);
        if (*header != NULL && (*header)->sh_type == type)
            return after;
    }
    return NULL;
}

/* The name of the symbol that a relocation of the section is about. */
static const char *symbol_name(Elf *elf, const Elf64_Shdr *relocations, uint64_t info) {
    Elf_Scn *section = elf_getscn(elf, relocations->sh_link);
    Elf64_Shdr *header = section != NULL ? elf64_getshdr(section) : NULL;
    Elf_Data *data = section != NULL ? elf_getdata(section, NULL) : NULL;
    uint64_t index = ELF64_R_SYM(info);
    if (header == NULL || data == NULL || data->d_buf == NULL ||
        (index + 1) * sizeof(Elf64_Sym) > data->d_size)
        return NULL;
    const Elf64_Sym *symbols = data->d_buf;
    return elf_strptr(elf, header->sh_link, symbols[index].st_name);
}

/* The places that the relocations name with a hook: in an object its calls, else words of the
   global offset table. */
static struct ranges relocated(Elf *elf, bool object) {
    struct ranges places = {0};
    Elf64_Shdr *header;
    for (Elf_Scn *section = NULL;
         (section = audit_section(elf, section, SHT_RELA, &header)) != NULL;) {
        Elf_Data *data = elf_getdata(section, NULL);
        size_t count = data != NULL && data->d_buf != NULL ? data->d_size / sizeof(Elf64_Rela) : 0;
        const Elf64_Rela *relocations = count > 0 ? data->d_buf : NULL;
        for (size_t i = 0; i < count; i++) {
            uint64_t at = relocations[i].r_offset;
            if (is_hook(symbol_name(elf, header, relocations[i].r_info)))
                ranges_add(&places, (struct range){at, at + 1, object ? header->sh_info : 0});
        }
    }
    return places;
}

static uint64_t displaced(const unsigned char *bytes, uint64_t next) {
    int32_t displacement;
    memcpy(&displacement, bytes, sizeof displacement);
    return next + (uint64_t)(int64_t)displacement;
}

static bool is_linkage(Elf *elf, const Elf64_Shdr *header) {
    size_t names;
    if (elf_getshdrstrndx(elf, &names) != 0)
        return false;
    const char *name = elf_strptr(elf, names, header->sh_name);
    return name != NULL && strncmp(name, ".plt", 4) == 0;
}

/* Calls found: one visit for each place in code where a call, or a jump in place of one, may be. */
struct search {
    const struct ranges *words; /* of the global offset table */
    struct ranges *entries;     /* of the procedure linkage table */
    struct ranges *calls;
    bool linkage;
};

/* jmp *word(%rip), in an entry of 8 or 16 bytes that is aligned so. */
static void find_entry(const struct search *search, const unsigned char *bytes, uint64_t at,
                       uint64_t alignment) {
    if (bytes[0] != 0xff || bytes[1] != 0x25 ||
        !ranges_contain(search->words, 0, displaced(bytes + 2, at + 6)))
        return;
    uint64_t entry = at & ~(alignment - 1);
    ranges_add(search->entries, (struct range){entry, entry + alignment, 0});
}

static void find_call(const struct search *search, const unsigned char *bytes, uint64_t at) {
    bool near = bytes[0] == 0xe8 || bytes[0] == 0xe9;
    bool word = bytes[0] == 0xff && (bytes[1] == 0x15 || bytes[1] == 0x25);
    if ((near && ranges_contain(search->entries, 0, displaced(bytes + 1, at + 5))) ||
        (word && ranges_contain(search->words, 0, displaced(bytes + 2, at + 6))))
        ranges_add(search->calls, (struct range){at, at + 1, 0});
}

/* All bytes of code: what looks like a call to a hook and is none is too rare to matter. */
static void search_code(Elf *elf, const struct search *search) {
    Elf64_Shdr *header;
    for (Elf_Scn *section = NULL;
         (section = audit_section(elf, section, SHT_PROGBITS, &header)) != NULL;) {
        if ((header->sh_flags & SHF_EXECINSTR) == 0 || is_linkage(elf, header) != search->linkage)
            continue;
        Elf_Data *data = elf_getdata(section, NULL);
        if (data == NULL || data->d_buf == NULL)
            continue;
        const unsigned char *bytes = data->d_buf;
        uint64_t alignment = header->sh_entsize == 8 ? 8 : 16;
        for (size_t i = 0; i + 6 <= data->d_size; i++)
            if (search->linkage)
                find_entry(search, bytes + i, header->sh_addr + i, alignment);
            else
                find_call(search, bytes + i, header->sh_addr + i);
    }
}

/* Hooks that are linked in, as in the runtime itself. */
static void add_definitions(Elf *elf, struct ranges *entries) {
    Elf64_Shdr *header;
    for (Elf_Scn *section = NULL;
         (section = audit_section(elf, section, SHT_SYMTAB, &header)) != NULL;) {
        Elf_Data *data = elf_getdata(section, NULL);
        size_t count = data != NULL && data->d_buf != NULL ? data->d_size / sizeof(Elf64_Sym) : 0;
        const Elf64_Sym *symbols = count > 0 ? data->d_buf : NULL;
        for (size_t i = 0; i < count; i++)
            if (symbols[i].st_shndx != SHN_UNDEF &&
                is_hook(elf_strptr(elf, header->sh_link, symbols[i].st_name)))
                ranges_add(entries,
                           (struct range){symbols[i].st_value, symbols[i].st_value + 1, 0});
    }
}

struct ranges audit_calls(Elf *elf) {
    Elf64_Ehdr *header = elf64_getehdr(elf);
    bool object = header != NULL && header->e_type == ET_REL;
    struct ranges words = relocated(elf, object), entries = {0}, calls = {0};
    if (object)
        return words;
    add_definitions(elf, &entries);
    struct search search = {&words, &entries, &calls, true};
    search_code(elf, &search);
    search.linkage = false;
    search_code(elf, &search);
    free(words.items);
    free(entries.items);
    return calls;
}
