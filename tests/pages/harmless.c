/* SPDX-License-Identifier: BSD-2-Clause */
/* What programs do with views of files, and what must go on as it would without --stores=pages: no
   error of theirs, no finding. With "wrong" each ends otherwise than by exit(). */
#include "../verify/program.h"

#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define WORD(at) (*(volatile uint64_t *)(base + (at)))
#define SOME UINT64_C(0x1122334455667788)
/* The file is mapped by hand: nothing of map is used but its token. */
#define token map.token
#define NEED(what) ok((what) ? STATUS_SUCCESS : 1)

static int file;

static void view(size_t size) {
    file = open(path, O_RDWR | O_CREAT, 0600);
    NEED(ftruncate(file, (off_t)size) == 0);
    base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    NEED(base != MAP_FAILED);
}

static void persist(size_t at) {
    WORD(at) = SOME;
    FLUSH_BY(token, at, 8, 0);
}

CASE(truncated) {
    view(SIZE);
    GET(0, SIZE, &token);
    persist(8192);
    NEED(ftruncate(file, 4096) == 0);
    FREE(token);
}

CASE(unmapped) {
    view(SIZE);
    GET(0, SIZE, &token);
    persist(0);
    munmap(base, SIZE);
    FREE(token);
}

/* Another file at the same addresses. */
CASE(replaced) {
    view(SIZE);
    GET(0, SIZE, &token);
    persist(0);
    char name[4200];
    snprintf(name, sizeof name, "%s.other", path);
    int other = open(name, O_RDWR | O_CREAT, 0600);
    NEED(ftruncate(other, SIZE) == 0);
    NEED(mmap(base, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, other, 0) == base);
    WORD(64) = SOME;
    FREE(token);
}

/* A region is a part of its mapping, which can still be moved as a whole. */
CASE(moved) {
    view(SIZE);
    GET(4096, 4096, &token);
    persist(4096);
    char *moved = mremap(base, SIZE, SIZE * 2, MREMAP_MAYMOVE);
    NEED(moved != MAP_FAILED);
    FREE(token);
}

CASE(locked) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int told[2], held = 0;
    view(SIZE);
    NEED(fcntl(file, F_SETLK, &lock) == 0 && pipe(told) == 0);
    GET(0, SIZE, &token);
    persist(0);
    pid_t child = fork();
    if (child == 0) {
        lock.l_type = F_WRLCK;
        int held_now = fcntl(file, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK;
        _exit(write(told[1], &held_now, sizeof held_now) != sizeof held_now);
    }
    NEED(read(told[0], &held, sizeof held) == sizeof held && held);
    waitpid(child, NULL, 0);
    FREE(token);
}

/* The position of the program's descriptor, its errno, its children and signals. */
CASE(untouched) {
    view(SIZE);
    NEED(lseek(file, 123, SEEK_SET) == 123);
    errno = ENOTTY;
    GET(0, SIZE, &token);
    persist(0);
    NEED(errno == ENOTTY && lseek(file, 0, SEEK_CUR) == 123);
    NEED(waitpid(-1, NULL, WNOHANG) == -1 && errno == ECHILD);
    FREE(token);
}

CASE(sparse) {
    const size_t size = (size_t)64 << 30;
    view(size);
    GET(0, size, &token);
    persist(((size_t)40 << 30) + 64);
    persist(size - 4096);
    FREE(token);
    struct rusage usage;
    NEED(getrusage(RUSAGE_SELF, &usage) == 0 && usage.ru_maxrss < 200 << 10);
}

/* Descriptors that the program does not know are closed. */
CASE(closed) {
    view(SIZE);
    GET(0, SIZE, &token);
    for (int descriptor = 3; descriptor < 1024; descriptor++) {
        if (descriptor != file)
            close(descriptor);
    }
    NEED(open("/dev/null", O_RDONLY) >= 0);
    persist(64);
    FREE(token);
    GET(0, SIZE, &token);
    persist(128);
    FREE(token);
}

CASE(unlinked) {
    view(SIZE);
    WORD(0) = SOME;
    NEED(unlink(path) == 0);
    GET(0, SIZE, &token);
    persist(64);
    FREE(token);
}

/* Nobody can read what the file held: no flush of it is called needless, not even one that is. */
CASE(unreadable) {
    view(SIZE);
    NEED(unlink(path) == 0 && close(file) == 0);
    GET(0, SIZE, &token);
    WRITE_BY(token, 64, 8, 0);
    FLUSH_BY(token, 64, 8, 0);
    WORD(64) = SOME;
    FLUSH_BY(token, 64, 8, 0);
    FLUSH_BY(token, 64, 8, 0);
    FREE(token);
}

CASE(emptied) {
    view(SIZE);
    GET(0, SIZE, &token);
    persist(0);
    persist(4096);
    /* Not by the name that is watched for. */
    NEED(syscall(SYS_fallocate, file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096L, 4096L) ==
         0);
    FREE(token);
    GET(0, SIZE, &token);
    persist(4096);
    FREE(token);
}

CASE(killed) {
    view(SIZE);
    GET(0, SIZE, &token);
    WORD(64) = SOME;
    FLUSH_BY(token, 64, 8, NO_DRAIN);
    WRONG raise(SIGKILL);
    DRAIN_BY(token);
    FREE(token);
}

PROGRAM({"truncated", truncated}, {"unmapped", unmapped}, {"replaced", replaced}, {"moved", moved},
        {"locked", locked}, {"untouched", untouched}, {"sparse", sparse}, {"closed", closed},
        {"unlinked", unlinked}, {"unreadable", unreadable}, {"emptied", emptied},
        {"killed", killed})
