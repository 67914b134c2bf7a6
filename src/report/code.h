/* SPDX-License-Identifier: BSD-2-Clause */
/* C and C++ as far as the place of a call or an assignment has to be understood: tokens, brackets,
   statements. No preprocessing: a call that a macro makes is not there, and is not found. */
#ifndef REPORT_CODE_H
#define REPORT_CODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "report/file.h"

#define CODE_NONE SIZE_MAX

enum code_kind { CODE_WORD, CODE_NUMBER, CODE_QUOTE, CODE_MARK };

struct code_token {
    size_t at, size; /* bytes of the file */
    int line;
    enum code_kind kind;
    size_t around;  /* the bracket that it lies in, or CODE_NONE */
    size_t partner; /* of a bracket: the other one, or CODE_NONE */
};

struct code {
    const struct file *file;
    struct code_token *tokens; /* but comments and directives */
    size_t count;
};

/* false: out of memory. pre: file outlives code */
bool code_read(struct code *code, const struct file *file);
void code_free(struct code *code);

bool code_is(const struct code *code, size_t token, const char *text);

/* The tokens from first to last as they are written, but each gap between them is one space at
   most. malloc'ed; NULL: out of memory. */
char *code_text(const struct code *code, size_t first, size_t last);

/* A simple statement: one that ends with a semicolon. */
struct statement {
    size_t first, last; /* its tokens; last is the semicolon */
    size_t guard;       /* it is all of the body of this "if" or the like; CODE_NONE: of none */
    bool reached;       /* what stands behind it runs after it, with what it has done */
};

/* The statement that a token is part of. false: that is not seen, or it has no end of its own, as
   in the head of an if. */
bool code_statement(const struct code *code, size_t token, struct statement *statement);

/* A call: name(arguments). */
#define CALL_ARGUMENTS 8
struct call {
    size_t name, open, close; /* tokens */
    size_t count;
    struct {
        size_t first, last; /* tokens */
    } arguments[CALL_ARGUMENTS];
};

/* Reads the call of which name is the name. false: it is none, or has an empty argument or more
   than are kept. */
bool code_call(const struct code *code, size_t name, struct call *call);

#endif
