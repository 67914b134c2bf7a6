/* SPDX-License-Identifier: BSD-2-Clause */
/* An append-only log: records lie one behind the other, and a commit word says how far they are
   valid. By the routines. */
#include "recall.h"

#define ROOM 16384

struct log {
    uint64_t committed; /* bytes of records */
    uint64_t spare;     /* a later version's */
    char line[48];
    char records[ROOM];
};

struct record {
    uint32_t length, sum;
    char text[];
};

static struct pool pool;
static struct log *log_;

static uint32_t sum_of(const char *text, size_t length) {
    uint32_t sum = 17;
    for (size_t i = 0; i < length; i++)
        sum = sum * 31 + (unsigned char)text[i];
    return sum;
}

/* Records begin on a line of their own, so that none is written back with its neighbour. */
static size_t size_of(size_t length) {
    return (sizeof(struct record) + length + 63) / 64 * 64;
}

static void commit(uint64_t end) {
    if (BUG(5))
        *(unsigned __int128 *)log_ = (unsigned __int128)1 << 64 | end; /* bug 5 */
    else
        log_->committed = end; /* bug 1, 2: unordered-commit, 3 */
    if (!BUG(1))
        FLUSH(&log_->committed, BUG(5) ? 16 : 8);
}

static void append(const char *text) {
    size_t length = strlen(text), size = sizeof(struct record) + length;
    struct record *record = (struct record *)(log_->records + log_->committed);
    ok(log_->committed + size_of(length) <= ROOM);
    record->length = (uint32_t)length;
    record->sum = sum_of(text, length);
    memcpy(record->text, text, length); /* bug 2 */
    START(record, BUG(2) ? sizeof *record : size);
    if (BUG(4))
        START(record, size); /* bug 4 */
    if (!BUG(3))
        DRAIN();
    commit(log_->committed + size_of(length));
}

static void check(void) {
    uint64_t at = 0;
    while (at < log_->committed) {
        struct record *record = (struct record *)(log_->records + at);
        ok(record->sum == sum_of(record->text, record->length));
        at += size_of(record->length);
    }
}

int main(int count, char **arguments) {
    static char longer[200];
    ok(count == 2);
    memset(longer, 'x', sizeof longer - 1);
    pool = pool_open(arguments[1], "log", sizeof(struct log));
    log_ = (struct log *)pool.base;
    COMMIT_POINT(&log_->committed);
    append(longer);
    append("a short one, which has a line of its own");
    append(longer);
    check();
    void *token = pool.token;
    pool_close(&pool);
    if (BUG(6))
        RtlDrainNonVolatileFlush(token); /* bug 6 */
    return 0;
}
