/* SPDX-License-Identifier: BSD-2-Clause */
/* A program that reaches the library in one of three ways: linked with the shared object, linked
   statically, or by dlopen (LOADED), in a program that has threads already. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <nvrtl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE ((size_t)4096)
#define SIZE (3 * PAGE)
#define EACH ((PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN)

#define NEED(condition)                                                                            \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* Every routine by its short name, called through a pointer. */
#define ROUTINES(ROUTINE)                                                                          \
    ROUTINE(get, RtlGetNonVolatileToken)                                                           \
    ROUTINE(free_token, RtlFreeNonVolatileToken)                                                   \
    ROUTINE(write_bytes, RtlWriteNonVolatileMemory)                                                \
    ROUTINE(fill, RtlFillNonVolatileMemory)                                                        \
    ROUTINE(flush, RtlFlushNonVolatileMemory)                                                      \
    ROUTINE(flush_ranges, RtlFlushNonVolatileMemoryRanges)                                         \
    ROUTINE(drain, RtlDrainNonVolatileFlush)                                                       \
    ROUTINE(query, NvRtlQueryToken)                                                                \
    ROUTINE(map_file, NvRtlMapFile)                                                                \
    ROUTINE(unmap_file, NvRtlUnmapFile)

#define DECLARE(name, routine) static __typeof__(routine) *name;
ROUTINES(DECLARE)

#ifdef LOADED
static void *library;

static void reach(void) {
    library = dlopen(LOADED, RTLD_NOW | RTLD_LOCAL);
    NEED(library != NULL);
#define LOAD(name, routine) name = __extension__(__typeof__(routine) *) dlsym(library, #routine);
    ROUTINES(LOAD)
#define CHECK(name, routine) NEED(name != NULL);
    ROUTINES(CHECK)
}

/* The library stays: signals, forks and tokens may still need it. */
static void leave(void) {
    NEED(dlclose(library) == 0);
}
#else
static void reach(void) {
#define TAKE(name, routine) name = routine;
    ROUTINES(TAKE)
}

static void leave(void) {}
#endif

static NvRtlMapping mapping;
static unsigned char *bytes;

static void use(unsigned char *at, const char *text) {
    NV_MEMORY_RANGE ranges[] = {{at, 8}, {at + 16, 8}};
    NEED(write_bytes(mapping.token, at, text, 8, WRITE_NV_MEMORY_FLAG_PERSIST) == STATUS_SUCCESS);
    NEED(fill(mapping.token, at + 16, 8, 'f', FILL_NV_MEMORY_FLAG_FLUSH) == STATUS_SUCCESS);
    NEED(flush(mapping.token, at, 8, 0) == STATUS_SUCCESS);
    NEED(flush_ranges(EACH, ranges, 2, FLUSH_NV_MEMORY_IN_FLAG_NO_DRAIN) == STATUS_SUCCESS);
    NEED(drain(mapping.token) == STATUS_SUCCESS);
    NEED(memcmp(at, text, 8) == 0 && memcmp(at + 16, "ffffffff", 8) == 0);
}

static void handle(int number) {
    (void)number;
    use(bytes + 64, "handler");
}

/* This thread is older than the library. */
static pthread_barrier_t reached;

static void *use_in_thread(void *context) {
    pthread_barrier_wait(&reached);
    use(bytes + 128, "thread ");
    return context;
}

static void use_everywhere(void) {
    int status;
    use(bytes, "program");
    NEED(raise(SIGUSR1) == 0);
    pid_t child = fork();
    NEED(child >= 0);
    if (child == 0) {
        use(bytes + 192, "child  ");
        NEED(raise(SIGUSR1) == 0 && free_token(mapping.token) == STATUS_SUCCESS);
        _exit(0);
    }
    NEED(waitpid(child, &status, 0) == child && status == 0);
}

/* A token of one's own, and what the file holds in the end. */
static void check_file(const char *path) {
    static const char *const texts[] = {"program", "handler", "thread ", "child  "};
    NvRtlTokenInfo info = {.structSize = sizeof info};
    PVOID token;
    NEED(get(bytes + PAGE, PAGE, &token) == STATUS_SUCCESS);
    NEED(query(token, &info) == STATUS_SUCCESS && info.base == bytes + PAGE);
    NEED(info.domain == mapping.domain);
    NEED(free_token(token) == STATUS_SUCCESS && free_token(token) == STATUS_INVALID_PARAMETER);
    NEED(unmap_file(&mapping) == STATUS_SUCCESS);
    int file = open(path, O_RDONLY | O_CLOEXEC);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[8] = "";
        NEED(pread(file, text, 8, (off_t)(64 * i)) == 8 && strcmp(text, texts[i]) == 0);
    }
    close(file);
}

int main(int argc, char **argv) {
    const struct sigaction action = {.sa_handler = handle};
    pthread_t thread;
    NEED(argc > 1);
    unlink(argv[1]);
    NEED(pthread_barrier_init(&reached, NULL, 2) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    NEED(pthread_create(&thread, NULL, use_in_thread, NULL) == 0);
    reach();
    errno = 12345;
    NEED(map_file(argv[1], 0, SIZE, NVRTL_MAP_CREATE, 0600, &mapping) == STATUS_SUCCESS);
    NEED(errno == 12345);
    bytes = mapping.base;
    pthread_barrier_wait(&reached);
    NEED(pthread_join(thread, NULL) == 0);
    use_everywhere();
    leave();
    use_everywhere();
    check_file(argv[1]);
    unlink(argv[1]);
    return 0;
}
