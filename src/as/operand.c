/* SPDX-License-Identifier: BSD-2-Clause */
/* Operands in both syntaxes. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "as/as.h"
#include "base/bits.h"

static const struct {
    const char *name;
    unsigned width;
} general[] = {
    {"al", 1},  {"ah", 1},  {"bl", 1},  {"bh", 1},  {"cl", 1},  {"ch", 1},  {"dl", 1},  {"dh", 1},
    {"sil", 1}, {"dil", 1}, {"spl", 1}, {"bpl", 1}, {"ax", 2},  {"bx", 2},  {"cx", 2},  {"dx", 2},
    {"si", 2},  {"di", 2},  {"sp", 2},  {"bp", 2},  {"eax", 4}, {"ebx", 4}, {"ecx", 4}, {"edx", 4},
    {"esi", 4}, {"edi", 4}, {"esp", 4}, {"ebp", 4}, {"rax", 8}, {"rbx", 8}, {"rcx", 8}, {"rdx", 8},
    {"rsi", 8}, {"rdi", 8}, {"rsp", 8}, {"rbp", 8}, {"rip", 8}, {"eip", 4},
};

static const char *const others[] = {
    "cs", "ds", "es", "fs", "gs", "ss", "st", "cr0", "cr2", "cr3", "cr4", "cr8", "riz", "eiz",
};

static const struct {
    const char *name;
    unsigned width;
} pointers[] = {
    {"byte", 1},   {"word", 2},   {"dword", 4},    {"fword", 6},    {"qword", 8},    {"mmword", 8},
    {"tbyte", 10}, {"oword", 16}, {"xmmword", 16}, {"ymmword", 32}, {"zmmword", 64},
};

static bool same_name(struct span span, const char *name) {
    return strlen(name) == span.length && strncasecmp(span.at, name, span.length) == 0;
}

/* A macro's argument, as in xmm\n, counts as a number. */
static bool all_digits(struct span span) {
    if (span.length == 0)
        return false;
    if (*span.at == '\\')
        return span.length > 1;
    for (size_t i = 0; i < span.length; i++)
        if (!isdigit((unsigned char)span.at[i]))
            return false;
    return true;
}

static struct span after(struct span span, size_t length) {
    return (struct span){span.at + length, span.length - length};
}

/* r8 to r31, with b, w or d behind them. */
static bool read_numbered(struct span name, struct operand *operand) {
    if (name.length < 2 || tolower((unsigned char)name.at[0]) != 'r')
        return false;
    struct span number = after(name, 1);
    unsigned width = 8;
    switch (number.at[number.length - 1]) {
    case 'b':
    case 'l':
        width = 1;
        break;
    case 'w':
        width = 2;
        break;
    case 'd':
        width = 4;
        break;
    default:
        break;
    }
    if (width != 8)
        number.length--;
    if (!all_digits(number))
        return false;
    operand->width = width;
    return true;
}

/* Is it a register's name? */
static bool read_register(struct span name, struct operand *operand) {
    operand->name = name;
    operand->class = REGISTER_GENERAL;
    for (size_t i = 0; i < ARRAY_LENGTH(general); i++)
        if (same_name(name, general[i].name)) {
            operand->width = general[i].width;
            return true;
        }
    if (read_numbered(name, operand))
        return true;
    operand->class = REGISTER_VECTOR;
    if (name.length > 3 && strncasecmp(name.at + 1, "mm", 2) == 0 && all_digits(after(name, 3))) {
        static const char letters[] = "xyz";
        const char *letter = strchr(letters, tolower((unsigned char)name.at[0]));
        if (letter != NULL) {
            operand->width = 16u << (letter - letters);
            return true;
        }
    }
    operand->class = REGISTER_MMX;
    operand->width = 8;
    if (name.length == 3 && strncasecmp(name.at, "mm", 2) == 0 && all_digits(after(name, 2)))
        return true;
    operand->class = REGISTER_OTHER;
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        if (same_name(name, others[i])) {
            operand->width = strlen(others[i]) == 2 ? 2 : 8;
            return true;
        }
    if (name.length >= 2 && tolower((unsigned char)name.at[0]) == 'k' && all_digits(after(name, 1)))
        return true;
    operand->width = 0;
    return strncasecmp(name.at, "st(", name.length < 3 ? name.length : 3) == 0 && name.length > 3;
}

/* Takes {...} from the end, and finds a mask in it. */
static struct span take_braces(struct span text, struct operand *operand) {
    while (text.length > 0 && text.at[text.length - 1] == '}') {
        size_t open = text.length;
        while (open > 0 && text.at[open - 1] != '{')
            open--;
        if (open == 0)
            break;
        struct span inner = span_trim((struct span){text.at + open, text.length - open - 1});
        if (inner.length > 0 && *inner.at == '%')
            inner = after(inner, 1);
        if (inner.length == 2 && (*inner.at == 'k' || *inner.at == 'K'))
            operand->mask = inner;
        text.length = open - 1;
        text = span_trim(text);
    }
    return text;
}

/* A name that is no number's part; from *at on. */
static struct span next_name(struct span text, size_t *at) {
    while (*at < text.length && !is_name(text.at[*at]))
        ++*at;
    size_t start = *at;
    while (*at < text.length && (is_name(text.at[*at]) || text.at[*at] == '@'))
        ++*at;
    return (struct span){text.at + start, *at - start};
}

/* Does it count from where it stands: the point itself, or a number from rip on? Where registers
   have a sign before them a program may have a variable of such a name: sp(%rip). */
static bool counts_from_here(struct span text, bool rip, bool intel) {
    bool symbol = false;
    for (size_t at = 0; at < text.length;) {
        struct span name = next_name(text, &at);
        if (span_is(name, "."))
            return true;
        struct operand ignored;
        bool sign = intel || (name.at > text.at && name.at[-1] == '%');
        if (name.length > 0 && !(sign && read_register(name, &ignored)) &&
            (!isdigit((unsigned char)*name.at) || isalpha((unsigned char)name.at[name.length - 1])))
            symbol = true;
    }
    return rip && !symbol;
}

/* base, index and scale of AT&T's (%rax,%rcx,8). */
static void read_parts(struct span text, struct operand *operand) {
    if (text.length == 0 || text.at[text.length - 1] != ')')
        return;
    size_t open = text.length;
    while (open > 0 && text.at[open - 1] != '(')
        open--;
    if (open == 0)
        return;
    struct span inner = {text.at + open, text.length - open - 1};
    for (unsigned part = 0; part < 3; part++) {
        size_t end = span_find(inner, ',');
        struct span one = span_trim((struct span){inner.at, end});
        if (one.length > 0 && *one.at == '%' && part < 2)
            *(part == 0 ? &operand->base : &operand->index) = after(one, 1);
        if (part == 2 && one.length > 0)
            operand->scale = (unsigned)strtoul(one.at, NULL, 0);
        if (end == inner.length)
            return;
        inner = after(inner, end + 1);
    }
}

static void take_segment(struct operand *operand) {
    struct span *text = &operand->text;
    bool percent = text->length > 0 && *text->at == '%';
    struct span rest = after(*text, percent);
    if (rest.length < 3 || tolower((unsigned char)rest.at[1]) != 's' || rest.at[2] != ':')
        return;
    char letter = (char)tolower((unsigned char)*rest.at);
    if (strchr("cdefgs", letter) == NULL)
        return;
    operand->segment = letter == 'f' || letter == 'g';
    *text = span_trim(after(rest, 3));
}

static void read_att(struct operand *operand) {
    struct span text = operand->text;
    if (text.length == 0)
        return;
    if (*text.at == '$') {
        operand->kind = OPERAND_IMMEDIATE;
        operand->relative = counts_from_here(after(text, 1), false, false);
        return;
    }
    if (*text.at == '%' && read_register(after(text, 1), operand)) {
        operand->kind = OPERAND_REGISTER;
        return;
    }
    operand->kind = OPERAND_MEMORY;
    operand->width = 0;
    take_segment(operand);
    read_parts(operand->text, operand);
    operand->relative = counts_from_here(operand->text, same_name(operand->base, "rip"), false);
}

/* Takes "DWORD PTR" from the front. */
static bool take_pointer(struct operand *operand) {
    size_t at = 0;
    struct span word = next_name(operand->text, &at);
    struct span pointer = next_name(operand->text, &at);
    if (!same_name(pointer, "ptr"))
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(pointers); i++)
        if (same_name(word, pointers[i].name))
            operand->width = pointers[i].width;
    operand->text = span_trim(after(operand->text, at));
    return true;
}

static void read_brackets(struct operand *operand) {
    const char *open = memchr(operand->text.at, '[', operand->text.length);
    if (open == NULL)
        return;
    struct span inner = after(operand->text, (size_t)(open - operand->text.at) + 1);
    for (size_t at = 0; at < inner.length;) {
        struct span name = next_name(inner, &at);
        struct operand found = {0};
        if (name.length == 0 || !read_register(name, &found))
            continue;
        bool scaled = (at < inner.length && inner.at[at] == '*') ||
                      (name.at > inner.at && name.at[-1] == '*');
        if (found.class == REGISTER_VECTOR || scaled || operand->base.length > 0)
            operand->index = name;
        else
            operand->base = name;
        if (scaled && at + 1 < inner.length && isdigit((unsigned char)inner.at[at + 1]))
            operand->scale = (unsigned)strtoul(inner.at + at + 1, NULL, 0);
    }
}

static void read_intel(struct operand *operand) {
    bool pointer = take_pointer(operand);
    struct span text = operand->text;
    if (text.length == 0)
        return;
    struct span name = after(text, *text.at == '%');
    unsigned width = operand->width;
    if (!pointer && read_register(name, operand)) {
        operand->kind = OPERAND_REGISTER;
        return;
    }
    operand->width = width;
    bool brackets = memchr(text.at, '[', text.length) != NULL;
    size_t at = 0;
    struct span first = next_name(text, &at);
    bool number = strchr("0123456789-+~'(", *text.at) != NULL || same_name(first, "offset");
    if (!pointer && !brackets && number) {
        operand->kind = OPERAND_IMMEDIATE;
        operand->relative = counts_from_here(text, false, true);
        return;
    }
    operand->kind = OPERAND_MEMORY;
    take_segment(operand);
    read_brackets(operand);
    operand->relative = counts_from_here(operand->text, same_name(operand->base, "rip"), true);
}

struct operand operand_read(struct span text, bool intel) {
    struct operand operand = {
        .scale = 1, .name = NO_SPAN, .mask = NO_SPAN, .base = NO_SPAN, .index = NO_SPAN};
    operand.text = take_braces(span_trim(text), &operand);
    if (intel)
        read_intel(&operand);
    else
        read_att(&operand);
    return operand;
}
