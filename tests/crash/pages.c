/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pages right|wrong FILE CASE: stores that wait for their pages by themselves, as programs do that
 * have never heard of nvrtl. Two pages of meta data take turns, each says where its tree's page
 * lies; recovery takes the newer one whose sum is right.
 *   meta: a view, all stores through it; wrong: the meta page is waited for before its data page.
 *   written: the data by pwrite(2), the meta page through the view; wrong: nobody waits for the
 *     data.
 *   synced: both by pwrite(2), the meta page by a descriptor with O_DSYNC, as LMDB does; wrong: it
 *     has not got it.
 *   ordered: a word behind another one in one line, which keeps their order; wrong: in another.
 * The comments say at which lines what is too early, or missing, was written or waited for.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pages.h"

static struct pages *pages;
static int file;
static const char *path;
static bool right;

static void need(bool good, const char *what) {
    if (!good) {
        perror(what);
        exit(99);
    }
}

static void wait_for(void *page) {
    need(msync(page, PAGE, MS_SYNC) == 0, "msync");
}

static void put(int to, const void *from, size_t size, size_t at) {
    need(pwrite(to, from, size, (off_t)at) == (ssize_t)size, "pwrite");
}

static void fill(struct data *data, uint64_t number) {
    for (size_t i = 0; i < WORDS; i++)
        data->words[i] = number;
}

static void meta(uint64_t number) {
    struct data *data = &pages->data[number % DATA];
    struct meta *next = META(pages, number);
    fill(data, number);
    if (right)
        wait_for(data);
    next->page = number % DATA;
    next->number = number;
    next->sum = SUM(*next);
    wait_for(next); /* at meta: at */
    if (!right)
        wait_for(data);
}

static void written(uint64_t number) {
    static struct data data;
    struct meta *next = META(pages, number);
    fill(&data, number);
    size_t at = offsetof(struct pages, data) + number % DATA * sizeof data;
    put(file, &data, sizeof data, at); /* at written: missing */
    if (right)
        need(fdatasync(file) == 0, "fdatasync");
    next->page = number % DATA;
    next->number = number;
    next->sum = SUM(*next);
    wait_for(next); /* at written: at */
}

static void synced(uint64_t number) {
    static struct data data;
    static int meta_file = -1;
    struct meta next = {.page = number % DATA, .number = number};
    if (meta_file < 0)
        meta_file = open(path, O_RDWR | O_CLOEXEC | (right ? O_DSYNC : 0));
    fill(&data, number);
    next.sum = SUM(next);
    size_t at = offsetof(struct pages, data) + number % DATA * sizeof data;
    put(file, &data, sizeof data, at);
    need(fsync(file) == 0, "fsync");
    at = number % 2 * sizeof(struct meta_page);
    put(meta_file, &next, sizeof next, at); /* at synced: at */
    pages->acked = number;
    wait_for(&pages->acked);
}

static void ordered(uint64_t number) {
    volatile uint64_t *first = &pages->ordered[0], *last = &pages->ordered[right ? 1 : 8];
    *first = number;
    *last = number; /* recovery: never newer than the first */
    if (number % 4 == 0)
        wait_for(pages->ordered); /* at ordered: at */
}

int main(int count, char **arguments) {
    static const struct {
        const char *name;
        void (*commit)(uint64_t number);
    } cases[] = {{"meta", meta}, {"written", written}, {"synced", synced}, {"ordered", ordered}};
    if (count != 4)
        return 97;
    right = strcmp(arguments[1], "right") == 0;
    path = arguments[2];
    file = open(path, O_RDWR | O_CREAT, 0600);
    need(file >= 0 && ftruncate(file, sizeof *pages) == 0, path);
    pages = mmap(NULL, sizeof *pages, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    need(pages != MAP_FAILED, "mmap");
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        for (uint64_t number = 1; number <= 8 && strcmp(cases[c].name, arguments[3]) == 0; number++)
            cases[c].commit(number);
    }
    return 0;
}
