/* SPDX-License-Identifier: BSD-2-Clause */
/* What functions of libc have to say, and are told to store in a region. */
#include "program.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <time.h>
#include <wchar.h>

#define AT(offset) ((void *)(base + (offset)))

CASE(states) {
    OPEN();
    fstat(0, AT(0));                      /* expect: unflushed-write */
    uname(AT(512));                       /* expect: unflushed-write */
    getrusage(RUSAGE_SELF, AT(1024));     /* expect: unflushed-write */
    if (getcwd(AT(4096), 4096) == NULL || /* expect: unflushed-write */
        stat("/", AT(8192)) != 0)         /* expect: unflushed-write */
        exit(95);
    RIGHT FLUSH(0, 8192 + sizeof(struct stat), 0);
    CLOSE(); /* role: freed */
}

CASE(times) {
    time_t now = time(NULL);
    struct tm parts;
    OPEN();
    clock_gettime(CLOCK_REALTIME, AT(0)); /* expect: unflushed-write */
    gettimeofday(AT(64), NULL);           /* expect: unflushed-write */
    time(AT(128));                        /* expect: unflushed-write */
    localtime_r(&now, AT(192));           /* expect: unflushed-write */
    gmtime_r(&now, &parts);
    strftime(AT(256), 64, "%Y-%m-%d", &parts); /* expect: unflushed-write */
    RIGHT FLUSH(0, 320, 0);
    CLOSE(); /* role: freed */
}

CASE(conversions) {
    volatile double value = 1.5;
    OPEN();
    /* expect: unflushed-write 2x */
    sscanf("12 ab 0.5", "%d %*s %lf", (int *)AT(0), (double *)AT(64));
    /* expect: unflushed-write 2x */
    sscanf("word]x9", "%2s%[^0-9]", (char *)AT(128), (char *)AT(192));
    inet_pton(AF_INET6, "::1", AT(320)); /* expect: unflushed-write */
    swab(data, AT(384), 8);              /* expect: unflushed-write */
    value = modf(value, AT(448));        /* expect: unflushed-write */
    RIGHT FLUSH(0, 512, 0);
    CLOSE(); /* role: freed */
}

CASE(wide_characters) {
    OPEN();
    wmemset(AT(0), L'x', 16);   /* expect: unflushed-write */
    wcscpy(AT(64), L"wide");    /* expect: unflushed-write */
    wmemcpy(AT(128), AT(0), 4); /* expect: unflushed-write */
    RIGHT FLUSH(0, 192, 0);
    CLOSE(); /* role: freed */
}

/* No more than is stored. */
CASE(exactly) {
    OPEN();
    if (sscanf("7", "%hhd %d", (signed char *)AT(0), (int *)AT(64)) != 1 ||
        strftime(AT(128), 2, "%Y", &(struct tm){0}) != 0)
        exit(95);
    FLUSH(0, 1, 0);
    strcpy(AT(192), "x");
    if (sscanf("a=b", "%1[a]=%c%n", (char *)AT(192), (char *)AT(256), (int *)AT(320)) != 2)
        exit(95);
    FLUSH(192, 2, 0);
    FLUSH(256, 1, 0);
    FLUSH(320, 4, 0);
    CLOSE();
}

static int compare(const void *one, const void *other) {
    const int *a = one, *b = other;
    return (*a > *b) - (*a < *b);
}

/* Of what a sort leaves where it was nothing is stored. */
CASE(sorts) {
    int *numbers;
    OPEN();
    numbers = AT(0);
    for (int i = 0; i < 64; i++)
        numbers[i] = i;
    numbers[16] = 17;
    numbers[17] = 16;
    FLUSH(0, 256, 0);
    qsort(numbers, 64, sizeof *numbers, compare); /* expect: unflushed-write */
    RIGHT FLUSH(64, 64, 0);
    CLOSE(); /* role: freed */
}

PROGRAM({"states", states}, {"times", times}, {"conversions", conversions},
        {"wide_characters", wide_characters}, {"exactly", exactly}, {"sorts", sorts})
