/* SPDX-License-Identifier: BSD-2-Clause */
/* The instructions of the CPU for all this, without a routine. */
#include "program.h"

#include <stdint.h>

/* As macros: their line is the line of who uses them. */
#define CLFLUSH(at) __asm__ volatile("clflush %0" : "+m"(base[at]))
#define SFENCE() __asm__ volatile("sfence" ::: "memory")
#define MFENCE() __asm__ volatile("mfence" ::: "memory")
#define CLEARED(count)                                                                             \
    do {                                                                                           \
        char *to = base;                                                                           \
        size_t left = count;                                                                       \
        __asm__ volatile("rep stosb" : "+D"(to), "+c"(left) : "a"(0) : "memory");                  \
    } while (0)
#define EXCHANGED(value)                                                                           \
    do {                                                                                           \
        int other = value;                                                                         \
        __asm__ volatile("xchgl %0, %1" : "+r"(other), "+m"(*(int *)base)::"memory");              \
    } while (0)
#define LOCKED() __asm__ volatile("lock; addl $0, (%%rsp)" ::: "memory", "cc")
#define STREAMED(at, value)                                                                        \
    __asm__ volatile("movnti %1, %0" : "=m"(*(long *)(base + (at))) : "r"((long)(value)))

/* What this CPU has: clwb and clflushopt as bytes, which every assembler knows. */
static bool has_clwb, has_clflushopt;

static void ask(void) {
    uint32_t a = 7, b, c = 0, d;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    has_clwb = b >> 24 & 1;
    has_clflushopt = b >> 23 & 1;
}

#define CLWB(at)                                                                                   \
    do {                                                                                           \
        if (has_clwb)                                                                              \
            __asm__ volatile(".byte 0x66; xsaveopt %0" : "+m"(base[at]));                          \
        else                                                                                       \
            CLFLUSH(at);                                                                           \
    } while (0)
/* What is to be seen without a fence: clflush would not be. */
#define CLWB_OR_FLUSH(at)                                                                          \
    do {                                                                                           \
        if (has_clwb)                                                                              \
            CLWB(at);                                                                              \
        else                                                                                       \
            FLUSH(at, 1, NO_DRAIN);                                                                \
    } while (0)
#define CLFLUSHOPT(at)                                                                             \
    do {                                                                                           \
        if (has_clflushopt)                                                                        \
            __asm__ volatile(".byte 0x66; clflush %0" : "+m"(base[at]));                           \
        else                                                                                       \
            CLFLUSH(at);                                                                           \
    } while (0)

/* A flush and a fence of the CPU are as good as the routines, by the strictest measure too. */
CASE(by_hand) {
    OPEN();
    ask();
    base[0] = 1;
    base[64] = 1; /* expect: unflushed-write */
    base[128] = 1;
    CLWB(0);
    RIGHT CLWB(64);
    CLFLUSHOPT(128);
    SFENCE();
    CLOSE(); /* role: freed */
}

CASE(without_a_fence) {
    OPEN();
    ask();
    base[0] = 1; /* role: store */
    /* expect: undrained-flush */
    CLWB_OR_FLUSH(0);
    RIGHT SFENCE();
    CLOSE(); /* role: freed */
}

/* clflush waits for itself. */
CASE(clflush_alone) {
    OPEN();
    base[0] = 1; /* expect: unflushed-write */
    RIGHT CLFLUSH(0);
    CLOSE(); /* role: freed */
}

CASE(fences) {
    OPEN();
    ask();
    for (size_t i = 0; i < 3; i++)
        base[i * 64] = 1;
    CLWB(0);
    MFENCE();
    CLWB(64);
    LOCKED();
    CLWB(128);
    DRAIN();
    WRONG base[1] = 1; /* expect: unflushed-write */
    CLOSE();           /* role: freed */
}

/* The routine's flush and the CPU's fence go together too. */
CASE(mixed) {
    OPEN();
    base[0] = 1;           /* role: store */
    FLUSH(0, 1, NO_DRAIN); /* expect: undrained-flush */
    RIGHT SFENCE();
    CLOSE(); /* role: freed */
}

CASE(streamed) {
    OPEN();
    STREAMED(0, 7); /* expect: undrained-flush */ /* role: store */
    RIGHT SFENCE();
    CLOSE(); /* role: freed */
}

CASE(string_instructions) {
    OPEN();
    CLEARED(100); /* expect: unflushed-write */
    RIGHT FLUSH(0, 100, 0);
    CLOSE(); /* role: freed */
}

CASE(exchanged) {
    OPEN();
    EXCHANGED(3); /* expect: unflushed-write */
    RIGHT FLUSH(0, 4, 0);
    CLOSE(); /* role: freed */
}

CASE(flushed_twice) {
    OPEN();
    ask();
    base[0] = 1;
    CLWB_OR_FLUSH(0);
    WRONG CLWB_OR_FLUSH(0); /* expect: redundant-flush */
    SFENCE();
    CLOSE();
}

PROGRAM({"by_hand", by_hand}, {"without_a_fence", without_a_fence},
        {"clflush_alone", clflush_alone}, {"fences", fences}, {"mixed", mixed},
        {"streamed", streamed}, {"string_instructions", string_instructions},
        {"exchanged", exchanged}, {"flushed_twice", flushed_twice})
