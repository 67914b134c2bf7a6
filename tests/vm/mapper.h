/* SPDX-License-Identifier: BSD-2-Clause */
/* The kernel's device-mapper, by its ioctls: block devices whose parts are what a table says, and
   may be something else a moment later. A request that fails ends the program. */
#ifndef VM_MAPPER_H
#define VM_MAPPER_H

#include <stddef.h>
#include <stdint.h>

#define SECTOR ((uint64_t)512)
#define MAPPER_NODE_SIZE 32

/* Bytes in a row of a device, and what answers for them. */
struct mapper_part {
    uint64_t size;        /* bytes, whole sectors */
    const char *target;   /* linear, error, flakey, ... */
    char parameters[128]; /* of the target */
};

/* Makes a device; node receives its path. */
void mapper_make(const char *name, const struct mapper_part *parts, size_t count,
                 char node[MAPPER_NODE_SIZE]);

/* From now on the device is this instead. What is mounted on it is not told, and writes nothing. */
void mapper_switch(const char *name, const struct mapper_part *parts, size_t count);

/* Says something to the target at the device's beginning. */
void mapper_tell(const char *name, const char *message);

#endif
