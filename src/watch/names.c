/* SPDX-License-Identifier: BSD-2-Clause */
/* Files lose their names. */
#include "watch/preload.h"

#define FROM_HERE (-100) /* AT_FDCWD of fcntl.h, whose declarations do not go with preload.h's */

int unlink(const char *name) {
    struct watch_name last;
    watch_runtime()->removing(&last, FROM_HERE, name);
    int result = watch_real()->unlink(name);
    if (result == 0)
        watch_runtime()->removed(&last);
    return result;
}

int unlinkat(int fd, const char *name, int flag) {
    struct watch_name last;
    watch_runtime()->removing(&last, fd, name);
    int result = watch_real()->unlinkat(fd, name, flag);
    if (result == 0)
        watch_runtime()->removed(&last);
    return result;
}

int remove(const char *filename) {
    struct watch_name last;
    watch_runtime()->removing(&last, FROM_HERE, filename);
    int result = watch_real()->remove(filename);
    if (result == 0)
        watch_runtime()->removed(&last);
    return result;
}

/* What had the new name has it no more, unless both are names of one file, which has two then. */
int renameat(int oldfd, const char *old, int newfd, const char *new) {
    struct watch_name last;
    watch_runtime()->removing(&last, newfd, new);
    int result = watch_real()->renameat(oldfd, old, newfd, new);
    if (result == 0)
        watch_runtime()->removed(&last);
    return result;
}

int rename(const char *old, const char *new) {
    return renameat(FROM_HERE, old, FROM_HERE, new);
}
