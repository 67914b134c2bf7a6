/* SPDX-License-Identifier: BSD-2-Clause */
/* Lines into statements, and what directives say. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "as/scan.h"
#include "base/bits.h"

static struct span after(struct span span, size_t length) {
    return (struct span){span.at + length, span.length - length};
}

static struct span first_word(struct span text) {
    size_t length = 0;
    while (length < text.length && (is_name(text.at[length]) || text.at[length] == '\\'))
        length++;
    return (struct span){text.at, length};
}

void scan_opaque(struct scanner *scanner, const char *why, struct span what) {
    struct source *source = scanner->source;
    source->opaques = grow(source->opaques, &source->opaque_count, &source->opaque_capacity,
                           sizeof *source->opaques);
    source->opaques[source->opaque_count - 1] =
        (struct opaque){scanner->line, scanner->file, why, what};
}

/* A text from a dictionary: what a macro is called. */
static void add_macro(struct scanner *scanner, struct span arguments) {
    scanner->macros = grow(scanner->macros, &scanner->macro_count, &scanner->macro_capacity,
                           sizeof *scanner->macros);
    scanner->macros[scanner->macro_count - 1] = first_word(arguments);
}

static bool is_macro(const struct scanner *scanner, struct span name) {
    for (size_t i = 0; i < scanner->macro_count; i++)
        if (span_same(scanner->macros[i], name))
            return true;
    return false;
}

/* Directives that put bytes where they stand. */
static bool is_data(struct span name) {
    static const char *const names[] = {
        ".byte", ".value", ".word", ".short", ".2byte", ".long",   ".int",    ".4byte",
        ".quad", ".8byte", ".octa", ".ascii", ".asciz", ".string", ".incbin", ".insn"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (span_is(name, names[i]))
            return true;
    return false;
}

static void note_origin(struct scanner *scanner, struct span name) {
    if (scanner->source->origin.length == 0)
        scanner->source->origin = name;
}

static void scan_directive(struct scanner *scanner, struct span name, struct span arguments) {
    if (span_starts(name, ".cfi_")) {
        frames_directive(&scanner->frames, name, arguments);
    } else if (span_is(name, ".intel_syntax") || span_is(name, ".att_syntax")) {
        scanner->intel = span_is(name, ".intel_syntax");
        scanner->bare = !scanner->intel && span_is(arguments, "noprefix");
        if (scanner->bare)
            scan_opaque(scanner, "names of registers without %", name);
    } else if (span_is(name, ".macro")) {
        scanner->macro_depth++;
        add_macro(scanner, arguments);
    } else if (span_is(name, ".endm") || span_is(name, ".endmacro")) {
        scanner->macro_depth -= scanner->macro_depth > 0;
    } else if (span_is(name, ".rept") || span_is(name, ".rep") || span_starts(name, ".irp")) {
        scanner->repeat_depth++;
    } else if (span_is(name, ".endr")) {
        scanner->repeat_depth -= scanner->repeat_depth > 0;
    } else if (span_is(name, ".code32") || span_is(name, ".code16") ||
               span_is(name, ".code16gcc")) {
        scanner->other_mode = true;
        scan_opaque(scanner, "code for another mode of the CPU", name);
    } else if (span_is(name, ".code64")) {
        scanner->other_mode = false;
    } else if (span_is(name, ".include")) {
        scan_opaque(scanner, "another file is included", arguments);
    } else if (span_is(name, ".file") && arguments.length > 2 && *arguments.at == '"') {
        note_origin(scanner, (struct span){arguments.at + 1, arguments.length - 2});
    } else if (span_is(name, ".ident")) {
        if (memmem(arguments.at, arguments.length, "clang", 5) != NULL)
            scanner->source->maker = "clang";
        else if (memmem(arguments.at, arguments.length, "GCC", 3) != NULL)
            scanner->source->maker = "gcc";
    } else if (!sections_directive(&scanner->sections, name, arguments) && scanner->sections.code &&
               is_data(name)) {
        scan_bytes(scanner, name, arguments);
    }
}

/* Labels of debug information and exception tables: nobody jumps there. */
static bool is_mark(struct span name) {
    static const char *const begins[] = {".Ltmp", ".LVL",  ".LBE", ".LBI",
                                         ".LEHB", ".LEHE", ".Lcfi"};
    for (size_t i = 0; i < ARRAY_LENGTH(begins); i++)
        if (span_starts(name, begins[i]))
            return true;
    /* gcc's; clang's .LBB0_1 is a block. */
    return span_starts(name, ".LBB") && memchr(name.at, '_', name.length) == NULL;
}

static void add_label(struct scanner *scanner, struct span name) {
    if (is_mark(name))
        return;
    struct source *source = scanner->source;
    source->items =
        grow(source->items, &source->item_count, &source->item_capacity, sizeof *source->items);
    source->items[source->item_count - 1] =
        (struct item){.kind = ITEM_LABEL, .name = name, .place = name};
    scanner->rdi = NO_SPAN;
    scanner->rsi = LENGTH_UNKNOWN;
}

/* The length of the labels that a statement begins with. */
static struct span take_labels(struct scanner *scanner, struct span statement) {
    for (;;) {
        statement = span_trim(statement);
        while (span_starts(statement, "/*")) {
            const char *end = memmem(statement.at + 2, statement.length - 2, "*/", 2);
            if (end == NULL)
                return statement;
            statement = span_trim(after(statement, (size_t)(end - statement.at) + 2));
        }
        struct span name = first_word(statement);
        if (name.length == 0 && statement.length > 1 && *statement.at == '"') {
            const char *quote = memchr(statement.at + 1, '"', statement.length - 1);
            name.length = quote == NULL ? 0 : (size_t)(quote - statement.at) + 1;
        }
        struct span rest = span_trim(after(statement, name.length));
        if (name.length == 0 || rest.length == 0 || *rest.at != ':' ||
            (rest.length > 1 && rest.at[1] == ':'))
            return statement;
        add_label(scanner, name);
        statement = after(rest, 1);
    }
}

/* Does a macro's argument stand for the mnemonic or for a whole operand? */
static bool is_made(struct span statement) {
    bool mnemonic = true, before = true;
    for (size_t i = 0; i < statement.length; i++) {
        char c = statement.at[i];
        struct span rest = after(statement, i);
        size_t end = c == '\\' ? span_find(rest, ',') : 0;
        if (c == '\\' && (mnemonic || (before && rest.at[end - 1] != ')')))
            return true;
        if (isspace((unsigned char)c))
            mnemonic = false;
        before = isspace((unsigned char)c) || c == ',' || c == '%' || (before && c == '*');
    }
    return false;
}

/* The statement without C comments at its end. */
static struct span cut_comments(struct span statement) {
    while (statement.length >= 4 && memcmp(statement.at + statement.length - 2, "*/", 2) == 0) {
        size_t at = statement.length - 4;
        while (at > 0 && memcmp(statement.at + at, "/*", 2) != 0)
            at--;
        statement = span_trim((struct span){statement.at, at});
    }
    return statement;
}

static void scan_statement(struct scanner *scanner, struct span statement) {
    statement = cut_comments(take_labels(scanner, statement));
    if (statement.length == 0)
        return;
    struct span name = first_word(statement);
    struct span rest = span_trim(after(statement, name.length));
    if (name.length > 0 && rest.length > 0 && *rest.at == '=')
        return; /* an assignment */
    if (name.length > 0 && *name.at == '.') {
        scan_directive(scanner, name, rest);
        return;
    }
    if (!scanner->sections.code || scanner->other_mode || scanner->bare)
        return;
    if ((scanner->macro_depth > 0 || scanner->repeat_depth > 0) && is_made(statement)) {
        scan_opaque(scanner, "a macro's arguments make the instruction", statement);
        return;
    }
    if (memmem(statement.at, statement.length, "/*", 2) != NULL ||
        memchr(statement.at, '\n', statement.length) != NULL) {
        scan_opaque(scanner, "a comment within an instruction", NO_SPAN);
        return;
    }
    if (is_macro(scanner, name)) {
        scanner->prefix = NULL;
        scanner->rdi = NO_SPAN;
        return;
    }
    scan_instruction(scanner, statement);
}

/* # 12 "file.c" 1: where what follows comes from. */
static bool line_marker(struct scanner *scanner, struct span line) {
    struct span rest = span_trim(after(line, 1));
    if (rest.length == 0 || !isdigit((unsigned char)*rest.at))
        return false;
    const char *quote = memchr(rest.at, '"', rest.length);
    if (quote == NULL)
        return false;
    const char *end = memchr(quote + 1, '"', rest.length - (size_t)(quote + 1 - rest.at));
    if (end == NULL)
        return false;
    unsigned long number = strtoul(rest.at, NULL, 10);
    if (number > 0) { /* gcc ends an inline assembly by line 0 */
        scanner->file = (struct span){quote + 1, (size_t)(end - quote) - 1};
        scanner->line = (unsigned)number - 1;
        note_origin(scanner, scanner->file);
    }
    return true;
}

static void name_input(struct scanner *scanner) {
    const char *name = scanner->source->name;
    scanner->file = name != NULL ? (struct span){name, strlen(name)} : NO_SPAN;
    scanner->line = scanner->input_line;
}

static void leave_inline(struct scanner *scanner) {
    scanner->by_hand = false;
    name_input(scanner);
}

/* A line whose first character is # or /: a comment, but for what compilers say by it. */
static void scan_comment(struct scanner *scanner, struct span line) {
    if (span_starts(line, "#APP"))
        scanner->by_hand = true;
    else if (span_starts(line, "#NO_APP"))
        leave_inline(scanner);
    else if (*line.at == '#')
        line_marker(scanner, line);
}

static void next_line(struct scanner *scanner) {
    scanner->line++;
    scanner->input_line++;
}

/* The length of a C comment at text, or 0; lines in it are counted. */
static size_t skip_comment(struct scanner *scanner, struct span text) {
    if (!span_starts(text, "/*"))
        return 0;
    const char *end = memmem(text.at + 2, text.length - 2, "*/", 2);
    size_t length = end == NULL ? text.length : (size_t)(end - text.at) + 2;
    for (size_t i = 0; i < length; i++)
        if (text.at[i] == '\n')
            next_line(scanner);
    return length;
}

/* The length of a string or a character at text, or 1. */
static size_t skip_quoted(struct span text) {
    if (*text.at == '\'')
        return char_length(text);
    if (*text.at != '"')
        return 1;
    for (size_t i = 1; i < text.length && text.at[i] != '\n'; i++) {
        if (text.at[i] == '\\')
            i++;
        else if (text.at[i] == '"')
            return i + 1;
    }
    return 1;
}

static bool only_blanks(const char *from, const char *to) {
    for (; from < to; from++)
        if (!isspace((unsigned char)*from))
            return false;
    return true;
}

static void scan_lines(struct scanner *scanner, struct span text) {
    const char *line = text.at, *statement = text.at;
    while (text.length > 0) {
        char c = *text.at;
        size_t length = skip_comment(scanner, text);
        if (length > 0) {
            text = after(text, length);
            continue;
        }
        bool comment = c == '#' || (c == '/' && only_blanks(line, text.at));
        if (c != '\n' && c != ';' && !comment) {
            length = skip_quoted(text);
            text = after(text, length < text.length ? length : text.length);
            continue;
        }
        scan_statement(scanner, (struct span){statement, (size_t)(text.at - statement)});
        if (comment) {
            const char *end = memchr(text.at, '\n', text.length);
            length = end == NULL ? text.length : (size_t)(end - text.at);
            if (only_blanks(line, text.at))
                scan_comment(scanner, (struct span){text.at, length});
            text = after(text, length);
            statement = text.at;
            continue;
        }
        text = after(text, 1);
        statement = text.at;
        if (c == '\n') {
            line = text.at;
            next_line(scanner);
        }
    }
    scan_statement(scanner, (struct span){statement, (size_t)(text.at - statement)});
}

void scan(struct source *source) {
    struct scanner scanner = {.source = source,
                              .sections = {.code = true, .previous = true},
                              .input_line = 1,
                              .rdi = NO_SPAN,
                              .rsi = LENGTH_UNKNOWN};
    name_input(&scanner);
    if (source->maker == NULL)
        source->maker = "assembly";
    /* Only compilers call these, and they may leave .ident out. */
    if (memmem(source->text.at, source->text.length, "__tsan_", 7) != NULL)
        source->maker =
            memmem(source->text.at, source->text.length, "\tcallq\t", 7) != NULL ? "clang" : "gcc";
    scan_lines(&scanner, source->text);
    if (scanner.macro_depth > 0 || scanner.prefix != NULL)
        scan_opaque(&scanner, "the end comes amid something", NO_SPAN);
    free(scanner.macros);
}
