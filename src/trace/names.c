/* SPDX-License-Identifier: BSD-2-Clause */
/* The words of the text form. */
#include <string.h>

#include "trace/trace.h"

const char *trace_kind_name(enum trace_kind kind) {
    static const char *const names[TRACE_KINDS] = {
        [TRACE_REGION] = "region",       [TRACE_BASE] = "base",
        [TRACE_STACK] = "stack",         [TRACE_STORE] = "store",
        [TRACE_COPY] = "copy",           [TRACE_STREAM] = "stream",
        [TRACE_DIRECT] = "direct",       [TRACE_ATOMIC] = "atomic",
        [TRACE_PWRITE] = "pwrite",       [TRACE_READ_INTO] = "read-into",
        [TRACE_UNSEEN] = "unseen",       [TRACE_FLUSH] = "flush",
        [TRACE_CLFLUSH] = "clflush",     [TRACE_DRAIN] = "drain",
        [TRACE_BARRIER] = "barrier",     [TRACE_MSYNC_BEGIN] = "msync-begin",
        [TRACE_MSYNC_END] = "msync-end", [TRACE_RELEASE] = "release",
        [TRACE_ACQUIRE] = "acquire",     [TRACE_MARK] = "mark",
        [TRACE_FOUND] = "found"};
    return names[kind];
}

const char *trace_model_name(enum trace_model model) {
    static const char *const names[TRACE_MODELS] = {"x86", "arm", "eadr", "page"};
    return names[model];
}

const char *trace_domain_name(enum trace_domain domain) {
    static const char *const names[] = {"volatile", "page-cache", "memory", "cpu-cache"};
    return names[domain];
}

const char *trace_mark_name(enum trace_mark mark) {
    static const char *const names[] = {"note", "begin", "ack"};
    return names[mark];
}

bool trace_model_named(const char *name, enum trace_model *model) {
    for (int i = 0; i < TRACE_MODELS; i++) {
        if (strcmp(name, trace_model_name((enum trace_model)i)) != 0)
            continue;
        *model = (enum trace_model)i;
        return true;
    }
    return false;
}
