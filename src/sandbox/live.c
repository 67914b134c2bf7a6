/* SPDX-License-Identifier: BSD-2-Clause */
/* The images as one worker has them, and how they become the base again. Patches and what is taken
   back go through a second view, so that the kernel's record of written pages is of the checker
   alone; where it keeps none, all is compared. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bits.h"
#include "sandbox/batch.h"
#include "track/track.h"

static bool fail(const struct live *live, const char *what) {
    struct batch *batch = live->sandbox->batch;
    snprintf(batch->problem, sizeof batch->problem, "%s: %s", what, strerror(errno));
    return false;
}

static bool is_object(const struct live *live) {
    return live->sandbox->options.judge == SANDBOX_OBJECT;
}

/* Where the file of a region is among the worker's own. */
static void path_of(const struct live *live, size_t region, char *path, size_t size) {
    const char *recorded = live->sandbox->options.regions[region].path;
    const char *slash = strrchr(recorded, '/');
    bool twice = false;
    for (size_t i = 0; i < region; i++) {
        const char *other = live->sandbox->options.regions[i].path;
        const char *name = strrchr(other, '/') != NULL ? strrchr(other, '/') : other;
        twice = twice || strcmp(name, slash != NULL ? slash : recorded) == 0;
    }
    if (twice)
        snprintf(path, size, "%s/%zu", live->folder, region);
    else
        snprintf(path, size, "%s/%s", live->folder, slash != NULL ? slash + 1 : recorded);
}

const char *live_path(const struct live *live, size_t region, char *buffer, size_t size) {
    path_of(live, region, buffer, size);
    return buffer;
}

static int make_file(const struct live *live, size_t region) {
    char path[LIVE_PATH];
    if (is_object(live))
        return memfd_create("nvrtl-image", MFD_CLOEXEC);
    path_of(live, region, path, sizeof path);
    unlink(path);
    return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static void *map(int descriptor, uint64_t size, uint64_t wish) {
    void *mapped = MAP_FAILED;
    if (wish != 0 && is_aligned(wish, SANDBOX_PAGE))
        mapped = mmap((void *)(uintptr_t)wish, size, PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_FIXED_NOREPLACE, descriptor, 0);
    if (mapped == MAP_FAILED)
        mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    return mapped;
}

static bool open_region(struct live *live, size_t index) {
    const struct sandbox_region *recorded = &live->sandbox->options.regions[index];
    struct live_region *region = &live->regions[index];
    const struct batch_region *base = &live->sandbox->regions[index];
    *region = (struct live_region){.descriptor = make_file(live, index),
                                   .base = base->bytes,
                                   .size = recorded->size,
                                   .room = base->room};
    if (region->descriptor < 0 || ftruncate(region->descriptor, (off_t)recorded->size) != 0)
        return fail(live, "no room for an image");
    region->alias = map(region->descriptor, region->room, 0);
    if (region->alias == MAP_FAILED)
        return fail(live, "no memory for an image");
    region->view = region->alias;
    if (!is_object(live))
        return true;
    region->view = map(region->descriptor, region->room, recorded->base);
    if (region->view == MAP_FAILED)
        return fail(live, "no memory for an image");
    region->tracked = !live->sandbox->options.isolate &&
                      track_begin((uintptr_t)region->view, region->room) &&
                      track_is_exact((uintptr_t)region->view, region->room);
    return true;
}

static void close_region(struct live *live, size_t index) {
    struct live_region *region = &live->regions[index];
    if (region->view != region->alias)
        munmap(region->view, region->room);
    munmap(region->alias, region->room);
    close(region->descriptor);
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *walk) {
    (void)stat, (void)kind, (void)walk;
    remove(path);
    return 0;
}

static bool is_image(const struct live *live, const char *path) {
    char image[LIVE_PATH];
    for (size_t i = 0; i < live->sandbox->options.region_count; i++) {
        path_of(live, i, image, sizeof image);
        if (strcmp(image, path) == 0)
            return true;
    }
    return false;
}

/* What a program has left beside the images would be there for the next one. */
static void clear_folder(const struct live *live) {
    DIR *list = opendir(live->folder);
    for (struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;) {
        char path[LIVE_PATH];
        snprintf(path, sizeof path, "%s/%s", live->folder, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !is_image(live, path))
            nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    }
    if (list != NULL)
        closedir(list);
}

bool live_open(struct live *live, const struct sandbox *sandbox, uint32_t seat) {
    *live = (struct live){.sandbox = sandbox, .seat = seat};
    snprintf(live->folder, sizeof live->folder, "%s/%u", sandbox->folder, seat);
    if (mkdir(live->folder, 0700) != 0 && errno != EEXIST)
        return fail(live, "no folder for images");
    clear_folder(live); /* whoever was here before may have been killed */
    for (size_t i = 0; i < sandbox->options.region_count; i++) {
        if (!open_region(live, i))
            return false;
    }
    return true;
}

/* Visits what a file in memory holds besides holes. */
typedef void visit_data(struct live_region *region, uint64_t from, uint64_t to);
static void each_data(struct live_region *region, int descriptor, visit_data *visit) {
    off_t data = 0;
    while ((data = lseek(descriptor, data, SEEK_DATA)) >= 0 && (uint64_t)data < region->size) {
        off_t hole = lseek(descriptor, data, SEEK_HOLE);
        if (hole <= data)
            return;
        uint64_t end = (uint64_t)hole < region->size ? (uint64_t)hole : region->size;
        visit(region, (uint64_t)data, end);
        data = hole;
    }
}

/* pre: from is a page's first byte */
static void take_back(struct live_region *region, uint64_t from, uint64_t to) {
    to = to < region->size ? to : region->size;
    for (; from < to; from += SANDBOX_PAGE) {
        uint64_t part = to - from < SANDBOX_PAGE ? to - from : SANDBOX_PAGE;
        if (memcmp(region->alias + from, region->base + from, part) != 0)
            memcpy(region->alias + from, region->base + from, part);
    }
}

/* What the checker has written and the base does not have lies in the file's own data, what it has
   punched out in the base's. */
static void compare_all(const struct live *live, size_t index) {
    struct live_region *region = (struct live_region *)&live->regions[index];
    each_data(region, region->descriptor, take_back);
    each_data(region, live->sandbox->regions[index].descriptor, take_back);
}

static void take_back_run(void *context, uintptr_t from, uintptr_t to, bool present) {
    struct live_region *region = context;
    (void)present;
    take_back(region, from - (uintptr_t)region->view, to - (uintptr_t)region->view);
}

/* A checker can cut the file short, and a program put another one in its place. */
static bool is_whole(const struct live *live, size_t index) {
    const struct live_region *region = &live->regions[index];
    struct stat own, named;
    char path[LIVE_PATH];
    if (fstat(region->descriptor, &own) != 0 || (uint64_t)own.st_size != region->size)
        return false;
    if (is_object(live))
        return true;
    path_of(live, index, path, sizeof path);
    return lstat(path, &named) == 0 && named.st_ino == own.st_ino && own.st_nlink == 1;
}

static void patch_back(const struct live *live, const struct batch_image *image) {
    const struct batch *batch = live->sandbox->batch;
    for (uint32_t i = image->patch; i < image->patch + image->patches; i++) {
        const struct batch_patch *patch = &batch->patches[i];
        const struct live_region *region = &live->regions[patch->region];
        memcpy(region->alias + patch->offset, region->base + patch->offset, patch->length);
    }
}

/* A checker can unmap its view of a region, or map something else there: the next image would meet
   the hole, or what lies there now, and not what a cut has left. */
static bool has_hole(const struct live *live, const struct live_region *region) {
    return is_object(live) && msync(region->view, region->room, MS_ASYNC) != 0;
}

bool live_restore(struct live *live, const struct batch_image *image, bool all) {
    if (!is_object(live) || live->sandbox->options.isolate)
        clear_folder(live);
    for (size_t i = 0; i < live->sandbox->options.region_count; i++) {
        struct live_region *region = &live->regions[i];
        bool told = true;
        if (has_hole(live, region))
            return false;
        if (!is_whole(live, i)) {
            if (fcntl(live->sandbox->regions[i].descriptor, F_GETFD) < 0)
                return false; /* the checker has closed it: nobody here can read the base again */
            close_region(live, i);
            live->base = 0;
            if (!open_region(live, i))
                return false;
        }
        if (all || !region->tracked)
            compare_all(live, i);
        else
            told =
                track_written((uintptr_t)region->view, region->room, true, take_back_run, region);
        if (!told)
            return false;
    }
    if (image != NULL && live->base != 0)
        patch_back(live, image);
    if (live->base == 0)
        live_follow(live);
    return true;
}

/* The base is copied as it is: what the worker had was another state of it, or nothing. */
void live_follow(struct live *live) {
    const struct batch *batch = live->sandbox->batch;
    bool knows = live->base != 0 && live->base == batch->base_before;
    for (uint32_t i = 0; knows && live->base != batch->base && i < batch->change_count; i++) {
        const struct batch_change *change = &batch->changes[i];
        const struct live_region *region = &live->regions[change->region];
        memcpy(region->alias + change->offset, region->base + change->offset, change->length);
    }
    for (size_t i = 0;
         !knows && live->base != batch->base && i < live->sandbox->options.region_count; i++)
        compare_all(live, i);
    live->base = batch->base;
}

void live_apply(const struct live *live, const struct batch_image *image) {
    const struct batch *batch = live->sandbox->batch;
    for (uint32_t i = image->patch; i < image->patch + image->patches; i++) {
        const struct batch_patch *patch = &batch->patches[i];
        memcpy(live->regions[patch->region].alias + patch->offset, batch->bytes + patch->bytes,
               patch->length);
    }
}

static void note_difference(struct live_region *region, uint64_t from, uint64_t to) {
    region->differs =
        region->differs || memcmp(region->alias + from, region->base + from, to - from) != 0;
}

bool live_is_base(struct live *live) {
    bool same = true;
    for (size_t i = 0; i < live->sandbox->options.region_count; i++) {
        struct live_region *region = &live->regions[i];
        region->differs = false;
        each_data(region, region->descriptor, note_difference);
        each_data(region, live->sandbox->regions[i].descriptor, note_difference);
        same = same && !region->differs;
    }
    return same;
}

bool live_forget_touched(const struct live *live) {
    for (size_t i = 0; i < live->sandbox->options.region_count; i++) {
        const struct live_region *region = &live->regions[i];
        if (!region->tracked || madvise(region->view, region->room, MADV_DONTNEED) != 0)
            return false;
    }
    return true;
}

struct touching {
    const struct live_region *region;
    _Atomic uint64_t *touched;
};

static void note_touched(void *context, uintptr_t from, uintptr_t to, bool present) {
    const struct touching *touching = context;
    uint64_t first = (from - (uintptr_t)touching->region->view) / SANDBOX_PAGE;
    uint64_t last = (to - (uintptr_t)touching->region->view) / SANDBOX_PAGE;
    for (uint64_t page = first; present && page < last; page++)
        atomic_fetch_or(&touching->touched[page / 64], UINT64_C(1) << page % 64);
}

void live_tell_touched(const struct live *live) {
    atomic_fetch_add(&live->sandbox->batch->told, 1);
    for (size_t i = 0; i < live->sandbox->options.region_count; i++) {
        const struct live_region *region = &live->regions[i];
        struct touching touching = {region, live->sandbox->regions[i].touched};
        track_present((uintptr_t)region->view, region->room, note_touched, &touching);
    }
}
