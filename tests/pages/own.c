/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that flush by instructions of their own, or seem to. test_own.py says what is to be told
   of them. own-library.c, which flushes too, is loaded by name. */
#include "../verify/program.h"

#include <dlfcn.h>
#include <stdint.h>

#include "own.h"

#define WORD(at) (*(volatile uint64_t *)(base + (at)))
#define SOME UINT64_C(0x1122334455667788)

typedef void flush_line(volatile void *);

#ifdef OWN_FLUSH
/* Correct but for what "wrong" leaves out. */
CASE(own) {
    OPEN();
    WORD(64) = SOME;
    own_flush(base + 64);
    CLOSE();
}

/* A Write that the program flushes by itself, and an assertion. */
CASE(own_write) {
    OPEN();
    WRITE(64, 8, 0);
    own_flush(base + 64);
    ASSERT(64, 8);
    DRAIN();
    CLOSE();
}

/* What a routine has begun is a routine's to complete. */
CASE(undrained) {
    OPEN();
    WORD(64) = SOME;
    own_flush(base + 64);
    FLUSH(128, 8, NO_DRAIN);
    WORD(192) = SOME;
    FLUSH(192, 8, NO_DRAIN);
    RIGHT DRAIN();
    CLOSE();
}
#endif

#ifdef OWN_HOOKED
/* By instructions that have call-outs. */
CASE(begun) {
    OPEN();
    WORD(64) = SOME;
    own_begin_flush(base + 64);
    RIGHT own_fence();
    CLOSE();
}
#endif

#ifdef OWN_OPAQUE
/* nvrtl-cc leaves an object alone that counts its own bytes. */
__asm__("jmp .+2");
#endif

#ifdef OWN_LINKED
void library_flush(volatile void *line);
void library_fence(void);

/* By a part of the program that another compiler has made. */
CASE(linked) {
    OPEN();
    WORD(64) = SOME;
    library_flush(base + 64);
    CLOSE();
}

CASE(linked_fence) {
    OPEN();
    WORD(64) = SOME;
    own_begin_flush(base + 64);
    library_fence();
    CLOSE();
}
#endif

/* Flushed by routines alone. */
CASE(routines) {
    OPEN();
    WORD(64) = SOME;
    RIGHT FLUSH(64, 8, 0);
    CLOSE();
}

/* A library comes, flushes and goes. */
CASE(library) {
    char name[sizeof path];
    snprintf(name, sizeof name, "%s", getenv("OWN_LIBRARY"));
    OPEN();
    WORD(64) = SOME;
    void *library = dlopen(name, RTLD_NOW);
    flush_line *flush = library != NULL ? (flush_line *)dlsym(library, "library_flush") : NULL;
    if (flush == NULL)
        exit(90);
    flush(base + 64);
    dlclose(library);
    if (dlopen(name, RTLD_NOW | RTLD_NOLOAD) != NULL)
        exit(91);
    CLOSE();
}

/* Code that a compiler makes at run time, with a flush or without. */
static void run_made(const uint8_t *code, size_t size) {
    OPEN();
    char *made =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED)
        exit(90);
    memcpy(made, code, size);
    WORD(64) = SOME;
    ((flush_line *)made)(base + 64);
    CLOSE();
}

CASE(made) {
    static const uint8_t code[] = {0x0f, 0xae, 0x3f, 0x0f, 0xae, 0xf8, 0xc3};
    run_made(code, sizeof code);
}

CASE(made_without) {
    static const uint8_t code[] = {0xc3};
    run_made(code, sizeof code);
}

PROGRAM(
#ifdef OWN_FLUSH
    {"own", own}, {"own_write", own_write}, {"undrained", undrained},
#endif
#ifdef OWN_HOOKED
    {"begun", begun},
#endif
#ifdef OWN_LINKED
    {"linked", linked}, {"linked_fence", linked_fence},
#endif
    {"routines", routines}, {"library", library}, {"made", made}, {"made_without", made_without})
