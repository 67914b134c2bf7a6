/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "map/map.h"
#include "source/bypass.h"
#include "source/code.h"
#include "source/compare.h"
#include "source/explain.h"
#include "source/pages.h"
#include "source/preimage.h"
#include "source/record.h"
#include "source/regions.h"
#include "source/runtime.h"

/* Handles of tokens that nobody asked for: no routine ever gets one. */
#define WATCH_HANDLE (UINT64_C(1) << 62)

static struct arena *arena_here(void) {
    return &source_process.arena;
}

/* Does this run look for the program's own stores, or record what becomes durable? Attaches the
   process to it. */
static bool is_on(void) {
    static _Atomic int known; /* 1: yes, -1: no */
    int on = atomic_load_explicit(&known, memory_order_relaxed);
    if (UNLIKELY(on == 0) && self_attach()) {
        const struct arena_head *head = arena_here()->head;
        bool looks = pages_wanted() || head->stores == ARENA_STORES_HOOKS;
        on = looks || head->log.on != 0 ? 1 : -1;
        atomic_store(&known, on);
    }
    return on > 0;
}

/* NULL: not now: the runtime has called libc itself, or it was interrupted by a signal handler. */
static struct self *enter(const char *frame) {
    struct self *me = self_get();
    if (me != NULL && !runtime_enter(me, frame))
        return NULL;
    if (me != NULL)
        pages_apply(me);
    return me;
}

static arena_id stack_at(struct self *me, const struct watch_site *site) {
    return stack_id(&me->cache, site->caller, site->frame);
}

/* Is path what the pattern names, or does it lie below that? *exact: the very file was named. */
static bool fits(const char *pattern, const char *path, bool *exact) {
    size_t length = strlen(pattern);
    *exact = strcmp(pattern, path) == 0;
    if (*exact || fnmatch(pattern, path, FNM_PATHNAME) == 0)
        return true;
    return length != 0 && strncmp(pattern, path, length) == 0 &&
           (pattern[length - 1] == '/' || path[length] == '/');
}

static bool is_watched(const char *path, bool *exact) {
    const char *at = secure_getenv(WATCH_VARIABLE);
    bool found = false;
    *exact = false;
    while (at != NULL && *at != '\0' && !*exact) {
        char pattern[PATH_MAX];
        const char *end = strchrnul(at, '\n');
        bool this_one = false;
        snprintf(pattern, sizeof pattern, "%.*s", (int)(end - at), at);
        found = fits(pattern, path, &this_one) || found;
        *exact = this_one;
        at = *end == '\n' ? end + 1 : NULL;
    }
    return found;
}

/* Makes a region of the view. */
static void add_region(struct self *me, const struct map_region *region, arena_id stack,
                       bool exact) {
    static _Atomic uint64_t handles;
    const struct event_region view = {.device = region->answer.device,
                                      .inode = region->answer.inode,
                                      .domain = (uint32_t)region->answer.domain,
                                      .line_size = MODEL_LINE_SIZE,
                                      .path = region->answer.path,
                                      .reason = region->answer.reason,
                                      .segments = region->segments,
                                      .segment_count = region->segment_count};
    const struct event event = {.kind = EVENT_GET,
                                .call = CALL_GET,
                                .effect = EFFECT_INTERNAL,
                                .token = WATCH_HANDLE + atomic_fetch_add(&handles, 1),
                                .region = &view};
    struct arena_token *token = preimage_token(me, &event, stack);
    if (token == NULL)
        return;
    struct arena_file *file = &arena_here()->head->files[token->file];
    if (file->watched != ARENA_WATCH_NAMED)
        file->watched = exact ? ARENA_WATCH_NAMED : ARENA_WATCH_FOUND;
    /* A new file with the number of one that is not there any more. */
    if (atomic_exchange(&file->gone, 0) != 0)
        bypass_cut(me, &(struct bypass){.stack = stack, .file = token->file, .length = SIZE_MAX});
    token->watched = 1;
    code_begin();
    if (record_wanted())
        record_got(me, token, stack);
    else if (pages_wanted())
        pages_got(me, token);
}

bool watch_wanted(void) {
    static _Atomic int known; /* 1: yes, -1: no */
    int wanted = atomic_load_explicit(&known, memory_order_relaxed);
    if (UNLIKELY(wanted == 0)) {
        wanted = secure_getenv(WATCH_VARIABLE) != NULL ? 1 : -1;
        atomic_store(&known, wanted);
    }
    return wanted > 0;
}

static void mapped(const struct watch_site *site, uintptr_t address, size_t length,
                   int descriptor) {
    int error = errno;
    bool exact;
    char name[64], path[PATH_MAX];
    if (source_process.confined)
        return;
    snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
    ssize_t size = descriptor >= 0 ? readlink(name, path, sizeof path - 1) : 0;
    path[size > 0 ? size : 0] = '\0';
    if ((descriptor >= 0 && !is_watched(path, &exact)) || !is_on()) {
        errno = error;
        return;
    }
    struct map_region *region =
        mmap(NULL, sizeof *region, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct self *me = region != MAP_FAILED ? enter(__builtin_frame_address(0)) : NULL;
    if (me != NULL) {
        if (map_probe(&map_this_system, address, length, region) == RESULT_OK &&
            is_watched(region->answer.path, &exact))
            add_region(me, region, stack_at(me, site), exact);
        runtime_leave(me);
    }
    if (region != MAP_FAILED)
        munmap(region, sizeof *region);
    errno = error;
}

struct unmapping {
    struct self *me;
    struct arena_token *token;
    uintptr_t address;
    size_t length;
    arena_id stack;
    bool touched;
};

static void look_at_part(void *context, const struct stretch *stretch) {
    struct unmapping *unmapping = context;
    const struct model_actor actor = {.threads = arena_here()->head->threads,
                                      .judge = (enum model_judge)arena_here()->head->judge,
                                      .thread = unmapping->me->thread,
                                      .order = &unmapping->me->clock.order,
                                      .stack = unmapping->stack};
    unmapping->touched = true;
    if (pages_wanted())
        pages_look(unmapping->me, unmapping->token, stretch, unmapping->stack);
    if (explain_wanted() && !record_wanted())
        explain_stretch(unmapping->me, &actor, stretch);
}

/* A token like another one, of a part of its view. */
static void keep_part(struct self *me, const struct arena_token *from, uintptr_t address,
                      size_t length) {
    static _Atomic uint64_t handles;
    const struct arena_file *file = &arena_here()->head->files[from->file];
    const struct arena_segment *old = &from->segments[0];
    const struct event_segment segment = {
        .address = address, .length = length, .offset = old->offset + (address - old->address)};
    const struct event_region view = {.device = file->device,
                                      .inode = file->inode,
                                      .domain = file->domain,
                                      .line_size = MODEL_LINE_SIZE,
                                      .path = file->path,
                                      .reason = file->reason,
                                      .segments = &segment,
                                      .segment_count = 1};
    const struct event event = {.kind = EVENT_GET,
                                .call = CALL_GET,
                                .effect = EFFECT_INTERNAL,
                                .token = WATCH_HANDLE * 2 + atomic_fetch_add(&handles, 1),
                                .region = &view};
    struct arena_token *token = length != 0 ? tokens_add(me, &event, from->got) : NULL;
    if (token != NULL)
        token->watched = 1;
}

/* What was not waited for is judged at the end: the file may still be. */
static void unmap_token(struct self *me, struct arena_token *token, void *context) {
    struct unmapping *unmapping = context;
    unmapping->me = me;
    unmapping->token = token;
    unmapping->touched = false;
    tokens_stretches(token, unmapping->address, unmapping->length, look_at_part, unmapping);
    if (!unmapping->touched || !token->watched)
        return;
    const struct arena_segment segment = token->segments[0];
    uintptr_t end = segment.address + segment.length;
    uintptr_t stop = unmapping->address + unmapping->length;
    tokens_end(me, token, 0, true);
    if (unmapping->address > segment.address)
        keep_part(me, token, segment.address, unmapping->address - segment.address);
    if (stop < end)
        keep_part(me, token, stop, end - stop);
}

static void unmapping(const struct watch_site *site, uintptr_t address, size_t length) {
    int error = errno;
    bool near = regions_near(address) || regions_near(address + length - 1);
    struct self *me = length != 0 && near && is_on() ? enter(__builtin_frame_address(0)) : NULL;
    if (me != NULL) {
        struct unmapping wish = {.address = align_down(address, MODEL_PAGE_SIZE),
                                 .length = align_up(length, MODEL_PAGE_SIZE),
                                 .stack = stack_at(me, site)};
        tokens_each_live(me, unmap_token, &wish);
        runtime_leave(me);
    }
    errno = error;
}

static void settle_part(void *context, const struct stretch *stretch) {
    const struct watch_sync *wait = context;
    atomic_store(&arena_here()->head->files[stretch->file].synced, 1);
    if (pages_wanted() && !record_wanted())
        pages_settle(wait->sync.me, stretch, wait->sync.stack);
}

/* What was stored through another view of the same bytes is waited for as well. */
struct settling {
    const struct watch_sync *wait;
    const struct stretch *range;
};

static void settle_view(void *context, const struct stretch *view) {
    const struct settling *settling = context;
    const struct stretch *range = settling->range;
    uint64_t from = range->offset > view->offset ? range->offset : view->offset;
    uint64_t end = range->offset + range->length, stop = view->offset + view->length;
    end = end < stop ? end : stop;
    const struct stretch part = {.file = view->file,
                                 .offset = from,
                                 .length = end - from,
                                 .address = view->address + (from - view->offset)};
    if (view->file == range->file && from < end && part.address != range->address)
        settle_part((void *)settling->wait, &part);
}

static void settle_views(struct self *me, struct arena_token *token, void *context) {
    (void)me;
    tokens_stretches(token, 0, UINT64_MAX, settle_view, context);
}

static void settle_range(void *context, const struct stretch *range) {
    const struct watch_sync *wait = context;
    struct settling settling = {wait, range};
    settle_part(context, range);
    if (pages_wanted())
        tokens_each_live(wait->sync.me, settle_views, &settling);
}

static void settle_token(struct self *me, struct arena_token *token, void *context) {
    const struct watch_sync *wait = context;
    const struct arena_file *file = &arena_here()->head->files[token->file];
    (void)me;
    if (wait->sync.inode == 0 ||
        (file->inode == wait->sync.inode && file->device == wait->sync.device))
        tokens_stretches(token, 0, UINT64_MAX, settle_part, context);
}

/* The file of a descriptor, if it is one that has regions. */
static bool file_of(int descriptor, struct sync *sync) {
    const struct arena_head *head = arena_here()->head;
    struct stat stat;
    if (fstat(descriptor, &stat) != 0 || !S_ISREG(stat.st_mode))
        return false;
    for (uint32_t i = 0; i < atomic_load(&head->file_count); i++) {
        if (head->files[i].inode == stat.st_ino) {
            sync->device = head->files[i].device; /* overlayfs has two */
            sync->inode = stat.st_ino;
            atomic_store(&arena_here()->head->files[i].synced, 1);
            return true;
        }
    }
    return false;
}

static void sync_begins(struct watch_sync *wait, const struct watch_site *site, uintptr_t address,
                        size_t length, int descriptor) {
    int error = errno;
    bool concerns = length == 0 || regions_near(address) || regions_near(address + length - 1);
    *wait = (struct watch_sync){.sync = {.address = address, .length = length}};
    if (concerns && is_on() && self_get() != NULL && !sync_is_own(self_get(), site->frame) &&
        (length != 0 || descriptor < 0 || source_process.confined ||
         file_of(descriptor, &wait->sync)))
        wait->sync.me = enter(__builtin_frame_address(0));
    else
        concerns = false;
    if (concerns && wait->sync.me == NULL)
        atomic_fetch_add(&arena_here()->head->lost.events, 1); /* a handler's wait */
    if (wait->sync.me != NULL) {
        struct self *me = wait->sync.me;
        wait->begun = true;
        wait->sync.stack = stack_at(me, site);
        if (length != 0)
            regions_stretches(align_down(address, MODEL_PAGE_SIZE),
                              align_up(length + address % MODEL_PAGE_SIZE, MODEL_PAGE_SIZE),
                              settle_range, wait);
        else
            tokens_each_live(me, settle_token, wait);
        sync_begin(&wait->sync);
        runtime_leave(me);
    }
    errno = error;
}

static void sync_ends(struct watch_sync *wait, bool done) {
    int error = errno;
    /* What lay in the pages then is settled, and nobody knows what of it the system has kept. */
    if (UNLIKELY(wait->begun && !done) && pages_wanted())
        atomic_fetch_add(&arena_here()->head->failed, 1);
    struct self *me = wait->begun && done ? enter(__builtin_frame_address(0)) : NULL;
    if (me != NULL) {
        sync_end(&wait->sync);
        runtime_leave(me);
    }
    errno = error;
}

/* Does what is written by the descriptor wait until it is durable? */
static bool waits(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    return flags >= 0 && (flags & O_DSYNC) != 0;
}

static void wait_for_part(struct self *me, arena_id stack, const struct sync *file, uint64_t offset,
                          uint64_t size) {
    struct sync sync = *file;
    sync.me = me;
    sync.stack = stack;
    sync.offset = offset;
    sync.size = size;
    sync_begin(&sync);
    sync_end(&sync);
}

static void wrote(const struct watch_site *site, int descriptor, int64_t offset,
                  const struct iovec *parts, size_t count, size_t length) {
    int error = errno;
    struct sync sync = {.inode = 0};
    const struct arena_head *head;
    if (atomic_load(&regions_high) == 0 || !is_on() || (!pages_wanted() && count != 0) ||
        source_process.confined || !file_of(descriptor, &sync)) {
        errno = error;
        return;
    }
    struct self *me = enter(__builtin_frame_address(0));
    head = arena_here()->head;
    arena_id stack = me != NULL && record_wanted() ? stack_at(me, site) : 0;
    if (offset < 0)
        offset = (int64_t)lseek(descriptor, 0, SEEK_CUR) - (int64_t)length;
    for (uint32_t i = 0; me != NULL && offset >= 0 && i < atomic_load(&head->file_count); i++) {
        uint64_t at = (uint64_t)offset;
        size_t left = length;
        if (head->files[i].inode != sync.inode || head->files[i].device != sync.device)
            continue;
        for (size_t p = 0; p < count && left != 0; p++) {
            size_t part = parts[p].iov_len < left ? parts[p].iov_len : left;
            bypass_wrote(me, &(struct bypass){stack, i, at, part}, parts[p].iov_base);
            at += part;
            left -= part;
        }
        if (count == 0)
            bypass_cut(me, &(struct bypass){stack, i, at, length});
    }
    if (me != NULL && record_wanted() && count != 0 && offset >= 0 && waits(descriptor))
        wait_for_part(me, stack, &sync, (uint64_t)offset, length);
    if (me != NULL)
        runtime_leave(me);
    errno = error;
}

static void confining(void) {
    if (is_on())
        self_confine();
}

static void unloading(void) {
    struct self *me = code_matters() ? enter(__builtin_frame_address(0)) : NULL;
    if (me == NULL)
        return;
    code_note();
    runtime_leave(me);
}

static void limiting(struct rlimit *limit) {
    self_widen(limit);
}

_Thread_local struct watch_site watch_passing;

static void passing(const struct watch_site *site) {
    watch_passing = *site;
}

_Atomic bool watch_loaded;

const struct watch_calls *watch_calls(void) {
    static const struct watch_calls calls = {mapped,         unmapping,     sync_begins, sync_ends,
                                             wrote,          confining,     limiting,    unloading,
                                             watch_removing, watch_removed, passing};
    return &calls;
}

__attribute__((visibility("default"))) const struct watch_calls *nvrtl_rt_watch(void) {
    atomic_store_explicit(&watch_loaded, true, memory_order_relaxed);
    return watch_calls();
}
