/* SPDX-License-Identifier: BSD-2-Clause */
/* Drains that fail. The library calls msync by its name, so that it can be made to fail: for files
   in the page cache, that is. */
#include "program.h"

#include <errno.h>
#include <sys/syscall.h>

static int failures; /* so many more calls of msync fail */

int msync(void *address, size_t length, int flags) {
    if (failures == 0)
        return (int)syscall(SYS_msync, address, length, flags);
    failures--;
    errno = EBUSY;
    return -1;
}

/* Where nothing fails this is a flush too many, which is not the point here. */
static bool failed_once(NTSTATUS status) {
    return status == STATUS_DEVICE_BUSY;
}

/* Who flushes again after a failure is right; who goes on as if nothing had been is not. */
CASE(flush_that_fails) {
    OPEN();
    WRITE(0, 8, 0); /* role: store */
    failures = 1;
    /* expect: undrained-flush if any/page-cache */
    NTSTATUS status = RtlFlushNonVolatileMemory(map.token, base, 8, 0);
    failures = 0;
    if (!broken && failed_once(status))
        FLUSH(0, 8, 0);
    CLOSE(); /* role: freed */
}

CASE(drain_that_fails) {
    OPEN();
    WRITE(0, 8, 0); /* role: store */
    /* expect: undrained-flush if any/page-cache */
    FLUSH(0, 8, NO_DRAIN);
    failures = 1;
    NTSTATUS status = RtlDrainNonVolatileFlush(map.token);
    failures = 0;
    if (!broken && failed_once(status))
        DRAIN();
    CLOSE(); /* role: freed */
}

CASE(write_that_fails) {
    OPEN();
    failures = 1;
    /* expect: undrained-flush if any/page-cache */
    /* role: store */
    NTSTATUS status = RtlWriteNonVolatileMemory(map.token, base, data, 8, FLUSHED);
    failures = 0;
    if (!broken && failed_once(status))
        DRAIN_BY(EVERY);
    CLOSE(); /* role: freed */
}

PROGRAM({"flush_that_fails", flush_that_fails}, {"drain_that_fails", drain_that_fails},
        {"write_that_fails", write_that_fails})
