/* SPDX-License-Identifier: BSD-2-Clause */
/* How programs end. What is in flight at a normal end is an error; when a program is killed, aborts
   or leaves by _exit that is legitimate, and no more than a note. One case a run. */
#include "program.h"

#include <assert.h>
#include <signal.h>

/* Then nothing is in flight, and the token was freed. */
#define TIDY() RIGHT FLUSH(64, 8, 0), CLOSE()

CASE(returns) {
    OPEN();          /* expect: leaked-token */
    WRITE(64, 8, 0); /* expect: unflushed-write */
    TIDY();
}

CASE(calls_exit) {
    OPEN(); /* expect: leaked-token */
    /* expect: undrained-flush */
    /* role: store */
    WRITE(64, 8, FLUSHED | LATER);
    RIGHT DRAIN(), CLOSE();
    exit(0);
}

/* The program's own status stays, whatever was found. */
CASE(fails) {        /* status: 3 */
    OPEN();          /* expect: leaked-token */
    WRITE(64, 8, 0); /* expect: unflushed-write */
    TIDY();
    exit(3);
}

static void flush_at_exit(void) {
    FLUSH(64, 8, 0);
    CLOSE();
}

/* What is done at exit is done. */
CASE(tidies_at_exit) {
    OPEN();          /* expect: leaked-token */
    WRITE(64, 8, 0); /* expect: unflushed-write */
    RIGHT atexit(flush_at_exit);
    exit(0);
}

static void *end_in_thread(void *unused) {
    exit(0);
    return unused;
}

CASE(exits_in_a_thread) {
    OPEN();          /* expect: leaked-token */
    WRITE(64, 8, 0); /* expect: unflushed-write */
    TIDY();
    in_thread(end_in_thread);
}

CASE(main_thread_ends) {
    OPEN();          /* expect: leaked-token */
    WRITE(64, 8, 0); /* expect: unflushed-write */
    TIDY();
    pthread_exit(NULL);
}

CASE(calls_underscore_exit) { /* status: 5 */
    OPEN();
    WRITE(64, 8, 0); /* expect: unflushed-write as note */
    TIDY();
    _exit(5);
}

CASE(aborts) { /* status: 134 */
    OPEN();
    WRITE(64, 8, 0);        /* role: store */
    FLUSH(64, 8, NO_DRAIN); /* expect: undrained-flush as note */
    RIGHT DRAIN(), CLOSE();
    abort();
}

CASE(fails_an_assertion) { /* status: 134 */
    OPEN();
    WRITE(64, 8, 0); /* expect: unflushed-write as note */
    TIDY();
    assert(base == NULL && "on purpose");
}

CASE(kills_itself) { /* status: 137 */
    OPEN();
    WRITE(64, 8, 0); /* expect: unflushed-write as note */
    TIDY();
    kill(getpid(), SIGKILL);
}

CASE(is_terminated) { /* status: 143 */
    OPEN();
    WRITE(64, 8, 0); /* expect: unflushed-write as note */
    TIDY();
    raise(SIGTERM);
}

CASE(faults) { /* status: 139 */
    OPEN();
    WRITE(64, 8, 0); /* expect: unflushed-write as note */
    TIDY();
    raise(SIGSEGV);
}

/* Found at Free, before the end: an error, though the program is killed then. */
CASE(killed_after_free) { /* status: 137 */
    OPEN();
    WRITE(64, 8, 0); /* expect: unflushed-write */
    RIGHT FLUSH(64, 8, 0);
    CLOSE(); /* role: freed */
    raise(SIGKILL);
}

/* Nobody knows how the next program ends. */
CASE(becomes_another) {
    OPEN();
    WRITE(64, 8, 0); /* expect: unflushed-write as note */
    TIDY();
    execl("/bin/true", "true", NULL);
}

PROGRAM({"returns", returns}, {"calls_exit", calls_exit}, {"fails", fails},
        {"tidies_at_exit", tidies_at_exit}, {"exits_in_a_thread", exits_in_a_thread},
        {"main_thread_ends", main_thread_ends}, {"calls_underscore_exit", calls_underscore_exit},
        {"aborts", aborts}, {"fails_an_assertion", fails_an_assertion},
        {"kills_itself", kills_itself}, {"is_terminated", is_terminated}, {"faults", faults},
        {"killed_after_free", killed_after_free}, {"becomes_another", becomes_another})
