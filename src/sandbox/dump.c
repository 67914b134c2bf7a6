/* SPDX-License-Identifier: BSD-2-Clause */
/* What a checker writes of the state that recovery has made: a hash of all of it, and its lines as
   records, what stands before the first tab being the key. */
#include <stddef.h>

#include "sandbox/batch.h"

#define HASH_START UINT64_C(0xcbf29ce484222325) /* FNV-1a */

static uint64_t add_byte(uint64_t hash, uint8_t byte) {
    return (hash ^ byte) * UINT64_C(0x100000001b3);
}

static void start_line(struct dump *dump) {
    dump->key = dump->value = HASH_START;
    dump->in_value = dump->in_line = false;
}

static void end_line(struct dump *dump) {
    const struct sandbox_record record = {dump->key, dump->value | 1};
    dump->sum += sandbox_record_hash(record);
    if (dump->records != NULL && dump->count < BATCH_RECORDS)
        dump->records[dump->count] = record;
    dump->count++;
    start_line(dump);
}

static void put(struct NvRtlCrashDump *public, const void *bytes, size_t size) {
    struct dump *dump = (struct dump *)((char *)public - offsetof(struct dump, public));
    const uint8_t *at = bytes;
    for (size_t i = 0; i < size; i++) {
        dump->state = add_byte(dump->state, at[i]);
        if (at[i] == '\n') {
            end_line(dump);
            continue;
        }
        dump->in_line = true;
        if (at[i] == '\t' && !dump->in_value)
            dump->in_value = true;
        else if (dump->in_value)
            dump->value = add_byte(dump->value, at[i]);
        else
            dump->key = add_byte(dump->key, at[i]);
    }
}

void dump_start(struct dump *dump, const struct sandbox *sandbox) {
    *dump = (struct dump){.public = {.put = put}, .state = HASH_START};
    dump->records = sandbox->batch->keeps_records != 0 ? sandbox->records : NULL;
    start_line(dump);
}

void dump_end(struct dump *dump, const struct sandbox *sandbox, struct batch_image *image) {
    if (dump->in_line)
        end_line(dump);
    image->state = dump->state;
    image->sum = dump->sum;
    if (dump->records != NULL)
        sandbox->batch->record_count = dump->count;
}
