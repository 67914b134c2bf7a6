/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs that do unusual things between calls of the routines: odd CASE FILE [ARGUMENT...]. What
   they print and how they end must not depend on whether a verifier listens. */
#include "odd.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

#ifdef ODD_OWN_MALLOC
/* An allocator of the program's own, which counts who asks for memory. */
static _Alignas(16) char heap[16 << 20];
static size_t heap_used, heap_calls;

void *malloc(size_t size) {
    size_t *block = (size_t *)(heap + heap_used);
    heap_calls++;
    size = (size + 31) & ~(size_t)15;
    if (size > sizeof heap - heap_used)
        return NULL;
    heap_used += size;
    block[0] = size - 16;
    return block + 2;
}

void free(void *memory) {
    (void)memory;
}

void *calloc(size_t count, size_t size) {
    return malloc(count * size); /* the heap begins as zeroes and nothing is used twice */
}

void *realloc(void *memory, size_t size) {
    void *larger = malloc(size);
    if (memory != NULL && larger != NULL) {
        size_t old = ((size_t *)memory)[-2];
        memcpy(larger, memory, old < size ? old : size);
    }
    return larger;
}
#else
static const size_t heap_calls;
#endif

void odd_need(int good, const char *words) {
    if (good)
        return;
    fprintf(stderr, "odd: %s: %s\n", words, strerror(errno));
    exit(98);
}

NvRtlMapping odd_map(const char *path) {
    NvRtlMapping mapping;
    NTSTATUS status = NvRtlMapFile(path, 0, ODD_SIZE, NVRTL_MAP_CREATE, 0600, &mapping);
    if (status != STATUS_SUCCESS) {
        printf("map: %s\n", NvRtlStatusText(status));
        exit(99);
    }
    return mapping;
}

static void tell(const char *call, NTSTATUS status) {
    if (status != STATUS_SUCCESS)
        printf("%s: %s\n", call, NvRtlStatusText(status));
}

void odd_work(const NvRtlMapping *mapping, size_t offset) {
    char *at = (char *)mapping->base + offset;
    tell("write", RtlWriteNonVolatileMemory(mapping->token, at, "durable", 8, 0));
    tell("flush",
         RtlFlushNonVolatileMemory(mapping->token, at, 8, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN));
    tell("drain", RtlDrainNonVolatileFlush(mapping->token));
}

void odd_forget(const NvRtlMapping *mapping, size_t offset) {
    tell("write", RtlWriteNonVolatileMemory(mapping->token, (char *)mapping->base + offset,
                                            "in flight", 8, 0));
}

static int clean(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    (void)arguments;
    odd_work(&mapping, 0);
    tell("unmap", NvRtlUnmapFile(&mapping));
    puts("clean");
    return 0;
}

/* Leaves a store in flight and ends with the status given, or by the signal "-N". */
static int dirty(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    int status = arguments[0] != NULL ? atoi(arguments[0]) : 0;
    odd_forget(&mapping, 0);
    puts("dirty");
    fflush(stdout);
    if (status < 0)
        kill(getpid(), -status);
    return status;
}

static int end_abruptly(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    odd_forget(&mapping, 0);
    if (strcmp(arguments[0], "abort") == 0)
        abort();
    if (strcmp(arguments[0], "fault") == 0)
        *(volatile char *)1 = 0;
    _exit(7);
}

/* Standard input to standard output, with work between. */
static int echo(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    char bytes[4096];
    ssize_t count;
    (void)arguments;
    while ((count = read(STDIN_FILENO, bytes, sizeof bytes)) > 0) {
        odd_work(&mapping, 64);
        odd_need(write(STDOUT_FILENO, bytes, (size_t)count) == count, "write");
    }
    NvRtlUnmapFile(&mapping);
    return 0;
}

/* Closes what it did not open, before or after the first token. */
static int close_all(const char *path, char **arguments) {
    if (strcmp(arguments[0], "before") == 0)
        closefrom(3);
    NvRtlMapping mapping = odd_map(path);
    if (strcmp(arguments[0], "after") == 0)
        closefrom(3);
    odd_work(&mapping, 0);
    odd_forget(&mapping, 64);
    NvRtlMapping second = odd_map(path);
    odd_forget(&second, 128);
    puts("closed");
    return 0;
}

/* Moves to a root directory without anything in it. */
static int new_root(const char *path, char **arguments) {
    NvRtlMapping mapping;
    bool before = arguments[1] != NULL;
    if (!before)
        mapping = odd_map(path);
    if (geteuid() != 0)
        odd_need(unshare(CLONE_NEWUSER) == 0, "unshare");
    odd_need(chdir("/") == 0 && chroot(arguments[0]) == 0 && chdir("/") == 0, "chroot");
    if (before)
        mapping = odd_map(arguments[1]);
    odd_work(&mapping, 0);
    odd_forget(&mapping, 64);
    tell("unmap", NvRtlUnmapFile(&mapping));
    puts("rooted");
    return 0;
}

/* A child that dies of a signal in the middle, a parent that goes on in good order. */
static int child_crashes(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    int status;
    (void)arguments;
    pid_t child = fork();
    if (child == 0) {
        odd_work(&mapping, 64);
        raise(SIGKILL);
    }
    odd_need(waitpid(child, &status, 0) == child, "waitpid");
    odd_work(&mapping, 0);
    NvRtlUnmapFile(&mapping);
    printf("child: %d\n", WTERMSIG(status));
    return 0;
}

/* A grandchild that goes on when its parents have ended, and then forgets to flush. */
static int orphan(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    int alive[2], status;
    (void)arguments;
    odd_need(pipe(alive) == 0, "pipe");
    pid_t first = getpid(), child = fork();
    if (child == 0 && fork() == 0) {
        char byte;
        setsid();
        close(alive[1]);
        while (read(alive[0], &byte, 1) > 0) { /* until every other process has ended */
        }
        odd_forget(&mapping, 4096);
        puts("the grandchild ends");
        exit(0);
    }
    if (getpid() == first)
        odd_need(waitpid(child, &status, 0) == child, "waitpid");
    NvRtlUnmapFile(&mapping);
    return getpid() == first ? 3 : 0;
}

/* Ends while a daemon of it waits until descriptor 0 of the program ends. */
static int daemonize(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    int started[2];
    char byte;
    (void)arguments;
    odd_need(pipe(started) == 0, "pipe");
    if (fork() == 0) {
        setsid();
        if (fork() != 0)
            _exit(0);
        odd_forget(&mapping, 0);
        odd_need(write(started[1], "", 1) == 1, "write");
        close(STDOUT_FILENO);
        close(STDERR_FILENO);
        while (read(STDIN_FILENO, &byte, 1) > 0) {
        }
        _exit(0);
    }
    odd_need(read(started[0], &byte, 1) == 1, "read");
    puts("the daemon runs");
    return 0;
}

/* Becomes this same program again, or lets a child become it. */
static int become(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    char *again[] = {"odd", "dirty", (char *)path, NULL};
    int status = 0;
    odd_work(&mapping, 0);
    pid_t child = strcmp(arguments[0], "vfork") == 0 ? vfork() : 0;
    if (child == 0) {
        execv("/proc/self/exe", again);
        _exit(127);
    }
    odd_need(waitpid(child, &status, 0) == child, "waitpid");
    odd_work(&mapping, 0);
    NvRtlUnmapFile(&mapping);
    return WEXITSTATUS(status);
}

/* Does each routine leave errno alone? */
static int keeps_errno(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    void *token = mapping.token, *at = mapping.base, *other;
    NV_MEMORY_RANGE range = {at, 8};
    NvRtlTokenInfo info = {.structSize = sizeof info};
    int changed = 0, call = 0;
    (void)arguments;
#define KEEPS(statement)                                                                           \
    do {                                                                                           \
        errno = 4711 + call++;                                                                     \
        statement;                                                                                 \
        if (errno != 4710 + call)                                                                  \
            printf("errno after %s: %d\n", #statement, errno), changed = 1;                        \
    } while (0)
    KEEPS(RtlGetNonVolatileToken(at, 64, &other));
    KEEPS(RtlGetNonVolatileToken((void *)1, 64, &other));
    KEEPS(RtlWriteNonVolatileMemory(token, at, "x", 1, WRITE_NV_MEMORY_FLAG_PERSIST));
    KEEPS(RtlWriteNonVolatileMemory(token, at, at, 9, 0));
    KEEPS(RtlFillNonVolatileMemory(token, at, 1, 1, 0));
    KEEPS(RtlFlushNonVolatileMemory(token, at, 8, 0));
    KEEPS(RtlFlushNonVolatileMemory(token, at, 8, 0));
    KEEPS(RtlFlushNonVolatileMemory(token, at, ODD_SIZE + 1, 0));
    KEEPS(RtlFlushNonVolatileMemoryRanges(token, &range, 1, 0));
    KEEPS(RtlDrainNonVolatileFlush(token));
    KEEPS(RtlDrainNonVolatileFlush((void *)FLUSH_NV_MEMORY_DEFAULT_TOKEN));
    KEEPS(NvRtlQueryToken(token, &info));
    KEEPS(NvRtlVerifierIgnore(token, at, 8));
    KEEPS(NvRtlVerifierAssertDurable(token, at, 8));
    KEEPS(NvRtlVerifierMark(token, NVRTL_OP_BEGIN, 1, "begun"));
    KEEPS(RtlFreeNonVolatileToken(other));
    KEEPS(RtlFreeNonVolatileToken(other));
    KEEPS(NvRtlUnmapFile(&mapping));
    printf("%d calls\n", call);
    return changed;
}

/* Does without the environment, before the first token or after it. */
static int no_environment(const char *path, char **arguments) {
    static char garbage[] = "no equals sign", *broken[] = {garbage, NULL};
    bool before = strcmp(arguments[0], "before") == 0;
    if (before)
        environ = NULL;
    NvRtlMapping mapping = odd_map(path);
    if (!before)
        environ = broken;
    odd_work(&mapping, 0);
    NvRtlUnmapFile(&mapping);
    puts("no environment");
    return 0;
}

/* How often do the routines that say so ask for memory? */
static int counts_memory(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    (void)arguments;
    size_t before = heap_calls;
    for (int i = 0; i < 1000; i++)
        odd_work(&mapping, (size_t)i * 64);
    size_t calls = heap_calls - before;
    NvRtlUnmapFile(&mapping);
    printf("%zu calls of malloc\n", calls);
    return 0;
}

/* Leaves a store in flight, cuts the file off at so many bytes, and ends the token if told so. */
static int cut_off(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    odd_forget(&mapping, 0);
    odd_need(truncate(path, atoi(arguments[0])) == 0, path);
    if (arguments[1] != NULL)
        tell("unmap", NvRtlUnmapFile(&mapping));
    return 0;
}

static const struct {
    const char *name;
    odd_case *run;
} cases[] = {
    {"clean", clean},
    {"dirty", dirty},
    {"end-abruptly", end_abruptly},
    {"cut-off", cut_off},
    {"echo", echo},
    {"close-all", close_all},
    {"new-root", new_root},
    {"child-crashes", child_crashes},
    {"orphan", orphan},
    {"daemon", daemonize},
    {"become", become},
    {"keeps-errno", keeps_errno},
    {"no-environment", no_environment},
    {"counts-memory", counts_memory},
    {"limit", odd_limit},
    {"small-stack", odd_small_stack},
    {"small-signal-stack", odd_small_signal_stack},
    {"filter", odd_filter},
    {"step", odd_step},
    {"threads", odd_threads},
    {"many-tokens", odd_many_tokens},
    {"many-ranges", odd_many_ranges},
};

int main(int argc, char **argv) {
    for (size_t i = 0; argc > 2 && i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(cases[i].name, argv[1]) == 0)
            return cases[i].run(argv[2], argv + 3);
    }
    fputs("usage: odd CASE FILE [ARGUMENT...]\n", stderr);
    return 97;
}
