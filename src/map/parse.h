/* SPDX-License-Identifier: BSD-2-Clause */
/* The lines of /proc/PID/maps, smaps and mountinfo. Pure: text in, fields out; any bytes are safe.
   Lines come without their newline. Spans point into the line and are not decoded. */
#ifndef MAP_PARSE_H
#define MAP_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "map/text.h"

/* One mapping. device is in the encoding of st_dev. */
struct map_entry {
    uint64_t start, end; /* [start, end), never empty */
    uint64_t offset, device, inode;
    bool writable, executable, shared;
    struct map_span name; /* only newlines are escaped in it; with the system's " (deleted)" */
};

/* A line of maps, or the line that starts a mapping in smaps. false: it is none. */
bool map_parse_entry(struct map_span line, struct map_entry *entry);

/* Takes " (deleted)" off the end of a name; false when there was none. */
bool map_strip_deleted(struct map_span *name);

/* The characters that the kernel escapes in the names of maps, and in the fields of mountinfo. */
#define MAP_ESCAPED_IN_MAPS "\n"
#define MAP_ESCAPED_IN_MOUNTINFO " \t\n\\#,"

/* Decodes \ooo where it stands for a character of escaped (anything else is meant as it stands)
   into buffer, terminated; false when it was cut. */
bool map_decode(struct map_span raw, const char *escaped, char *buffer, size_t size);

enum map_vm_flag {
    MAP_VM_SYNC = 1,  /* mapped with MAP_SYNC */
    MAP_VM_DEVICE = 2 /* device memory */
};

/* The line "VmFlags: ..." of smaps; false: another line. */
bool map_parse_vm_flags(struct map_span line, uint32_t *flags);

/* One mount. */
struct map_mount_line {
    uint64_t id, parent, device;
    struct map_span root, point, options; /* of the mount */
    struct map_span type, source, super;  /* of the file system; super: its options */
};

bool map_parse_mount(struct map_span line, struct map_mount_line *mount);

/* Does a mount at raw, as mountinfo writes it, cover path? *length is that of the decoded point. */
bool map_point_covers(struct map_span raw, const char *path, size_t *length);

/* Finds "name" or "name=value" in options that are separated by commas; value is empty without a
   "=". */
bool map_find_option(struct map_span options, const char *name, struct map_span *value);

#endif
