/* SPDX-License-Identifier: BSD-2-Clause */
/* Images on their way to the sandbox. Its base lags behind what the walk sees, so that images of
   several points share a batch. */
#ifndef SEARCH_QUEUE_H
#define SEARCH_QUEUE_H

#include "search/search.h"
#include "search/seen.h"
#include "search/space.h"

#define QUEUE_BEHIND 16 /* ranges in which the base may lag */

struct queue_image {
    struct search_place place;
    uint64_t key;
    struct search_counts counts; /* up to here */
    size_t begun, acked, picks, line_count;
};

struct queue_range {
    size_t region;
    uint64_t offset, length;
};

/* Sees an image's verdict. false: enough. */
typedef bool queue_judge(void *context, const struct queue_image *image, const uint16_t *picks,
                         size_t number, struct sandbox_verdict verdict);

struct queue {
    struct sandbox *sandbox;
    struct walk_facts *facts;
    const volatile int *stop;
    queue_judge *judge;
    void (*looks)(void *context); /* after a traced batch was run, before it is judged */
    void *context;
    struct queue_image images[SANDBOX_IMAGES];
    size_t count;
    uint16_t *picks; /* of all images, one after the other */
    size_t picks_used, picks_room;
    struct queue_range behind[QUEUE_BEHIND];
    size_t behind_count;
    bool lost; /* the base lags in more than that: pages tell in what, or all is to be compared */
    bool all;
    bool traced;  /* the next batch is */
    bool records; /* the next batch's records are kept */
    struct queue_page {
        size_t region;
        uint64_t page;
    } * pages; /* in which the base lags, each once */
    size_t page_count, page_room;
    uint8_t *dirty[SANDBOX_REGIONS]; /* one byte a page: it is among them */
    size_t marks[2];
    /* A hash of all that memory shows: exclusive or of its lines'. */
    uint64_t hash, *line_hashes[SANDBOX_REGIONS];
};

bool queue_start(struct queue *queue);
void queue_end(struct queue *queue);
/* The walk begins anew: memory is all zeros. */
void queue_restart(struct queue *queue);

void queue_changed(struct queue *queue, size_t region, uint64_t offset, uint64_t length);
void queue_marked(struct queue *queue, const struct walk *walk, bool acked, uint64_t id);

/* The hash of an image at the point, with what has been begun and acknowledged. */
uint64_t queue_hash(const struct queue *queue, const struct space *space, const struct walk *walk,
                    const uint16_t *picks);
/* Adds an image, of which place, key and counts are known; runs a batch where it is full. false:
   interrupted, enough, or no memory. */
bool queue_add(struct queue *queue, const struct space *space, const struct walk *walk,
               const uint16_t *picks, struct queue_image image);
/* Runs what waits. */
bool queue_run(struct queue *queue);
/* Somebody has changed the base: all of it is to be compared. */
void queue_spoil(struct queue *queue);
/* The base shows what the walk sees. */
bool queue_follow(struct queue *queue);

#endif
