/* SPDX-License-Identifier: BSD-2-Clause */
/* Stores through pointers, of every width, flushed by the routines or not. */
#include "program.h"

#include <stdatomic.h>
#include <stdint.h>

struct account {
    uint64_t number;
    uint32_t balance;
    uint16_t kind;
    uint8_t open;
    char owner[17];
};

static struct account *account(size_t at) {
    return (struct account *)(base + at);
}

APART static void set_balance(struct account *at, uint32_t balance) {
    /* expect: unflushed-write of in_a_function */
    /* expect: unflushed-write 2x of on_one_line */
    at->balance = balance;
}

CASE(in_a_function) {
    OPEN();
    set_balance(account(64), 7);
    RIGHT FLUSH(64, sizeof(struct account), 0);
    CLOSE(); /* role: freed */
}

CASE(each_width) {
    OPEN();
    account(0)->number = 1;   /* expect: unflushed-write */
    account(32)->balance = 2; /* expect: unflushed-write */
    account(64)->kind = 3;    /* expect: unflushed-write */
    account(96)->open = 4;    /* expect: unflushed-write */
    RIGHT FLUSH(0, 128, 0);
    CLOSE(); /* role: freed */
}

struct __attribute__((packed)) odd {
    uint8_t first;
    uint64_t second;
};

CASE(across_a_page) {
    OPEN();
    ((struct odd *)(base + 4096 - 5))->second = 3; /* expect: unflushed-write */
    RIGHT FLUSH(4096 - 4, 8, 0);
    CLOSE(); /* role: freed */
}

CASE(undrained) {
    OPEN();
    account(0)->number = 1; /* role: store */
    /* expect: undrained-flush */
    FLUSH(0, 8, NO_DRAIN);
    RIGHT DRAIN();
    CLOSE(); /* role: freed */
}

CASE(one_of_two_lines) {
    OPEN();
    account(0)->number = 1;
    account(64)->number = 1; /* expect: unflushed-write */
    FLUSH(0, broken ? 8 : 72, 0);
    CLOSE(); /* role: freed */
}

CASE(stored_again) {
    OPEN();
    account(0)->number = 1;
    FLUSH(0, 8, 0);
    account(0)->number = 2; /* expect: unflushed-write */
    RIGHT FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
}

/* Bytes beside the token's region are nobody's business. */
CASE(beside_the_region) {
    void *token;
    OPEN();
    CLOSE();
    int file = open(path, O_RDWR);
    base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    GET(100, 200, &token);
    base[99] = 1;
    base[100] = 1; /* expect: unflushed-write */
    base[299] = 1; /* expect: unflushed-write */
    base[300] = 1;
    RIGHT FLUSH_BY(token, 100, 200, 0);
    FREE(token); /* role: freed */
    base[100] = 2;
    munmap(base, SIZE);
    close(file);
}

CASE(before_and_after) {
    void *token;
    OPEN();
    CLOSE();
    int file = open(path, O_RDWR);
    base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    account(0)->number = 1;
    GET(0, SIZE, &token);
    account(64)->number = 1; /* expect: unflushed-write */
    RIGHT FLUSH_BY(token, 64, 8, 0);
    FREE(token); /* role: freed */
    account(128)->number = 1;
    munmap(base, SIZE);
    close(file);
}

/* A locked instruction is a store, and waits for what was flushed before it. */
CASE(stored_whole) {
    OPEN();
    atomic_store((_Atomic uint64_t *)base, 1); /* expect: unflushed-write */
    RIGHT FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
}

CASE(added) {
    OPEN();
    atomic_fetch_add((_Atomic uint32_t *)base, 1); /* expect: unflushed-write */
    RIGHT FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
}

/* One that fails stores nothing. */
CASE(compare_exchange) {
    uint64_t expected = 5;
    OPEN();
    RIGHT expected = 6;
    WRONG expected = 0;
    /* expect: unflushed-write */
    atomic_compare_exchange_strong((_Atomic uint64_t *)base, &expected, 9);
    CLOSE(); /* role: freed */
}

static _Atomic uint32_t elsewhere;

CASE(locked_drain) {
    OPEN();
    account(0)->number = 1; /* role: store */
    /* expect: undrained-flush */
    FLUSH(0, 8, NO_DRAIN);
    if (broken)
        atomic_store_explicit(&elsewhere, 1, memory_order_release);
    else
        atomic_fetch_add_explicit(&elsewhere, 1, memory_order_relaxed);
    CLOSE(); /* role: freed */
}

/* Where code is to run on CPUs whose atomic operations do not drain, a Drain comes after it. */
CASE(locked_then_drain) {
    OPEN();
    account(0)->number = 1;
    FLUSH(0, 8, NO_DRAIN);
    atomic_fetch_add(&elsewhere, 1);
    DRAIN();
    WRONG DRAIN(); /* expect: redundant-drain */
    CLOSE();
}

CASE(fence_drains) {
    OPEN();
    account(0)->number = 1; /* role: store */
    FLUSH(0, 8, NO_DRAIN);  /* expect: undrained-flush */
    RIGHT atomic_thread_fence(memory_order_seq_cst);
    CLOSE(); /* role: freed */
}

/* Two stores of one line, and two calls of it, are one mistake for a reader; another line, though
   of the same function, is another one. */
CASE(on_one_line) {
    OPEN();
    /* expect: unflushed-write 2x */
    account(0)->number = 1, account(64)->number = 1;
    account(128)->number = 1; /* expect: unflushed-write */
    set_balance(account(192), 7), set_balance(account(256), 8);
    RIGHT FLUSH(0, 512, 0);
    CLOSE(); /* role: freed */
}

PROGRAM({"in_a_function", in_a_function}, {"each_width", each_width},
        {"across_a_page", across_a_page}, {"undrained", undrained},
        {"one_of_two_lines", one_of_two_lines}, {"stored_again", stored_again},
        {"beside_the_region", beside_the_region}, {"before_and_after", before_and_after},
        {"stored_whole", stored_whole}, {"added", added}, {"compare_exchange", compare_exchange},
        {"locked_drain", locked_drain}, {"locked_then_drain", locked_then_drain},
        {"fence_drains", fence_drains}, {"on_one_line", on_one_line})
