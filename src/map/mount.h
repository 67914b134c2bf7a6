/* SPDX-License-Identifier: BSD-2-Clause */
/* Which mount a file lies on, from /proc/PID/mountinfo. */
#ifndef MAP_MOUNT_H
#define MAP_MOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "map/map.h"

/* What a type of file system means for durability. */
enum map_class {
    MAP_CLASS_ANY,     /* msync is right for it */
    MAP_CLASS_RAM,     /* tmpfs and its like */
    MAP_CLASS_KERNEL,  /* shows the kernel's own state: proc, sysfs */
    MAP_CLASS_OVERLAY, /* lies on the file system of its upper directory */
    MAP_CLASS_FUSE,    /* a program serves it */
    MAP_CLASS_REMOTE,  /* another machine serves it */
};
enum map_class map_class_of(const char *type);

/* Does this type of file system grant MAP_SYNC for its files on DAX? ext2, virtiofs and erofs have
   DAX without it. */
bool map_type_has_sync(const char *type);

/* The option that gave a mount its MAP_TRAIT_NO_SYNC. */
const char *map_no_sync_option(const struct map_mount *mount);

/* The type of file system that statfs tells by number; NULL: not one that matters here. */
const char *map_type_of_magic(uint64_t magic);

/* Finds the mount of the mapped file: into work->mount, and for overlayfs, where the table tells
   the device of the file below it, that one's mount into work->below. False: no mount is seen. */
bool map_mount_of_subject(struct map_work *work);

/* Finds the mount that path leads to, as the kernel would walk. path is absolute and without
   symbolic links, and not in mount. */
bool map_mount_of_path(struct map_work *work, const char *path, struct map_mount *mount);

#endif
