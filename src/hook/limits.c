/* SPDX-License-Identifier: BSD-2-Clause */
/* What a program forbids itself must not hit it because the runtime is there. */
#include "hook/limits.h"

#include <stdarg.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "hook/real.h"

int hook_prctl(int option, ...) {
    unsigned long given[4];
    va_list rest;
    va_start(rest, option);
    for (size_t i = 0; i < 4; i++)
        given[i] = va_arg(rest, unsigned long);
    va_end(rest);
    if (option == PR_SET_SECCOMP && hook_on)
        self_confine();
    return real_get()->prctl(option, given[0], given[1], given[2], given[3]);
}

static inline const struct rlimit *widen(__rlimit_resource_t resource, const struct rlimit *limit,
                                         struct rlimit *wider) {
    if (resource != RLIMIT_AS || limit == NULL || !hook_on)
        return limit;
    *wider = *limit;
    self_widen(wider);
    return wider;
}

int hook_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit) {
    struct rlimit wider;
    return real_get()->setrlimit(resource, widen(resource, limit, &wider));
}

/* One function, where rlim_t has 64 bits. */
int hook_setrlimit64(__rlimit_resource_t resource, const struct rlimit *limit) {
    struct rlimit wider;
    return real_get()->setrlimit(resource, widen(resource, limit, &wider));
}

int hook_prlimit(pid_t process, __rlimit_resource_t resource, const struct rlimit *limit,
                 struct rlimit *old) {
    struct rlimit wider;
    if (process == 0 || process == getpid())
        limit = widen(resource, limit, &wider);
    return real_get()->prlimit(process, resource, limit, old);
}

int hook_prlimit64(pid_t process, __rlimit_resource_t resource, const struct rlimit *limit,
                   struct rlimit *old) {
    struct rlimit wider;
    if (process == 0 || process == getpid())
        limit = widen(resource, limit, &wider);
    return real_get()->prlimit(process, resource, limit, old);
}
