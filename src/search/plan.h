/* SPDX-License-Identifier: BSD-2-Clause */
/* What a process has to know that runs recovery on images in a folder, as a file there. */
#ifndef SEARCH_PLAN_H
#define SEARCH_PLAN_H

#include "sandbox/sandbox.h"

#define PLAN_IMAGES "images" /* in the folder: a folder with a file for each region */

struct plan {
    struct sandbox_region regions[SANDBOX_REGIONS];
    size_t region_count;
    struct sandbox_marks marks;
};

/* false, with errno. */
bool plan_write(const struct plan *plan, const char *folder);
/* What it holds is for the rest of the process's life. false: it is not there, or is none. */
bool plan_read(struct plan *plan, const char *folder);

#endif
