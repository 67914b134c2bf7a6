/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * batches FILE HOW: stores that are recorded several at once, in each way in which they end. Where
 * two threads or processes work together they tell each other by words that no region has, so that
 * nobody hears of it: the recorder has to know by what they do.
 */
#include <fcntl.h>
#include <immintrin.h>
#include <nvrtl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define WORDS (PAGE / sizeof(uint64_t))

static NvRtlMapping mapping;
static volatile uint64_t *first, *second; /* pages */
static const char *path;
static volatile int *step; /* how far the two have come; shared with a child */

static void await(int wanted) {
    while (*step < wanted)
        _mm_pause();
}

/* Numbers from 1 on, to the first words of a page. */
static void count(volatile uint64_t *page, uint64_t most) {
    for (uint64_t i = 1; i <= most; i++)
        page[i - 1] = i;
}

/* Only from the second store to a page on are there several to be recorded. */
static void begin(void) {
    first[WORDS - 1] = second[WORDS - 1] = 1;
}

static void overlap(void) {
    volatile uint8_t *bytes = (volatile uint8_t *)first;
    first[0] = 0x1111111111111111;
    *(volatile uint32_t *)(bytes + 4) = 0x22222222;
    *(volatile uint32_t *)bytes = 0x33333333;
    bytes[7] = 0x44;
    first[0] = 0x5555555555555555;
    second[0] = 0x6666666666666666; /* the same word of another page */
    first[1] = 0x7777777777777777;
    *(volatile uint32_t *)(bytes + 14) = 0x88888888; /* beyond its 8 bytes */
    bytes[17] = 0x99;
}

static void turns(void) {
    for (uint64_t i = 0; i < 100; i++)
        (i % 3 == 0 ? second : first)[i] = i;
}

static void *other_stores(void *unused) {
    await(1);
    first[0] = 100;
    *step = 2;
    await(3);
    first[9] = 200;
    *step = 4;
    return unused;
}

static void *other_flushes(void *unused) {
    await(1);
    _mm_clflushopt((void *)(uintptr_t)first);
    _mm_clflushopt((void *)(uintptr_t)&first[9]);
    _mm_sfence();
    *step = 2;
    return unused;
}

static void *other_waits(void *unused) {
    await(1);
    msync(mapping.base, PAGE, MS_SYNC);
    *step = 2;
    return unused;
}

static void *other_unmaps(void *unused) {
    await(1);
    munmap(mapping.base, 2 * PAGE);
    *step = 2;
    return unused;
}

static void *other_frees(void *unused) {
    await(1);
    RtlFreeNonVolatileToken(mapping.token);
    *step = 2;
    return unused;
}

static void *other_replaces(void *unused) {
    await(1);
    void *other = mmap(mapping.base, PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memset(other, 0xee, PAGE);
    *step = 2;
    return unused;
}

static void with(void *(*body)(void *)) {
    pthread_t thread;
    pthread_create(&thread, NULL, body, NULL);
    count(first, 10);
    *step = 1;
    await(2);
    if (body == other_stores) {
        second[0] = 300; /* another page, but the thread has been heard of since its last store */
        *step = 3;
        await(4);
    }
    pthread_join(thread, NULL);
}

static void with_child(void) {
    pid_t child = fork();
    if (child == 0) {
        other_stores(NULL);
        exit(0);
    }
    count(first, 10);
    *step = 1;
    await(2);
    second[0] = 300;
    *step = 3;
    await(4);
    waitpid(child, NULL, 0);
}

static void forks(void) {
    count(first, 10);
    pid_t child = fork();
    if (child == 0) {
        first[9] = 200;
        exit(0);
    }
    waitpid(child, NULL, 0);
}

/* Another program goes on in its place, and comes to the page. */
static void becomes(void) {
    count(first, 10);
    execl("/proc/self/exe", "batches", path, "goes-on", (char *)NULL);
}

/* Its child is killed, and it waits for the file without looking there. */
static void survives(void) {
    siginfo_t info;
    pid_t child = fork();
    if (child == 0) {
        begin();
        count(first, 10);
        __builtin_trap(); /* a signal that is sent would be heard of */
    }
    int file = open(path, O_RDWR | O_CLOEXEC);
    NvRtlUnmapFile(&mapping);
    waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT);
    fsync(file);
    waitpid(child, NULL, 0);
}

/* Without a wait for the file, which the routine that maps it has. */
static int goes_on(void) {
    int file = open(path, O_RDWR | O_CLOEXEC);
    void *base = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    PVOID token;
    if (RtlGetNonVolatileToken(base, 2 * PAGE, &token) != STATUS_SUCCESS)
        return 2;
    *(volatile uint64_t *)base = 100;
    return 0;
}

/* The store that ends the program is not made. */
static void faults(void) {
    count(first, 9);
    mprotect(mapping.base, PAGE, PROT_READ);
    first[9] = 10;
}

static void let_the_other_go_first(int number) {
    (void)number;
    *step = 1;
    await(2);
    mprotect(mapping.base, PAGE, PROT_READ | PROT_WRITE);
}

/* The thread's last store is still to come while another one flushes its line. */
static void delays(void) {
    pthread_t thread;
    struct sigaction action = {.sa_handler = let_the_other_go_first};
    sigaction(SIGSEGV, &action, NULL);
    pthread_create(&thread, NULL, other_flushes, NULL);
    count(first, 9);
    mprotect(mapping.base, PAGE, PROT_READ);
    first[9] = 10;
    pthread_join(thread, NULL);
}

/* More threads than the clocks have room for: those know nothing of each other, and a lock tells
   all the same, and so does a word. */
enum { CROWD = 80 };
static int flag; /* -1: is used */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_barrier_t crowded;

static void *one_of_many(void *last) {
    pthread_barrier_wait(&crowded);
    if (last != NULL) {
        begin();
        pthread_mutex_lock(&lock);
        count(first, 10);
        if (flag == 0)
            pthread_mutex_unlock(&lock);
        else
            __atomic_store_n(&flag, 1, __ATOMIC_RELEASE);
        *step = 1;
    }
    await(2);
    return NULL;
}

static void crowd(void) {
    pthread_t threads[CROWD];
    pthread_barrier_init(&crowded, NULL, CROWD + 1);
    for (int i = 0; i < CROWD; i++)
        pthread_create(&threads[i], NULL, one_of_many, i == CROWD - 1 ? &lock : NULL);
    pthread_barrier_wait(&crowded);
    await(1);
    if (flag == 0)
        pthread_mutex_lock(&lock);
    NvRtlVerifierMark(mapping.token, NVRTL_MARK_NOTE, 1, "told");
    *step = 2;
    for (int i = 0; i < CROWD; i++)
        pthread_join(threads[i], NULL);
}

static void crowd_with_flag(void) {
    flag = -1;
    crowd();
}

/* One page, at two addresses. */
static void views(void) {
    NvRtlMapping again;
    if (NvRtlMapFile(path, 0, 2 * PAGE, 0, 0, &again) != STATUS_SUCCESS)
        exit(2);
    volatile uint64_t *other = again.base;
    other[WORDS - 1] = 2;
    for (uint64_t i = 1; i <= 10; i++)
        (i % 2 != 0 ? first : other)[0] = i;
    NvRtlUnmapFile(&again);
}

/* Something else lies there before what was stored is read. */
static void replace(void) {
    count(first, 10);
    void *other = mmap(mapping.base, PAGE, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memset(other, 0xee, PAGE);
}

static void *reads_a_pipe(void *end) {
    char byte;
    if (read(*(int *)end, &byte, 1) == 1)
        NvRtlVerifierMark(mapping.token, NVRTL_MARK_NOTE, 1, "read");
    return NULL;
}

static void write_a_pipe(void) {
    int ends[2];
    pthread_t thread;
    if (pipe(ends) != 0)
        exit(2);
    pthread_create(&thread, NULL, reads_a_pipe, &ends[0]);
    count(first, 10);
    if (write(ends[1], "", 1) != 1)
        exit(2);
    /* It may be told of after the mark, if anything is. */
    pthread_join(thread, NULL);
}

static void *stores_and_stays(void *unused) {
    begin();
    count(first, 10);
    *step = 1;
    await(100);
    return unused;
}

/* Ends the process while a thread has something to tell, and will never. */
static void end(const char *how) {
    pthread_t thread;
    pthread_create(&thread, NULL, stores_and_stays, NULL);
    await(1);
    if (strcmp(how, "exit") == 0)
        exit(0);
    if (strcmp(how, "gone") == 0)
        unlink(path);
    if (strcmp(how, "again") == 0) { /* another file, by the same name */
        unlink(path);
        close(open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600));
        if (truncate(path, 2 * PAGE) != 0)
            exit(2);
    }
    raise(SIGKILL);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*act)(void);
        void *(*other)(void *);
    } ways[] = {{"overlap", overlap, NULL},      {"turns", turns, NULL},
                {"stores", NULL, other_stores},  {"flushes", NULL, other_flushes},
                {"waits", NULL, other_waits},    {"unmaps", NULL, other_unmaps},
                {"frees", NULL, other_frees},    {"child", with_child, NULL},
                {"replaces", replace, NULL},     {"writes", write_a_pipe, NULL},
                {"forks", forks, NULL},          {"faults", faults, NULL},
                {"crowd", crowd, NULL},          {"flags", crowd_with_flag, NULL},
                {"becomes", becomes, NULL},      {"survives", survives, NULL},
                {"views", views, NULL},          {"delays", delays, NULL},
                {"remaps", NULL, other_replaces}};
    path = argc == 3 ? argv[1] : "";
    if (argc == 3 && strcmp(argv[2], "goes-on") == 0)
        return goes_on();
    if (argc != 3 || NvRtlMapFile(path, 0, 2 * PAGE, NVRTL_MAP_CREATE, 0666, &mapping) != 0)
        return 1;
    step = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    first = mapping.base;
    second = first + WORDS;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(ways[i].name, argv[2]) != 0)
            continue;
        if (ways[i].act != crowd && ways[i].act != crowd_with_flag && ways[i].act != survives)
            begin();
        if (ways[i].act != NULL)
            ways[i].act();
        else
            with(ways[i].other);
        return 0;
    }
    end(argv[2]);
    return 0;
}
