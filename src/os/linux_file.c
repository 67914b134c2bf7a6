/* SPDX-License-Identifier: BSD-2-Clause */
/* os/file.h on Linux. */
#include "os/file.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "os/calls.h"
#include "os/calm.h"

#ifndef MAP_SHARED_VALIDATE
#define MAP_SHARED_VALIDATE 0x03
#endif
#ifndef MAP_SYNC
#define MAP_SYNC 0x80000
#endif

static enum result result_of(int error) {
    switch (error) {
    case 0:
        return RESULT_OK;
    case EACCES:
    case EPERM:
    case EROFS:
    case ETXTBSY:
        return RESULT_DENIED;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return RESULT_NO_SPACE;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
        return RESULT_NO_MEMORY;
    case EISDIR:
    case ENODEV:
    case ENXIO:
    case EOPNOTSUPP:
        return RESULT_NOT_SUPPORTED;
    case EIO:
        return RESULT_IO_ERROR;
    default:
        return RESULT_INVALID;
    }
}

static int open_again(const char *path, int flags, mode_t mode) {
    int descriptor;
    do
        descriptor = os_calls.open(path, flags | O_CLOEXEC, mode);
    while (descriptor < 0 && errno == EINTR);
    return descriptor;
}

/* A DAX device tells its size in sysfs alone. */
static uint64_t device_size(dev_t device) {
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "/sys/dev/char/%u:%u/size", major(device), minor(device));
    int descriptor = open_again(path, O_RDONLY, 0);
    if (descriptor < 0)
        return 0;
    ssize_t got = os_calls.read(descriptor, text, sizeof text - 1);
    os_calls.close(descriptor);
    return got > 0 ? strtoull(text, NULL, 10) : 0;
}

static int measure(struct os_file *file) {
    struct stat stat;
    if (os_calls.fstat(file->descriptor, &stat) != 0)
        return errno;
    file->device = S_ISCHR(stat.st_mode);
    if (file->device) {
        file->size = device_size(stat.st_rdev);
        if (file->size == 0)
            return ENODEV; /* no DAX device: /dev/null, a terminal */
    } else {
        off_t end =
            os_calls.lseek(file->descriptor, 0, SEEK_END); /* block devices tell it only so */
        if (end < 0)
            return errno;
        file->size = (uint64_t)end;
    }
    return 0;
}

/* Opens without making; looks first, because opening a pipe waits and opening a tape rewinds it. */
static int open_existing(const char *path, struct os_file *file) {
    struct stat stat_before;
    if (os_calls.stat(path, &stat_before) != 0)
        return errno;
    if (!S_ISREG(stat_before.st_mode) && !S_ISBLK(stat_before.st_mode) &&
        !S_ISCHR(stat_before.st_mode))
        return EISDIR;
    file->descriptor = open_again(path, O_RDWR, 0);
    return file->descriptor < 0 ? errno : 0;
}

static int open_or_make(const char *path, struct os_file_wish wish, struct os_file *file) {
    if (wish.create) {
        file->descriptor = open_again(path, O_RDWR | O_CREAT | O_EXCL, (mode_t)wish.mode);
        file->created = file->descriptor >= 0;
        if (file->created)
            return 0;
        if (errno != EEXIST || wish.exclusive)
            return errno;
    }
    return open_existing(path, file);
}

enum result os_file_open(const char *path, struct os_file_wish wish, struct os_file *file) {
    struct os_calm calm = os_calm_begin();
    *file = (struct os_file){.descriptor = -1};
    int error = open_or_make(path, wish, file);
    if (error == 0) {
        error = measure(file);
        if (error != 0 && file->created)
            os_file_remove(file, path);
        if (error != 0)
            os_calls.close(file->descriptor);
    }
    os_calm_end(calm);
    return result_of(error);
}

/* A file that grows beyond the process's limit (ulimit -f) sends SIGXFSZ, which ends a program that
   does not expect it. The result says it as well: one that came of this is taken back. */
struct hush {
    sigset_t signals, before;
    bool pending; /* already */
};

static bool is_pending(int number) {
    sigset_t pending;
    return sigpending(&pending) == 0 && sigismember(&pending, number) == 1;
}

static void hush_begin(struct hush *hush) {
    sigemptyset(&hush->signals);
    sigaddset(&hush->signals, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &hush->signals, &hush->before);
    hush->pending = is_pending(SIGXFSZ);
}

static void hush_end(const struct hush *hush) {
    const struct timespec at_once = {0, 0};
    if (!hush->pending && is_pending(SIGXFSZ))
        sigtimedwait(&hush->signals, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &hush->before, NULL);
}

enum result os_file_grow(struct os_file *file, uint64_t size, bool sparse) {
    if (file->device || size > INT64_MAX)
        return RESULT_INVALID;
    struct os_calm calm = os_calm_begin();
    int error;
    struct hush hush;
    hush_begin(&hush);
    do {
        if (sparse)
            error = os_calls.ftruncate(file->descriptor, (off_t)size) == 0 ? 0 : errno;
        else
            error = os_calls.posix_fallocate(file->descriptor, (off_t)file->size,
                                             (off_t)(size - file->size));
    } while (error == EINTR);
    if (error == 0)
        file->size = size;
    else /* what failed first is told, whether this works or not */
        (void)os_calls.ftruncate(file->descriptor, (off_t)file->size);
    hush_end(&hush);
    os_calm_end(calm);
    return result_of(error);
}

enum result os_file_map(const struct os_file *file, uint64_t offset, size_t size, void **base) {
    struct os_calm calm = os_calm_begin();
    int error = 0;
    const int protection = PROT_READ | PROT_WRITE;
    void *view = os_calls.mmap(NULL, size, protection, MAP_SHARED_VALIDATE | MAP_SYNC,
                               file->descriptor, (off_t)offset);
    /* MAP_SYNC is refused by several names (EOPNOTSUPP, EINVAL): the plain try decides. */
    if (view == MAP_FAILED)
        view = os_calls.mmap(NULL, size, protection, MAP_SHARED, file->descriptor, (off_t)offset);
    if (view == MAP_FAILED)
        error = errno;
    else
        *base = view;
    os_calm_end(calm);
    return result_of(error);
}

void os_file_unmap(void *base, size_t size) {
    struct os_calm calm = os_calm_begin();
    os_calls.munmap(base, size);
    os_calm_end(calm);
}

static int sync_again(int (*sync)(int descriptor), int descriptor) {
    int error;
    do
        error = sync(descriptor) == 0 ? 0 : errno;
    while (error == EINTR);
    return error;
}

/* Syncs the directory that holds the open file, whatever links led to it. 0; the errno of a
   write-back that failed, which nobody is told again; -1 if it is not to be had (no right to read
   it, no /proc, a file system that cannot). */
static int sync_directory(int descriptor) {
    char link[32], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = os_calls.readlink(link, path, sizeof path - 1);
    if (length <= 0 || path[0] != '/')
        return -1;
    path[length] = '\0';
    char *slash = strrchr(path, '/');
    slash[slash == path] = '\0';
    int directory = open_again(path, O_RDONLY | O_DIRECTORY, 0);
    if (directory < 0)
        return -1;
    int error = sync_again(os_calls.fsync, directory);
    os_calls.close(directory);
    return error == EINVAL || error == EOPNOTSUPP || error == EROFS ? -1 : error;
}

enum result os_file_sync(const struct os_file *file) {
    if (file->device)
        return RESULT_OK;
    struct os_calm calm = os_calm_begin();
    int error = sync_again(os_calls.fsync, file->descriptor);
    if (error == 0)
        error = sync_directory(file->descriptor);
    if (error < 0)
        error = sync_again(os_calls.syncfs, file->descriptor);
    os_calm_end(calm);
    return error == 0 || error == ENOSPC || error == EDQUOT ? result_of(error) : RESULT_IO_ERROR;
}

void os_file_close(struct os_file *file) {
    struct os_calm calm = os_calm_begin();
    os_calls.close(file->descriptor);
    file->descriptor = -1;
    os_calm_end(calm);
}

void os_file_remove(const struct os_file *file, const char *path) {
    struct os_calm calm = os_calm_begin();
    struct stat ours, theirs;
    if (os_calls.fstat(file->descriptor, &ours) == 0 && os_calls.lstat(path, &theirs) == 0 &&
        ours.st_dev == theirs.st_dev && ours.st_ino == theirs.st_ino)
        os_calls.unlink(path);
    os_calm_end(calm);
}
