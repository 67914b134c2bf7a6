/* SPDX-License-Identifier: BSD-2-Clause */
/* Files and their views for tests of the API, and the library's choices set by hand. The test's
   executable holds the library's rooms. */
#ifndef UNIT_VIEW_H
#define UNIT_VIEW_H

#include <fcntl.h>
#include <nvrtl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "token/table.h"

#define PAGE ((size_t)4096)

/* A folder that is in memory on every machine that these tests know. */
#define MEMORY_FOLDER "/dev/shm"

/* In the place of a token. */
#define EACH ((PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN)

/* A file without a name, so that no failing test leaves one behind, and a shared view of all of
   it. */
struct view {
    int descriptor;
    unsigned char *bytes;
    size_t size;
};

static inline unsigned char *view_map(int descriptor, size_t size, off_t offset) {
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, offset);
    return bytes == MAP_FAILED ? NULL : (unsigned char *)bytes;
}

/* The file is size bytes that are a hole. */
static inline bool view_open(struct view *view, const char *folder, size_t size) {
    char path[256];
    snprintf(path, sizeof path, "%s/nvrtl-test-XXXXXX", folder);
    *view = (struct view){.descriptor = mkostemp(path, O_CLOEXEC), .size = size};
    if (view->descriptor >= 0 && unlink(path) == 0 && ftruncate(view->descriptor, (off_t)size) == 0)
        view->bytes = view_map(view->descriptor, size, 0);
    return view->bytes != NULL;
}

static inline void view_close(struct view *view) {
    munmap(view->bytes, view->size);
    close(view->descriptor);
}

/* From now on tokens are made as if NVRTL_DOMAIN had been domain (NULL: not set) when the library
   was first asked for one. */
static inline void library_set_domain(const char *domain) {
    if (os_lock(&token_table.lock)) {
        table_start();
        os_unlock(&token_table.lock);
    }
    token_table.settings = token_settings_parse(domain);
}

/* And as if this CPU had no features but these. */
static inline void library_set_features(uint32_t features) {
    token_table.choice = isa_choose(features & isa_features(), isa_line_size(), NULL, NULL);
}

#endif
