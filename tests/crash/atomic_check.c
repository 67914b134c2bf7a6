/* SPDX-License-Identifier: BSD-2-Clause */
/* The checker of test_atomic.py: a region is words, one a line, and its state those that are not
   zero, each as its line's number and its value. Line 0 says what recovery does wrong: 1: it fails;
   2: it takes the word of line 1 away if line 2 has one; 3: it writes something else each time. */
#include <nvrtl_crash.h>
#include <stdio.h>
#include <unistd.h>

int nvrtl_dump(const struct NvRtlCrash *crash, struct NvRtlCrashDump *dump) {
    uint64_t *words = crash->regions[0].image;
    char text[64];
    if (words[0] == 1)
        return 7;
    if (words[0] == 2 && words[16] != 0)
        words[8] = 0;
    for (size_t line = 1; line < crash->regions[0].size / 64; line++) {
        int size = words[line * 8] == 0 ? 0
                                        : snprintf(text, sizeof text, "%zu\t%llu\n", line,
                                                   (unsigned long long)words[line * 8]);
        dump->put(dump, text, (size_t)size);
    }
    if (words[0] == 3)
        dump->put(dump, text, (size_t)snprintf(text, sizeof text, "0\t%d", (int)getpid()));
    return 0;
}
