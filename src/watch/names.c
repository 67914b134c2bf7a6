/* SPDX-License-Identifier: BSD-2-Clause */
/* Files lose their names. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "watch/preload.h"

/* Parameters as libc's headers name them, the only declaration of these. */
WATCH_EXPORT int unlink(const char *name) {
    struct watch_name last;
    watch_runtime()->removing(&last, AT_FDCWD, name);
    int result = watch_real()->unlink(name);
    if (result == 0)
        watch_runtime()->removed(&last);
    return result;
}

WATCH_EXPORT int unlinkat(int fd, const char *name, int flag) {
    struct watch_name last;
    watch_runtime()->removing(&last, fd, name);
    int result = watch_real()->unlinkat(fd, name, flag);
    if (result == 0)
        watch_runtime()->removed(&last);
    return result;
}

WATCH_EXPORT int remove(const char *filename) {
    struct watch_name last;
    watch_runtime()->removing(&last, AT_FDCWD, filename);
    int result = watch_real()->remove(filename);
    if (result == 0)
        watch_runtime()->removed(&last);
    return result;
}

/* What had the new name has it no more, unless both are names of one file, which has two then. */
WATCH_EXPORT int renameat(int oldfd, const char *old, int newfd, const char *new) {
    struct watch_name last;
    watch_runtime()->removing(&last, newfd, new);
    int result = watch_real()->renameat(oldfd, old, newfd, new);
    if (result == 0)
        watch_runtime()->removed(&last);
    return result;
}

WATCH_EXPORT int rename(const char *old, const char *new) {
    return renameat(AT_FDCWD, old, AT_FDCWD, new);
}
