/* SPDX-License-Identifier: BSD-2-Clause */
/* What a device is, as sysfs tells: its folder there, what it is made of, and whether it is
   persistent memory. */
#ifndef MAP_DEVICE_H
#define MAP_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "map/map.h"

/* Finds the folder of a block or character device (class: "block", "char") by its number and puts
   it into work->directory. false: sysfs does not know it. */
bool map_device_find(struct map_work *work, const char *class, uint64_t device);

/* As map_device_find, for the link of that name in a folder of sysfs: "/sys/bus/dax/devices/". */
bool map_device_find_named(struct map_work *work, const char *folder, const char *name);

/* The kernel's name of the device that was found. */
const char *map_device_name(const struct map_work *work);

/* Reads an attribute of the device that was found into work->value. */
bool map_device_value(struct map_work *work, const char *attribute);

/* Is the device that was found a device-dax? */
bool map_device_is_dax(struct map_work *work);

/* The number of the block device of that name ("vda1"); 0 when there is none. */
uint64_t map_device_number(struct map_work *work, const char *name);

/* Takes what there is to know about the next of storage->devices into storage, and adds the devices
   that it is made of. */
void map_device_examine(struct map_work *work);

#endif
