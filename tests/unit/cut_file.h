/* SPDX-License-Identifier: BSD-2-Clause */
/* For children: a file whose last pages can be cut off below its view. */
#ifndef UNIT_CUT_FILE_H
#define UNIT_CUT_FILE_H

#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include <nvrtl.h>

#include "unit/child.h"

#define PAGE ((size_t)4096)
#define PAGES 4

/* A shared view of a file in memory, whose last pages can be cut off. */
struct cut_file {
    int descriptor;
    char *view;
    void *token;
};

static inline struct cut_file open_cut_file(void) {
    struct cut_file file = {.descriptor = memfd_create("nvrtl-test", MFD_CLOEXEC)};
    CHILD_NEED(file.descriptor >= 0 && ftruncate(file.descriptor, PAGES * PAGE) == 0);
    file.view = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor, 0);
    CHILD_NEED(file.view != MAP_FAILED);
    CHILD_NEED(RtlGetNonVolatileToken(file.view, PAGES * PAGE, &file.token) == STATUS_SUCCESS);
    return file;
}

static inline struct cut_file make_cut_file(void) {
    struct cut_file file = open_cut_file();
    CHILD_NEED(ftruncate(file.descriptor, PAGE) == 0);
    return file;
}

#endif
