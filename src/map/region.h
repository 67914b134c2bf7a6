/* SPDX-License-Identifier: BSD-2-Clause */
/* The regions of libnvdimm: is the memory in them persistent, and are the CPU's caches? Not
   everything that looks like persistent memory is: firmware describes RAM disks as volatile
   regions, and the kernel's parameter memmap= dresses RAM up for tests. */
#ifndef MAP_REGION_H
#define MAP_REGION_H

#include "map/map.h"
#include "map/text.h"

/* Takes what the device that was found (device.h) says about its region into storage. One that lies
   in none is noted as such; one in RAM makes all of it volatile. */
void map_region_examine(struct map_work *work);

/* What is wrong with a region whose memory is RAM: the end of a sentence that begins with its name;
   "" for another enum map_ram. */
const char *map_region_fault(enum map_ram ram);

/* Do the kernel's parameters make persistent memory out of RAM? MAP_UNKNOWN: they cannot be
   read. */
enum map_tristate map_region_memmap(struct map_work *work);

/* Does a kernel command line do so (memmap=nn!ss)? Pure; any bytes are safe. */
bool map_cmdline_makes_regions(struct map_span line);

#endif
