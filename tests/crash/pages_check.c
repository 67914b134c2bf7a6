/* SPDX-License-Identifier: BSD-2-Clause */
/* The recovery of the stores of pages.c. */
#include <nvrtl_crash.h>
#include <stdbool.h>
#include <stdio.h>

#include "pages.h"

static bool is_sound(const struct meta *meta) {
    return meta->number != 0 && meta->sum == SUM(*meta);
}

static int look(const struct pages *pages) {
    const struct meta *first = META(pages, 0), *second = META(pages, 1), *newest = NULL;
    if (is_sound(first))
        newest = first;
    if (is_sound(second) && (newest == NULL || second->number > newest->number))
        newest = second;
    if (newest != NULL) {
        for (size_t i = 0; i < WORDS; i++) {
            if (pages->data[newest->page % DATA].words[i] != newest->number)
                return 2; /* its data are not there */
        }
    }
    if (pages->acked > (newest != NULL ? newest->number : 0))
        return 3;
    if (pages->ordered[1] > pages->ordered[0] || pages->ordered[8] > pages->ordered[0])
        return 4;
    return 0;
}

int nvrtl_check(const struct NvRtlCrash *crash) {
    return look(crash->regions[0].image);
}

/* The same as a command: pages-check FILE. */
int main(int argc, char **argv) {
    static struct pages pages;
    FILE *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
    if (file == NULL || fread(&pages, 1, sizeof pages, file) == 0)
        return 0; /* nothing was made yet */
    fclose(file);
    return look(&pages);
}
