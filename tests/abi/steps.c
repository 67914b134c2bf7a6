/* SPDX-License-Identifier: BSD-2-Clause */
/* How many instructions the short calls of the shared library take, counted one by one on this CPU
   (its trap flag): callgrind's CPU has no clwb, so that it never sees the short way of a flush. */
#include <nvrtl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/trap_flag.h"

#define PAGE ((size_t)4096)

static volatile sig_atomic_t steps;
static unsigned char *bytes;
static PVOID token, deferring;

static void on_step(int number) {
    (void)number;
    steps++;
}

static NTSTATUS call_nothing(void) {
    return STATUS_SUCCESS;
}
static NTSTATUS call_flush(void) {
    return RtlFlushNonVolatileMemory(token, bytes + 64, 8, 1);
}
static NTSTATUS call_write(void) {
    return RtlWriteNonVolatileMemory(token, bytes + 64, "0123456789abcdef", 8, 0);
}
static NTSTATUS call_write_16(void) {
    return RtlWriteNonVolatileMemory(token, bytes + 64, "0123456789abcdef", 16, 0);
}
static NTSTATUS call_write_start(void) {
    return RtlWriteNonVolatileMemory(token, bytes + 64, "0123456789abcdef", 8, 0x101);
}
static NTSTATUS call_write_many(void) {
    return RtlWriteNonVolatileMemory(token, bytes + 64, bytes + 1024, 100, 0);
}
static NTSTATUS call_write_many_start(void) {
    return RtlWriteNonVolatileMemory(token, bytes + 64, bytes + 1024, 100, 0x101);
}
static NTSTATUS call_write_odd_start(void) {
    return RtlWriteNonVolatileMemory(token, bytes + 67, bytes + 1024, 24, 0x101);
}
static NTSTATUS call_write_deferred(void) {
    return RtlWriteNonVolatileMemory(deferring, bytes + 64, bytes + 1024, 8, 0x101);
}
static NTSTATUS call_fill(void) {
    return RtlFillNonVolatileMemory(token, bytes + 64, 8, 7, 0);
}

static const struct {
    const char *name;
    NTSTATUS (*call)(void);
    int most; /* instructions, those that give the arguments too; a few for other compilers */
} calls[] = {
    {"Flush NO_DRAIN of 8 bytes", call_flush, 50},
    {"Write of 8 bytes", call_write, 50},
    {"Write of 16 bytes", call_write_16, 54},
    {"Write FLUSH NO_DRAIN of 8 bytes", call_write_start, 90},
    {"Write of 100 bytes", call_write_many, 110},
    {"Write FLUSH NO_DRAIN of 100 bytes", call_write_many_start, 155},
    {"Write FLUSH NO_DRAIN of 24 misaligned bytes", call_write_odd_start, 135},
    {"Write FLUSH NO_DRAIN of 8 bytes, deferred", call_write_deferred, 130},
    {"Fill of 8 bytes", call_fill, 50},
};

static int count(NTSTATUS (*call)(void)) {
    NTSTATUS (*volatile called)(void) = call;
    steps = 0;
    steps_begin();
    NTSTATUS status = called();
    steps_end();
    return status == STATUS_SUCCESS ? steps : -1;
}

int main(void) {
    NvRtlTokenInfo info = {.structSize = sizeof info};
    int file = memfd_create("nvrtl-test", MFD_CLOEXEC), failed = 0;
    if (file < 0 || ftruncate(file, (off_t)PAGE) != 0)
        return 1;
    bytes = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (bytes == MAP_FAILED || RtlGetNonVolatileToken(bytes, PAGE, &token) != STATUS_SUCCESS ||
        RtlGetNonVolatileToken(bytes, PAGE, &deferring) != STATUS_SUCCESS ||
        NvRtlSetTokenOption(deferring, NVRTL_OPTION_DEFER_FLUSH, 1) != STATUS_SUCCESS ||
        NvRtlQueryToken(token, &info) != STATUS_SUCCESS || signal(SIGTRAP, on_step) == SIG_ERR)
        return 1;
    (void)call_write_deferred(); /* counted is who stores to a line that is remembered */
    int nothing = count(call_nothing);
    if (nothing == 0 || info.flush != NVRTL_FLUSH_CLWB || info.lineSize != 64) {
        puts("skipped: this CPU has no trap flag, or no clwb");
        return 77;
    }
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        int taken = count(calls[i].call) - nothing;
        printf("%s: %d instructions, at most %d\n", calls[i].name, taken, calls[i].most);
        failed |= taken < 1 || taken > calls[i].most;
    }
    return failed;
}
