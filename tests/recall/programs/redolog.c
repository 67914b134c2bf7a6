/* SPDX-License-Identifier: BSD-2-Clause */
/* A redo log by the routines alone: records are streamed, the header commits them, and then they
   are applied in place. What goes through Write and Fill is seen without hooks, too. */
#include "recall.h"

#define RECORDS 8

struct record {
    uint64_t at, length;
    char data[112]; /* two lines */
};

struct header {
    uint64_t count, checksum;
    char line[48];
};

struct file {
    struct header header;
    struct record log[RECORDS];
    char data[4096];
};

#define STREAM WRITE_NV_MEMORY_FLAG_NON_TEMPORAL
#define PERSIST WRITE_NV_MEMORY_FLAG_PERSIST

static struct pool pool;
static struct file *file;
static uint64_t records;

static void log_change(uint64_t at, const char *text) {
    struct record record = {.at = at, .length = strlen(text)};
    memcpy(record.data, text, record.length);
    WRITE(&file->log[records++], &record, sizeof record, STREAM);
}

static void commit(void) {
    const struct header header = {records, records * 31, ""};
    if (!BUG(1))
        DRAIN();
    if (BUG(6))
        WRITE(&file->header.count, &header, 16, PERSIST); /* bug 6 */
    else
        WRITE(&file->header.count, &header.count, 8, PERSIST); /* bug 1, 5: unordered-commit */
    if (BUG(4))
        FLUSH(&file->header, sizeof header.count); /* bug 4 */
}

static void apply(void) {
    static const uint64_t none;
    for (uint64_t i = 0; i < records; i++) {
        const struct record *record = &file->log[i];
        WRITE(file->data + record->at, record->data, record->length, /* bug 2 */
              BUG(2) ? 0 : WRITE_NV_MEMORY_FLAG_FLUSH | WRITE_NV_MEMORY_FLAG_NO_DRAIN);
    }
    if (!BUG(2))
        DRAIN();
    records = 0;
    WRITE(&file->header.count, &none, 8, STREAM); /* bug 2: unordered-commit, 3 */
    if (!BUG(3))
        DRAIN();
}

int main(int count, char **arguments) {
    ok(count == 2);
    pool = pool_open(arguments[1], "redo", sizeof(struct file));
    file = (struct file *)pool.base;
    COMMIT_POINT(&file->header.count);
    FILL(file->data, 1024, '.', PERSIST);
    FILL(file->data + 1024, 1024, '-', BUG(5) ? 0 : FILL_NV_MEMORY_FLAG_FLUSH); /* bug 5 */
    if (BUG(5))
        FLUSH(file->data + 1024, 900);
    log_change(100, "a first change");
    log_change(3000, "a second change, which is somewhat longer, so that it has two lines");
    commit();
    apply();
    void *token = pool.token;
    pool_close(&pool);
    if (BUG(7))
        RtlFlushNonVolatileMemory(token, file, 64, 0); /* bug 7 */
    return 0;
}
