/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of source files out of debug information. Input: the folder, a byte 0, the name. */
#include <sys/stat.h>

#include "fuzz.h"
#include "verify/path.h"

static char *naive(const char *folder, const char *name) {
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = (char *)malloc(size);
    FUZZ_CHECK(path != NULL);
    if (name[0] == '/')
        snprintf(path, size, "%s", name);
    else
        snprintf(path, size, "%s/%s", folder, name);
    return path;
}

/* The short way leads to the same file as the long one, or both to none. */
static void check_same_file(const char *a, const char *b) {
    struct stat of_a, of_b;
    bool a_is = stat(a, &of_a) == 0, b_is = stat(b, &of_b) == 0;
    if (a_is && b_is)
        FUZZ_CHECK(of_a.st_dev == of_b.st_dev && of_a.st_ino == of_b.st_ino);
    /* "file/." and "file/" are no file, "file" is one: nobody includes a folder. */
    FUZZ_CHECK(b_is || !a_is);
}

static void check(const char *folder, const char *name) {
    char *path = path_absolute(folder, name), *whole = naive(folder, name);
    FUZZ_CHECK(path != NULL && strlen(path) <= strlen(whole));
    FUZZ_CHECK(strstr(path, "//") == NULL && strstr(path, "/./") == NULL);
    FUZZ_CHECK(whole[0] != '/' || path[0] == '/');
    if (whole[0] == '/')
        check_same_file(whole, path);
    char *again = path_absolute(NULL, path);
    FUZZ_CHECK(again != NULL && strcmp(again, path) == 0);
    free(again);
    free(whole);
    free(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct fuzz_input input = fuzz_input(data, size);
    char *folder = fuzz_string(&input, 0), *name = fuzz_string(&input, 0);
    check(folder, name);
    free(path_absolute(NULL, name));
    free(folder);
    free(name);
    return 0;
}
