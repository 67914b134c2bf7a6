/* SPDX-License-Identifier: BSD-2-Clause */
/* What a file system lies on: through overlays, loop devices and devices made of devices down to
   the last ones. A part in RAM makes all of it volatile. */
#ifndef MAP_STORAGE_H
#define MAP_STORAGE_H

#include <stdint.h>

#include "map/map.h"

/* Fills in work->storage for the mount of the subject, or for the device that its node stands
   for. */
void map_storage_find(struct map_work *work);

/* For device.c: adds a device to be examined (0: one that is not visible). */
void map_storage_add(struct map_work *work, uint64_t device);

/* For device.c: adds what the file at path lies on. Changes work->below; path may be
   work->value. */
void map_storage_add_file(struct map_work *work, const char *path);

/* For device.c: notes the part that lives in RAM. */
void map_storage_in_ram(struct map_storage *storage, enum map_ram ram, const char *name);

#endif
