/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads reports from files. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/report.h"

#define PIECE ((size_t)1 << 16) /* bytes */

/* All that is in the stream, to be freed; NULL with errno. */
static char *read_all(FILE *in, size_t *size) {
    char *bytes = NULL;
    size_t room = 0;
    *size = 0;
    errno = 0;
    for (;;) {
        if (room - *size < PIECE) {
            room = room != 0 ? 2 * room : 4 * PIECE;
            char *larger = realloc(bytes, room);
            if (larger == NULL)
                break;
            bytes = larger;
        }
        size_t got = fread(bytes + *size, 1, room - *size, in);
        *size += got;
        if (got == 0 && !ferror(in))
            return bytes;
        if (got == 0)
            break;
    }
    free(bytes);
    return NULL;
}

/* The same of a file, or of standard input. NULL: told with a sentence. */
static char *read_file(const char *path, const char **name, size_t *size) {
    bool standard = strcmp(path, "-") == 0;
    *name = standard ? "standard input" : path;
    FILE *in = standard ? stdin : fopen(path, "re");
    char *bytes = in != NULL ? read_all(in, size) : NULL;
    int error = errno;
    if (in != NULL && !standard)
        fclose(in);
    if (bytes == NULL)
        cli_complain("cannot read %s: %s", *name, strerror(error));
    return bytes;
}

bool cli_suppressions(struct suppressions *suppressions, const char *path) {
    const char *name;
    size_t size;
    char *wrong, *bytes = read_file(path, &name, &size);
    if (bytes == NULL)
        return false;
    bool good = suppress_read(suppressions, name, bytes, size, &wrong);
    free(bytes);
    if (!good)
        cli_complain("%s", wrong != NULL ? wrong : "out of memory");
    free(wrong);
    return good;
}

static bool read_report(const char *path, struct loaded *loaded) {
    const char *name;
    size_t size;
    char *wrong, *bytes = read_file(path, &name, &size);
    if (bytes == NULL)
        return false;
    bool good = report_load(bytes, size, loaded, &wrong);
    free(bytes);
    if (!good)
        cli_complain("%s: %s", name, wrong != NULL ? wrong : "no memory to read it");
    free(wrong);
    return good;
}

struct loaded *report_open(char *const *files, size_t count) {
    struct loaded *loaded = calloc(count + 1, sizeof *loaded);
    if (loaded == NULL) {
        cli_complain("no memory for %zu reports", count);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (!read_report(files[i], &loaded[i])) {
            report_close(loaded, i);
            return NULL;
        }
    }
    return loaded;
}

void report_close(struct loaded *loaded, size_t count) {
    for (size_t i = 0; i < count; i++)
        report_unload(&loaded[i]);
    free(loaded);
}
