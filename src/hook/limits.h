/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of limits.c, by the names that libc has for them. */
#ifndef HOOK_LIMITS_H
#define HOOK_LIMITS_H

#include <sys/resource.h>
#include <sys/types.h>

#include "hook/hook.h"

HOOK_EXPORT int hook_prctl(int option, ...) HOOK_AS("prctl");
HOOK_EXPORT int hook_setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
    HOOK_AS("setrlimit");
HOOK_EXPORT int hook_setrlimit64(__rlimit_resource_t resource, const struct rlimit *limit)
    HOOK_AS("setrlimit64");
HOOK_EXPORT int hook_prlimit(pid_t process, __rlimit_resource_t resource,
                             const struct rlimit *limit, struct rlimit *old) HOOK_AS("prlimit");
HOOK_EXPORT int hook_prlimit64(pid_t process, __rlimit_resource_t resource,
                               const struct rlimit *limit, struct rlimit *old) HOOK_AS("prlimit64");

#endif
