/* SPDX-License-Identifier: BSD-2-Clause */
/* Gathers what there is to know about a mapped file, or one that could be mapped. */
#ifndef MAP_GATHER_H
#define MAP_GATHER_H

#include <stdint.h>
#include <sys/stat.h>

#include "map/domain.h"
#include "map/map.h"

/* Empties work for a probe of process pid (0 = this one). */
void map_begin(struct map_work *work, const struct map_system *system, uint32_t pid);

/* What a name says by itself: memory that belongs to no file system, or MAP_KIND_UNKNOWN. deleted:
   it came with " (deleted)", and may still end with that. */
enum map_kind map_kind_of_name(const char *name, bool deleted);

/* Finds out what the mapping in work->subject, with its name in work->name, is.
   pre: subject has device, inode, start, end, first, last, as the table of mappings tells them */
void map_gather(struct map_work *work);

/* Takes kind, node and DAX of a file from its status. */
void map_take_status(struct map_work *work, const struct statx *status);

/* Takes the type of the file system from statfs. In a chroot the mount of its files is not
   listed. */
void map_take_type(struct map_work *work, const char *path);

/* Tells whether a device node is a device-dax, and finds what that or a file lies on. */
void map_gather_storage(struct map_work *work);

/* Without /sys nothing tells persistent memory from RAM that the kernel was told to show as such:
   takes back what MAP_SYNC promises where that may be.
   pre: work->subject.synchronous is known */
void map_take_doubt(struct map_work *work);

/* Puts the file's identity and path into the answer. */
void map_answer_subject(const struct map_work *work, struct map_answer *answer);

#endif
