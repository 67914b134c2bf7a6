/* SPDX-License-Identifier: BSD-2-Clause */
/* Stores that nobody flushed. */
#include "program.h"

CASE(plain_write) {
    OPEN();
    WRITE(0, 8, 0); /* expect: unflushed-write */
    RIGHT FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
}

CASE(plain_fill) {
    OPEN();
    FILL(100, 200, 0); /* expect: unflushed-write */
    RIGHT FLUSH(100, 200, 0);
    CLOSE(); /* role: freed */
}

CASE(flagged) {
    OPEN();
    WRONG WRITE(0, 8, LATER); /* expect: unflushed-write */
    RIGHT WRITE(0, 8, FLUSHED);
    CLOSE(); /* role: freed */
}

CASE(flush_too_short) {
    OPEN();
    /* expect: unflushed-write if strict memory actual/volatile */
    /* expect: unflushed-write as warning if actual/page-cache */
    WRITE(0, 192, 0);
    FLUSH(0, broken ? 128 : 129, 0);
    CLOSE(); /* role: freed */
}

CASE(flush_beside) {
    OPEN();
    /* expect: unflushed-write if strict memory actual/volatile */
    /* expect: unflushed-write as warning if actual/page-cache */
    WRITE(60, 8, 0);
    FLUSH(broken ? 64 : 60, 4, 0);
    RIGHT FLUSH(64, 4, 0);
    CLOSE(); /* role: freed */
}

/* The same page is not the same line. */
CASE(flush_of_neighbour) {
    OPEN();
    /* expect: unflushed-write if strict memory actual/volatile */
    /* expect: unflushed-write as warning if actual/page-cache */
    WRITE(0, 8, 0);
    WRITE(64, 8, 0);
    FLUSH(broken ? 64 : 0, broken ? 8 : 72, 0);
    CLOSE(); /* role: freed */
}

CASE(over_pages) {
    OPEN();
    /* expect: unflushed-write if strict memory actual/volatile */
    /* expect: unflushed-write as warning if actual/page-cache */
    WRITE(4000, 10000, 0);
    FLUSH(4000, broken ? 9000 : 10000, 0);
    CLOSE(); /* role: freed */
}

CASE(store_after_flush) {
    OPEN();
    RIGHT WRITE(8, 8, 0);
    WRITE(0, 8, 0);
    FLUSH(0, 16, 0);
    WRONG WRITE(8, 8, 0); /* expect: unflushed-write */
    CLOSE();              /* role: freed */
}

CASE(forgotten_range) {
    OPEN();
    WRITE(0, 8, 0);
    WRITE(8192, 8, 0); /* expect: unflushed-write */
    NV_MEMORY_RANGE ranges[] = {{base, 8}, {base + 8192, 8}};
    RANGES(ranges, broken ? 1 : 2, 0);
    CLOSE(); /* role: freed */
}

CASE(many_times) {
    OPEN();
    for (size_t i = 0; i < 50; i++) {
        WRITE(i * 640, 8, 0); /* expect: unflushed-write 50x */
        RIGHT FLUSH(i * 640, 8, 0);
    }
    CLOSE(); /* role: freed */
}

/* At -O2 nothing of this function is left but its lines. */
static inline void put_record(size_t at) {
    WRITE(at, 16, 0);      /* expect: unflushed-write of in_a_function */
    WRITE(at + 64, 16, 0); /* expect: unflushed-write of in_a_function */
}

CASE(in_a_function) {
    OPEN();
    put_record(0);
    RIGHT FLUSH(0, 128, 0);
    CLOSE(); /* role: freed */
}

APART static void end(void) {
    CLOSE();              /* role: freed of ended_elsewhere */
    __asm__ volatile(""); /* no jump */
}

CASE(ended_elsewhere) {
    OPEN();
    WRITE(0, 8, 0); /* expect: unflushed-write */
    RIGHT FLUSH(0, 8, 0);
    end();
}

/* Freed while another token has the bytes too: they can still be flushed. */
CASE(two_tokens) {
    void *second, *third;
    OPEN();
    GET(0, 128, &second);
    GET(64, 128, &third);
    WRITE(0, 8, 0);
    /* expect: unflushed-write if strict memory actual/volatile */
    /* expect: unflushed-write as warning if actual/page-cache */
    WRITE(64, 8, 0);
    FREE(second);
    FLUSH(0, broken ? 8 : 128, 0);
    CLOSE();
    FREE(third); /* role: freed */
}

/* What lies in the other token's part is told when that ends, and counts as one of the three. */
CASE(part_of_the_region) {
    void *second;
    OPEN();
    GET(64, 64, &second);
    WRITE(0, 192, 0); /* expect: unflushed-write 3x */
    RIGHT FLUSH(0, 192, 0);
    CLOSE(); /* role: freed */
    FREE(second);
}

static void map_view(int file, char **view, void **token) {
    *view = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ok(RtlGetNonVolatileToken(*view, SIZE, token));
}

/* A file is one, however often it is mapped. */
CASE(two_views) {
    char *views[2];
    void *tokens[2];
    OPEN();
    int file = open(path, O_RDWR);
    map_view(file, &views[0], &tokens[0]);
    map_view(file, &views[1], &tokens[1]);
    CLOSE();
    base = views[0];
    WRITE_BY(tokens[0], 64, 8, 0); /* expect: unflushed-write */
    FREE(tokens[0]);
    base = views[1];
    FLUSH_BY(tokens[1], broken ? 4096 : 64, 8, 0);
    FREE(tokens[1]); /* role: freed */
    munmap(views[0], SIZE);
    munmap(views[1], SIZE);
    close(file);
}

/* Of two files each has its own lines. */
CASE(another_file) {
    NvRtlMapping other;
    OPEN();
    WRITE(0, 8, 0); /* expect: unflushed-write */
    strcat(path, ".other");
    ok(NvRtlMapFile(path, 0, SIZE, NVRTL_MAP_CREATE, 0600, &other));
    base = other.base;
    WRITE_BY(other.token, 0, 8, FLUSHED);
    base = map.base;
    RIGHT FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
    ok(NvRtlUnmapFile(&other));
}

/* A view that begins in the middle of the file. */
CASE(at_an_offset) {
    NvRtlMapping part;
    OPEN();
    ok(NvRtlMapFile(path, 8192, 4096, 0, 0, &part));
    base = part.base;
    WRITE_BY(part.token, 64, 8, 0); /* expect: unflushed-write */
    ok(NvRtlUnmapFile(&part));
    base = map.base;
    FLUSH(broken ? 64 : 8256, 8, 0);
    CLOSE(); /* role: freed */
}

PROGRAM({"plain_write", plain_write}, {"plain_fill", plain_fill}, {"flagged", flagged},
        {"flush_too_short", flush_too_short}, {"flush_beside", flush_beside},
        {"flush_of_neighbour", flush_of_neighbour}, {"over_pages", over_pages},
        {"store_after_flush", store_after_flush}, {"forgotten_range", forgotten_range},
        {"many_times", many_times}, {"in_a_function", in_a_function},
        {"ended_elsewhere", ended_elsewhere}, {"two_tokens", two_tokens},
        {"part_of_the_region", part_of_the_region}, {"two_views", two_views},
        {"another_file", another_file}, {"at_an_offset", at_an_offset})
