/* SPDX-License-Identifier: BSD-2-Clause */
/* Where a statement begins and ends, and what makes it run. */
#include "base/bits.h"
#include "report/code.h"

static bool is_one_of(const struct code *code, size_t token, const char *const *texts,
                      size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (code_is(code, token, texts[i]))
            return true;
    }
    return false;
}

/* The token of the block that the statement of a token is made of: that one, or the outermost
   bracket around it inside of the block. */
static size_t in_block(const struct code *code, size_t token) {
    size_t around = code->tokens[token].around;
    while (around != CODE_NONE && !code_is(code, around, "{")) {
        token = around;
        around = code->tokens[token].around;
    }
    return token;
}

/* The first token of the statement, labels and all, that a token of a block is in. */
static size_t find_start(const struct code *code, size_t token) {
    while (token > 0) {
        size_t before = token - 1;
        if (before == code->tokens[token].around || code_is(code, before, ";") ||
            code_is(code, before, "}"))
            break;
        size_t partner = code->tokens[before].partner;
        token = partner != CODE_NONE && partner < before ? partner : before;
    }
    return token;
}

/* Behind a label that begins at token, or token itself. */
static size_t skip_label(const struct code *code, size_t token) {
    static const char *const cases[] = {"case", "default"};
    bool is_case = is_one_of(code, token, cases, ARRAY_LENGTH(cases));
    if (!is_case)
        return code->tokens[token].kind == CODE_WORD && code_is(code, token + 1, ":") ? token + 2
                                                                                      : token;
    size_t line = code->tokens[token].around;
    for (size_t i = token + 1; i < code->count && code->tokens[i].around == line; i++) {
        if (code_is(code, i, ":"))
            return i + 1;
    }
    return token;
}

/* Behind the head of an if, or the like, that begins at token; token itself if none does. *inside:
   the token that is looked for lies in the head. */
static size_t skip_head(const struct code *code, size_t token, size_t wanted, bool *inside) {
    static const char *const bare[] = {"else", "do"};
    static const char *const heads[] = {"if", "for", "while", "switch"};
    if (is_one_of(code, token, bare, ARRAY_LENGTH(bare)))
        return token + 1;
    if (!is_one_of(code, token, heads, ARRAY_LENGTH(heads)))
        return token;
    size_t open = code_is(code, token + 1, "constexpr") ? token + 2 : token + 1;
    if (!code_is(code, open, "(") || code->tokens[open].partner == CODE_NONE) {
        *inside = true;
        return token;
    }
    *inside = wanted <= code->tokens[open].partner;
    return *inside ? token : code->tokens[open].partner + 1;
}

bool code_statement(const struct code *code, size_t token, struct statement *statement) {
    static const char *const leaving[] = {"return", "throw", "goto", "co_return", "co_yield"};
    size_t top = in_block(code, token);
    size_t block = code->tokens[top].around, first = find_start(code, top);
    *statement = (struct statement){.guard = CODE_NONE};
    if (block == CODE_NONE) /* outside of any function */
        return false;
    for (bool inside = false;;) {
        size_t next = skip_label(code, first);
        if (next == first) {
            next = skip_head(code, first, top, &inside);
            if (next != first)
                statement->guard = first;
        }
        if (inside || next > top)
            return false;
        if (next == first)
            break;
        first = next;
    }
    statement->first = first;
    statement->last = top;
    while (!code_is(code, statement->last, ";") || code->tokens[statement->last].around != block) {
        size_t partner = code->tokens[statement->last].partner;
        if (code_is(code, statement->last, "{") || code_is(code, statement->last, "}") ||
            statement->last + 1 >= code->count)
            return false;
        statement->last =
            partner != CODE_NONE && partner > statement->last ? partner + 1 : statement->last + 1;
    }
    statement->reached = !is_one_of(code, first, leaving, ARRAY_LENGTH(leaving));
    return true;
}

bool code_call(const struct code *code, size_t name, struct call *call) {
    size_t open = name + 1;
    *call = (struct call){.name = name, .open = open};
    if (!code_is(code, open, "(") || code->tokens[open].partner == CODE_NONE)
        return false;
    call->close = code->tokens[open].partner;
    for (size_t first = open + 1, i = first; i <= call->close; i++) {
        bool ends = i == call->close || (code->tokens[i].around == open && code_is(code, i, ","));
        if (!ends)
            continue;
        if (i == first || call->count == CALL_ARGUMENTS)
            return false;
        call->arguments[call->count].first = first;
        call->arguments[call->count++].last = i - 1;
        first = i + 1;
    }
    return true;
}
