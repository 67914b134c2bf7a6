/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * handed FILE HOW BEFORE [msync|fsync]: somebody stores a word, lets somebody else know in the way
 * that HOW says, and does nothing more; the other one makes it durable, and then stores another
 * word. BEFORE says whether it is the first store to its page (none) or not (some), or of more than
 * a word (wide).
 */
#include <fcntl.h>
#include <nvrtl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static NvRtlMapping mapping;
static volatile uint64_t *words;
static const char *before, *waits = "";
static int file;
static volatile int
    *step; /* of no region, and nothing that anybody hears of; shared with a child */
static int ends[2];

static void await(int wanted) {
    while (*step < wanted)
        __builtin_ia32_pause();
}

static void store(void) {
    static const uint64_t two[2] = {7, 8};
    if (strcmp(before, "some") == 0)
        words[16] = 1;
    if (strcmp(before, "wide") == 0)
        memcpy((void *)(uintptr_t)&words[8], two, sizeof two);
    else
        words[8] = 7;
}

static void persist(volatile uint64_t *word) {
    if (strcmp(waits, "msync") == 0)
        msync(mapping.base, 4096, MS_SYNC);
    else if (strcmp(waits, "fsync") == 0)
        fsync(file);
    else
        RtlFlushNonVolatileMemory(mapping.token, (void *)(uintptr_t)word, 8, 0);
}

static void take_over(void) {
    persist(&words[8]);
    words[0] = 1;
    persist(&words[0]);
}

static void *take_over_at_once(void *unused) {
    take_over();
    return unused;
}

static void *take_over_after_a_byte(void *unused) {
    char byte;
    if (read(ends[0], &byte, 1) == 1)
        take_over();
    *step = 1;
    return unused;
}

static void *take_over_after_a_word(void *unused) {
    await(1);
    take_over();
    *step = 2;
    return unused;
}

/* What is stored then is behind it in the line. */
static void *store_to_the_line(void *unused) {
    await(1);
    words[9] = 1;
    *step = 2;
    return unused;
}

static void in_a_child(int stays) {
    pid_t child = fork();
    if (child == 0) {
        store();
        *step = 1;
        while (stays)
            pause();
        _exit(0);
    }
    await(1);
    if (!stays)
        waitpid(child, NULL, 0);
    take_over();
    if (stays) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
}

/* The other way round: the child takes over what it has the views of. */
static void by_a_child(void) {
    pid_t child = fork();
    if (child == 0) {
        await(1);
        take_over();
        _exit(0);
    }
    store();
    *step = 1;
    waitpid(child, NULL, 0);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void *(*body)(void *);
        int wait; /* the step that the storing thread waits for */
    } ways[] = {{"byte", take_over_after_a_byte, 1},
                {"word", take_over_after_a_word, 2},
                {"line", store_to_the_line, 2}};
    pthread_t thread;
    if (argc < 4 || NvRtlMapFile(argv[1], 0, 4096, NVRTL_MAP_CREATE, 0666, &mapping) != 0)
        return 1;
    words = mapping.base;
    before = argv[3];
    waits = argc > 4 ? argv[4] : waits;
    file = open(argv[1], O_RDWR | O_CLOEXEC);
    step = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (step == MAP_FAILED || file < 0 || pipe(ends) != 0)
        return 1;
    if (strcmp(argv[2], "child") == 0 || strcmp(argv[2], "stays") == 0) {
        in_a_child(strcmp(argv[2], "stays") == 0);
    } else if (strcmp(argv[2], "to-child") == 0) {
        by_a_child();
    } else if (strcmp(argv[2], "create") == 0) {
        store();
        pthread_create(&thread, NULL, take_over_at_once, NULL);
        pthread_join(thread, NULL);
    }
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(ways[i].name, argv[2]) != 0)
            continue;
        pthread_create(&thread, NULL, ways[i].body, NULL);
        store();
        *step = 1 - (ways[i].wait == 1);
        if (ways[i].wait == 1 && write(ends[1], "", 1) != 1)
            return 1;
        await(ways[i].wait);
        pthread_join(thread, NULL);
    }
    NvRtlUnmapFile(&mapping);
    return 0;
}
