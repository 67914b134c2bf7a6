/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers in the search's own files. */
#ifndef SEARCH_NUMBER_H
#define SEARCH_NUMBER_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* The next number, as large as that at most; a word before it is its name, or NULL. false:
   something else stands there. */
bool number_read(FILE *in, const char *name, uint64_t most, uint64_t *number);

#endif
