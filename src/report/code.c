/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/code.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"

struct lexer {
    struct code *code;
    const char *bytes;
    size_t size, at;
    int line;
    bool fresh; /* nothing but blanks so far on this line */
    size_t room;
};

static bool is_word(char byte) {
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
           (byte >= '0' && byte <= '9') || byte == '_' || (byte & 0x80) != 0;
}

static bool is_digit(char byte) {
    return byte >= '0' && byte <= '9';
}

/* The byte so many ahead, or 0. */
static char peek(const struct lexer *lexer, size_t ahead) {
    return lexer->at + ahead < lexer->size ? lexer->bytes[lexer->at + ahead] : '\0';
}

static void step(struct lexer *lexer, size_t bytes) {
    for (; bytes > 0 && lexer->at < lexer->size; bytes--)
        lexer->line += lexer->bytes[lexer->at++] == '\n';
}

/* Up to and with the end of the comment that begins here. */
static void skip_comment(struct lexer *lexer) {
    bool block = peek(lexer, 1) == '*';
    step(lexer, 2);
    while (lexer->at < lexer->size) {
        if (block && peek(lexer, 0) == '*' && peek(lexer, 1) == '/') {
            step(lexer, 2);
            return;
        }
        if (!block && peek(lexer, 0) == '\n' && lexer->bytes[lexer->at - 1] != '\\')
            return;
        step(lexer, 1);
    }
}

/* A directive up to the end of its line, and of those that it goes on on. */
static void skip_directive(struct lexer *lexer) {
    while (lexer->at < lexer->size && peek(lexer, 0) != '\n') {
        if (peek(lexer, 0) == '/' && (peek(lexer, 1) == '*' || peek(lexer, 1) == '/'))
            skip_comment(lexer);
        else
            step(lexer, peek(lexer, 0) == '\\' ? 2 : 1);
    }
}

/* The size of the quote that begins here, with its ends. */
static size_t quote_size(const struct lexer *lexer) {
    char end = peek(lexer, 0);
    size_t size = 1;
    while (lexer->at + size < lexer->size && peek(lexer, size) != end && peek(lexer, size) != '\n')
        size += peek(lexer, size) == '\\' ? 2 : 1;
    return size + 1;
}

/* The size of a raw string of C++, of which R is here; 0: it is none. */
static size_t raw_size(const struct lexer *lexer) {
    const char *start = lexer->bytes + lexer->at, *end = lexer->bytes + lexer->size;
    const char *open = start + 2;
    while (open < end && open - start < 20 && *open != '(' && *open != '"' && *open != '\n')
        open++;
    if (open >= end || *open != '(')
        return 0;
    size_t mark = (size_t)(open - start) - 2;
    for (const char *at = open; at < end; at++) {
        if (*at == ')' && (size_t)(end - at) > mark + 1 && memcmp(at + 1, start + 2, mark) == 0 &&
            at[mark + 1] == '"')
            return (size_t)(at - start) + mark + 2;
    }
    return 0;
}

static size_t mark_size(const struct lexer *lexer) {
    static const char *const marks[] = {
        "<<=", ">>=", "...", "->*", "++", "--", "+=", "-=", "*=", "/=", "%=", "&=",
        "|=",  "^=",  "==",  "!=",  "<=", ">=", "->", "&&", "||", "::", "<<", ">>"};
    for (size_t i = 0; i < ARRAY_LENGTH(marks); i++) {
        size_t size = strlen(marks[i]);
        if (lexer->at + size <= lexer->size &&
            memcmp(lexer->bytes + lexer->at, marks[i], size) == 0)
            return size;
    }
    return 1;
}

static size_t word_size(const struct lexer *lexer) {
    bool number = is_digit(peek(lexer, 0));
    size_t size = 1;
    for (;; size++) {
        char byte = peek(lexer, size), before = peek(lexer, size - 1);
        bool sign = (byte == '+' || byte == '-') && strchr("eEpP", before) != NULL;
        bool part = byte == '.' || sign || (byte == '\'' && is_word(peek(lexer, size + 1)));
        if (!is_word(byte) && !(number && part))
            return size;
    }
}

static bool add(struct lexer *lexer, enum code_kind kind, size_t size) {
    struct code *code = lexer->code;
    if (code->count == lexer->room) {
        lexer->room = lexer->room != 0 ? 2 * lexer->room : 4096;
        struct code_token *larger = realloc(code->tokens, lexer->room * sizeof *larger);
        if (larger == NULL)
            return false;
        code->tokens = larger;
    }
    size_t left = lexer->size - lexer->at;
    code->tokens[code->count++] = (struct code_token){.at = lexer->at,
                                                      .size = size < left ? size : left,
                                                      .line = lexer->line,
                                                      .kind = kind,
                                                      .around = CODE_NONE,
                                                      .partner = CODE_NONE};
    lexer->fresh = false;
    step(lexer, size);
    return true;
}

/* Takes one token, or what is none. false: out of memory. */
static bool take(struct lexer *lexer) {
    char byte = peek(lexer, 0);
    if (byte == '\n')
        lexer->fresh = true;
    if (byte == '\n' || strchr(" \t\r\f\v\\", byte) != NULL) {
        step(lexer, 1);
        return true;
    }
    if (byte == '/' && (peek(lexer, 1) == '*' || peek(lexer, 1) == '/')) {
        skip_comment(lexer);
        return true;
    }
    if (byte == '#' && lexer->fresh) {
        skip_directive(lexer);
        return true;
    }
    size_t raw = byte == 'R' && peek(lexer, 1) == '"' ? raw_size(lexer) : 0;
    if (raw != 0)
        return add(lexer, CODE_QUOTE, raw);
    if (byte == '"' || byte == '\'')
        return add(lexer, CODE_QUOTE, quote_size(lexer));
    if (is_word(byte))
        return add(lexer, is_digit(byte) ? CODE_NUMBER : CODE_WORD, word_size(lexer));
    return add(lexer, CODE_MARK, mark_size(lexer));
}

static char closer_of(char open) {
    return open == '(' ? ')' : open == '[' ? ']' : open == '{' ? '}' : '\0';
}

/* Finds the brackets' partners. One that has none, as both branches of an #if may open one that
   only one of them closes, is left alone. */
static void match(struct code *code) {
    size_t around = CODE_NONE;
    for (size_t i = 0; i < code->count; i++) {
        struct code_token *token = &code->tokens[i];
        char byte = token->kind == CODE_MARK && token->size == 1 ? code->file->bytes[token->at] : 0;
        bool closes = byte == ')' || byte == ']' || byte == '}';
        struct code_token *open = around != CODE_NONE ? &code->tokens[around] : NULL;
        if (closes && open != NULL && closer_of(code->file->bytes[open->at]) == byte) {
            token->partner = around;
            open->partner = i;
            around = open->around;
        }
        token->around = around;
        if (closer_of(byte) != '\0')
            around = i;
    }
}

bool code_read(struct code *code, const struct file *file) {
    struct lexer lexer = {
        .code = code, .bytes = file->bytes, .size = file->size, .line = 1, .fresh = true};
    *code = (struct code){.file = file};
    while (lexer.at < lexer.size) {
        if (!take(&lexer)) {
            code_free(code);
            return false;
        }
    }
    match(code);
    return true;
}

void code_free(struct code *code) {
    free(code->tokens);
    *code = (struct code){0};
}

bool code_is(const struct code *code, size_t token, const char *text) {
    if (token >= code->count || code->tokens[token].kind == CODE_QUOTE)
        return false;
    size_t size = code->tokens[token].size;
    return strlen(text) == size &&
           memcmp(code->file->bytes + code->tokens[token].at, text, size) == 0;
}

char *code_text(const struct code *code, size_t first, size_t last) {
    const struct code_token *tokens = code->tokens;
    char *text = malloc(2 * (tokens[last].at + tokens[last].size - tokens[first].at) + 1);
    char *to = text;
    for (size_t i = first; text != NULL && i <= last; i++) {
        if (i > first && tokens[i - 1].at + tokens[i - 1].size < tokens[i].at)
            *to++ = ' ';
        to = mempcpy(to, code->file->bytes + tokens[i].at, tokens[i].size);
    }
    if (text != NULL)
        *to = '\0';
    return text;
}
