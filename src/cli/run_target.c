/* SPDX-License-Identifier: BSD-2-Clause */
/* Which programs the verifier cannot enter, said before they run. */
#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/run.h"

static bool is_regular(const char *path) {
    struct stat file;
    return stat(path, &file) == 0 && S_ISREG(file.st_mode);
}

/* Finds the file that execvp would run. What is no regular file is the kernel's to refuse: looking
   into a pipe would wait, and opening a device can do things. */
static bool find_program(const char *program, char path[PATH_MAX]) {
    if (strchr(program, '/') != NULL)
        return snprintf(path, PATH_MAX, "%s", program) < PATH_MAX && is_regular(path);
    const char *folders = getenv("PATH");
    for (const char *at = folders != NULL ? folders : "/bin:/usr/bin"; at != NULL;) {
        const char *end = strchrnul(at, ':');
        int length = snprintf(path, PATH_MAX, "%.*s%s%s", (int)(end - at), at, end == at ? "" : "/",
                              program);
        if (length < PATH_MAX && access(path, X_OK) == 0 && is_regular(path))
            return true;
        at = *end == ':' ? end + 1 : NULL;
    }
    return false;
}

/* Does the file start with rights that its caller lacks? Then the loader ignores the environment,
   and so does libnvrtl. */
static bool gains_rights(const char *path) {
    struct stat file;
    if (stat(path, &file) != 0)
        return false;
    if ((file.st_mode & S_ISUID) && file.st_uid != geteuid())
        return true;
    if ((file.st_mode & S_ISGID) && file.st_gid != getegid())
        return true;
    return geteuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0;
}

static bool read_at(int descriptor, void *buffer, size_t size, uint64_t at) {
    return pread(descriptor, buffer, size, (off_t)at) == (ssize_t)size;
}

/* Has a library's name: the loader itself, which is a program too. */
static bool has_soname(int descriptor, const Elf64_Phdr *dynamic) {
    Elf64_Dyn entry;
    for (uint64_t at = 0; at + sizeof entry <= dynamic->p_filesz; at += sizeof entry) {
        if (!read_at(descriptor, &entry, sizeof entry, dynamic->p_offset + at) ||
            entry.d_tag == DT_NULL)
            return false;
        if (entry.d_tag == DT_SONAME)
            return true;
    }
    return false;
}

/* May the file load libraries? What cannot be read is the kernel's to refuse. */
static bool may_load(int descriptor) {
    Elf64_Ehdr header;
    Elf64_Phdr segment;
    if (!read_at(descriptor, &header, sizeof header, 0) ||
        memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 ||
        header.e_phentsize != sizeof segment)
        return true;
    for (unsigned i = 0; i < header.e_phnum; i++) {
        if (!read_at(descriptor, &segment, sizeof segment, header.e_phoff + i * sizeof segment) ||
            segment.p_type == PT_INTERP ||
            (segment.p_type == PT_DYNAMIC && has_soname(descriptor, &segment)))
            return true;
    }
    return false;
}

/* An ELF executable without an interpreter loads no library, ever. */
static bool is_static(const char *path) {
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    bool loads = may_load(descriptor);
    close(descriptor);
    return !loads;
}

bool run_target_fits(const char *program) {
    char path[PATH_MAX];
    if (!find_program(program, path))
        return true;
    if (gains_rights(path)) {
        cli_complain("%s is set-user-id or has capabilities: the verifier does not enter programs "
                     "that have more rights than you",
                     path);
        return false;
    }
    if (is_static(path)) {
        cli_complain("%s is statically linked: it cannot load the verifier; link it dynamically "
                     "for this (libnvrtl.a may stay static)",
                     path);
        return false;
    }
    return true;
}
