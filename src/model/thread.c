/* SPDX-License-Identifier: BSD-2-Clause */
/* What a thread has flushed and drained, token by token. */
#include "base/bits.h"
#include "model/line.h"

/* Where nothing but the order of a thread's own stores matters: an exchange would wait for all that
   the program has under way, write-backs too. */
static void put(_Atomic uint32_t *place, uint32_t value) {
    atomic_store_explicit(place, value, memory_order_release);
}

/* The place of the actor's token, made if there is none. */
static size_t place_of(const struct model_actor *actor) {
    struct model_thread *thread = &actor->threads[actor->thread];
    uint32_t drains = atomic_load(&thread->drains);
    size_t place = 0;
    for (size_t i = 0; i < MODEL_TOKENS; i++) {
        uint32_t token = atomic_load(&thread->tokens[i].token);
        if (token == actor->token)
            return i;
        if (token == 0) {
            place = i;
            break;
        }
        /* The least recent one makes room. */
        if (drains - atomic_load(&thread->tokens[i].drained) >
            drains - atomic_load(&thread->tokens[place].drained))
            place = i;
    }
    if (atomic_load(&thread->tokens[place].token) != 0) {
        atomic_store(&thread->evicted, atomic_load(&thread->tokens[place].drained));
        if (atomic_load(&thread->tokens[place].pending) != 0)
            atomic_store(&thread->pending, 1);
    }
    /* The token may have had a place before: what is known of its drains is what is known of all
       that have none. */
    atomic_store(&thread->tokens[place].pending, 0);
    atomic_store(&thread->tokens[place].drained, atomic_load(&thread->evicted));
    atomic_store(&thread->tokens[place].token, actor->token);
    return place;
}

void model_note_pending(const struct model_actor *actor) {
    struct model_thread *thread = &actor->threads[actor->thread];
    _Atomic uint32_t *pending =
        actor->token != 0 ? &thread->tokens[place_of(actor)].pending : &thread->pending;
    if (atomic_load(pending) == 0)
        put(pending, 1);
}

static void clear(_Atomic uint32_t *flag) {
    if (atomic_load(flag) != 0)
        put(flag, 0);
}

void model_drain(const struct model_actor *actor) {
    struct model_thread *thread = &actor->threads[actor->thread];
    uint32_t drains = atomic_load(&thread->drains) + 1;
    bool all = actor->token == 0 || line_any_token(actor->judge);
    clear(&thread->failed);
    if (actor->token == 0) {
        put(&thread->every, drains);
    } else {
        size_t place = place_of(actor);
        clear(&thread->tokens[place].pending);
        put(&thread->tokens[place].drained, drains);
    }
    for (size_t i = 0; i < MODEL_TOKENS && all; i++)
        clear(&thread->tokens[i].pending);
    if (all)
        clear(&thread->pending);
    /* Last: who sees the new number finds what it was for. */
    put(&thread->drains, drains);
}

void model_drain_failed(const struct model_actor *actor) {
    atomic_store(&actor->threads[actor->thread].failed, 1);
}

bool model_drain_needed(const struct model_thread *thread) {
    bool needed = atomic_load(&thread->pending) != 0 || atomic_load(&thread->failed) != 0;
    for (size_t i = 0; i < MODEL_TOKENS && !needed; i++)
        needed = atomic_load(&thread->tokens[i].pending) != 0;
    return needed;
}
