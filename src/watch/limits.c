/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program forbids itself must not hit it because the verifier is there. */
#include <dlfcn.h>

#include "watch/preload.h"

/* For syscall.S: libc's own, and where it is looked up. */
typedef long system_call(long number, ...);
extern system_call *watch_syscall;
system_call *watch_find_syscall(long number);

system_call *watch_syscall;

#define SYS_SECCOMP 317

system_call *watch_find_syscall(long number) {
    if (watch_syscall == NULL)
        watch_syscall = __extension__(system_call *) dlsym(RTLD_NEXT, "syscall");
    if (number == SYS_SECCOMP)
        watch_runtime()->confining();
    return watch_syscall;
}

enum { SET_SECCOMP = 22 }; /* as sys/prctl.h has it, whose declaration is another one */

WATCH_EXPORT int prctl(int option, ...);
int prctl(int option, ...) {
    va_list rest;
    va_start(rest, option);
    unsigned long a = va_arg(rest, unsigned long), b = va_arg(rest, unsigned long);
    unsigned long c = va_arg(rest, unsigned long), d = va_arg(rest, unsigned long);
    va_end(rest);
    if (option == SET_SECCOMP)
        watch_runtime()->confining();
    return watch_real()->prctl(option, a, b, c, d);
}

static const struct rlimit *widen(__rlimit_resource_t resource, const struct rlimit *limit,
                                  struct rlimit *wider) {
    if (resource != RLIMIT_AS || limit == NULL)
        return limit;
    *wider = *limit;
    watch_runtime()->limiting(wider);
    return wider;
}

WATCH_EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *rlimits) {
    struct rlimit wider;
    return watch_real()->setrlimit(resource, widen(resource, rlimits, &wider));
}

/* One function, where rlim_t has 64 bits. */
WATCH_EXPORT int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *rlimits) {
    return setrlimit(resource, (const struct rlimit *)rlimits);
}

WATCH_EXPORT int prlimit(pid_t pid, __rlimit_resource_t resource, const struct rlimit *new_limit,
                         struct rlimit *old_limit) {
    struct rlimit wider;
    if (pid == 0)
        new_limit = widen(resource, new_limit, &wider);
    return watch_real()->prlimit(pid, resource, new_limit, old_limit);
}

WATCH_EXPORT int prlimit64(pid_t pid, __rlimit_resource_t resource,
                           const struct rlimit64 *new_limit, struct rlimit64 *old_limit) {
    return prlimit(pid, resource, (const struct rlimit *)new_limit, (struct rlimit *)old_limit);
}
