/* SPDX-License-Identifier: BSD-2-Clause */
/* The program's own waits for the medium; and what makes addresses, of data or of code, mean
   something else. */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "hook/hook.h"
#include "hook/real.h"
#include "hook/system.h"
#include "source/frames.h"
#include "source/record.h"
#include "source/runtime.h"
#include "source/sync.h"
#include "source/watch.h"

/* Enters the runtime for something that a handler's word cannot wait for. NULL: not now. */
static struct self *enter(const char *frame) {
    struct self *me = hook_on ? self_get() : NULL;
    if (me != NULL && !runtime_enter(me, frame)) {
        atomic_fetch_add(&source_process.arena.head->lost.events, 1);
        me = NULL;
    }
    return me;
}

/* One wait, from before the call until after it. */
struct wait {
    struct sync sync;
    bool watched;
};

/* Are waits and views told of from here? */
static bool is_told_here(void) {
    return hook_on && !atomic_load_explicit(&watch_loaded, memory_order_relaxed);
}

static void begin(struct wait *wait, const void *site, const char *frame) {
    int error = errno;
    struct self *me = self_get(); /* libnvrtl may be a part of the program, not a library */
    me = me != NULL && !sync_is_own(me, frame) ? enter(__builtin_frame_address(0)) : NULL;
    wait->watched = me != NULL;
    if (me != NULL) {
        wait->sync.me = me;
        wait->sync.stack = hook_stack(me, site, frame);
        sync_begin(&wait->sync);
        runtime_leave(me);
    }
    errno = error;
}

static void end(struct wait *wait, bool done) {
    int error = errno;
    struct self *me = wait->watched ? enter(__builtin_frame_address(0)) : NULL;
    if (me != NULL && done)
        sync_end(&wait->sync);
    if (me != NULL)
        runtime_leave(me);
    errno = error;
}

int hook_msync(void *address, size_t length, int flags) {
    struct wait wait = {.watched = false};
    if (sync_waits((uintptr_t)address, length, flags) && is_told_here()) {
        wait.sync = (struct sync){.address = (uintptr_t)address, .length = length};
        begin(&wait, HOOK_SITE, HOOK_FRAME);
    }
    int result = real_get()->msync(address, length, flags);
    end(&wait, result == 0);
    return result;
}

static void begin_file(struct wait *wait, int file, const void *site, const char *frame) {
    struct stat stat;
    int error = errno;
    if (source_process.confined) { /* it may be any file */
        wait->sync = (struct sync){.inode = 0};
        begin(wait, site, frame);
    } else if (fstat(file, &stat) == 0 && S_ISREG(stat.st_mode)) {
        wait->sync = (struct sync){.device = stat.st_dev, .inode = stat.st_ino};
        begin(wait, site, frame);
    }
    errno = error;
}

int hook_fsync(int file) {
    struct wait wait = {.watched = false};
    if (is_told_here())
        begin_file(&wait, file, HOOK_SITE, HOOK_FRAME);
    int result = real_get()->fsync(file);
    end(&wait, result == 0);
    return result;
}

int hook_fdatasync(int file) {
    struct wait wait = {.watched = false};
    if (is_told_here())
        begin_file(&wait, file, HOOK_SITE, HOOK_FRAME);
    int result = real_get()->fdatasync(file);
    end(&wait, result == 0);
    return result;
}

/* These wait for all files; of which file system one of them is is not looked at, as under --watch:
   what it may have saved is not missed. */
void hook_sync(void) {
    struct wait wait = {.watched = false};
    if (is_told_here())
        begin(&wait, HOOK_SITE, HOOK_FRAME);
    real_get()->sync();
    end(&wait, true);
}

int hook_syncfs(int file) {
    struct wait wait = {.watched = false};
    if (file >= 0 && is_told_here())
        begin(&wait, HOOK_SITE, HOOK_FRAME);
    int result = real_get()->syncfs(file);
    end(&wait, result == 0);
    return result;
}

static void note_any(void *context, const struct stretch *stretch) {
    (void)stretch;
    *(bool *)context = true;
}

/* Does a byte of it lie in a region? The runtime's own memory may lie between two, and under
   --watch the library that stands before libc unmaps it here: that is nothing that was missed. */
static bool holds_region(uintptr_t address, size_t length) {
    bool any = false;
    if (length != 0 && hook_concerns(address, length))
        regions_stretches(address, length, note_any, &any);
    return any;
}

/* The kernel rounds up to whole pages. */
static void forget(uintptr_t address, size_t length) {
    int error = errno;
    struct self *me = holds_region(address, length) ? enter(HOOK_FRAME) : NULL;
    if (me != NULL) {
        regions_forget(me, address, align_up(length, MODEL_PAGE_SIZE));
        runtime_leave(me);
    }
    errno = error;
}

/* What a recording still has to read there is read before. */
APART static void leave_range(uintptr_t address, size_t length) {
    int error = errno;
    struct self *me = enter(HOOK_FRAME);
    if (me != NULL) {
        record_unmapping(me, address, length);
        runtime_leave(me);
    }
    errno = error;
}

static void leaving(uintptr_t address, size_t length) {
    if (UNLIKELY(hook_on) && record_wanted() && holds_region(address, length))
        leave_range(address, length);
}

/* Views of watched files become regions, and end, with the views. */
static void mapped(void *made, size_t size, int access, int flags, int file,
                   const struct watch_site *site) {
    bool stores = (flags & MAP_SHARED) != 0 && (access & PROT_WRITE) != 0 && file >= 0;
    if (UNLIKELY(stores && is_told_here()) && made != MAP_FAILED && watch_wanted())
        watch_calls()->mapped(site, (uintptr_t)made, size, file);
}

static void unmapping(void *address, size_t length, const struct watch_site *site) {
    if (UNLIKELY(is_told_here()) && watch_wanted())
        watch_calls()->unmapping(site, (uintptr_t)address, length);
}

#define SITE ((const struct watch_site){HOOK_SITE, HOOK_FRAME})

/* Before it is done: another thread may be given the addresses at once. */
int hook_munmap(void *address, size_t length) {
    unmapping(address, length, &SITE);
    leaving((uintptr_t)address, length);
    if ((uintptr_t)address % MODEL_PAGE_SIZE == 0)
        forget((uintptr_t)address, length);
    return real_get()->munmap(address, length);
}

void *hook_mmap(void *address, size_t size, int access, int flags, int file, off_t at) {
    if (UNLIKELY((flags & MAP_FIXED) != 0)) {
        unmapping(address, size, &SITE);
        leaving((uintptr_t)address, size);
    }
    void *made = real_get()->mmap(address, size, access, flags, file, at);
    if (UNLIKELY((flags & MAP_FIXED) != 0) && made != MAP_FAILED)
        forget((uintptr_t)made, size);
    mapped(made, size, access, flags, file, &SITE);
    return made;
}

void *hook_mmap64(void *address, size_t size, int access, int flags, int file, off_t at) {
    return hook_mmap(address, size, access, flags, file, at);
}

void *hook_mremap(void *old, size_t old_size, size_t size, int flags, ...) {
    va_list rest;
    va_start(rest, flags);
    void *wish = (flags & MREMAP_FIXED) != 0 ? va_arg(rest, void *) : NULL;
    va_end(rest);
    const struct watch_site site = SITE;
    bool watched =
        UNLIKELY(is_told_here()) && watch_wanted() && hook_concerns((uintptr_t)old, old_size);
    unmapping(old, old_size, &site);
    leaving((uintptr_t)old, old_size);
    if (wish != NULL) {
        unmapping(wish, size, &site);
        leaving((uintptr_t)wish, size);
    }
    void *made = real_get()->mremap(old, old_size, size, flags, wish);
    if (made != MAP_FAILED && made != old)
        forget((uintptr_t)old, old_size);
    else if (made != MAP_FAILED && size < old_size)
        forget((uintptr_t)old + align_up(size, MODEL_PAGE_SIZE),
               align_down(old_size - size, MODEL_PAGE_SIZE));
    if (made != MAP_FAILED && wish != NULL)
        forget((uintptr_t)made, size);
    if (watched && made == MAP_FAILED)
        watch_calls()->mapped(&site, (uintptr_t)old, old_size, -1);
    else if (watched)
        watch_calls()->mapped(&site, (uintptr_t)made, size, -1);
    return made;
}

/* Its code may give its place to other code: what is known of places there holds no longer. */
int hook_dlclose(void *library) {
    watch_calls()->unloading();
    int result = real_get()->dlclose(library);
    atomic_fetch_add(&frames_epoch, 1);
    return result;
}
