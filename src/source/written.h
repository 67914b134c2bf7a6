/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process writes to a file by its descriptor, when the file has regions too: the bytes are
   stored there. */
#ifndef SOURCE_WRITTEN_H
#define SOURCE_WRITTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "source/hooks.h"

struct written {
    struct hooks_site site;
    uint64_t device, inode;
    uint64_t offset; /* of the first byte, in the file */
    const struct iovec *parts;
    size_t count;
    size_t size;  /* bytes that were written */
    bool durable; /* the call has waited for them */
};

/* Has any file a region? */
static inline bool written_matters(void) {
    return atomic_load_explicit(&source_process.arena.head->file_count, memory_order_relaxed) != 0;
}

/* Tells of what lies in regions and is there: where the offset was not what its caller took it for,
   nothing is. */
void written_tell(const struct written *written);

/* Tells that size bytes from the offset on were cut off the file, or out of it. */
void written_cut(const struct written *written);

#endif
