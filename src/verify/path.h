/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of source files, as compilers record them, to paths that a reader can open. */
#ifndef VERIFY_PATH_H
#define VERIFY_PATH_H

#include <stdbool.h>

/* name, seen from the compilation directory (NULL: unknown), without "." and, where they may go,
   ".." segments. A directory that the build mapped away leaves it relative. malloc'ed; NULL: out of
   memory. */
char *path_absolute(const char *directory, const char *name);

/* Is it a header of the system or of the compiler? pre: path is absolute */
bool path_is_system(const char *path);

#endif
