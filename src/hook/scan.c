/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of libc that read text by a format, and store to where their arguments point. */
#include "hook/scan.h"

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#include "hook/real.h"

/* One conversion of a format, from behind its percent sign on. */
struct conversion {
    bool skipped, allocates;
    size_t width; /* 0: none given */
    size_t unit;  /* bytes of what a length modifier says; 0: there is none */
    bool wide;    /* l */
    char kind;
    const char *set_end; /* behind the kind, or the set of characters */
};

static const char *read_modifier(const char *at, struct conversion *conversion) {
    static const struct {
        char letter;
        uint8_t unit, twice;
    } modifiers[] = {{'h', sizeof(short), 1},     {'l', sizeof(long), sizeof(long long)},
                     {'j', sizeof(intmax_t), 0},  {'z', sizeof(size_t), 0},
                     {'t', sizeof(ptrdiff_t), 0}, {'L', sizeof(long double), 0},
                     {'q', sizeof(long long), 0}};
    for (size_t i = 0; i < ARRAY_LENGTH(modifiers); i++) {
        if (*at != modifiers[i].letter)
            continue;
        bool twice = at[1] == *at && modifiers[i].twice != 0;
        conversion->unit = twice ? modifiers[i].twice : modifiers[i].unit;
        conversion->wide = *at == 'l';
        return at + (twice ? 2 : 1);
    }
    return at;
}

/* Behind a set of characters, whose first one may be the bracket that ends it. */
static const char *skip_set(const char *at) {
    at += *at == '^';
    at += *at == ']';
    while (*at != '\0' && *at != ']')
        at++;
    return at + (*at == ']');
}

/* false: arguments are numbered, which is not followed. */
static bool read_conversion(const char *at, struct conversion *conversion) {
    *conversion = (struct conversion){.skipped = *at == '*'};
    at += *at == '*';
    for (; isdigit((unsigned char)*at); at++)
        conversion->width = conversion->width * 10 + (size_t)(*at - '0');
    if (*at == '$')
        return false;
    conversion->allocates = *at == 'm';
    at += *at == 'm';
    at = read_modifier(at, conversion);
    conversion->kind = *at;
    at += *at != '\0';
    conversion->set_end = conversion->kind == '[' ? skip_set(at) : at;
    return true;
}

/* How many bytes were stored. */
static size_t stored_size(const struct conversion *conversion, const void *to) {
    size_t character = conversion->wide ? sizeof(wchar_t) : 1;
    if (conversion->allocates)
        return sizeof(void *);
    switch (conversion->kind) {
    case 'S':
    case 's':
    case '[':
        return conversion->wide || conversion->kind == 'S' ? (wcslen(to) + 1) * sizeof(wchar_t)
                                                           : strlen(to) + 1;
    case 'C':
        character = sizeof(wchar_t);
        __attribute__((fallthrough));
    case 'c':
        return character * (conversion->width != 0 ? conversion->width : 1);
    case 'p':
        return sizeof(void *);
    case 'a':
    case 'A':
    case 'e':
    case 'E':
    case 'f':
    case 'F':
    case 'g':
    case 'G':
        return conversion->unit == sizeof(long double) ? OUTPUT_LONG_DOUBLE
               : conversion->wide                      ? sizeof(double)
                                                       : sizeof(float);
    default:
        return conversion->unit != 0 ? conversion->unit : sizeof(int);
    }
}

/* So many conversions have stored something; arguments: where to. Whether %n has is not known: it
   is left to be found by what it has changed. */
static void tell(const char *format, int count, va_list *arguments, const void *site) {
    struct conversion conversion;
    for (const char *at = strchr(format, '%'); at != NULL; at = strchr(conversion.set_end, '%')) {
        if (!read_conversion(at + 1, &conversion))
            return;
        if (conversion.skipped || conversion.kind == '%')
            continue;
        /* The copy of a list that a caller has begun, which the analyzer does not see.
           NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized) */
        const void *to = va_arg(*arguments, const void *);
        if (conversion.kind == 'n')
            continue;
        if (conversion.kind == '\0' || count-- <= 0)
            return;
        hook_stored(to, stored_size(&conversion, to), site);
    }
}

#define SCAN(type, name, by_list)                                                                  \
    int hook_##by_list(type input, const char *format, va_list arguments) {                        \
        va_list again;                                                                             \
        va_copy(again, arguments);                                                                 \
        int got = real_get()->by_list(input, format, arguments);                                   \
        tell(format, got, &again, HOOK_SITE);                                                      \
        va_end(again);                                                                             \
        return got;                                                                                \
    }                                                                                              \
    int hook_##name(type input, const char *format, ...) {                                         \
        va_list arguments, again;                                                                  \
        va_start(arguments, format);                                                               \
        va_copy(again, arguments);                                                                 \
        int got = real_get()->by_list(input, format, arguments);                                   \
        tell(format, got, &again, HOOK_SITE);                                                      \
        va_end(again);                                                                             \
        va_end(arguments);                                                                         \
        return got;                                                                                \
    }
SCANS(SCAN)
