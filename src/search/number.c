/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/number.h"

#include <stdlib.h>
#include <string.h>

bool number_read(FILE *in, const char *name, uint64_t most, uint64_t *number) {
    char word[32], *end;
    if (name != NULL && (fscanf(in, "%31s", word) != 1 || strcmp(word, name) != 0))
        return false;
    if (fscanf(in, "%31s", word) != 1 || *word < '0' || *word > '9')
        return false;
    *number = strtoull(word, &end, 10);
    return *end == '\0' && *number <= most;
}
