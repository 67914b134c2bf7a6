/* SPDX-License-Identifier: BSD-2-Clause */
/* Files lose their names. Each function makes libc's call of its own name, since a program may have
   forbidden itself the others. */
#include "watch/preload.h"

#define FROM_HERE (-100) /* AT_FDCWD of fcntl.h, whose declarations do not go with preload.h's */

static struct watch_name before(int directory, const char *name) {
    struct watch_name last;
    watch_runtime()->removing(&last, directory, name);
    return last;
}

static int after(const struct watch_name *last, int result) {
    if (result == 0)
        watch_runtime()->removed(last);
    return result;
}

int unlink(const char *name) {
    const struct watch_name last = before(FROM_HERE, name);
    return after(&last, watch_real()->unlink(name));
}

int unlinkat(int fd, const char *name, int flag) {
    const struct watch_name last = before(fd, name);
    return after(&last, watch_real()->unlinkat(fd, name, flag));
}

int remove(const char *filename) {
    const struct watch_name last = before(FROM_HERE, filename);
    return after(&last, watch_real()->remove(filename));
}

/* What had the new name has it no more, unless both are names of one file, which has two then. */
int renameat(int oldfd, const char *old, int newfd, const char *new) {
    const struct watch_name last = before(newfd, new);
    return after(&last, watch_real()->renameat(oldfd, old, newfd, new));
}

int rename(const char *old, const char *new) {
    const struct watch_name last = before(FROM_HERE, new);
    return after(&last, watch_real()->rename(old, new));
}
