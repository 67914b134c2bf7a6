/* SPDX-License-Identifier: BSD-2-Clause */
/* --watch: views of which files are regions; and by what their stores are seen. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bits.h"
#include "cli/cli.h"
#include "cli/run.h"

/* A pattern is a line of the setting that the runtime reads. What exists is known by the name that
   the system has for it. */
void run_add_watch(char **patterns, const char *path) {
    char *real = realpath(path, NULL), *folder = getcwd(NULL, 0), *all;
    const char *before = *patterns != NULL ? *patterns : "";
    bool absolute = path[0] == '/' || folder == NULL;
    int length = real != NULL ? asprintf(&all, "%s%s\n", before, real)
                              : asprintf(&all, "%s%s%s%s\n", before, absolute ? "" : folder,
                                         absolute ? "" : "/", path);
    free(real);
    free(folder);
    if (length < 0) {
        cli_complain("out of memory");
        exit(CLI_RUN_FAILED);
    }
    free(*patterns);
    *patterns = all;
}

static const char *const sources[] = {"auto", "api", "hooks", "pages=interval"};

const char *run_recorded_stores(const char *name, bool watched) {
    if (name == NULL || (watched && strcmp(name, "auto") == 0))
        name = watched ? "pages=interval" : "auto";
    for (size_t i = 0; i < ARRAY_LENGTH(sources); i++) {
        if (strcmp(name, sources[i]) == 0)
            return watched && i < 2 ? NULL : sources[i];
    }
    return NULL;
}
