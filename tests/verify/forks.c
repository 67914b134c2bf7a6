/* SPDX-License-Identifier: BSD-2-Clause */
/* Processes that share a file by fork. One case a run. */
#include "program.h"

#include <signal.h>

/* Runs body in a forked child, and waits for its end. */
static void in_child(void (*body)(void)) {
    pid_t child = fork();
    if (child == 0) {
        body();
        _exit(failed);
    }
    waitpid(child, NULL, 0);
}

static void write_it(void) {
    WRITE(0, 8, 0);
}

static void flush_it(void) {
    FLUSH(0, 8, 0);
}

CASE(child_writes_parent_flushes) {
    OPEN();
    in_child(write_it);
    FLUSH(0, 8, 0);
    CLOSE();
}

CASE(parent_writes_child_flushes) {
    OPEN();
    WRITE(0, 8, 0); /* expect: unflushed-write */
    RIGHT in_child(flush_it);
    CLOSE(); /* role: freed */
}

static void flush_only(void) {
    /* expect: undrained-flush of drained_by_the_other if strict memory actual/volatile */
    FLUSH(0, 8, NO_DRAIN);
}

/* The parent's drain is not the child's. */
CASE(drained_by_the_other) {
    OPEN();
    WRITE(0, 8, 0); /* role: store */
    in_child(broken ? flush_only : flush_it);
    WRONG DRAIN(); /* expect: redundant-drain if strict memory actual/volatile */
    CLOSE();       /* role: freed */
}

static void write_and_end(void) {
    WRITE(0, 8, 0); /* expect: unflushed-write as note of child_ends */
    RIGHT FLUSH(0, 8, 0);
}

/* What a child leaves in flight may be what its parent expects. */
CASE(child_ends) {
    OPEN();
    in_child(write_and_end);
    CLOSE(); /* role: freed */
}

static void write_and_exit(void) {
    WRITE(0, 8, 0); /* expect: unflushed-write as note of child_exits */
    RIGHT FLUSH(0, 8, 0);
    exit(0);
}

CASE(child_exits) {
    OPEN();
    in_child(write_and_exit);
    CLOSE(); /* role: freed */
}

static void write_and_die(void) {
    WRITE(0, 8, 0); /* expect: unflushed-write as note of child_is_killed */
    RIGHT FLUSH(0, 8, 0);
    raise(SIGKILL);
}

CASE(child_is_killed) {
    OPEN();
    in_child(write_and_die);
    CLOSE(); /* role: freed */
}

static void own_token(void) {
    void *token;
    GET(0, 64, &token);
    WRITE_BY(token, 0, 8, FLUSHED);
}

/* A child that leaves by _exit leaks nothing. */
CASE(child_with_a_token) {
    OPEN();
    in_child(own_token);
    CLOSE();
}

/* Freed by everybody who had it. */
CASE(child_frees) {
    OPEN();
    WRITE(0, 8, 0); /* expect: unflushed-write */
    pid_t child = fork();
    if (child == 0) {
        RIGHT FLUSH(0, 8, 0);
        FREE(map.token);
        _exit(failed);
    }
    waitpid(child, NULL, 0);
    CLOSE(); /* role: freed */
}

static void die(void) {
    WRITE(8192, 8, 0);
    FLUSH(8192, 8, 0);
    raise(SIGKILL);
}

/* The parent's own mistake stays one, whatever became of children. */
CASE(parent_forgets) {
    OPEN();
    WRITE(0, 8, 0); /* expect: unflushed-write */
    in_child(die);
    RIGHT FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
}

static int gate[2];

/* Waits until its parent has freed the token. */
static void flush_late(void) {
    char byte;
    close(gate[1]);
    while (read(gate[0], &byte, 1) > 0) {
    }
    RIGHT FLUSH(0, 8, 0);
    FREE(map.token); /* role: freed of child_flushes_after_parent_freed */
    _exit(failed);
}

CASE(child_flushes_after_parent_freed) {
    OPEN();
    WRITE(0, 8, 0); /* expect: unflushed-write */
    if (pipe(gate) != 0)
        exit(96);
    pid_t child = fork();
    if (child == 0)
        flush_late();
    FREE(map.token);
    close(gate[1]);
    waitpid(child, NULL, 0);
    CLOSE();
}

/* While a second child may still flush it: of two Frees the later one is named. */
CASE(both_free_beside_a_third) {
    OPEN();
    WRITE(0, 8, 0); /* expect: unflushed-write */
    if (pipe(gate) != 0)
        exit(96);
    pid_t third = fork();
    if (third == 0) {
        char byte;
        close(gate[1]);
        _exit(read(gate[0], &byte, 1) != 0);
    }
    pid_t child = fork();
    if (child == 0) {
        RIGHT FLUSH(0, 8, 0);
        FREE(map.token);
        _exit(failed);
    }
    waitpid(child, NULL, 0);
    CLOSE(); /* role: freed */
    close(gate[1]);
    waitpid(third, NULL, 0);
}

CASE(child_asserts) {
    OPEN();
    WRITE(0, 8, 0); /* expect: unflushed-write */
    RIGHT FLUSH(0, 8, 0);
    pid_t child = fork();
    if (child == 0) {
        ASSERT(0, 64);
        _exit(failed);
    }
    waitpid(child, NULL, 0);
    WRONG FLUSH(0, 8, 0);
    CLOSE();
}

static void write_and_leave(void) {
    FILL(0, 8, 0); /* expect: unflushed-write of parent_asserts */
    RIGHT FLUSH(0, 8, 0);
}

/* Who asserts that a child's store is durable is told that it is not. */
CASE(parent_asserts) {
    OPEN();
    in_child(write_and_leave);
    ASSERT(0, 64);
    CLOSE();
}

PROGRAM({"child_writes_parent_flushes", child_writes_parent_flushes},
        {"parent_writes_child_flushes", parent_writes_child_flushes},
        {"drained_by_the_other", drained_by_the_other}, {"child_ends", child_ends},
        {"child_exits", child_exits}, {"child_is_killed", child_is_killed},
        {"child_with_a_token", child_with_a_token}, {"child_frees", child_frees},
        {"parent_forgets", parent_forgets}, {"both_free_beside_a_third", both_free_beside_a_third},
        {"child_flushes_after_parent_freed", child_flushes_after_parent_freed},
        {"child_asserts", child_asserts}, {"parent_asserts", parent_asserts})
