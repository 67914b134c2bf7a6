/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions of libc and system calls that store to a region, and those that wait for its file. */
#include "program.h"

#include <stdint.h>
#include <sys/uio.h>

struct large {
    char text[200];
};

static struct large source;

CASE(struct_copy) {
    OPEN();
    *(struct large *)base = source; /* expect: unflushed-write */
    RIGHT FLUSH(0, sizeof source, 0);
    CLOSE(); /* role: freed */
}

CASE(copies) {
    OPEN();
    memcpy(base, data, 100);         /* expect: unflushed-write */
    memmove(base + 128, data, 16);   /* expect: unflushed-write */
    memset(base + 192, 1, 3000);     /* expect: unflushed-write */
    mempcpy(base + 4096, data, 200); /* expect: unflushed-write */
    RIGHT FLUSH(0, 4096 + 200, 0);
    CLOSE(); /* role: freed */
}

CASE(strings) {
    OPEN();
    strcpy(base, "one");                  /* expect: unflushed-write */
    strncpy(base + 64, "two", 32);        /* expect: unflushed-write */
    strcat(base + 128, "three");          /* expect: unflushed-write */
    stpcpy(base + 192, "four");           /* expect: unflushed-write */
    snprintf(base + 256, 32, "%d", SIZE); /* expect: unflushed-write */
    RIGHT FLUSH(0, 320, 0);
    CLOSE(); /* role: freed */
}

CASE(system_calls) {
    struct iovec parts[2] = {{NULL, 8}, {NULL, 8}};
    int zeros = open("/dev/zero", O_RDONLY);
    FILE *stream = fopen("/dev/zero", "r");
    OPEN();
    parts[0].iov_base = base + 256;
    parts[1].iov_base = base + 320;
    if (read(zeros, base, 8) != 8 ||          /* expect: unflushed-write */
        pread(zeros, base + 64, 8, 0) != 8 || /* expect: unflushed-write */
        readv(zeros, parts, 2) != 16 ||       /* expect: unflushed-write 2x */
        fread(base + 192, 4, 2, stream) != 2) /* expect: unflushed-write */
        exit(95);
    RIGHT FLUSH(0, 384, 0);
    CLOSE(); /* role: freed */
    close(zeros);
    fclose(stream);
}

/* What msync has waited for is durable by any measure; MS_ASYNC waits for nothing. */
CASE(synced) {
    OPEN();
    base[5] = 1; /* expect: unflushed-write */
    msync(base, 4096, broken ? MS_ASYNC : MS_SYNC);
    CLOSE(); /* role: freed */
}

CASE(synced_other_page) {
    OPEN();
    base[4096] = 1; /* expect: unflushed-write */
    msync(base, broken ? 4096 : 4097, MS_SYNC);
    CLOSE(); /* role: freed */
}

CASE(synced_before) {
    OPEN();
    base[0] = 1;
    msync(base, 4096, MS_SYNC);
    WRONG base[8] = 1; /* expect: unflushed-write */
    CLOSE();           /* role: freed */
}

CASE(synced_file) {
    OPEN();
    int file = open(path, O_RDWR);
    base[9000] = 1; /* expect: unflushed-write */
    RIGHT fdatasync(file);
    CLOSE(); /* role: freed */
    close(file);
}

/* The same bytes by another view and another token. */
CASE(two_views) {
    void *token;
    OPEN();
    int file = open(path, O_RDWR);
    char *other = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ok(RtlGetNonVolatileToken(other, SIZE, &token));
    other[100] = 1; /* expect: unflushed-write */
    RIGHT FLUSH(100, 1, 0);
    FREE(token);
    CLOSE(); /* role: freed */
    munmap(other, SIZE);
    close(file);
}

/* Other memory at the address of a region that was unmapped. */
CASE(unmapped) {
    void *token;
    OPEN();
    CLOSE();
    int file = open(path, O_RDWR);
    base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    GET(0, SIZE, &token);
    base[0] = 1;
    FLUSH_BY(token, 0, 1, 0);
    WRONG base[1] = 1; /* expect: unflushed-write */
    munmap(base, SIZE);
    base = mmap(base, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    base[2] = 1;
    FREE(token); /* role: freed */
    munmap(base, SIZE);
    close(file);
}

PROGRAM({"struct_copy", struct_copy}, {"copies", copies}, {"strings", strings},
        {"system_calls", system_calls}, {"synced", synced},
        {"synced_other_page", synced_other_page}, {"synced_before", synced_before},
        {"synced_file", synced_file}, {"two_views", two_views}, {"unmapped", unmapped})
