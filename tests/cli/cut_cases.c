/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Programs for `nvrtl cut`: cut-cases KIND FILE... counts in FILE, in one way or another, and
 * acknowledges each count; cut-cases check KIND FILE... holds the files against NVRTL_ACKED. All
 * but pair-bad, once, moved-once and renamed-bad are correct, so that no cut may ever fail.
 */
#include <errno.h>
#include <fcntl.h>
#include <nvrtl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    SIZE = 16384,
    ROUNDS = 30,
    LINE = 8 /* words */,
    SECOND = 1000,
    WRITTEN = 1000000,
    MANY = 40000
};

struct region {
    NvRtlMapping mapping;
    volatile uint64_t *words;
    const char *path;
};

static void require(bool good, const char *what) {
    if (!good) {
        fprintf(stderr, "cut-cases: %s\n", what);
        exit(3);
    }
}

static struct region open_region(const char *path) {
    struct region region = {.path = path};
    NTSTATUS status = NvRtlMapFile(path, 0, SIZE, NVRTL_MAP_CREATE, 0644, &region.mapping);
    require(status == STATUS_SUCCESS, NvRtlStatusText(status));
    region.words = region.mapping.base;
    return region;
}

/* NvRtlMapFile has the file written to the medium; this does not. */
static struct region map_by_hand(const char *path) {
    struct region region = {.path = path, .mapping = {.size = SIZE}};
    int file = open(path, O_RDWR | O_CLOEXEC);
    region.mapping.base = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    require(region.mapping.base != MAP_FAILED, "mmap");
    close(file);
    require(RtlGetNonVolatileToken(region.mapping.base, SIZE, &region.mapping.token) ==
                STATUS_SUCCESS,
            "get");
    region.words = region.mapping.base;
    return region;
}

static void put(const struct region *region, size_t word, uint64_t value, ULONG flags) {
    require(RtlWriteNonVolatileMemory(region->mapping.token, (void *)&region->words[word], &value,
                                      sizeof value, flags) == STATUS_SUCCESS,
            "write");
}

static void flush(const struct region *region, size_t word, size_t words) {
    require(RtlFlushNonVolatileMemory(region->mapping.token, (void *)&region->words[word],
                                      words * sizeof(uint64_t), 0) == STATUS_SUCCESS,
            "flush");
}

static void acknowledge(const struct region *region, uint64_t id) {
    NvRtlVerifierMark(region->mapping.token, NVRTL_OP_ACK, id, "counted");
}

/* Two words in two lines, the second never ahead of the first; else the next start aborts. */
static void count_pairs(struct region *region, bool good) {
    if (region->words[LINE] > region->words[0])
        abort();
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        put(region, 0, i, good ? WRITE_NV_MEMORY_FLAG_FLUSH : 0);
        put(region, LINE, i, good ? WRITE_NV_MEMORY_FLAG_FLUSH : 0);
        if (!good)
            flush(region, 0, 2 * (size_t)LINE);
    }
}

/* Stores through pointers around a Write, all in one line, and one flush by the routines. */
static void count_plainly(struct region *region) {
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        region->words[0] = i;
        put(region, 1, i, 0);
        region->words[2] = i;
        flush(region, 0, 1);
        acknowledge(region, i);
    }
}

static void count(struct region *region, size_t word, uint64_t first) {
    for (uint64_t i = first; i < first + ROUNDS; i++) {
        put(region, word, i,
            i % 2 ? WRITE_NV_MEMORY_FLAG_FLUSH : WRITE_NV_MEMORY_FLAG_NON_TEMPORAL);
        put(region, word + 1, i, WRITE_NV_MEMORY_FLAG_PERSIST);
        acknowledge(region, i);
    }
}

/* What a Write has stored is then written by the system, and made durable by it. */
static void count_by_the_system(struct region *region) {
    int file = open(region->path, O_RDWR | O_CLOEXEC);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        uint64_t value = WRITTEN + i;
        put(region, 0, i, 0);
        require(pwrite(file, &value, sizeof value, 0) == sizeof value && fsync(file) == 0, "fsync");
        acknowledge(region, i);
    }
    close(file);
}

static int wait_in_a_child(const struct region *region) {
    pid_t child = fork();
    int status;
    if (child == 0)
        _exit(msync(region->mapping.base, SIZE, MS_SYNC) == 0 ? 0 : 1);
    require(waitpid(child, &status, 0) == child, "child");
    return status;
}

/* What Write and Fill have stored the program itself waits for, by turns by each call that there
   is. */
static void count_and_wait(struct region *region) {
    int file = open(region->path, O_RDWR | O_CLOEXEC);
    for (uint64_t i = 1; i <= ROUNDS; i++) {
        put(region, 0, i, 0);
        put(region, 1, i, WRITE_NV_MEMORY_FLAG_FLUSH | WRITE_NV_MEMORY_FLAG_NO_DRAIN);
        int failed = i % 5 == 0   ? msync(region->mapping.base, SIZE, MS_SYNC)
                     : i % 5 == 1 ? fsync(file)
                     : i % 5 == 2 ? fdatasync(file)
                     : i % 5 == 3 ? syncfs(file)
                                  : wait_in_a_child(region);
        require(failed == 0, "sync");
        acknowledge(region, i);
    }
    close(file);
}

static void count_in_a_child(struct region *region) {
    pid_t child = fork();
    int status;
    if (child == 0) {
        count(region, 0, 1);
        exit(0);
    }
    require(waitpid(child, &status, 0) == child && status == 0, "child");
}

static void *count_second(void *region) {
    count(region, 4 * (size_t)LINE, SECOND + 1);
    return NULL;
}

static void count_in_threads(struct region *region) {
    pthread_t thread;
    require(pthread_create(&thread, NULL, count_second, region) == 0, "thread");
    count(region, 0, 1);
    pthread_join(thread, NULL);
}

/* The only store there is, to a page that nobody has told of, and nothing flushes it. */
static void store_once(const struct region *region) {
    const uint64_t ones[2] = {1, 1};
    require(RtlWriteNonVolatileMemory(region->mapping.token, (void *)region->words, ones,
                                      sizeof ones, 0) == STATUS_SUCCESS,
            "write");
    acknowledge(region, 1);
}

/* What lies beyond the end of a file that was cut short gives a status, and nothing worse. */
static void count_after_truncation(struct region *region) {
    uint64_t value = 1;
    volatile uint64_t *gone = region->words + SIZE / 2 / sizeof *region->words;
    require(truncate(region->path, SIZE / 4) == 0, "truncate");
    require(RtlWriteNonVolatileMemory(region->mapping.token, (void *)gone, &value, sizeof value,
                                      0) != STATUS_SUCCESS,
            "stored beyond the end");
    RtlFlushNonVolatileMemory(region->mapping.token, (void *)gone, sizeof value, 0);
    count(region, 0, 1);
}

/* The file gets the second name, or none; another one, full of the letter N, may take its place. */
static void take_away(const char *kind, char **paths) {
    if (strncmp(kind, "moved", 5) == 0)
        require(rename(paths[0], paths[1]) == 0, "rename");
    else
        require(unlink(paths[0]) == 0, "unlink");
    if (strcmp(kind, "replaced") != 0)
        return;
    FILE *file = fopen(paths[0], "w");
    for (size_t i = 0; i < SIZE; i++)
        putc('N', file);
    require(fclose(file) == 0, "another file");
}

static void acknowledge_much(const struct region *region) {
    for (uint64_t i = 1; i <= MANY; i++)
        acknowledge(region, i);
}

/* What nobody flushed under the first name is stored anew, and flushed, under the second: to the
   same file, or to one that may have got its number. The bad one relies on the first store. */
static void store_under_two_names(const char *kind, char **paths) {
    struct region region = open_region(paths[0]);
    bool bad = strcmp(kind, "renamed-bad") == 0;
    put(&region, 0, 1, 0);
    put(&region, 1, 1, 0);
    NvRtlUnmapFile(&region.mapping);
    take_away(strcmp(kind, "recreated") == 0 ? "removed" : "moved", paths);
    region = strcmp(kind, "recreated") == 0 ? open_region(paths[1]) : map_by_hand(paths[1]);
    put(&region, bad ? LINE : 0, 1, WRITE_NV_MEMORY_FLAG_PERSIST);
    put(&region, bad ? LINE : 1, 1, WRITE_NV_MEMORY_FLAG_PERSIST);
    acknowledge(&region, 1);
    count(&region, 4 * (size_t)LINE, SECOND + 1);
}

static void run(const char *kind, char **paths) {
    if (strncmp(kind, "renamed", 7) == 0 || strcmp(kind, "recreated") == 0) {
        store_under_two_names(kind, paths);
        return;
    }
    struct region region = open_region(paths[0]);
    if (strcmp(kind, "get") == 0)
        return;
    if (strncmp(kind, "moved", 5) == 0 || strcmp(kind, "removed") == 0 ||
        strcmp(kind, "replaced") == 0) {
        take_away(kind, paths);
        if (strcmp(kind, "moved-once") == 0)
            store_once(&region);
        else
            count(&region, 0, 1);
        return;
    }
    if (strncmp(kind, "pair", 4) == 0)
        count_pairs(&region, strcmp(kind, "pair-good") == 0);
    else if (strcmp(kind, "plain") == 0)
        count_plainly(&region);
    else if (strcmp(kind, "waits") == 0)
        count_and_wait(&region);
    else if (strcmp(kind, "system") == 0)
        count_by_the_system(&region);
    else if (strcmp(kind, "fork") == 0)
        count_in_a_child(&region);
    else if (strcmp(kind, "threads") == 0)
        count_in_threads(&region);
    else if (strcmp(kind, "once") == 0)
        store_once(&region);
    else if (strcmp(kind, "marks") == 0)
        acknowledge_much(&region);
    else if (strcmp(kind, "truncate") == 0)
        count_after_truncation(&region);
    else
        count(&region, 0, 1);
    while (strcmp(kind, "forever") == 0)
        pause();
    if (paths[1] != NULL) {
        struct region second = open_region(paths[1]);
        count(&second, 0, SECOND + 1);
        NvRtlUnmapFile(&second.mapping);
    }
    NvRtlUnmapFile(&region.mapping);
}

/* The greatest acknowledged id, of those up to SECOND or beyond it. */
static uint64_t acknowledged(bool beyond) {
    const char *ids = getenv("NVRTL_ACKED");
    uint64_t greatest = 0;
    require(ids != NULL && getenv("NVRTL_BEGUN") != NULL, "no ids");
    for (char *end; *ids != '\0'; ids = end) {
        uint64_t id = strtoull(ids, &end, 10);
        require(end != ids, "ids");
        if ((id > SECOND) == beyond && id > greatest)
            greatest = id;
    }
    return greatest;
}

static uint64_t word_of(const char *path, size_t word) {
    uint64_t value = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file >= 0 && pread(file, &value, sizeof value, (off_t)(word * sizeof value)) < 0)
        value = 0;
    close(file);
    return value;
}

static void check(const char *kind, char **paths) {
    uint64_t first = acknowledged(false), second = acknowledged(true);
    uint64_t words[3];
    for (size_t i = 0; i < 3; i++)
        words[i] = word_of(paths[0], i);
    if (strcmp(kind, "system") == 0 && first != 0)
        require(words[0] >= WRITTEN + first || words[0] == first + 1, "what was synced is lost");
    else
        require(words[0] >= first && words[1] >= first, "an acknowledged count is lost");
    if (strcmp(kind, "plain") == 0)
        require(words[2] >= first && words[0] >= words[1] && words[1] >= words[2],
                "a line lost its order");
    if (second != 0)
        require(word_of(paths[1] != NULL ? paths[1] : paths[0], paths[1] != NULL ? 0 : 4 * LINE) >=
                    second,
                "the other file's or thread's count is lost");
}

int main(int argc, char **argv) {
    const char *kind = argc > 1 ? argv[1] : "none";
    if (strcmp(kind, "none") == 0)
        return 0;
    if (strcmp(kind, "fail") == 0 || strcmp(kind, "abort") == 0)
        return kind[0] == 'f' ? 3 : (abort(), 0);
    require(argc > 2, "usage: cut-cases [check] KIND FILE...");
    if (strcmp(kind, "check") == 0)
        check(argv[2], argv + 3);
    else
        run(kind, argv + 2);
    return 0;
}
