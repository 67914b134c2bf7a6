/* SPDX-License-Identifier: BSD-2-Clause */
/* What reaches a file beside its views is no store to them. */
#include "watch/preload.h"

enum { PUNCH_HOLE = 2, ZERO_RANGE = 16 };

static void tell(const struct watch_site *site, int file, int64_t offset, const struct iovec *parts,
                 int count, ssize_t written) {
    if (written > 0 && count > 0)
        watch_runtime()->wrote(site, file, offset, parts, (size_t)count, (size_t)written);
}

ssize_t write(int file, const void *from, size_t size) {
    const struct watch_site site = WATCH_SITE;
    const struct iovec part = {(void *)(uintptr_t)from, size};
    watch_runtime()->passing(&site);
    ssize_t written = watch_real()->write(file, from, size);
    tell(&site, file, -1, &part, 1, written);
    return written;
}

ssize_t pwrite(int file, const void *from, size_t size, off_t at) {
    const struct watch_site site = WATCH_SITE;
    const struct iovec part = {(void *)(uintptr_t)from, size};
    watch_runtime()->passing(&site);
    ssize_t written = watch_real()->pwrite(file, from, size, at);
    tell(&site, file, at, &part, 1, written);
    return written;
}

ssize_t pwrite64(int file, const void *from, size_t size, off_t at) {
    return pwrite(file, from, size, at);
}

static ssize_t writev_at(const struct watch_site *site, int file, const struct iovec *parts,
                         int count, off_t at) {
    watch_runtime()->passing(site);
    ssize_t written = watch_real()->pwritev(file, parts, count, at);
    tell(site, file, at, parts, count, written);
    return written;
}

/* Parameters as libc's header names them, the only declaration of these. */
WATCH_EXPORT ssize_t writev(int fd, const struct iovec *iovec, int count) {
    const struct watch_site site = WATCH_SITE;
    watch_runtime()->passing(&site);
    ssize_t written = watch_real()->writev(fd, iovec, count);
    tell(&site, fd, -1, iovec, count, written);
    return written;
}

WATCH_EXPORT ssize_t pwritev(int fd, const struct iovec *iovec, int count, off_t offset) {
    const struct watch_site site = WATCH_SITE;
    return writev_at(&site, fd, iovec, count, offset);
}

WATCH_EXPORT ssize_t pwritev64(int fd, const struct iovec *iovec, int count, off_t offset) {
    const struct watch_site site = WATCH_SITE;
    return writev_at(&site, fd, iovec, count, offset);
}

static int cut_off(const struct watch_site *site, int file, off_t size) {
    watch_runtime()->passing(site);
    int result = watch_real()->ftruncate(file, size);
    if (result == 0)
        watch_runtime()->wrote(site, file, size, NULL, 0, SIZE_MAX);
    return result;
}

/* What is cut off comes back as zeros, if it does. */
int ftruncate(int file, off_t size) {
    const struct watch_site site = WATCH_SITE;
    return cut_off(&site, file, size);
}

int ftruncate64(int file, off_t size) {
    const struct watch_site site = WATCH_SITE;
    return cut_off(&site, file, size);
}

static int allocate(const struct watch_site *site, int file, int mode, off_t offset, off_t size) {
    watch_runtime()->passing(site);
    int result = watch_real()->fallocate(file, mode, offset, size);
    if (result == 0 && (mode & (PUNCH_HOLE | ZERO_RANGE)) != 0 && size > 0)
        watch_runtime()->wrote(site, file, offset, NULL, 0, (size_t)size);
    return result;
}

int fallocate(int file, int mode, off_t offset, off_t size) {
    const struct watch_site site = WATCH_SITE;
    return allocate(&site, file, mode, offset, size);
}

int fallocate64(int file, int mode, off_t offset, off_t size) {
    const struct watch_site site = WATCH_SITE;
    return allocate(&site, file, mode, offset, size);
}
