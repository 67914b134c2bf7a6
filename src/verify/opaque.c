/* SPDX-License-Identifier: BSD-2-Clause */
#include "verify/opaque.h"

#include <fcntl.h>
#include <gelf.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/notes.h"
#include "verify/remarks.h"

/* What the notes of a file say. */
struct marks {
    size_t count;
    char first[256]; /* "file.s:12: why" */
};

static void read_notes(Elf_Data *data, struct marks *marks) {
    size_t at = 0, next, name, words;
    GElf_Nhdr note;
    for (; (next = gelf_getnote(data, at, &note, &name, &words)) > 0; at = next) {
        const char *bytes = data->d_buf;
        if (note.n_type != NOTES_OPAQUE || note.n_namesz != sizeof NOTES_OWNER ||
            memcmp(bytes + name, NOTES_OWNER, sizeof NOTES_OWNER) != 0)
            continue;
        size_t size = strnlen(bytes + words, note.n_descsz);
        if (marks->count++ == 0) {
            size = size < sizeof marks->first ? size : sizeof marks->first - 1;
            memcpy(marks->first, bytes + words, size);
            marks->first[size] = '\0';
        }
    }
}

static void read_marks(Elf *elf, struct marks *marks) {
    size_t names;
    if (elf_getshdrstrndx(elf, &names) != 0)
        return;
    for (Elf_Scn *section = NULL; (section = elf_nextscn(elf, section)) != NULL;) {
        GElf_Shdr header;
        const char *name = gelf_getshdr(section, &header) != NULL && header.sh_type == SHT_NOTE
                               ? elf_strptr(elf, names, header.sh_name)
                               : NULL;
        Elf_Data *data =
            name != NULL && strcmp(name, NOTES_SECTION) == 0 ? elf_getdata(section, NULL) : NULL;
        if (data != NULL && data->d_buf != NULL)
            read_notes(data, marks);
    }
}

static struct marks marks_of(const char *path) {
    struct marks marks = {0};
    struct stat status;
    bool regular = stat(path, &status) == 0 && S_ISREG(status.st_mode);
    int descriptor = regular ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) : -1;
    Elf *elf = descriptor >= 0 ? elf_begin(descriptor, ELF_C_READ, NULL) : NULL;
    if (elf != NULL)
        read_marks(elf, &marks);
    if (elf != NULL)
        elf_end(elf);
    if (descriptor >= 0)
        close(descriptor);
    return marks;
}

bool opaque_remarks(const struct arena_head *head, struct report *report) {
    uint32_t count = atomic_load(&head->module_count);
    if (strcmp(report->stores, "hooks") != 0 || atomic_load(&head->hooked) == 0)
        return true;
    elf_version(EV_CURRENT);
    for (uint32_t i = 0; i < count && i < ARENA_MODULES; i++) {
        const char *path = head->modules[i].path;
        const struct marks marks = path[0] == '/' ? marks_of(path) : (struct marks){0};
        if (marks.count != 0 &&
            !verify_remark(report,
                           "what %s does at %zu place%s is not seen, the first is %s (nvrtl-cc "
                           "--audit tells of all)",
                           path, marks.count, marks.count == 1 ? "" : "s", marks.first))
            return false;
    }
    return true;
}
