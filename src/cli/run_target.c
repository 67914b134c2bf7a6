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

/* An ELF executable without an interpreter loads no library, ever. */
static bool is_static(const char *path) {
    Elf64_Ehdr header;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return false;
    bool found_interpreter = true;
    if (pread(descriptor, &header, sizeof header, 0) == (ssize_t)sizeof header &&
        memcmp(header.e_ident, ELFMAG, SELFMAG) == 0 && header.e_ident[EI_CLASS] == ELFCLASS64 &&
        header.e_phentsize == sizeof(Elf64_Phdr)) {
        found_interpreter = false;
        for (unsigned i = 0; i < header.e_phnum && !found_interpreter; i++) {
            Elf64_Phdr segment;
            off_t at = (off_t)(header.e_phoff + i * sizeof segment);
            /* What cannot be read is the kernel's to refuse. */
            found_interpreter =
                pread(descriptor, &segment, sizeof segment, at) != (ssize_t)sizeof segment ||
                segment.p_type == PT_INTERP;
        }
    }
    close(descriptor);
    return !found_interpreter;
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
