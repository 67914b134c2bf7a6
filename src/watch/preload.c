/* SPDX-License-Identifier: BSD-2-Clause */
/* Views of files, and waits for the medium. */
#include "watch/preload.h"

#include <dlfcn.h>
#include <stdatomic.h>

/* As sys/mman.h has them: its declarations do not go with functions of the same names. */
enum { WRITABLE = 2, SHARED = 1, FIXED = 16, MAY_FIX = 2 };
#define MAP_FAILURE ((void *)-1)

static struct watch_real real;
static _Atomic bool real_known;

#define FIND(result, name, parameters)                                                             \
    real.name = __extension__(result(*) parameters) dlsym(RTLD_NEXT, #name);

/* Twice does no harm. */
__attribute__((constructor)) static void find_real(void) {
    WATCH_REAL(FIND)
    atomic_store_explicit(&real_known, true, memory_order_release);
}

const struct watch_real *watch_real(void) {
    if (UNLIKELY(!atomic_load_explicit(&real_known, memory_order_acquire)))
        find_real();
    return &real;
}

const struct watch_calls *watch_runtime(void) {
    return nvrtl_rt_watch();
}

void *mmap(void *address, size_t size, int access, int flags, int file, off_t at) {
    const struct watch_site site = WATCH_SITE;
    if (UNLIKELY((flags & FIXED) != 0))
        watch_runtime()->unmapping(&site, (uintptr_t)address, size);
    void *made = watch_real()->mmap(address, size, access, flags, file, at);
    if (UNLIKELY((flags & SHARED) != 0 && (access & WRITABLE) != 0 && file >= 0) &&
        made != MAP_FAILURE)
        watch_runtime()->mapped(&site, (uintptr_t)made, size, file);
    return made;
}

void *mmap64(void *address, size_t size, int access, int flags, int file, off_t at) {
    const struct watch_site site = WATCH_SITE;
    if (UNLIKELY((flags & FIXED) != 0))
        watch_runtime()->unmapping(&site, (uintptr_t)address, size);
    void *made = watch_real()->mmap(address, size, access, flags, file, at);
    if (UNLIKELY((flags & SHARED) != 0 && (access & WRITABLE) != 0 && file >= 0) &&
        made != MAP_FAILURE)
        watch_runtime()->mapped(&site, (uintptr_t)made, size, file);
    return made;
}

int munmap(void *address, size_t length) {
    const struct watch_site site = WATCH_SITE;
    watch_runtime()->unmapping(&site, (uintptr_t)address, length);
    return watch_real()->munmap(address, length);
}

/* What was stored to the old view is seen there; the new one is a view like any other. */
void *mremap(void *old, size_t old_size, size_t size, int flags, ...) {
    const struct watch_site site = WATCH_SITE;
    va_list rest;
    va_start(rest, flags);
    void *wish = (flags & MAY_FIX) != 0 ? va_arg(rest, void *) : NULL;
    va_end(rest);
    watch_runtime()->unmapping(&site, (uintptr_t)old, old_size);
    if (wish != NULL)
        watch_runtime()->unmapping(&site, (uintptr_t)wish, size);
    void *made = watch_real()->mremap(old, old_size, size, flags, wish);
    if (made == MAP_FAILURE)
        watch_runtime()->mapped(&site, (uintptr_t)old, old_size, -1);
    else
        watch_runtime()->mapped(&site, (uintptr_t)made, size, -1);
    return made;
}

int mprotect(void *address, size_t length, int access) {
    const struct watch_site site = WATCH_SITE;
    int result = watch_real()->mprotect(address, length, access);
    if (UNLIKELY((access & WRITABLE) != 0) && result == 0)
        watch_runtime()->mapped(&site, (uintptr_t)address, length, -1);
    return result;
}

/* The system's header names it as only the system may.
   NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name) */
WATCH_EXPORT int dlclose(void *library) {
    watch_runtime()->unloading();
    return watch_real()->dlclose(library);
}

int msync(void *address, size_t length, int flags) {
    const struct watch_site site = WATCH_SITE;
    struct watch_sync wait = {.begun = false};
    if (sync_waits((uintptr_t)address, length, flags))
        watch_runtime()->sync_begin(&wait, &site, (uintptr_t)address, length, -1);
    int result = watch_real()->msync(address, length, flags);
    watch_runtime()->sync_end(&wait, result == 0);
    return result;
}

/* A file (file >= 0), or all of them. */
static void begin(struct watch_sync *wait, const struct watch_site *site, int file) {
    watch_runtime()->sync_begin(wait, site, 0, 0, file);
}

int fsync(int file) {
    const struct watch_site site = WATCH_SITE;
    struct watch_sync wait = {.begun = false};
    if (file >= 0)
        begin(&wait, &site, file);
    int result = watch_real()->fsync(file);
    watch_runtime()->sync_end(&wait, result == 0);
    return result;
}

int fdatasync(int file) {
    const struct watch_site site = WATCH_SITE;
    struct watch_sync wait = {.begun = false};
    if (file >= 0)
        begin(&wait, &site, file);
    int result = watch_real()->fdatasync(file);
    watch_runtime()->sync_end(&wait, result == 0);
    return result;
}

/* On Linux it waits. */
void sync(void) {
    const struct watch_site site = WATCH_SITE;
    struct watch_sync wait = {.begun = false};
    begin(&wait, &site, -1);
    watch_real()->sync();
    watch_runtime()->sync_end(&wait, true);
}

/* Of a file system; which files are on it is not looked at: what it may have saved is not missed.
 */
int syncfs(int file) {
    const struct watch_site site = WATCH_SITE;
    struct watch_sync wait = {.begun = false};
    if (file >= 0)
        begin(&wait, &site, -1);
    int result = watch_real()->syncfs(file);
    watch_runtime()->sync_end(&wait, result == 0);
    return result;
}

/* A program may have functions of these names, which all others call; syscall(2) calls none. */
#define OWN(name) __attribute__((alias(#name), visibility("hidden")))
OWN(msync) int watch_msync(void *address, size_t length, int flags);
OWN(fsync) int watch_fsync(int file);
OWN(fdatasync) int watch_fdatasync(int file);
