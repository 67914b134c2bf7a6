/* SPDX-License-Identifier: BSD-2-Clause */
#include "crash/images.h"

#include <stdlib.h>
#include <string.h>

void images_start(struct images *images, size_t size, uint64_t memory) {
    /* The arrays double, and the old half is there while it is copied. */
    uint64_t most = memory / 2 / (size + sizeof(uint64_t) + 4 * sizeof(uint32_t));
    *images = (struct images){.size = size, .most = most < UINT32_MAX - 1 ? most : UINT32_MAX - 1};
}

void images_free(struct images *images) {
    free(images->bytes);
    free(images->hashes);
    free(images->places);
    *images = (struct images){0};
}

static size_t place_of(const struct images *images, const uint8_t *image, uint64_t hash) {
    size_t place = hash & (images->place_count - 1);
    for (; images->places[place] != 0; place = (place + 1) & (images->place_count - 1)) {
        size_t number = images->places[place] - 1;
        if (images->hashes[number] == hash && image != NULL &&
            memcmp(images->bytes + number * images->size, image, images->size) == 0)
            break;
    }
    return place;
}

static bool grow(struct images *images) {
    size_t room = images->room == 0 ? 256 : images->room * 2;
    uint8_t *bytes = realloc(images->bytes, room * images->size);
    images->bytes = bytes != NULL ? bytes : images->bytes;
    uint64_t *hashes = realloc(images->hashes, room * sizeof *hashes);
    images->hashes = hashes != NULL ? hashes : images->hashes;
    uint32_t *places = calloc(room * 2, sizeof *places);
    if (bytes == NULL || hashes == NULL || places == NULL) {
        free(places);
        return false;
    }
    free(images->places);
    images->places = places;
    images->place_count = room * 2;
    images->room = room;
    for (size_t i = 0; i < images->count; i++)
        places[place_of(images, NULL, hashes[i])] = (uint32_t)i + 1;
    return true;
}

bool images_add(struct images *images, const uint8_t *image, uint64_t hash) {
    if (images->count == images->room && !grow(images))
        return false;
    size_t place = place_of(images, image, hash);
    if (images->places[place] != 0)
        return true;
    if (images->count >= images->most)
        return false;
    memcpy(images->bytes + images->count * images->size, image, images->size);
    images->hashes[images->count++] = hash;
    images->places[place] = (uint32_t)images->count;
    return true;
}

static int compare(const void *left, const void *right, void *size) {
    return memcmp(left, right, *(const size_t *)size);
}

void images_sort(struct images *images) {
    free(images->places);
    images->places = NULL;
    if (images->count != 0)
        qsort_r(images->bytes, images->count, images->size, compare, &images->size);
}
