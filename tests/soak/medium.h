/* SPDX-License-Identifier: BSD-2-Clause */
/* Files whose medium is modelled: what a write-back takes there, and what one that fails leaves
   behind. The library's system calls end here (os/calls.h). */
#ifndef SOAK_MEDIUM_H
#define SOAK_MEDIUM_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE ((size_t)4096)

enum { FILES = 5, FILE_PAGES = 48, VIEWS = 2 };
#define FILE_SIZE (FILE_PAGES * PAGE)

/* Two views by two open files, since the kernel tells an error once to each of those. */
struct soak_file {
    pthread_mutex_t lock; /* of all but the views */
    unsigned char *views[VIEWS];
    int descriptors[VIEWS];
    unsigned char medium[FILE_SIZE];
    /* Pages whose write-back failed: the kernel takes them for clean, as long as nobody dirties
       them again. What they held then tells. */
    bool lost[FILE_PAGES];
    unsigned char lost_content[FILE_SIZE];
    int owed[VIEWS]; /* errno that this open file was not told yet */
    uint64_t seed;   /* of the faults */
};
extern struct soak_file soak_files[FILES];

/* What was made to fail. */
struct soak_faults {
    _Atomic uint64_t lost_pages, told, transient, refused;
};
extern struct soak_faults soak_faults;

/* Opens the files, and puts the model in the place of the system. */
bool medium_start(uint64_t seed);
/* From now on nothing fails; or things do again. */
void medium_set_faults(bool on);
void medium_end(void);

/* Does the medium hold these bytes of a file? */
bool medium_has(struct soak_file *file, size_t offset, const unsigned char *bytes, size_t size);

#endif
