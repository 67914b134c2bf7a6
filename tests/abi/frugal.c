/* SPDX-License-Identifier: BSD-2-Clause */
/* What the routines of the shared library use of a program: less than 512 bytes of stack, no memory
   after Get, nothing printed, errno as it was. Each call runs on a painted stack. */
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <nvrtl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define STACK_LIMIT 512
/* Where the call looks for a token, or asks the system, first. */
#define STACK_LIMIT_BY_ADDRESS 1536
#define ERRNO_BEFORE 12345
#define PAGE ((size_t)4096)

/* libc's allocators under their own names; whatever the library calls comes by here. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *old);

static unsigned allocations;

void *malloc(size_t size) {
    allocations++;
    return __libc_malloc(size);
}
void *calloc(size_t count, size_t size) {
    allocations++;
    return __libc_calloc(count, size);
}
void *realloc(void *old, size_t size) {
    allocations++;
    return __libc_realloc(old, size);
}
void *memalign(size_t alignment, size_t size) {
    allocations++;
    return __libc_memalign(alignment, size);
}
void *aligned_alloc(size_t alignment, size_t size) {
    return memalign(alignment, size);
}
int posix_memalign(void **place, size_t alignment, size_t size) {
    *place = memalign(alignment, size);
    return 0;
}
void free(void *old) {
    allocations += old != NULL;
    __libc_free(old);
}

static unsigned char *bytes;
static PVOID token, other;
static NTSTATUS status;
static NvRtlTokenInfo info = {.structSize = sizeof info};

static void call_nothing(void) {
    status = 0;
}
static void call_get(void) {
    status = RtlGetNonVolatileToken(bytes, PAGE, &other);
}
static void call_query(void) {
    status = NvRtlQueryToken(token, &info);
}
static void call_write(void) {
    status =
        RtlWriteNonVolatileMemory(token, bytes + 3, "0123456789abcdefghijklmnopqrstuvwxyz", 37, 0);
}
static void call_write_flush(void) {
    status = RtlWriteNonVolatileMemory(token, bytes + 3, "0123456789abcdef", 16, 1);
}
static void call_write_stream(void) {
    status = RtlWriteNonVolatileMemory(token, bytes + 3, bytes + PAGE, 500, 2);
}
static void call_write_persist(void) {
    status = RtlWriteNonVolatileMemory(token, bytes + 3, bytes + PAGE, 500, 3);
}
static void call_write_overlapping(void) {
    status = RtlWriteNonVolatileMemory(token, bytes + 3, bytes, 500, 3);
}
static void call_fill(void) {
    status = RtlFillNonVolatileMemory(token, bytes + 3, 500, 7, 0x101);
}
static void call_fill_persist(void) {
    status = RtlFillNonVolatileMemory(token, bytes + 3, 500, 7, 3);
}
static void call_flush(void) {
    status = RtlFlushNonVolatileMemory(token, bytes + 3, 500, 1);
}
static void call_flush_drain(void) {
    status = RtlFlushNonVolatileMemory(token, bytes + 3, 500, 0);
}
static void call_ranges(void) {
    static NV_MEMORY_RANGE ranges[3];
    ranges[0] = (NV_MEMORY_RANGE){bytes, 9};
    ranges[1] = (NV_MEMORY_RANGE){bytes + 100, PAGE};
    status = RtlFlushNonVolatileMemoryRanges(token, ranges, 3, 0);
}
static void call_drain(void) {
    status = RtlDrainNonVolatileFlush(token);
}
static void call_drain_every(void) {
    status = RtlDrainNonVolatileFlush((PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN);
}
static void call_default(void) {
    status = RtlFillNonVolatileMemory((PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN, bytes + 3, 500, 7, 1);
}
static void call_internal(void) {
    status =
        RtlFillNonVolatileMemory((PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN, bytes + 8 * PAGE, 9, 7, 1);
}
static void call_read(void) {
    status = NvRtlReadNonVolatileMemory(token, &info.reason, bytes, 100);
}
static void call_retry(void) {
    status = NvRtlRetryToken(token);
}
static void call_bad_token(void) {
    status = !RtlFlushNonVolatileMemory(NULL, bytes, 1, 0);
}
static void call_free(void) {
    status = RtlFreeNonVolatileToken(other);
}

static const struct {
    const char *name;
    void (*call)(void);
    bool by_address; /* a Get, or the default token */
} calls[] = {
    {"Query", call_query, false},
    {"Write", call_write, false},
    {"Write FLUSH", call_write_flush, false},
    {"Write NON_TEMPORAL", call_write_stream, false},
    {"Write PERSIST", call_write_persist, false},
    {"Write PERSIST, overlapping", call_write_overlapping, false},
    {"Fill FLUSH NO_DRAIN", call_fill, false},
    {"Fill PERSIST", call_fill_persist, false},
    {"Flush NO_DRAIN", call_flush, false},
    {"Flush", call_flush_drain, false},
    {"FlushRanges", call_ranges, false},
    {"Drain", call_drain, false},
    {"Drain of all", call_drain_every, false},
    {"Fill FLUSH, default token", call_default, true},
    {"Read", call_read, false},
    {"a bad token", call_bad_token, false},
    {"Retry", call_retry, false},
    {"Fill FLUSH, internal token", call_internal, true},
    {"Get", call_get, true},
    {"Free", call_free, false},
};

static unsigned char stack[256 << 10];
static ucontext_t here, there;

/* Runs a call on the painted stack; how much of that it used. */
static size_t depth(void (*call)(void)) {
    memset(stack, 0xa5, sizeof stack);
    getcontext(&there);
    there.uc_stack.ss_sp = stack;
    there.uc_stack.ss_size = sizeof stack;
    there.uc_link = &here;
    makecontext(&there, call, 0);
    swapcontext(&here, &there);
    size_t untouched = 0;
    while (untouched < sizeof stack && stack[untouched] == 0xa5)
        untouched++;
    return sizeof stack - untouched;
}

static bool complain(const char *name, const char *what, size_t number) {
    fprintf(stderr, "%s: %s %zu\n", name, what, number);
    return false;
}

static bool check(size_t number, const char *domain) {
    const char *name = calls[number].name;
    calls[number].call(); /* the first time a page may be new, or a token made */
    if (calls[number].call == call_get)
        call_free();
    unsigned before = allocations;
    errno = ERRNO_BEFORE;
    size_t used = depth(calls[number].call);
    int error = errno;
    size_t allocated = allocations - before;
    size_t nothing = depth(call_nothing);
    used = used > nothing ? used - nothing : 0;
    printf("%s, %s: %zu bytes of stack\n", domain, name, used);
    bool good = true;
    if (status != 0 && calls[number].call != call_free)
        good = complain(name, "status", (size_t)(uint32_t)status);
    if (error != ERRNO_BEFORE)
        good = complain(name, "errno", (size_t)error);
    if (allocated != 0)
        good = complain(name, "allocations", allocated);
    if (used >= (calls[number].by_address ? STACK_LIMIT_BY_ADDRESS : STACK_LIMIT))
        good = complain(name, "bytes of stack", used);
    return good;
}

/* Everything that the calls print would be in a file in the place of both outputs. */
static bool silent(void) {
    int saved[2] = {dup(1), dup(2)};
    int file = memfd_create("nvrtl-test", MFD_CLOEXEC);
    fflush(NULL);
    dup2(file, 1);
    dup2(file, 2);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        calls[i].call();
    off_t printed = lseek(file, 0, SEEK_END);
    dup2(saved[0], 1);
    dup2(saved[1], 2);
    return printed == 0 || complain("all", "bytes printed:", (size_t)printed);
}

static void *nothing(void *context) {
    return context;
}

/* The name of a domain as NVRTL_DOMAIN has it; the file lies in memory. */
int main(int argc, char **argv) {
    const char *domain = argc > 1 ? argv[1] : "volatile";
    setenv("NVRTL_DOMAIN", domain, 1);
    int file = memfd_create("nvrtl-test", MFD_CLOEXEC);
    if (ftruncate(file, 16 * (off_t)PAGE) != 0)
        return 1;
    bytes = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (bytes == MAP_FAILED || RtlGetNonVolatileToken(bytes, 4 * PAGE, &token) != STATUS_SUCCESS)
        return 1;
    /* libc takes longer ways in a program that has had threads. */
    pthread_t thread;
    if (pthread_create(&thread, NULL, nothing, NULL) != 0 || pthread_join(thread, NULL) != 0)
        return 1;
    bool good = true;
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
        good &= check(i, domain);
    return good & silent() ? 0 : 1;
}
