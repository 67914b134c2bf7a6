/* SPDX-License-Identifier: BSD-2-Clause */
#include "verify/path.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Drops what a path says for nothing: "." segments and doubled slashes. */
static void drop_dots(char *path) {
    char *to = path;
    for (const char *from = path; *from != '\0';) {
        size_t length = strcspn(from, "/");
        bool dot = length == 1 && from[0] == '.';
        if (length == 0 ? to == path : !dot) {
            memmove(to, from, length);
            to += length;
            if (from[length] == '/')
                *to++ = '/';
        }
        from += length + (from[length] == '/');
    }
    *to = '\0';
}

/* Drops each "name/.." when that leads to the same file: behind a symbolic link it does not. Takes
   path and returns it, or another in its place; NULL: out of memory. */
static char *drop_parents(char *path) {
    if (strstr(path, "/../") == NULL)
        return path;
    char *shorter = strdup(path);
    if (shorter == NULL) {
        free(path);
        return NULL;
    }
    char *parent = shorter;
    while ((parent = strstr(parent, "/../")) != NULL) {
        char *name = memrchr(shorter, '/', (size_t)(parent - shorter));
        if (parent == shorter)
            name = parent; /* above the root is the root */
        else if (name == NULL || strncmp(name, "/../", 4) == 0) {
            parent += 3;
            continue;
        }
        memmove(name, parent + 3, strlen(parent + 3) + 1);
        parent = name;
    }
    struct stat a, b;
    bool same = stat(path, &a) == 0 && stat(shorter, &b) == 0 && a.st_dev == b.st_dev &&
                a.st_ino == b.st_ino;
    free(same ? path : shorter);
    return same ? shorter : path;
}

char *path_absolute(const char *directory, const char *name) {
    char *path;
    if (name[0] == '/' || directory == NULL)
        path = strdup(name);
    else if (asprintf(&path, "%s/%s", directory, name) < 0)
        path = NULL;
    if (path == NULL)
        return NULL;
    drop_dots(path);
    return drop_parents(path);
}

bool path_is_system(const char *path) {
    const char *compiler = strstr(path, "/lib/gcc/");
    if (compiler == NULL)
        compiler = strstr(path, "/lib/clang/");
    return strncmp(path, "/usr/include/", strlen("/usr/include/")) == 0 ||
           (compiler != NULL && strstr(compiler, "/include/") != NULL);
}
