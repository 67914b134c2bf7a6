/* SPDX-License-Identifier: BSD-2-Clause */
/* The checker of test_check.py: word 0 says how many of the words at 64, 128, ... have the value
   0x42, and is no less than what was acknowledged. What word 7 holds is an order. */
#include <nvrtl_crash.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int nvrtl_check(const struct NvRtlCrash *crash) {
    uint64_t *words = crash->regions[0].image;
    if (words[7] == 1)
        abort();
    if (words[7] == 2)
        exit(6);
    if (words[7] == 3)
        pause();
    if (words[7] == 4) {
        puts("no luck");
        fflush(stdout);
        return 5;
    }
    for (uint64_t i = 1; i <= words[0]; i++) {
        if (i >= crash->regions[0].size / 64 || words[i * 8] != 0x42)
            return 3;
    }
    for (size_t i = 0; i < crash->ackedCount; i++) {
        if (words[0] < crash->acked[i])
            return 4;
    }
    words[0] = words[8] = 99; /* nothing of this is there for the next one */
    return 0;
}
