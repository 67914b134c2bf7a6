/* SPDX-License-Identifier: BSD-2-Clause */
/* The files of the soak. Their medium is modelled (unit/medium.h), and what the library asks of the
   system fails now and then. */
#ifndef SOAK_FILES_H
#define SOAK_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Two views by two open files, since the kernel tells an error once to each of those. */
enum { FILES = 5, FILE_SIZE = 48 * 4096, VIEWS = 2 };

/* What was made to fail. */
struct soak_faults {
    _Atomic uint64_t waits, transient, calls;
};
extern struct soak_faults soak_faults;

/* Makes the files, and puts the model in the place of the system. */
bool files_start(uint64_t seed);
/* From now on things fail, or nothing does. */
void files_set_faults(bool on);
void files_end(void);

unsigned char *files_view(size_t file, size_t view);

/* Does the medium hold what memory holds? Of bytes that nobody else stores to. */
bool files_hold(size_t file, size_t offset, size_t size);

#endif
