/* SPDX-License-Identifier: BSD-2-Clause */
/* recall: cpu --streams=drain */
/* A file system's write path: data are copied past the cache by streaming stores of 8 and 16 bytes,
   what is not aligned at either edge goes through the cache and has to be flushed; then the inode
   says how long the file is. */
#include "recall.h"

#include <emmintrin.h>

struct inode {
    uint64_t size, blocks;
    char line[48];
    uint64_t modified;
    char another[56];
    char data[8192];
};

static struct pool pool;
static struct inode *inode;

/* Bytes through the cache. */
static void copy_edge(char *to, const char *from, size_t size, bool flush) {
    for (size_t i = 0; i < size; i++)
        to[i] = from[i]; /* bug 1, 2 */
    if (flush && size != 0)
        CLWB(to);
}

static void copy_streaming(char *to, const char *from, size_t size) {
    size_t head = -(uintptr_t)to & 7;
    head = head < size ? head : size;
    copy_edge(to, from, head, !BUG(1));
    for (to += head, from += head, size -= head; size >= 8; to += 8, from += 8, size -= 8) {
        if (((uintptr_t)to & 15) == 0 && size >= 16) {
            _mm_stream_si128((__m128i *)to, _mm_loadu_si128((const __m128i *)from)); /* bug 5 */
            to += 8, from += 8, size -= 8;
        } else {
            long long word;
            memcpy(&word, from, sizeof word);
            _mm_stream_si64((long long *)to, word); /* bug 5 */
        }
    }
    copy_edge(to, from, size, !BUG(2));
}

static void append(const char *data, size_t size) {
    copy_streaming(inode->data + inode->size, data, size);
    if (!BUG(3))
        SFENCE();
    /* bug 1: unordered-commit, 2: unordered-commit, 3, 4 */
    inode->size += size;
    if (!BUG(4))
        CLWB(&inode->size); /* bug 6 */
    if (!BUG(6))
        SFENCE();
    NvRtlVerifierAssertDurable(pool.token, &inode->size, sizeof inode->size);
}

/* Overwrites in place, which needs no new size. */
static void overwrite(size_t at, const char *data, size_t size, uint64_t time) {
    inode->modified = time;
    CLWB(&inode->modified);
    SFENCE();
    copy_streaming(inode->data + at, data, size);
    if (!BUG(5))
        SFENCE();
}

int main(int count, char **arguments) {
    static char data[1000];
    ok(count == 2);
    memset(data, 'd', sizeof data);
    pool = pool_open(arguments[1], "inode", sizeof(struct inode));
    inode = (struct inode *)pool.base;
    COMMIT_POINT(&inode->size);
    append(data, 64);
    append(data, 100);
    append(data, 333);
    append(data, 20);
    overwrite(4096, data, 520, 1);
    pool_close(&pool);
    return 0;
}
