/* SPDX-License-Identifier: BSD-2-Clause */
#include "map/mount.h"

#include <string.h>

#include "base/bits.h"
#include "map/parse.h"
#include "map/read.h"
#include "map/scan.h"

static const struct {
    const char *type; /* "fuse.": every type that starts with it */
    enum map_class class;
    uint64_t magic;
} types[] = {
    {"tmpfs", MAP_CLASS_RAM, 0x01021994},
    {"ramfs", MAP_CLASS_RAM, 0x858458f6},
    {"hugetlbfs", MAP_CLASS_RAM, 0x958458f6},
    {"devtmpfs", MAP_CLASS_RAM, 0},
    {"rootfs", MAP_CLASS_RAM, 0},
    {"proc", MAP_CLASS_KERNEL, 0x9fa0},
    {"sysfs", MAP_CLASS_KERNEL, 0x62656572},
    {"debugfs", MAP_CLASS_KERNEL, 0x64626720},
    {"tracefs", MAP_CLASS_KERNEL, 0x74726163},
    {"configfs", MAP_CLASS_KERNEL, 0x62656570},
    {"securityfs", MAP_CLASS_KERNEL, 0x73636673},
    {"selinuxfs", MAP_CLASS_KERNEL, 0xf97cff8c},
    {"cgroup", MAP_CLASS_KERNEL, 0x27e0eb},
    {"cgroup2", MAP_CLASS_KERNEL, 0x63677270},
    {"bpf", MAP_CLASS_KERNEL, 0xcafe4a11},
    {"resctrl", MAP_CLASS_KERNEL, 0x7655821},
    {"efivarfs", MAP_CLASS_KERNEL, 0xde5e81e4},
    {"devpts", MAP_CLASS_KERNEL, 0x1cd1},
    {"overlay", MAP_CLASS_OVERLAY, 0x794c7630},
    {"fuse", MAP_CLASS_FUSE, 0x65735546},
    {"fuseblk", MAP_CLASS_FUSE, 0},
    {"fuse.", MAP_CLASS_FUSE, 0},
    {"virtiofs", MAP_CLASS_REMOTE, 0},
    {"9p", MAP_CLASS_REMOTE, 0x01021997},
    {"nfs", MAP_CLASS_REMOTE, 0x6969},
    {"nfs4", MAP_CLASS_REMOTE, 0},
    {"cifs", MAP_CLASS_REMOTE, 0xff534d42},
    {"smb3", MAP_CLASS_REMOTE, 0xfe534d42},
    {"ceph", MAP_CLASS_REMOTE, 0x00c36400},
    {"afs", MAP_CLASS_REMOTE, 0x5346414f},
    {"lustre", MAP_CLASS_REMOTE, 0x0bd00bd0},
    {"coda", MAP_CLASS_REMOTE, 0x73757245},
    {"pvfs2", MAP_CLASS_REMOTE, 0x20030528},
    {"beegfs", MAP_CLASS_REMOTE, 0},
    {"gpfs", MAP_CLASS_REMOTE, 0},
    {"vboxsf", MAP_CLASS_REMOTE, 0x786f4256},
    {"ext4", MAP_CLASS_ANY, 0xef53},
    {"xfs", MAP_CLASS_ANY, 0x58465342},
    {"btrfs", MAP_CLASS_ANY, 0x9123683e},
};

enum map_class map_class_of(const char *type) {
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        size_t length = strlen(types[i].type);
        bool prefix = types[i].type[length - 1] == '.';
        if (prefix ? map_starts_with(type, types[i].type) : strcmp(type, types[i].type) == 0)
            return types[i].class;
    }
    return MAP_CLASS_ANY;
}

const char *map_type_of_magic(uint64_t magic) {
    for (size_t i = 0; i < ARRAY_LENGTH(types); i++) {
        if (types[i].magic == magic && magic != 0)
            return types[i].type;
    }
    return NULL;
}

bool map_type_has_sync(const char *type) {
    return strcmp(type, "ext4") == 0 || strcmp(type, "xfs") == 0;
}

/* Does either of the two lists of options have name, or name=word, or name=word:anything? */
static bool has_option(const struct map_mount_line *line, const char *name, const char *word) {
    const struct map_span lists[] = {line->options, line->super};
    for (size_t i = 0; i < ARRAY_LENGTH(lists); i++) {
        struct map_span value;
        if (map_find_option(lists[i], name, &value) &&
            map_span_equals(scan_until(&value, ':'), word))
            return true;
    }
    return false;
}

static const struct {
    const char *name, *word;
    const char *type; /* NULL: whatever has it means the same by it */
    uint32_t trait;
} traits[] = {
    {"ro", "", NULL, MAP_TRAIT_READ_ONLY},
    {"dax", "", NULL, MAP_TRAIT_DAX},
    {"dax", "always", NULL, MAP_TRAIT_DAX},
    {"dax", "never", NULL, MAP_TRAIT_DAX_NEVER},
    {"volatile", "", "overlay", MAP_TRAIT_VOLATILE},
    {"fsync", "volatile", "overlay", MAP_TRAIT_VOLATILE},
    {"nobarrier", "", NULL, MAP_TRAIT_NO_BARRIER},
    {"barrier", "0", NULL, MAP_TRAIT_NO_BARRIER},
    {"barrier", "none", NULL, MAP_TRAIT_NO_BARRIER},
    {"fsync_mode", "nobarrier", NULL, MAP_TRAIT_NO_BARRIER},
    {"checkpoint", "disable", "f2fs", MAP_TRAIT_ROLLED_BACK},
    {"journal_flush_disabled", "", "bcachefs", MAP_TRAIT_NO_SYNC},
    {"nostrictsync", "", "cifs", MAP_TRAIT_NO_SYNC},
    {"nostrictsync", "", "smb3", MAP_TRAIT_NO_SYNC},
    {"nointegrity", "", "jfs", MAP_TRAIT_NO_SYNC},
};

const char *map_no_sync_option(const struct map_mount *mount) {
    for (size_t i = 0; i < ARRAY_LENGTH(traits); i++) {
        if (traits[i].trait == MAP_TRAIT_NO_SYNC && strcmp(traits[i].type, mount->type) == 0)
            return traits[i].name;
    }
    return "an option";
}

/* Takes the value of an option out of the file system's list; "" when it is not there or too
   long. */
static void take_option(const struct map_mount_line *line, const char *name, char *buffer,
                        size_t size) {
    struct map_span value = {NULL, 0};
    if (!map_find_option(line->super, name, &value) ||
        !map_decode(value, MAP_ESCAPED_IN_MOUNTINFO, buffer, size))
        buffer[0] = '\0';
}

static void take_mount(const struct map_mount_line *line, struct map_mount *mount) {
    mount->found = true;
    mount->id = line->id;
    mount->device = line->device;
    mount->traits = 0;
    for (size_t i = 0; i < ARRAY_LENGTH(traits); i++) {
        bool may = traits[i].type == NULL || map_span_equals(line->type, traits[i].type);
        if (may && has_option(line, traits[i].name, traits[i].word))
            mount->traits |= traits[i].trait;
    }
    map_span_copy(line->type, mount->type, sizeof mount->type);
    map_decode(line->source, MAP_ESCAPED_IN_MOUNTINFO, mount->source, sizeof mount->source);
    map_decode(line->point, MAP_ESCAPED_IN_MOUNTINFO, mount->point, sizeof mount->point);
    take_option(line, "upperdir", mount->upper, sizeof mount->upper);
    take_option(line, "logdev", mount->devices[0], sizeof mount->devices[0]);
    take_option(line, "rtdev", mount->devices[1], sizeof mount->devices[1]);
}

static bool open_table(struct map_work *work, struct map_lines *lines) {
    const char *path = map_file(work, "/proc/", work->process, "/mountinfo", NULL);
    return map_lines_of(work, lines, path);
}

/* The next mount of the table, if there is one. */
static bool next_mount(struct map_lines *lines, struct map_mount_line *mount) {
    struct map_span line;
    while (map_lines_next(lines, &line)) {
        if (map_parse_mount(line, mount))
            return true;
    }
    return false;
}

/* One step of the walk: of the mounts that cover path and are mounted on this one (on anything, if
   none was found yet) the one nearest to the root. covered: by how much of path; never less
   again. */
static bool step_down(struct map_work *work, const char *path, size_t *covered,
                      struct map_mount *mount) {
    struct map_lines lines;
    if (!open_table(work, &lines))
        return false;
    const bool start = !mount->found;
    const uint64_t from = mount->id;
    size_t best = SIZE_MAX, length;
    struct map_mount_line line;
    while (next_mount(&lines, &line)) {
        if (!start && (line.parent != from || line.id == from))
            continue;
        if (map_point_covers(line.point, path, &length) && length >= *covered && length < best) {
            best = length;
            take_mount(&line, mount);
        }
    }
    map_lines_end(work, &lines);
    if (best != SIZE_MAX)
        *covered = best;
    return best != SIZE_MAX;
}

/* Mounts cover each other: the longest mount point is not always the one that a path leads to. */
bool map_mount_of_path(struct map_work *work, const char *path, struct map_mount *mount) {
    const unsigned steps_max = 64; /* a table that changes while it is read could go in circles */
    size_t covered = 0;
    mount->found = false;
    for (unsigned i = 0; i < steps_max && step_down(work, path, &covered, mount); i++) {
    }
    return mount->found;
}

/* Of the mounts of the device: the one with the longest mount point above the file, else any. Every
   mount of a file system has the same options of the file system, so that any is good enough. */
static void find_by_device(struct map_work *work, bool *overlaid) {
    struct map_lines lines;
    if (!open_table(work, &lines))
        return;
    size_t best = 0, best_any = 0, length;
    struct map_mount_line line;
    while (next_mount(&lines, &line)) {
        if (!map_point_covers(line.point, work->name, &length))
            length = 0;
        if (line.device == work->subject.device && (!work->mount.found || length >= best)) {
            best = length;
            take_mount(&line, &work->mount);
        }
        if (length >= best_any) {
            best_any = length;
            *overlaid = map_span_equals(line.type, "overlay");
        }
    }
    map_lines_end(work, &lines);
}

/* Kernels before 6.8 or so tell the device and inode of the file below an overlay, with the path in
   the overlay. */
static void look_for_overlay(struct map_work *work) {
    if (!map_mount_of_path(work, work->name, &work->below) ||
        map_class_of(work->below.type) != MAP_CLASS_OVERLAY)
        return;
    /* A third struct map_mount would be too large for the stack, and nothing is being read now. */
    _Static_assert(sizeof work->lines >= sizeof work->mount, "room for a copy");
    memcpy(work->lines, &work->mount, sizeof work->mount);
    work->mount = work->below;
    memcpy(&work->below, work->lines, sizeof work->below);
}

bool map_mount_of_subject(struct map_work *work) {
    bool overlaid = false;
    work->mount.found = work->below.found = false;
    find_by_device(work, &overlaid);
    if (overlaid && (!work->mount.found || map_class_of(work->mount.type) != MAP_CLASS_OVERLAY))
        look_for_overlay(work);
    return work->mount.found;
}
