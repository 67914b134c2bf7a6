/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which stores the compiler's own call-outs announce. A call-out before a store tells its address
 * and its bytes, and no store moves across a call. So between a call-out and the next call the
 * store with the same operand is the one that is meant; where no operand is the same (the address
 * is in another register by now), the next stores, until their bytes are those of the call-out.
 * What is left over is carried along branches: compilers join the equal ends of blocks.
 *
 * A store past the cache that a call-out announces as a plain one (clang) is told of by our own
 * call-out alone: the compiler's is taken out. So is one that announces all bit-fields which stand
 * beside the one that is stored: to what the store leaves alone no flush is due, and a commit in a
 * word of them is no store to several words.
 */
#include <stdlib.h>
#include <string.h>

#include "as/as.h"
#include "hook/callout.h"

#define PLACES_MIN 64

/* Labels, and what was left over at the branches to them. */
struct label {
    struct span name;
    size_t left;
};

struct labels {
    struct label *places;
    size_t count; /* a power of two */
};

static struct label *find(const struct labels *labels, struct span name) {
    size_t value = 5381;
    for (size_t i = 0; i < name.length; i++)
        value = value * 33 + (unsigned char)name.at[i];
    for (size_t place = value;; place++) {
        struct label *label = &labels->places[place & (labels->count - 1)];
        if (label->name.length == 0 || span_same(label->name, name))
            return label;
    }
}

static void note_branch(const struct labels *labels, struct span name, size_t left) {
    /* 1f and 1b have many places. */
    if (left == 0 || name.length == 0 || (*name.at >= '0' && *name.at <= '9'))
        return;
    struct label *label = find(labels, name);
    label->name = name;
    if (label->left < left)
        label->left = left;
}

static struct span without_zero(struct span text) {
    if (text.length > 1 && *text.at == '0' && text.at[1] == '(')
        return (struct span){text.at + 1, text.length - 1};
    return text;
}

/* Is the memory what a call-out was told, as a register or as an operand of lea? */
static bool is_named(const struct operand *memory, struct span name) {
    struct span text = without_zero(memory->text);
    if (span_same(text, without_zero(name)))
        return true;
    return span_same(memory->base, name) && memory->index.length == 0 && text.length > 0 &&
           (*text.at == '(' || *text.at == '[') && text.length <= name.length + 3;
}

/* May the compiler have announced it? */
static bool is_candidate(const struct item *item) {
    return item->kind == ITEM_ACTION && item->compiled &&
           (item->action.kind == CALLOUT_STORE || item->action.kind == CALLOUT_STREAM) &&
           item->action.shape != CALLOUT_MASKED && item->action.shape != CALLOUT_PACKED &&
           item->action.shape != CALLOUT_SCATTERED;
}

/* Bytes that a compiler announces for a store: sixteen for x87's ten. */
static size_t announced_length(const struct item *store) {
    return store->action.length == 10 ? 16 : store->action.length;
}

/* The store that an announcement means, if it stands before the next call and label: of those that
   have its length the one with its operand, else the first one outside of the frame. NULL where it
   is stored in pieces. */
static struct item *find_meant(struct item *item, const struct item *end) {
    struct item *alike = NULL;
    for (struct item *one = item + 1; one < end; one++) {
        if (one->kind == ITEM_ANNOUNCE || one->kind == ITEM_CALL || one->kind == ITEM_JUMP ||
            one->kind == ITEM_LABEL)
            break;
        if (!is_candidate(one) || one->action.shape != CALLOUT_WHOLE ||
            announced_length(one) != item->length)
            continue;
        if (item->name.length > 0 && is_named(&one->memory, item->name))
            return one;
        if (alike == NULL && !one->stack)
            alike = one;
    }
    return alike;
}

/* Does an announcement tell of more than is stored? gcc announces a whole run of bit-fields for
   each of them, which matters where the run is longer than a word. Once the call-out is out, each
   store is told of where it stands. */
static bool is_inexact(const struct source *source, const struct item *item) {
    const struct item *end = source->items + source->item_count;
    size_t stored = 0;
    if (strcmp(source->maker, "gcc") != 0 || item->length <= 8 || item->length == LENGTH_UNKNOWN)
        return false;
    for (const struct item *one = item + 1; one < end && one->kind == ITEM_ACTION; one++) {
        if (one->stack)
            continue;
        if (!is_candidate(one) || one->action.kind != CALLOUT_STORE ||
            one->action.shape != CALLOUT_WHOLE || one->action.length > 8)
            return false;
        stored += one->action.length;
    }
    return stored > 0 && stored < item->length;
}

static size_t spend(size_t left, size_t length) {
    if (left == LENGTH_UNKNOWN)
        return left;
    return left > length ? left - length : 0;
}

/* A store has been found to be announced: by announcement, if that is still known. */
static void settle(struct item *store, struct item *announcement) {
    bool alone = announcement != NULL && announcement->length == store->action.length;
    if (store->action.kind == CALLOUT_STREAM && alone)
        announcement->announced = true; /* ours tells more */
    else
        store->announced = store->action.kind == CALLOUT_STORE;
}

struct state {
    struct item *announcement; /* the last one, in a straight line from here */
    struct item *meant;        /* the store that it means, if that is known */
    size_t left;               /* bytes that it announced and no store has stored yet */
};

static void announce(const struct source *source, struct state *state, struct item *item) {
    if (is_inexact(source, item)) {
        item->announced = true;
        *state = (struct state){0};
        return;
    }
    const struct item *end = source->items + source->item_count;
    *state = (struct state){item, find_meant(item, end), item->length};
}

static void store(struct state *state, struct item *item) {
    size_t length = announced_length(item);
    if (state->meant != NULL && item != state->meant)
        return; /* the one that is meant comes later */
    if (item->action.shape == CALLOUT_REPEATED)
        length = state->left; /* all of it, surely */
    if (state->left == 0 || (state->left < length && state->meant != item))
        return;
    if (item->stack && length != state->left && state->meant != item)
        return; /* a spill */
    settle(item, state->announcement);
    state->meant = NULL;
    state->left = spend(state->left, length);
}

static void pass(struct source *source, const struct labels *labels) {
    struct state state = {0};
    struct item *end = source->items + source->item_count;
    for (struct item *item = source->items; item < end; item++) {
        switch (item->kind) {
        case ITEM_ANNOUNCE:
            announce(source, &state, item);
            break;
        case ITEM_ACTION:
            if (is_candidate(item))
                store(&state, item);
            break;
        case ITEM_CALL:
            state = (struct state){0};
            break;
        case ITEM_LABEL: {
            size_t left = find(labels, item->name)->left;
            /* Whoever comes by a branch was announced elsewhere. */
            state.announcement = NULL;
            if (state.left < left)
                state.left = left;
            break;
        }
        case ITEM_BRANCH:
            note_branch(labels, item->name, state.left);
            state.announcement = NULL;
            break;
        case ITEM_JUMP:
            note_branch(labels, item->name, state.left);
            state = (struct state){0};
            break;
        }
    }
}

void match_announcements(struct source *source) {
    if (source->item_count == 0)
        return;
    struct labels labels = {.count = PLACES_MIN};
    size_t names = 0;
    for (size_t i = 0; i < source->item_count; i++)
        names += source->items[i].kind != ITEM_ACTION;
    while (labels.count < names * 2)
        labels.count *= 2;
    labels.places = calloc(labels.count, sizeof *labels.places);
    if (labels.places == NULL)
        return; /* told twice is better than never */
    /* Twice: the first time shows what is left over at branches to labels that stand before. */
    pass(source, &labels);
    for (size_t i = 0; i < source->item_count; i++)
        source->items[i].announced = false;
    pass(source, &labels);
    free(labels.places);
}
