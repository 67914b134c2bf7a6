/* SPDX-License-Identifier: BSD-2-Clause */
/* What code without hooks stores is found by what has changed, and told as a warning. */
#include "program.h"

#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static int file;

/* No function of libc that hooks know. */
static long write_unseen(int to) {
    return syscall(SYS_pwrite64, to, data, 16, 64);
}

/* The same by code that no hook knows: stores into the view. */
static void store_unseen(long at) {
    if (syscall(SYS_getrandom, base + at, 16, 0) != 16)
        exit(95);
}

static void begin(void) {
    OPEN();
    file = open(path, O_RDWR);
    base[0] = 1;
    FLUSH(0, 1, 0);
}

static void end(void) {
    close(file);
    CLOSE();
}

/* The kernel writes to the file. */
CASE(by_the_kernel) {
    begin();
    if (write_unseen(file) != 16)
        exit(95);
    RIGHT FLUSH(64, 16, 0);
    end();
}

CASE(undrained) {
    begin();
    if (write_unseen(file) != 16)
        exit(95);
    FLUSH(64, 16, NO_DRAIN);
    RIGHT DRAIN();
    end();
}

/* Waits for the medium count for it, too. */
CASE(waited_for) {
    begin();
    store_unseen(64);
    msync(base + (broken ? 4096 : 0), 4096, MS_SYNC);
    end();
}

CASE(waited_for_by_file) {
    begin();
    store_unseen(8192 + 64);
    RIGHT fsync(file);
    end();
}

/* A region that is covered again begins anew. */
CASE(between_tokens) {
    begin();
    end();
    int again = open(path, O_RDWR);
    if (write_unseen(again) != 16)
        exit(95);
    close(again);
    begin();
    end();
}

CASE(where_nobody_stores) {
    begin();
    store_unseen(8192 + 64);
    RIGHT FLUSH(8192 + 64, 16, 0);
    end();
}

CASE(before_a_store) {
    begin();
    store_unseen(8192 + 64);
    base[8192 + 128] = 1;
    FLUSH(8192 + 128, 1, 0);
    RIGHT FLUSH(8192 + 64, 16, 0);
    end();
}

/* The region held something. */
CASE(over_content) {
    begin();
    memset(base, 1, SIZE);
    FLUSH(0, SIZE, 0);
    end();
    begin();
    store_unseen(8192 + 64);
    RIGHT FLUSH(0, SIZE, 0);
    end();
}

/* What it held is gone, and what it holds came by a call that has waited. */
CASE(cut_off) {
    begin();
    memset(base, 1, SIZE);
    FLUSH(0, SIZE, 0);
    end();
    begin();
    if (ftruncate(file, 0) != 0 || ftruncate(file, SIZE) != 0 ||
        syscall(SYS_pwrite64, file, data, 16, 8192) != 16 || fsync(file) != 0)
        exit(95);
    if (*(volatile char *)(base + 8192) != 'd')
        exit(94);
    base[8192 + 128] = 1;
    FLUSH(8192 + 128, 1, 0);
    end();
}

/* The same by a call that nobody sees; what is there now are zeros, that the program reads. */
CASE(cut_off_unseen) {
    begin();
    memset(base, 1, SIZE);
    FLUSH(0, SIZE, 0);
    end();
    begin();
    if (syscall(SYS_ftruncate, file, 4096) != 0 || syscall(SYS_ftruncate, file, SIZE) != 0)
        exit(95);
    if (*(volatile char *)(base + 12288) != 0)
        exit(94);
    end();
}

/* What does not come through the view is not looked for where no store was. */
CASE(by_a_descriptor) {
    begin();
    if (syscall(SYS_pwrite64, file, data, 16, 8192) != 16 || fsync(file) != 0)
        exit(95);
    base[8192 + 128] = 1;
    FLUSH(8192 + 128, 1, 0);
    end();
}

/* A token that ends, while another one covers a part of what it does, and is judged on the rest. */
CASE(beside_a_token) {
    void *part;
    begin();
    GET(0, 16384, &part);
    store_unseen(20480);
    RIGHT FLUSH(20480, 16, 0);
    end();
    FREE(part);
}

/* More waits than are looked at page by page: what they have waited for is durable all the same. */
CASE(after_many_waits) {
    begin();
    memset(base, 1, SIZE);
    FLUSH(0, SIZE, 0);
    for (int i = 0; i < 33000; i++) {
        if (fsync(file) != 0)
            exit(95);
    }
    store_unseen(8192);
    if (fsync(file) != 0)
        exit(95);
    end();
}

CASE(at_the_end) {
    begin();
    store_unseen(8192);
    RIGHT FLUSH(8192, 16, 0);
}

/* Its end is judged when the run is over. */
CASE(after_a_fork) {
    begin();
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    waitpid(child, NULL, 0);
    store_unseen(8192 + 64);
    RIGHT FLUSH(8192 + 64, 16, 0);
    end();
}

/* What a child has flushed of it is not known. */
CASE(flushed_by_a_child) {
    begin();
    store_unseen(8192 + 64);
    pid_t child = fork();
    if (child == 0) {
        FLUSH(8192 + 64, 16, 0);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    end();
}

PROGRAM({"by_the_kernel", by_the_kernel}, {"undrained", undrained}, {"waited_for", waited_for},
        {"waited_for_by_file", waited_for_by_file}, {"between_tokens", between_tokens},
        {"where_nobody_stores", where_nobody_stores}, {"before_a_store", before_a_store},
        {"over_content", over_content}, {"cut_off", cut_off}, {"cut_off_unseen", cut_off_unseen},
        {"by_a_descriptor", by_a_descriptor}, {"beside_a_token", beside_a_token},
        {"after_many_waits", after_many_waits}, {"at_the_end", at_the_end},
        {"after_a_fork", after_a_fork}, {"flushed_by_a_child", flushed_by_a_child})
