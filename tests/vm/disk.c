/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "failing.h"
#include "mapper.h"

#define FOLDER "/failing"

static const char *below; /* the disk itself */
static uint64_t disk_size;
const char *disk_type;

/* Bytes of the disk in a mood. */
static struct mapper_part part(uint64_t at, uint64_t size, enum mood mood) {
    struct mapper_part made = {.size = size, .target = mood == WELL ? "linear" : "flakey"};
    if (mood == DEAD)
        return (struct mapper_part){.size = size, .target = "error"};
    /* Down for all of an hour, up for none. */
    snprintf(made.parameters, sizeof made.parameters, "%s %llu%s", below,
             (unsigned long long)(at / SECTOR), mood == REFUSES ? " 0 3600 1 error_writes" : "");
    return made;
}

void disk_turn(enum mood mood) {
    const struct mapper_part whole = part(0, disk_size, mood);
    mapper_switch(disk_type, &whole, 1);
}

void disk_turn_subject(const struct subject *subject, enum mood mood) {
    struct mapper_part parts[2 * PIECES_MAX + 1];
    size_t count = 0;
    uint64_t at = 0;
    for (unsigned i = 0; i < subject->piece_count; i++) {
        const struct piece *piece = &subject->pieces[i];
        if (piece->at != at)
            parts[count++] = part(at, piece->at - at, WELL);
        parts[count++] = part(piece->at, piece->size, mood);
        at = piece->at + piece->size;
    }
    parts[count++] = part(at, disk_size - at, WELL);
    mapper_switch(disk_type, parts, count);
}

void disk_make(const char *disk, const char *type) {
    char node[MAPPER_NODE_SIZE];
    int descriptor = open(disk, O_RDONLY | O_CLOEXEC);
    check(descriptor >= 0 && ioctl(descriptor, BLKGETSIZE64, &disk_size) == 0, "no disk");
    close(descriptor);
    below = disk;
    disk_type = type;
    const struct mapper_part whole = part(0, disk_size, WELL);
    mapper_make(disk_type, &whole, 1, node);
    mkdir(FOLDER, 0755);
    check(mount(node, FOLDER, type, 0, NULL) == 0, "the disk cannot be mounted");
}

static int compare_pieces(const void *left, const void *right) {
    uint64_t a = ((const struct piece *)left)->at, b = ((const struct piece *)right)->at;
    return (a > b) - (a < b);
}

/* Finds the pieces, in the order of the disk. */
static void find_pieces(struct subject *subject) {
    struct {
        struct fiemap header;
        struct fiemap_extent extents[PIECES_MAX];
    } map = {.header = {.fm_length = PAGES * PAGE, .fm_extent_count = PIECES_MAX}};
    uint64_t found = 0;
    check(ioctl(subject->descriptor, FS_IOC_FIEMAP, &map) == 0, "the file's place cannot be had");
    for (unsigned i = 0; i < map.header.fm_mapped_extents; i++) {
        const struct fiemap_extent *extent = &map.extents[i];
        const uint32_t harmless = FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_MERGED;
        check((extent->fe_flags & ~harmless) == 0, "a part of the file is not simply on the disk");
        subject->pieces[i] =
            (struct piece){extent->fe_logical, extent->fe_physical, extent->fe_length};
        found += extent->fe_length;
    }
    check(found == PAGES * PAGE, "a part of the file is not on the disk");
    subject->piece_count = map.header.fm_mapped_extents;
    qsort(subject->pieces, subject->piece_count, sizeof subject->pieces[0], compare_pieces);
}

static void map_views(struct subject *subject) {
    void *view =
        mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, subject->descriptor, 0);
    check(view != MAP_FAILED, "no view");
    subject->view[0] = view;
    check_status(RtlGetNonVolatileToken(view, PAGES * PAGE, &subject->token[0]), STATUS_SUCCESS,
                 "Get");
    check_status(NvRtlMapFile(subject->path, 0, 0, 0, 0, &subject->mapped), STATUS_SUCCESS, "Map");
    subject->view[1] = subject->mapped.base;
    subject->token[1] = subject->mapped.token;
    check(subject->mapped.domain == NVRTL_DOMAIN_PAGE_CACHE, "not in the page cache");
}

void subject_make(struct subject *subject, const char *name) {
    static const char zeros[PAGES * PAGE];
    *subject = (struct subject){.name = name};
    snprintf(subject->path, sizeof subject->path, FOLDER "/%s", name);
    subject->descriptor = open(subject->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    subject->medium = open(below, O_RDONLY | O_DIRECT | O_CLOEXEC);
    check(subject->descriptor >= 0 && subject->medium >= 0 &&
              write(subject->descriptor, zeros, sizeof zeros) == (ssize_t)sizeof zeros &&
              fsync(subject->descriptor) == 0,
          "no file");
    find_pieces(subject);
    map_views(subject);
}

void subject_end(struct subject *subject) {
    check_status(RtlFreeNonVolatileToken(subject->token[0]), STATUS_SUCCESS, "Free");
    munmap(subject->view[0], PAGES * PAGE);
    check_status(NvRtlUnmapFile(&subject->mapped), STATUS_SUCCESS, "Unmap");
    close(subject->descriptor);
    close(subject->medium);
}

/* A page of its own for each machine, case, turn and place. */
static void make_page(const struct subject *subject, unsigned turn, size_t page, char *bytes) {
    int length = snprintf(bytes, PAGE, "nvrtl-failing %s %s-%s turn %u page %zu ", nonce, disk_type,
                          subject->name, turn, page);
    memset(bytes + length, 'a' + (int)(turn + page) % 26, PAGE - (size_t)length);
}

NTSTATUS subject_store(struct subject *subject, size_t which, ULONG flags) {
    char bytes[PAGE];
    NTSTATUS first = STATUS_SUCCESS;
    subject->stored++;
    for (size_t page = 0; page < PAGES; page++) {
        make_page(subject, subject->stored, page, bytes);
        NTSTATUS status = RtlWriteNonVolatileMemory(
            subject->token[which], subject->view[which] + page * PAGE, bytes, PAGE, flags);
        first = first == STATUS_SUCCESS ? status : first;
    }
    return first;
}

static const char *read_medium(const struct subject *subject) {
    static _Alignas(4096) char bytes[PAGES * PAGE];
    for (unsigned i = 0; i < subject->piece_count; i++) {
        const struct piece *piece = &subject->pieces[i];
        check(pread(subject->medium, bytes + piece->offset, piece->size, (off_t)piece->at) ==
                  (ssize_t)piece->size,
              "the medium cannot be read");
    }
    return bytes;
}

static size_t count_pages(const struct subject *subject, unsigned turn, const char *bytes) {
    char wanted[PAGE];
    size_t count = 0;
    for (size_t page = 0; page < PAGES; page++) {
        make_page(subject, turn, page, wanted);
        count += memcmp(bytes + page * PAGE, wanted, PAGE) == 0;
    }
    return count;
}

size_t subject_on_medium(const struct subject *subject, unsigned turn) {
    return count_pages(subject, turn, read_medium(subject));
}

size_t subject_in_view(const struct subject *subject, unsigned turn) {
    return count_pages(subject, turn, (const char *)subject->view[0]);
}

bool subject_equals_medium(const struct subject *subject) {
    return memcmp(read_medium(subject), subject->view[0], PAGES * PAGE) == 0;
}

void subject_evict(struct subject *subject) {
    for (size_t i = 0; i < 2; i++)
        madvise(subject->view[i], PAGES * PAGE, MADV_DONTNEED);
    check(posix_fadvise(subject->descriptor, 0, 0, POSIX_FADV_DONTNEED) == 0, "no eviction");
    unsigned char resident[PAGES];
    check(mincore(subject->view[0], PAGES * PAGE, resident) == 0, "no mincore");
    for (size_t page = 0; page < PAGES; page++)
        check((resident[page] & 1) == 0, "a page was not evicted");
}
