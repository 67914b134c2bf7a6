/* SPDX-License-Identifier: BSD-2-Clause */
/* A set of images of one size, within so many bytes of memory. */
#ifndef CRASH_IMAGES_H
#define CRASH_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct images {
    size_t size; /* bytes of an image */
    size_t most; /* images that memory is allowed for */
    size_t count, room;
    uint8_t *bytes; /* count images */
    uint64_t *hashes;
    uint32_t *places; /* hash table of numbers + 1 */
    size_t place_count;
};

/* pre: size != 0 */
void images_start(struct images *images, size_t size, uint64_t memory);
void images_free(struct images *images);

/* Adds the image if it is new. false: that is more than the memory allows. */
bool images_add(struct images *images, const uint8_t *image, uint64_t hash);

/* Puts them in the order of their bytes; nothing can be added any more. */
void images_sort(struct images *images);

#endif
