/* SPDX-License-Identifier: BSD-2-Clause */
#include "track/track.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"
#include "event/run.h"
#include "map/map.h"

/* What headers of before Linux 6.7 do not have, as linux/userfaultfd.h and linux/fs.h have it. */
#define TRACK_USER_MODE_ONLY 1
#define TRACK_FEATURES (1u << 12 | 1u << 13 | 1u << 15) /* shared memory, unpopulated, async */
#define PAGE_WRITTEN (UINT64_C(1) << 1)
#define PAGE_PRESENT (UINT64_C(1) << 3)
#define PAGE_HUGE (UINT64_C(1) << 6)
#define SCAN_PROTECT (UINT64_C(1) << 0)     /* what matches, again */
#define SCAN_CHECK_ASYNC (UINT64_C(1) << 1) /* fail where a page is not tracked so */

struct page_run {
    uint64_t start, end, categories;
};
struct page_scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_any, return_mask;
};
#define PAGEMAP_SCAN _IOWR('f', 16, struct page_scan)

static _Atomic int tracker = -1;

/* A new one; -1: the kernel has none, or not for this process. Out of the way of descriptors that
   programs know by number. */
static int open_tracker(void) {
    struct uffdio_api api = {.api = UFFD_API, .features = TRACK_FEATURES};
    int opened = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | TRACK_USER_MODE_ONLY);
    if (opened < 0)
        return -1;
    int moved = ioctl(opened, UFFDIO_API, &api) == 0
                    ? fcntl(opened, F_DUPFD_CLOEXEC, RUN_DESCRIPTOR + 1)
                    : -1;
    if (moved < 0 && api.features == TRACK_FEATURES)
        return opened;
    close(opened);
    return moved;
}

static int get_tracker(void) {
    int known = atomic_load(&tracker);
    struct uffdio_range nothing = {0};
    /* A program may close all that it does not know, and get the number for something else. */
    if (known >= 0 && (ioctl(known, UFFDIO_WAKE, &nothing) == 0 || errno == EINVAL))
        return known;
    int made = open_tracker();
    if (!atomic_compare_exchange_strong(&tracker, &known, made)) {
        if (made >= 0)
            close(made);
        return known;
    }
    return made;
}

/* Registers all mappings that the view lies in, as wholes: one that is divided could not be moved
   by mremap any more. */
static bool register_mappings(int descriptor, uintptr_t address, uintptr_t end) {
    while (address < end) {
        uintptr_t start;
        size_t length;
        if (map_extent(&map_this_system, address, &start, &length) != RESULT_OK)
            return false;
        struct uffdio_register wish = {.range = {start, length}, .mode = UFFDIO_REGISTER_MODE_WP};
        if (ioctl(descriptor, UFFDIO_REGISTER, &wish) != 0)
            return false;
        address = start + length;
    }
    return true;
}

bool track_begin(uintptr_t address, size_t length) {
    struct uffdio_writeprotect wish = {.range = {address, length},
                                       .mode = UFFDIO_WRITEPROTECT_MODE_WP};
    int descriptor = get_tracker();
    return descriptor >= 0 && register_mappings(descriptor, address, address + length) &&
           ioctl(descriptor, UFFDIO_WRITEPROTECT, &wish) == 0;
}

/* Which pages are visited: those of the category, and not of the other ones. */
struct choice {
    uint64_t category, without;
};
static const struct choice written = {PAGE_WRITTEN, 0}, mapped = {PAGE_PRESENT, 0},
                           written_small = {PAGE_WRITTEN, PAGE_HUGE};

/* Visits pages. false: the kernel does not tell of them. */
static bool scan(uintptr_t address, size_t length, const struct choice *choice, uint64_t flags,
                 track_visit *visit, void *context) {
    struct page_run runs[64];
    int descriptor = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    bool told = descriptor >= 0;
    uintptr_t at = address;
    while (told && at < address + length) {
        struct page_scan wish = {.size = sizeof wish,
                                 .flags = flags,
                                 .start = at,
                                 .end = address + length,
                                 .vec = (uintptr_t)runs,
                                 .vec_len = ARRAY_LENGTH(runs),
                                 .category_inverted = choice->without,
                                 .category_mask = choice->category | choice->without,
                                 .return_mask = choice->category | PAGE_PRESENT};
        int count = ioctl(descriptor, PAGEMAP_SCAN, &wish);
        told = count >= 0 && wish.walk_end > at;
        for (int i = 0; told && i < count; i++)
            visit(context, (uintptr_t)runs[i].start, (uintptr_t)runs[i].end,
                  (runs[i].categories & PAGE_PRESENT) != 0);
        at = (uintptr_t)wish.walk_end;
    }
    if (descriptor >= 0)
        close(descriptor);
    return told;
}

void track_resident(uintptr_t address, size_t length, track_visit *visit, void *context) {
    unsigned char resident[4096];
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t at = 0; at < length; at += sizeof resident * page) {
        size_t part = length - at < sizeof resident * page ? length - at : sizeof resident * page;
        if (mincore((void *)(address + at), part, resident) != 0)
            continue;
        for (size_t i = 0; i < part / page; i++) {
            if (resident[i] & 1)
                visit(context, address + at + i * page, address + at + (i + 1) * page, true);
        }
    }
}

static void visit_none(void *context, uintptr_t from, uintptr_t to, bool present) {
    (void)context, (void)from, (void)to, (void)present;
}

bool track_is_exact(uintptr_t address, size_t length) {
    return scan(address, length, &written, SCAN_CHECK_ASYNC, visit_none, NULL);
}

bool track_exactly(uintptr_t address, size_t length, track_visit *visit, void *context) {
    return scan(address, length, &written_small, SCAN_CHECK_ASYNC, visit, context);
}

bool track_written(uintptr_t address, size_t length, bool again, track_visit *visit,
                   void *context) {
    uint64_t flags = SCAN_CHECK_ASYNC | (again ? SCAN_PROTECT : 0);
    bool told = scan(address, length, &written, flags, visit, context);
    if (!told && !scan(address, length, &mapped, 0, visit, context))
        track_resident(address, length, visit, context);
    return told;
}

bool track_present(uintptr_t address, size_t length, track_visit *visit, void *context) {
    return scan(address, length, &mapped, 0, visit, context);
}

void track_forked(void) {
    atomic_store(&tracker, -1);
}
