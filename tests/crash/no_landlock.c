/* SPDX-License-Identifier: BSD-2-Clause */
/* For test_odd.py: a system that has no Landlock. */
#include <dlfcn.h>
#include <errno.h>
#include <sys/syscall.h>

/* The C library's takes any number of words; the kernel six at most. */
typedef long call(long number, long a, long b, long c, long d, long e, long f);
call syscall;

long syscall(long number, long a, long b, long c, long d, long e, long f) {
    call *real = (call *)dlsym(RTLD_NEXT, "syscall");
    if (number != SYS_landlock_create_ruleset)
        return real(number, a, b, c, d, e, f);
    errno = ENOSYS;
    return -1;
}
