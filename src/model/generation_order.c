/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened before what, as far as the trace tells: vector clocks. */
#include <stdlib.h>
#include <string.h>

#include "model/generation_state.h"

/* Raises what is known of thread number place. */
static void raise_to(struct generation *generation, struct clock_known *known, size_t place,
                     uint32_t at) {
    if (place >= known->count) {
        size_t wanted = place + 1;
        uint32_t *grown = realloc(known->at, wanted * sizeof *grown);
        if (grown == NULL) {
            generation->failed = true;
            return;
        }
        memset(grown + known->count, 0, (wanted - known->count) * sizeof *grown);
        known->at = grown;
        known->count = wanted;
    }
    if (known->at[place] < at)
        known->at[place] = at;
}

static void join(struct generation *generation, struct clock_known *known,
                 const struct clock_known *other) {
    for (size_t i = other->count; i != 0; i--) {
        if (other->at[i - 1] != 0)
            raise_to(generation, known, i - 1, other->at[i - 1]);
    }
}

static struct object *place_of(struct object *objects, size_t room, uint64_t id) {
    uint64_t seed = id;
    size_t place = chance_mix(&seed) & (room - 1);
    while (objects[place].used && objects[place].id != id)
        place = (place + 1) & (room - 1);
    return &objects[place];
}

/* Finds or makes; NULL without memory. */
static struct object *need_object(struct generation *generation, uint64_t id) {
    if ((generation->object_count + 1) * 2 > generation->object_room) {
        size_t room = generation->object_room == 0 ? 64 : generation->object_room * 2;
        struct object *objects = calloc(room, sizeof *objects);
        if (objects == NULL) {
            generation->failed = true;
            return NULL;
        }
        for (size_t i = 0; i < generation->object_room; i++) {
            if (generation->objects[i].used)
                *place_of(objects, room, generation->objects[i].id) = generation->objects[i];
        }
        free(generation->objects);
        generation->objects = objects;
        generation->object_room = room;
    }
    struct object *object = place_of(generation->objects, generation->object_room, id);
    generation->object_count += !object->used;
    object->used = true;
    object->id = id;
    return object;
}

bool generation_before(const struct generation *generation, const struct generation_piece *piece,
                       uint32_t thread) {
    const struct clock_known *known = &generation->threads[thread].known;
    return !generation->rules.ordered || piece->thread == thread ||
           (piece->thread < known->count && known->at[piece->thread] >= piece->at);
}

/* On Arm a release is a barrier too. */
void generation_release(struct generation *generation, uint32_t thread, uint64_t object) {
    struct thread *own = generation_need_thread(generation, thread);
    if (own == NULL)
        return;
    own->barriers++;
    struct object *released = generation->rules.ordered ? need_object(generation, object) : NULL;
    if (released == NULL)
        return;
    raise_to(generation, &released->known, thread, own->now);
    join(generation, &released->known, &own->known);
    own->now++;
}

void generation_acquire(struct generation *generation, uint32_t thread, uint64_t object) {
    struct thread *own = generation_need_thread(generation, thread);
    const struct object *acquired =
        own != NULL && generation->rules.ordered ? need_object(generation, object) : NULL;
    if (acquired != NULL)
        join(generation, &own->known, &acquired->known);
}

void generation_free_order(struct generation *generation) {
    for (size_t i = 0; i < generation->thread_count; i++)
        free(generation->threads[i].known.at);
    for (size_t i = 0; i < generation->object_room; i++)
        free(generation->objects[i].known.at);
    free(generation->objects);
}
