/* SPDX-License-Identifier: BSD-2-Clause */
/* The example's own recovery as a checker. The words of batch n are word 4n-3 to word 4n, each with
   its number as the value: all of an acknowledged batch have to be there, and of one that has not
   begun none. */
#include <nvrtl_crash.h>

int wordstore_main(int argc, char **argv);
#define main wordstore_main
#include "wordstore_small.c"
#undef main

static bool is_begun(const struct NvRtlCrash *crash, uint64_t id) {
    for (size_t i = 0; i < crash->begunCount; i++) {
        if (crash->begun[i] == id)
            return true;
    }
    return false;
}

/* Is the word there, with its value? */
static bool has(const struct store *store, uint64_t number) {
    char word[32], value[32];
    int size = snprintf(word, sizeof word, "word%llu", (unsigned long long)number);
    uint64_t slot = store_find(store, word, (size_t)size);
    if (slot == SLOTS || slot_record(store, slot)->place == 0)
        return false;
    const struct record *record = slot_record(store, slot);
    snprintf(value, sizeof value, "%.*s", record->value_size, record->text + record->word_size);
    return strtoull(value, NULL, 10) == number;
}

static int judge(const struct store *store, const struct NvRtlCrash *crash) {
    uint64_t count = 0, there = 0;
    for (uint64_t slot = 0; slot < SLOTS; slot++) {
        if (!slot_is_sound(store, slot))
            return 2;
        count += store->image->table[slot].place != 0;
    }
    for (uint64_t number = 1; number <= SLOTS; number++) {
        bool found = has(store, number);
        uint64_t batch = (number - 1) / BATCH + 1;
        there += found;
        if (found && !is_begun(crash, batch))
            return 3;
        if (!found && batch <= crash->ackedCount)
            return 4;
    }
    return there == count ? 0 : 5;
}

int nvrtl_check(const struct NvRtlCrash *crash) {
    static struct store store;
    memset(&store, 0, sizeof store);
    if (crash->regions[0].size != sizeof(struct image))
        return 1;
    store.image = crash->regions[0].image;
    must(RtlGetNonVolatileToken(store.image, sizeof *store.image, &store.mapping.token));
    store_recover(&store);
    int verdict = judge(&store, crash);
    must(RtlFreeNonVolatileToken(store.mapping.token));
    return verdict;
}
