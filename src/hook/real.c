/* SPDX-License-Identifier: BSD-2-Clause */
#include "hook/real.h"

#include <dlfcn.h>

/* Until libc's are known: an ifunc resolver of the program may copy before that. Volatile, so that
   no compiler makes a call of what they are for. */
static void *plain_memmove(void *to, const void *from, size_t size) {
    volatile unsigned char *out = to;
    const volatile unsigned char *in = from;
    if (out < in) {
        for (size_t i = 0; i < size; i++)
            out[i] = in[i];
    } else {
        for (size_t i = size; i > 0; i--)
            out[i - 1] = in[i - 1];
    }
    return to;
}

static void *plain_memset(void *to, int byte, size_t size) {
    volatile unsigned char *out = to;
    for (size_t i = 0; i < size; i++)
        out[i] = (unsigned char)byte;
    return to;
}

static size_t plain_strnlen(const char *text, size_t size) {
    const volatile char *at = text;
    size_t length = 0;
    while (length < size && at[length] != '\0')
        length++;
    return length;
}

static size_t plain_strlen(const char *text) {
    return plain_strnlen(text, SIZE_MAX);
}

/* Of bytes; text: up to the end of both. */
static int compare(const void *one, const void *other, size_t size, bool text) {
    const volatile unsigned char *a = one, *b = other;
    for (size_t i = 0; i < size; i++) {
        if (a[i] != b[i] || (text && a[i] == '\0'))
            return a[i] - b[i];
    }
    return 0;
}

static int plain_memcmp(const void *one, const void *other, size_t size) {
    return compare(one, other, size, false);
}

static int plain_strncmp(const char *one, const char *other, size_t size) {
    return compare(one, other, size, true);
}

static int plain_strcmp(const char *one, const char *other) {
    return compare(one, other, SIZE_MAX, true);
}

static void *plain_memchr(const void *in, int byte, size_t size) {
    const volatile unsigned char *at = in;
    for (size_t i = 0; i < size; i++) {
        if (at[i] == (unsigned char)byte)
            return (void *)(uintptr_t)&at[i];
    }
    return NULL;
}

struct real real = {.memcpy = plain_memmove,
                    .memmove = plain_memmove,
                    .memset = plain_memset,
                    .memcmp = plain_memcmp,
                    .memchr = plain_memchr,
                    .strlen = plain_strlen,
                    .strnlen = plain_strnlen,
                    .strcmp = plain_strcmp,
                    .strncmp = plain_strncmp};

/* Beside libnvrtl-watch.so this library comes after libc, so that it takes no calls of the program
   that were not meant for it: then the first ones of these names are the next ones, too. */
#define FIND(result, name, parameters)                                                             \
    {                                                                                              \
        void *function = dlsym(RTLD_NEXT, #name);                                                  \
        if (function == NULL)                                                                      \
            function = dlsym(RTLD_DEFAULT, #name);                                                 \
        if (function != NULL)                                                                      \
            real.name = __extension__(result(*) parameters) function;                              \
    }

/* Twice does no harm. */
__attribute__((constructor)) void real_find(void) {
    REAL_MEMORY(FIND)
    REAL_SYSTEM(FIND)
    REAL_THREADS(FIND)
#define OUTPUT_FIND(result, name, parameters, arguments, length, when)                             \
    FIND(result, name, parameters)
    OUTPUTS(OUTPUT_FIND)
#define SCAN_FIND(input, name, by_list)                                                            \
    FIND(int, by_list, (input text, const char *format, va_list arguments))
    SCANS(SCAN_FIND)
    real.found = true;
}

/* What this library itself copies and clears is told to nobody (see the build: --wrap). */
void *__wrap_memcpy(void *to, const void *from, size_t size);
void *__wrap_memmove(void *to, const void *from, size_t size);
void *__wrap_memset(void *to, int byte, size_t size);

void *__wrap_memcpy(void *to, const void *from, size_t size) {
    return real.memcpy(to, from, size);
}

void *__wrap_memmove(void *to, const void *from, size_t size) {
    return real.memmove(to, from, size);
}

void *__wrap_memset(void *to, int byte, size_t size) {
    return real.memset(to, byte, size);
}
