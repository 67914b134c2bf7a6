/* SPDX-License-Identifier: BSD-2-Clause */
/* Told of when they have returned, as the functions of system.c. */
#include "hook/output.h"

#include <stdlib.h>
#include <string.h>

#include "hook/real.h"

/* With its end, if there was room for that. */
static size_t text_size(const char *text, size_t size) {
    size_t length = strnlen(text, size);
    return length < size ? length + 1 : size;
}

#define OUTPUT_TELL(result, name, parameters, arguments, length, when)                             \
    result hook_##name parameters {                                                                \
        result got = real_get()->name arguments;                                                   \
        if (when)                                                                                  \
            hook_stored(to, length, HOOK_SITE);                                                    \
        return got;                                                                                \
    }
OUTPUTS(OUTPUT_TELL)

void hook_swab(const void *from, void *to, ssize_t size) {
    real_get()->swab(from, to, size);
    hook_stored(to, size > 0 ? (size_t)size & ~(size_t)1 : 0, HOOK_SITE);
}

/* A sort leaves many elements where they were: what has changed is told, and all of it where there
   is no memory to know that. */
struct sorted {
    char *base;
    size_t size; /* bytes, of all elements */
    char *before;
};

static struct sorted before_sort(void *base, size_t count, size_t size) {
    struct sorted sorted = {.base = base, .size = count * size};
    if (sorted.size == 0 || !hook_on || !hook_concerns((uintptr_t)base, sorted.size)) {
        sorted.size = 0;
        return sorted;
    }
    sorted.before = malloc(sorted.size);
    if (sorted.before != NULL)
        real_get()->memcpy(sorted.before, base, sorted.size);
    return sorted;
}

static void after_sort(struct sorted *sorted, size_t size, const void *site) {
    size_t from = 0, to = 0; /* a run of elements that have changed */
    for (size_t at = 0; at < sorted->size; at += size) {
        bool same = sorted->before != NULL &&
                    real_get()->memcmp(sorted->before + at, sorted->base + at, size) == 0;
        if (same && from != to)
            hook_stored(sorted->base + from, to - from, site);
        from = same || from == to ? at : from;
        to = same ? from : at + size;
    }
    if (from != to)
        hook_stored(sorted->base + from, to - from, site);
    free(sorted->before);
}

void hook_qsort(void *base, size_t count, size_t size, int (*compare)(const void *, const void *)) {
    struct sorted sorted = before_sort(base, count, size);
    real_get()->qsort(base, count, size, compare);
    after_sort(&sorted, size, HOOK_SITE);
}

void hook_qsort_r(void *base, size_t count, size_t size,
                  int (*compare)(const void *, const void *, void *), void *context) {
    struct sorted sorted = before_sort(base, count, size);
    real_get()->qsort_r(base, count, size, compare, context);
    after_sort(&sorted, size, HOOK_SITE);
}
