/* SPDX-License-Identifier: BSD-2-Clause */
/* The checker of test_odd.py, which does what no checker should: ODD in the environment says what.
   Where word 0 is there, word 256 was durable before. */
#include <fcntl.h>
#include <nvrtl_crash.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *way = "";

static int is(const char *name) {
    return strcmp(way, name) == 0;
}

/* The worker's own file of the image, which no checker is told of. */
static void truncate_image(void) {
    for (int number = 3; number < 64; number++) {
        char name[64], target[256] = "";
        snprintf(name, sizeof name, "/proc/self/fd/%d", number);
        if (readlink(name, target, sizeof target - 1) > 0 &&
            strstr(target, "nvrtl-image") != NULL && ftruncate(number, 0) != 0)
            abort();
    }
}

static void close_all(void) {
    for (int number = 3; number < 64; number++)
        close(number);
}

/* A file of the user's. */
static void spoil_file(void) {
    const char *file = getenv("ODD_FILE");
    char other[4096];
    if (file == NULL)
        return;
    snprintf(other, sizeof other, "%s.new", file);
    if (is("unlinks"))
        unlink(file);
    else if (truncate(file, 0) != 0 && is("makes"))
        close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
}

/* Where the image was is nothing then, or something else. */
static void lose_image(const struct NvRtlCrash *crash) {
    munmap(crash->regions[0].image, crash->regions[0].size);
    if (is("maps-over") &&
        mmap(crash->regions[0].image, crash->regions[0].size, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        abort();
}

/* Returns in a child too, which has another opinion. */
static int return_twice(void) {
    pid_t child = fork();
    if (child > 0)
        waitpid(child, NULL, 0);
    return child > 0 ? 0 : 3;
}

static int leave_file(void) {
    char path[4096];
    snprintf(path, sizeof path, "%s/left", getenv("TMPDIR"));
    int file = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    return file < 0 || close(file) != 0 ? 6 : 0;
}

static int allocate(void) {
    char *volatile memory = malloc((size_t)256 << 20);
    int status = memory == NULL ? 0 : 5;
    free(memory);
    return status;
}

/* Ends the search, and holds its process for good where it is asked to. */
static void end_search(int holds) {
    kill(getppid(), SIGINT);
    if (holds)
        pause(); /* it is killed */
}

static int interrupt(const volatile uint64_t *words) {
    static unsigned right;
    if (words[0] == 2)
        end_search(is("interrupts-and-holds"));
    if (words[0] != 1 || words[8] == 0x42) {
        right++;
        return 0;
    }
    if (is("interrupts-fresh") && right == 0) /* the process that is to confirm it */
        end_search(1);
    return 3;
}

/* Fails twice: what it counts outlives its processes. */
static int waver(void) {
    const char *key = getenv("ODD_KEY");
    int memory = key == NULL ? -1 : shmget((key_t)atoi(key), sizeof(unsigned), IPC_CREAT | 0600);
    unsigned *met = memory < 0 ? (void *)-1 : shmat(memory, NULL, 0);
    if (met == (void *)-1)
        abort();
    int status = (*met)++ < 2 ? 3 : 0;
    shmdt(met);
    return status;
}

__attribute__((constructor)) static void load(void) {
    const char *told = getenv("ODD");
    way = told != NULL ? told : "";
    if (is("hangs-when-loaded"))
        pause();
    if (is("ends-when-loaded"))
        _exit(0);
}

int nvrtl_check(const struct NvRtlCrash *crash) {
    static unsigned met;
    const volatile uint64_t *words = crash->regions[0].image;
    uint64_t first = words[0];
    const char *told = getenv("ODD");
    way = told != NULL ? told : "";
    if (first != 0 && words[256] != 7)
        return 4;
    if (is("begun"))
        return crash->begunCount != 0 && words[8] == 0 ? 6 : 0;
    if (is("keeps"))
        return met++ == 0 ? 0 : 3;
    if (is("truncates-image"))
        truncate_image();
    if (is("closes"))
        close_all();
    if (is("unlinks") || is("truncates") || is("makes"))
        spoil_file();
    if (is("unmaps") || is("maps-over"))
        lose_image(crash);
    if (is("returns-twice"))
        return return_twice();
    if (is("leaves-a-file"))
        return leave_file();
    if (is("allocates"))
        return allocate();
    if (is("wavers") && first != 0)
        return waver();
    if (is("takes-a-moment"))
        poll(NULL, 0, 600);
    if (is("waits") && first != 0) {
        alarm(6);
        pause();
    }
    return strncmp(way, "interrupts", 10) == 0 ? interrupt(words) : 0;
}
