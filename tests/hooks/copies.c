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

/* As compilers call them under _FORTIFY_SOURCE. */
ssize_t __read_chk(int file, void *to, size_t size, size_t room);
ssize_t __pread_chk(int file, void *to, size_t size, off_t at, size_t room);
size_t __fread_chk(void *to, size_t room, size_t size, size_t count, FILE *file);
int __snprintf_chk(char *to, size_t size, int flag, size_t room, const char *format, ...);
int __sprintf_chk(char *to, int flag, size_t room, const char *format, ...);

CASE(checked) {
    int zeros = open("/dev/zero", O_RDONLY);
    FILE *stream = fopen("/dev/zero", "r");
    OPEN();
    if (__read_chk(zeros, base, 8, 8) != 8 ||                     /* expect: unflushed-write */
        __pread_chk(zeros, base + 64, 8, 0, 9) != 8 ||            /* expect: unflushed-write */
        __fread_chk(base + 128, 100, 4, 2, stream) != 2 ||        /* expect: unflushed-write */
        __snprintf_chk(base + 192, 32, 1, 99, "%d", SIZE) != 5 || /* expect: unflushed-write */
        __sprintf_chk(base + 256, 1, 99, "%d", SIZE) != 5)        /* expect: unflushed-write */
        exit(95);
    RIGHT FLUSH(0, 320, 0);
    CLOSE(); /* role: freed */
    close(zeros);
    fclose(stream);
}

/* What is written to the file is stored to its region, and waited for as any store is. */
CASE(file_writes) {
    struct iovec parts[2] = {{data, 100}, {data, 60}};
    OPEN();
    int file = open(path, O_RDWR);
    if (write(file, data, 8) != 8 ||           /* expect: unflushed-write */
        pwrite(file, data, 200, 128) != 200 || /* expect: unflushed-write */
        lseek(file, 4096 - 80, SEEK_SET) < 0 ||
        writev(file, parts, 2) != 160 ||           /* expect: unflushed-write */
        pwritev(file, parts, 2, 8192) != 160 ||    /* expect: unflushed-write */
        pwritev2(file, parts, 1, 12288, 0) != 100) /* expect: unflushed-write */
        exit(95);
    RIGHT fsync(file);
    CLOSE(); /* role: freed */
    close(file);
}

/* Beyond the region, before it was one, and what the call itself has waited for. */
CASE(file_writes_that_last) {
    OPEN();
    int file = open(path, O_RDWR), synced = open(path, O_RDWR | O_DSYNC);
    struct iovec part = {data, 100};
    if (pwrite(file, data, 100, SIZE) != 100 || pwrite(synced, data, 5000, 100) != 5000 ||
        pwritev2(file, &part, 1, 16384, RWF_DSYNC) != 100 ||
        pwrite(file, data, 8, SIZE - 8) != 8) /* expect: unflushed-write */
        exit(95);
    RIGHT FLUSH(SIZE - 8, 8, 0);
    CLOSE(); /* role: freed */
    close(file);
    close(synced);
}

/* At the end of the file, wherever the call says. */
CASE(appended) {
    OPEN();
    int file = open(path, O_RDWR | O_APPEND);
    if (ftruncate(file, 0) != 0 ||
        pwrite(file, data, 64, 4096) != 64 || /* expect: unflushed-write */
        ftruncate(file, SIZE) != 0)
        exit(95);
    RIGHT FLUSH(0, 64, 0);
    CLOSE(); /* role: freed */
    close(file);
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

/* Of all files, and of those of a file system. */
CASE(synced_all) {
    OPEN();
    int file = open(path, O_RDWR);
    base[9000] = 1; /* expect: unflushed-write */
    RIGHT sync();
    base[100] = 1; /* expect: unflushed-write */
    RIGHT syncfs(file);
    WRONG syncfs(-1);
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
        {"system_calls", system_calls}, {"checked", checked}, {"file_writes", file_writes},
        {"file_writes_that_last", file_writes_that_last}, {"appended", appended},
        {"synced", synced}, {"synced_other_page", synced_other_page},
        {"synced_before", synced_before}, {"synced_file", synced_file}, {"synced_all", synced_all},
        {"two_views", two_views}, {"unmapped", unmapped})
