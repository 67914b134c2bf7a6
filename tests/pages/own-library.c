/* SPDX-License-Identifier: BSD-2-Clause */
#include "own.h"

void library_flush(volatile void *line);
void library_fence(void);

void library_flush(volatile void *line) {
    own_flush(line);
}

void library_fence(void) {
    own_fence();
}
