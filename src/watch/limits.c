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
WATCH_EXPORT int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit);
WATCH_EXPORT int prlimit(pid_t process, __rlimit_resource_t resource, const struct rlimit *limit,
                         struct rlimit *old);
WATCH_EXPORT int prlimit64(pid_t process, __rlimit_resource_t resource,
                           const struct rlimit64 *limit, struct rlimit64 *old);

int prctl(int option, ...) {
    unsigned long given[4];
    va_list rest;
    va_start(rest, option);
    for (size_t i = 0; i < 4; i++)
        given[i] = va_arg(rest, unsigned long);
    va_end(rest);
    if (option == SET_SECCOMP)
        watch_runtime()->confining();
    return watch_real()->prctl(option, given[0], given[1], given[2], given[3]);
}

static const struct rlimit *widen(__rlimit_resource_t resource, const struct rlimit *limit,
                                  struct rlimit *wider) {
    if (resource != RLIMIT_AS || limit == NULL)
        return limit;
    *wider = *limit;
    watch_runtime()->limiting(wider);
    return wider;
}

WATCH_EXPORT int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit) {
    struct rlimit wider;
    return watch_real()->setrlimit(resource, widen(resource, limit, &wider));
}

/* One function, where rlim_t has 64 bits. */
int setrlimit64(__rlimit_resource_t resource, const struct rlimit64 *limit) {
    return setrlimit(resource, (const struct rlimit *)limit);
}

int prlimit(pid_t process, __rlimit_resource_t resource, const struct rlimit *limit,
            struct rlimit *old) {
    struct rlimit wider;
    if (process == 0)
        limit = widen(resource, limit, &wider);
    return watch_real()->prlimit(process, resource, limit, old);
}

int prlimit64(pid_t process, __rlimit_resource_t resource, const struct rlimit64 *limit,
              struct rlimit64 *old) {
    return prlimit(process, resource, (const struct rlimit *)limit, (struct rlimit *)old);
}
