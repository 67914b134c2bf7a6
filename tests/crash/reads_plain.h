/* SPDX-License-Identifier: BSD-2-Clause */
#ifndef CRASH_READS_PLAIN_H
#define CRASH_READS_PLAIN_H

#include <stdint.h>

/* Reads a word; in code without hooks. */
uint64_t plain_read(const void *from);

#endif
