/* SPDX-License-Identifier: BSD-2-Clause */
/* A store in two files: values, and an index of where each lies. Two tokens, and what is done by
   one of them counts for it alone. */
#include "recall.h"

#define SIZE 16384

struct entry {
    uint64_t key, offset, length;
    char rest[40]; /* a line each */
};

struct file {
    char *base;
    void *token;
    size_t end; /* bytes in use */
};

static struct file values, index_;

static void map(struct file *file, const char *folder, const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    int descriptor = open(path, O_RDWR | O_CREAT, 0600);
    ok(descriptor >= 0 && ftruncate(descriptor, SIZE) == 0);
    file->base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    ok(file->base != MAP_FAILED && close(descriptor) == 0);
    OK(RtlGetNonVolatileToken(file->base, SIZE, &file->token)); /* bug 4 */
}

#define FLUSH_OF(file, at, size, flags)                                                            \
    RtlFlushNonVolatileMemory((file).token, (void *)(at), size, flags)

static void put(uint64_t key, const void *value, size_t length) {
    char *at = values.base + values.end;
    struct entry *entry = (struct entry *)(index_.base + index_.end);
    memcpy(at, value, length); /* bug 3: unflushed-write */
    if (BUG(3))
        FLUSH_OF(index_, at, length, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN); /* bug 3 */
    else
        FLUSH_OF(values, at, length, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN); /* bug 1 */
    OK(RtlDrainNonVolatileFlush(BUG(1) ? index_.token : values.token)); /* bug 3: redundant-drain */
    entry->key = key;                                                   /* bug 2 */
    entry->offset = values.end;                                         /* bug 2 */
    entry->length = length;                                             /* bug 2 */
    if (!BUG(2) || key != 3)
        OK(FLUSH_OF(index_, entry, sizeof *entry, 0));
    if (BUG(6))
        OK(RtlDrainNonVolatileFlush(values.token)); /* bug 6 */
    values.end += (length + 63) / 64 * 64;
    index_.end += sizeof *entry;
}

/* Moves the last value over a hole before it. */
static void compact(size_t from, size_t to, size_t length) {
    static char copy[SIZE];
    memcpy(copy, values.base + from, length);
    /* bug 5 */
    OK(RtlWriteNonVolatileMemory(values.token, values.base + to, BUG(5) ? values.base + from : copy,
                                 length, WRITE_NV_MEMORY_FLAG_FLUSH));
}

int main(int count, char **arguments) {
    ok(count == 2);
    map(&values, arguments[1], "values");
    map(&index_, arguments[1], "index");
    put(1, "one", 4);
    put(2, "a value that is somewhat longer than the other ones, and has two lines for that", 80);
    compact(64, 0, 80);
    put(3, "three", 6);
    OK(RtlFreeNonVolatileToken(values.token));
    if (!BUG(4))
        OK(RtlFreeNonVolatileToken(index_.token));
    munmap(values.base, SIZE);
    munmap(index_.base, SIZE);
    return 0;
}
