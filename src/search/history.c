/* SPDX-License-Identifier: BSD-2-Clause */
#include "search/history.h"

#include <stdlib.h>
#include <string.h>

/* So many operations under way at a cut, of which any may have left something, are tried. */
#define FREE_MOST 10u

void history_free(struct history *history) {
    for (size_t i = 0; i < history->operation_count; i++)
        free(history->operations[i].effects);
    free(history->operations);
    free(history->moments);
    free(history->needs);
    free(history->first);
    groups_free(&history->records);
    *history = (struct history){0};
}

/* Room for one more. NULL: no memory. */
static void *grow(struct history *history, void *items, size_t count, size_t *room, size_t size) {
    if (count < *room)
        return items;
    size_t more = *room != 0 ? 2 * *room : 64;
    void *larger = realloc(items, more * size);
    if (larger == NULL)
        history->failed = true;
    else
        *room = more;
    return larger;
}

void history_begun(struct history *history, uint64_t id) {
    void *larger = grow(history, history->operations, history->operation_count,
                        &history->operation_room, sizeof *history->operations);
    if (larger == NULL)
        return;
    history->operations = larger;
    size_t count = history->operation_count;
    history->operations[history->operation_count++] = (struct history_operation){.id = id};
    /* What one of them does when the next has begun already cannot be told from what that does. */
    struct history_operation *before = count != 0 ? &history->operations[count - 1] : NULL;
    if (before != NULL && before->acked == 0 && before->effect_count == 0)
        before->unclear = history->operations[count].unclear = true;
}

/* The newest operation of this id that is under way; its place from 1, or 0. */
static size_t find_open(const struct history *history, uint64_t id) {
    for (size_t i = history->operation_count; i > 0; i--) {
        if (history->operations[i - 1].id == id)
            return history->operations[i - 1].acked == 0 ? i : 0;
    }
    return 0;
}

void history_acked(struct history *history, uint64_t id) {
    void *larger = grow(history, history->needs, history->need_count, &history->need_room,
                        sizeof *history->needs);
    if (larger == NULL)
        return;
    history->needs = larger;
    size_t place = find_open(history, id), count = history->need_count++;
    uint64_t before = count != 0 ? history->needs[count - 1] : 0;
    history->needs[count] = place > before ? place : before;
    if (place != 0)
        history->operations[place - 1].acked = count + 1;
}

static uint64_t needed(const struct history *history, uint64_t acked) {
    return acked != 0 && acked <= history->need_count ? history->needs[acked - 1] : 0;
}

static uint64_t hash_of(uint64_t key, uint64_t value) {
    return value != 0 ? sandbox_record_hash((struct sandbox_record){key, value}) : 0;
}

/* The record has this value from now on. */
static void put_record(struct history *history, struct sandbox_record record) {
    uint64_t *value = groups_count(&history->records, record.key);
    history->sum += hash_of(record.key, record.value) - hash_of(record.key, *value);
    *value = record.value;
}

static void add_effect(struct history *history, struct history_operation *operation,
                       struct sandbox_record record) {
    size_t count = operation->effect_count;
    if ((count & (count + 1)) == 0) {
        void *larger = realloc(operation->effects, 2 * (count + 1) * sizeof record);
        history->failed = history->failed || larger == NULL;
        if (larger == NULL)
            return;
        operation->effects = larger;
    }
    operation->effects[operation->effect_count++] = record;
}

/* A record of a state that differs from the one before: the newest operation did that. Before the
   first one it is what was there. */
static void take_change(struct history *history, struct sandbox_record record) {
    if (history->operation_count != 0)
        add_effect(history, &history->operations[history->operation_count - 1], record);
    put_record(history, record);
}

/* Operations under way are not told apart where several threads have stored. */
static void blur(struct history *history) {
    size_t open = 0;
    for (int mark = 0; mark < 2; mark++) {
        for (size_t i = history->operation_count; i > 0 && history->operation_count - i < 64; i--) {
            struct history_operation *operation = &history->operations[i - 1];
            open += mark == 0 && operation->acked == 0;
            operation->unclear |= mark == 1 && open > 1 && operation->acked == 0;
        }
    }
}

struct gone {
    struct history *history;
    struct groups now;
    struct sandbox_record *list;
    size_t count, room;
};

static void note_gone(void *context, uint64_t key, uint64_t value) {
    struct gone *gone = context;
    if (value == 0 || *groups_count(&gone->now, key) != 0)
        return;
    void *larger = grow(gone->history, gone->list, gone->count, &gone->room, sizeof *gone->list);
    if (larger == NULL)
        return;
    gone->list = larger;
    gone->list[gone->count++] = (struct sandbox_record){key, 0};
}

/* What differs from the state before. */
static void take_records(struct history *history, const struct sandbox_record *records,
                         size_t count) {
    struct gone gone = {.history = history};
    for (size_t i = 0; i < count; i++) {
        *groups_count(&gone.now, records[i].key) = 1;
        if (*groups_count(&history->records, records[i].key) != records[i].value)
            take_change(history, records[i]);
    }
    groups_each(&history->records, note_gone, &gone);
    for (size_t i = 0; i < gone.count; i++)
        take_change(history, gone.list[i]);
    free(gone.list);
    groups_free(&gone.now);
}

/* The first state is where every walk through the operations begins. */
static void take_first(struct history *history, const struct sandbox_record *records,
                       size_t count) {
    free(history->first);
    history->first = calloc(count + 1, sizeof *history->first);
    history->failed = history->failed || history->first == NULL;
    history->first_count = history->first != NULL ? count : 0;
    if (history->first != NULL && count != 0)
        memcpy(history->first, records, count * sizeof *records);
}

void history_state(struct history *history, struct history_moment moment,
                   const struct sandbox_record *records, size_t count, bool several_threads) {
    void *larger = grow(history, history->moments, history->moment_count, &history->moment_room,
                        sizeof *history->moments);
    if (larger == NULL)
        return;
    history->moments = larger;
    history->moments[history->moment_count++] = moment;
    if (history->kind != HISTORY_SET || !moment.known)
        return;
    if (several_threads)
        blur(history);
    take_records(history, records, count);
    if (history->operation_count == 0)
        take_first(history, records, count);
}

/* Is it the state at a mark by when all acknowledged ones had begun, and when only those that have
   begun now were acknowledged? */
static bool is_of_prefix(const struct history *history, uint64_t begun, uint64_t acked,
                         uint64_t state) {
    uint64_t least = needed(history, acked);
    size_t low = 0, high = history->moment_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (history->moments[middle].begun < least)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < history->moment_count; low++) {
        const struct history_moment *moment = &history->moments[low];
        if (needed(history, moment->acked) > begun)
            return false;
        if (!moment->known || moment->state == state)
            return true;
    }
    return false;
}

/* The records are those after all operations up to the first that is not acknowledged. */
static void go_to(struct history *history, uint64_t acked) {
    const struct history_operation *operations = history->operations;
    if (history->done_acked > acked || history->done == 0) {
        history->done = history->done_acked = 0;
        groups_clear(&history->records);
        history->sum = 0;
        for (size_t i = 0; i < history->first_count; i++)
            put_record(history, history->first[i]);
    }
    while (history->done < history->operation_count && operations[history->done].acked != 0 &&
           operations[history->done].acked <= acked) {
        const struct history_operation *operation = &operations[history->done++];
        history->done_acked =
            operation->acked > history->done_acked ? operation->acked : history->done_acked;
        for (size_t i = 0; i < operation->effect_count; i++)
            put_record(history, operation->effects[i]);
    }
}

/* The sum of the records after these operations as well; free: which of those that are not
   acknowledged, one bit each. */
static uint64_t sum_with(struct history *history, uint64_t begun, uint64_t acked, uint64_t set) {
    struct groups over = {0}; /* value + 1 */
    uint64_t sum = history->sum;
    unsigned number = 0;
    for (uint64_t i = history->done; i < begun; i++) {
        const struct history_operation *operation = &history->operations[i];
        bool is_free = operation->acked == 0 || operation->acked > acked;
        bool is_in = !is_free || (set >> number & 1) != 0;
        number += is_free;
        for (size_t e = 0; is_in && e < operation->effect_count; e++) {
            const struct sandbox_record *effect = &operation->effects[e];
            uint64_t *own = groups_count(&over, effect->key);
            uint64_t before = *own != 0 ? *own - 1 : *groups_count(&history->records, effect->key);
            sum += hash_of(effect->key, effect->value) - hash_of(effect->key, before);
            *own = effect->value + 1;
        }
    }
    groups_free(&over);
    return sum;
}

static bool is_of_set(struct history *history, uint64_t begun, uint64_t acked, uint64_t sum) {
    unsigned number = 0;
    bool unclear = false;
    begun = begun < history->operation_count ? begun : history->operation_count;
    go_to(history, acked);
    for (uint64_t i = history->done; i < begun; i++) {
        const struct history_operation *operation = &history->operations[i];
        number += operation->acked == 0 || operation->acked > acked;
        unclear = unclear || operation->unclear;
    }
    if (unclear || number > FREE_MOST) {
        history->unjudged++;
        return true;
    }
    for (uint64_t set = 0; set < UINT64_C(1) << number; set++) {
        if (sum_with(history, begun, acked, set) == sum)
            return true;
    }
    return false;
}

bool history_allows(struct history *history, uint64_t begun, uint64_t acked, uint64_t state,
                    uint64_t sum) {
    return is_of_prefix(history, begun, acked, state) ||
           (history->kind == HISTORY_SET && is_of_set(history, begun, acked, sum));
}
