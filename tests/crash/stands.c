/* SPDX-License-Identifier: BSD-2-Clause */
/* A clock for test_odd.py, which stands still but for the thousand seconds that pass when the
   search makes the memory of its first region: the trace was read before. */
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static time_t seconds = 1;

int memfd_create(const char *name, unsigned flags) {
    seconds = 1001;
    return (int)syscall(SYS_memfd_create, name, flags);
}

int clock_gettime(clockid_t clock_id, struct timespec *tp) {
    if (clock_id != CLOCK_MONOTONIC)
        return (int)syscall(SYS_clock_gettime, clock_id, tp);
    *tp = (struct timespec){.tv_sec = seconds};
    return 0;
}
