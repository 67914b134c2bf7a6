/* SPDX-License-Identifier: BSD-2-Clause */
#include "machine.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os/calls.h"

#define ENTRIES_MAX 2048
#define OPEN_MAX 16
#define PATH_SIZE 2048
#define FIRST_DESCRIPTOR 1000000
#define LINKS_MAX 16

struct entry {
    const char *path, *text;
    size_t path_length, text_length;
    bool link;
};

static struct entry entries[ENTRIES_MAX];
static size_t entry_count;

static struct opened {
    bool used, folder;
    char path[PATH_SIZE];
    const struct entry *entry;
    size_t at;
} opened[OPEN_MAX];

/* The functions of libc that stand behind the linker's names. */
int __real_open(const char *path, int flags, ...);
int __real_close(int descriptor);
int __real_access(const char *path, int mode);
ssize_t __real_readlink(const char *path, char *buffer, size_t size);
long __real_syscall(long number, ...);
int __wrap_open(const char *path, int flags, ...);
int __wrap_close(int descriptor);
int __wrap_access(const char *path, int mode);
ssize_t __wrap_readlink(const char *path, char *buffer, size_t size);
long __wrap_syscall(long number, ...);

static bool is_ours(const char *path) {
    return strncmp(path, MACHINE_ROOT "/", sizeof MACHINE_ROOT) == 0;
}

/* Puts folder/target into path, without "." and "..". false: too long. */
static bool join(char path[PATH_SIZE], const char *folder, size_t folder_length, const char *target,
                 size_t target_length, const char *rest) {
    char whole[PATH_SIZE], *part, *next = whole;
    size_t length = 0;
    int size = snprintf(whole, sizeof whole, "%.*s/%.*s/%s", (int)folder_length, folder,
                        (int)target_length, target, rest);
    if (size < 0 || size >= PATH_SIZE)
        return false;
    path[0] = '\0';
    while ((part = strsep(&next, "/")) != NULL) {
        if (part[0] == '\0' || strcmp(part, ".") == 0)
            continue;
        if (strcmp(part, "..") == 0) {
            char *slash = strrchr(path, '/');
            length = slash == NULL ? 0 : (size_t)(slash - path);
            path[length] = '\0';
            continue;
        }
        length += (size_t)sprintf(path + length, "%s%s", length > 0 ? "/" : "", part);
    }
    return true;
}

static size_t folder_length(const struct entry *entry) {
    const char *slash = memrchr(entry->path, '/', entry->path_length);
    return slash == NULL ? 0 : (size_t)(slash - entry->path);
}

/* The entry at path, or a link on the way to it; *rest: what of path lies behind that. */
static const struct entry *step(const char *path, const char **rest) {
    const struct entry *on_the_way = NULL;
    size_t length = strlen(path);
    for (size_t i = 0; i < entry_count; i++) {
        const struct entry *entry = &entries[i];
        if (entry->path_length > length || memcmp(entry->path, path, entry->path_length) != 0)
            continue;
        *rest = path + entry->path_length;
        if (**rest == '\0')
            return entry;
        if (**rest == '/' && entry->link && on_the_way == NULL)
            on_the_way = entry;
    }
    *rest = on_the_way != NULL ? path + on_the_way->path_length : path;
    return on_the_way;
}

/* Walks as the kernel would. NULL: no entry; then path is where it would be, perhaps a folder. */
static const struct entry *find(char path[PATH_SIZE], bool follow_last) {
    for (int i = 0; i < LINKS_MAX; i++) {
        const char *rest;
        const struct entry *entry = step(path, &rest);
        if (entry == NULL || (*rest == '\0' && !(entry->link && follow_last)))
            return entry;
        char next[PATH_SIZE];
        if (!join(next, entry->path, folder_length(entry), entry->text, entry->text_length, rest))
            return NULL;
        memcpy(path, next, sizeof next);
    }
    return NULL;
}

/* Copies the part of path below the root. */
static bool take_path(const char *path, char buffer[PATH_SIZE]) {
    path += sizeof MACHINE_ROOT;
    return join(buffer, "", 0, path, strlen(path), "");
}

static bool is_below(const struct entry *entry, const char *folder, size_t length) {
    return entry->path_length > length && memcmp(entry->path, folder, length) == 0 &&
           (length == 0 || entry->path[length] == '/');
}

static bool is_folder(const char *path) {
    for (size_t i = 0; i < entry_count; i++) {
        if (is_below(&entries[i], path, strlen(path)))
            return true;
    }
    return false;
}

static int refuse(int error) {
    errno = error;
    return -1;
}

static int open_ours(const char *path, int flags, ...) {
    size_t i = 0;
    while (i < OPEN_MAX && opened[i].used)
        i++;
    if (i == OPEN_MAX)
        return refuse(EMFILE);
    struct opened *file = &opened[i];
    if (!is_ours(path) || !take_path(path, file->path))
        return refuse(ENOENT);
    file->entry = find(file->path, true);
    file->folder = file->entry == NULL && is_folder(file->path);
    bool wants_folder = (flags & O_DIRECTORY) != 0;
    if (file->entry == NULL && !file->folder)
        return refuse(ENOENT);
    if (wants_folder != file->folder)
        return refuse(wants_folder ? ENOTDIR : EISDIR);
    file->used = true;
    file->at = 0;
    return FIRST_DESCRIPTOR + (int)i;
}

static struct opened *opened_at(int descriptor) {
    int i = descriptor - FIRST_DESCRIPTOR;
    return i >= 0 && i < OPEN_MAX && opened[i].used ? &opened[i] : NULL;
}

static int close_ours(int descriptor) {
    struct opened *file = opened_at(descriptor);
    if (file == NULL)
        return refuse(EBADF);
    file->used = false;
    return 0;
}

static ssize_t read_ours(int descriptor, void *buffer, size_t size) {
    struct opened *file = opened_at(descriptor);
    if (file == NULL || file->folder)
        return refuse(EBADF);
    size_t left = file->entry->text_length - file->at;
    size_t got = left < size ? left : size;
    memcpy(buffer, file->entry->text + file->at, got);
    file->at += got;
    return (ssize_t)got;
}

/* One name a call; names that are there twice are told twice. */
static long list_folder(struct opened *file, char *buffer, size_t size) {
    size_t length = strlen(file->path);
    for (; file->at < entry_count; file->at++) {
        const struct entry *entry = &entries[file->at];
        if (!is_below(entry, file->path, length))
            continue;
        const char *name = entry->path + length + (length > 0);
        size_t rest = entry->path_length - length - (length > 0);
        const char *slash = rest > 0 ? memchr(name, '/', rest) : NULL;
        size_t name_length = slash != NULL ? (size_t)(slash - name) : rest;
        struct dirent64 *out = (struct dirent64 *)buffer;
        size_t wanted = offsetof(struct dirent64, d_name) + name_length + 1;
        if (name_length == 0 || name_length > NAME_MAX || wanted > size)
            continue;
        out->d_reclen = (unsigned short)((wanted + 7) / 8 * 8);
        memcpy(out->d_name, name, name_length);
        out->d_name[name_length] = '\0';
        file->at++;
        return out->d_reclen;
    }
    return 0;
}

int __wrap_open(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    int mode = flags & O_CREAT ? va_arg(arguments, int) : 0;
    va_end(arguments);
    return is_ours(path) ? open_ours(path, flags) : __real_open(path, flags, mode);
}

int __wrap_close(int descriptor) {
    return descriptor >= FIRST_DESCRIPTOR ? close_ours(descriptor) : __real_close(descriptor);
}

int __wrap_access(const char *path, int mode) {
    char buffer[PATH_SIZE];
    if (!is_ours(path))
        return __real_access(path, mode);
    bool is = take_path(path, buffer) && (find(buffer, true) != NULL || is_folder(buffer));
    return is ? 0 : refuse(ENOENT);
}

ssize_t __wrap_readlink(const char *path, char *buffer, size_t size) {
    char own[PATH_SIZE];
    if (!is_ours(path))
        return __real_readlink(path, buffer, size);
    const struct entry *entry = take_path(path, own) ? find(own, false) : NULL;
    if (entry == NULL || !entry->link)
        return refuse(entry == NULL ? ENOENT : EINVAL);
    size_t length = entry->text_length < size ? entry->text_length : size;
    memcpy(buffer, entry->text, length);
    return (ssize_t)length;
}

long __wrap_syscall(long number, ...) {
    long arguments[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++)
        arguments[i] = va_arg(list, long);
    va_end(list);
    struct opened *file = number == SYS_getdents64 ? opened_at((int)arguments[0]) : NULL;
    if (file != NULL)
        return list_folder(file, (char *)arguments[1], (size_t)arguments[2]);
    return __real_syscall(number, arguments[0], arguments[1], arguments[2], arguments[3],
                          arguments[4], arguments[5]);
}

void machine_make(const uint8_t *data, size_t size) {
    const char *at = (const char *)data, *end = at + size;
    entry_count = 0;
    memset(opened, 0, sizeof opened);
    os_calls.open = open_ours;
    os_calls.read = read_ours;
    os_calls.close = close_ours;
    while (at < end && entry_count < ENTRIES_MAX) {
        const char *stop = memchr(at, '\0', (size_t)(end - at));
        size_t length = stop != NULL ? (size_t)(stop - at) : (size_t)(end - at);
        const char *newline = memchr(at, '\n', length);
        if (newline != NULL && (at[0] == 'f' || at[0] == 'l'))
            entries[entry_count++] =
                (struct entry){.path = at + 1,
                               .path_length = (size_t)(newline - at) - 1,
                               .text = newline + 1,
                               .text_length = length - (size_t)(newline - at) - 1,
                               .link = at[0] == 'l'};
        at += length + (stop != NULL);
    }
}

const char *machine_text(const char *path, size_t *length) {
    char buffer[PATH_SIZE];
    snprintf(buffer, sizeof buffer, "%s", path);
    const struct entry *entry = find(buffer, true);
    *length = entry != NULL ? entry->text_length : 0;
    return entry != NULL ? entry->text : NULL;
}

bool machine_links_to(const char *text) {
    for (size_t i = 0; i < entry_count; i++) {
        if (entries[i].link &&
            memmem(entries[i].text, entries[i].text_length, text, strlen(text)) != NULL)
            return true;
    }
    return false;
}

unsigned machine_open_files(void) {
    unsigned count = 0;
    for (size_t i = 0; i < OPEN_MAX; i++)
        count += opened[i].used;
    return count;
}
