/* SPDX-License-Identifier: BSD-2-Clause */
/* Calls of each routine, for check_cost.py, which has a simulated CPU count what they take. Each
   function below makes the same number of calls. */
#include <nvrtl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define CALLS 100
#define PAGE ((size_t)4096)
#define MEASURED __attribute__((noinline, noclone))

static unsigned char *bytes;
static PVOID token;
static NV_MEMORY_RANGE ranges[4];
static volatile NTSTATUS status;

#define EACH_TIME(call)                                                                            \
    for (unsigned i = 0; i < CALLS; i++)                                                           \
        status |= (call);

#define STORES(name, flags)                                                                        \
    MEASURED static void measured_write_##name(void){EACH_TIME(                                    \
        RtlWriteNonVolatileMemory(token, bytes + 8, "0123456789abcdef", 16,                        \
                                  flags))} MEASURED static void measured_fill_##name(void) {       \
        EACH_TIME(RtlFillNonVolatileMemory(token, bytes + 8, 16, 7, flags))                        \
    }
STORES(plain, 0)
STORES(flush, 1)
STORES(stream, 2)
STORES(persist, 3)
STORES(flush_no_drain, 0x101)

MEASURED static void measured_flush(void){
    EACH_TIME(RtlFlushNonVolatileMemory(token, bytes + 8, 64, 0))} MEASURED
    static void measured_flush_no_drain(void){
        EACH_TIME(RtlFlushNonVolatileMemory(token, bytes + 8, 64, 1))} MEASURED
    static void measured_ranges(void){
        EACH_TIME(RtlFlushNonVolatileMemoryRanges(token, ranges, 4, 0))} MEASURED
    static void measured_drain(void){EACH_TIME(RtlDrainNonVolatileFlush(token))} MEASURED
    static void measured_ignore(void) {
    for (unsigned i = 0; i < CALLS; i++)
        NvRtlVerifierIgnore(token, bytes, 8);
}
MEASURED static void measured_assert_durable(void) {
    for (unsigned i = 0; i < CALLS; i++)
        NvRtlVerifierAssertDurable(token, bytes, 8);
}
MEASURED static void measured_commit_point(void) {
    for (unsigned i = 0; i < CALLS; i++)
        NvRtlVerifierCommitPoint(token, bytes, 8);
}
MEASURED static void measured_commit_point_for(void) {
    for (unsigned i = 0; i < CALLS; i++)
        NvRtlVerifierCommitPointFor(token, bytes, 8, bytes + 64, 8);
}

static void (*const measured[])(void) = {
    measured_write_plain,
    measured_fill_plain,
    measured_write_flush,
    measured_fill_flush,
    measured_write_stream,
    measured_fill_stream,
    measured_write_persist,
    measured_fill_persist,
    measured_write_flush_no_drain,
    measured_fill_flush_no_drain,
    measured_flush,
    measured_flush_no_drain,
    measured_ranges,
    measured_drain,
    measured_ignore,
    measured_assert_durable,
    measured_commit_point,
    measured_commit_point_for,
};

/* The name of a domain as NVRTL_DOMAIN has it; the file lies in memory. */
int main(int argc, char **argv) {
    setenv("NVRTL_DOMAIN", argc > 1 ? argv[1] : "volatile", 1);
    int file = memfd_create("nvrtl-test", MFD_CLOEXEC);
    if (ftruncate(file, 4 * (off_t)PAGE) != 0)
        return 1;
    bytes = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (bytes == MAP_FAILED || RtlGetNonVolatileToken(bytes, 4 * PAGE, &token) != STATUS_SUCCESS)
        return 1;
    for (size_t i = 0; i < 4; i++)
        ranges[i] = (NV_MEMORY_RANGE){bytes + i * 256, 64};
    printf("%d calls\n", CALLS);
    for (size_t i = 0; i < sizeof measured / sizeof measured[0]; i++)
        measured[i]();
    return status == STATUS_SUCCESS ? 0 : 1;
}
