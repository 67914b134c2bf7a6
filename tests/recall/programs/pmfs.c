/* SPDX-License-Identifier: BSD-2-Clause */
/* recall: cpu */
/* A file system's metadata with a journal of undo entries, a line each, whose last field makes an
   entry valid; directory entries and a list of what is to be truncated after a crash. */
#include "recall.h"

#define ENTRIES 64
#define NAMES 16

struct journal_entry {
    uint64_t offset, length;
    char old[40];
    uint64_t valid; /* the transaction's number; the entry's line keeps the order */
};

struct name {
    uint64_t inode;
    uint16_t length, links;
    char text[108]; /* two lines */
    char pad[8];
};

struct inode {
    uint64_t size, links, blocks, next_truncated;
    char line[32];
};

struct super {
    uint64_t tail, transaction; /* of the journal */
    char line[48];
    uint64_t truncated; /* first of the list */
    char another[56];
    struct journal_entry journal[ENTRIES];
    struct inode inodes[NAMES];
    struct name names[NAMES];
};

static struct pool pool;
static struct super *super;

static void write_back(const void *from, size_t size) {
    for (uintptr_t at = (uintptr_t)from & ~(uintptr_t)63; at < (uintptr_t)from + size; at += 64)
        CLWB(at); /* bug 3, 7 */
}

static void journal(const void *at, size_t length) {
    struct journal_entry *entry = &super->journal[super->tail % ENTRIES];
    ok(length <= sizeof entry->old);
    entry->offset = (uint64_t)((const char *)at - pool.base); /* bug 1 */
    entry->length = length;                                   /* bug 1 */
    memcpy(entry->old, at, length);                           /* bug 1 */
    entry->valid = super->transaction + 1;                    /* bug 1 */
    if (!BUG(1))
        write_back(entry, sizeof *entry);
    SFENCE();
    super->tail++; /* bug 1: unordered-commit, 5: unordered-commit */
    write_back(&super->tail, 8);
    SFENCE();
}

static void commit(void) {
    if (!BUG(2))
        SFENCE();
    /* bug 1: unordered-commit, 2, 4: unordered-commit, 5: unordered-commit */
    super->transaction++;
    write_back(&super->transaction, 8);
    if (!BUG(3))
        SFENCE();
    NvRtlVerifierAssertDurable(pool.token, &super->transaction, sizeof super->transaction);
}

static void create(unsigned slot, const char *text) {
    struct name *name = &super->names[slot];
    struct inode *inode = &super->inodes[slot];
    journal(name, 16);
    journal(inode, 32);
    name->inode = slot + 1;
    name->links = 1;
    name->length = (uint16_t)strlen(text);
    memcpy(name->text, text, name->length); /* bug 5 */
    write_back(name, BUG(5) ? offsetof(struct name, text) + 1 : sizeof *name);
    inode->links = 1;
    write_back(inode, sizeof *inode);
    commit();
}

static void append(unsigned slot, uint64_t size) {
    struct inode *inode = &super->inodes[slot];
    journal(inode, 32);
    inode->size += size;                         /* bug 4 */
    inode->blocks = (inode->size + 4095) / 4096; /* bug 4 */
    if (!BUG(4))
        write_back(inode, sizeof *inode);
    commit();
}

/* Notes that an inode is to be truncated, before anybody begins with it. */
static void truncate_later(unsigned slot) {
    struct inode *inode = &super->inodes[slot];
    inode->next_truncated = super->truncated;
    write_back(inode, sizeof *inode);
    SFENCE();
    super->truncated = slot + 1; /* bug 6 */
    if (!BUG(6))
        write_back(&super->truncated, 8);
    SFENCE();
    if (BUG(7))
        write_back(inode, sizeof *inode);
}

int main(int count, char **arguments) {
    ok(count == 2);
    pool = pool_open(arguments[1], "super", sizeof(struct super));
    super = (struct super *)pool.base;
    COMMIT_POINT(&super->tail);
    COMMIT_POINT(&super->transaction);
    create(0, "a name");
    create(1, "a name that is long enough to reach into the second line of its entry, for once");
    append(1, 5000);
    truncate_later(0);
    pool_close(&pool);
    return 0;
}
