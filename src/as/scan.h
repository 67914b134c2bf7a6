/* SPDX-License-Identifier: BSD-2-Clause */
/* What scan.c and its helpers keep while they read a file. */
#ifndef AS_SCAN_H
#define AS_SCAN_H

#include "as/as.h"

#define SECTIONS_MAX 32
#define FRAMES_MAX 16

/* Where the frame is found from, by the call frame information so far. */
enum frame_base { FRAME_NONE, FRAME_RSP, FRAME_RBP, FRAME_OTHER };

struct frames {
    enum frame_base now, kept[FRAMES_MAX];
    unsigned depth;
};

struct sections {
    bool code, previous; /* does the section hold instructions */
    bool kept[SECTIONS_MAX], kept_previous[SECTIONS_MAX];
    unsigned depth;
};

/* Directives. arguments: what follows its name. */
void frames_directive(struct frames *frames, struct span name, struct span arguments);
/* False if the name is none of a section. */
bool sections_directive(struct sections *sections, struct span name, struct span arguments);

struct scanner {
    struct source *source;
    struct frames frames;
    struct sections sections;
    unsigned line; /* of the input, or of the file that a line marker names */
    unsigned input_line;
    struct span file;
    bool intel, other_mode; /* other_mode: .code32, .code16 */
    bool bare;              /* AT&T's syntax, and registers without % */
    bool by_hand;           /* in an inline assembly */
    unsigned macro_depth, repeat_depth;
    struct span *macros;
    size_t macro_count, macro_capacity;
    /* Prefixes that stand in statements of their own. */
    const char *prefix; /* where they begin, or NULL */
    bool lock, repeat, operand_size;
    bool flows; /* control reaches this place from the statement before it */
    /* What rdi and rsi hold, as far as it matters for the compiler's call-outs. */
    struct span rdi;
    size_t rsi;
};

void scan_opaque(struct scanner *scanner, const char *why, struct span what);
void scan_instruction(struct scanner *scanner, struct span statement);
/* An instruction that stands at place in another form. */
void scan_spelled(struct scanner *scanner, struct span statement, struct span place);
/* Bytes in code. values: what follows .byte. */
void scan_bytes(struct scanner *scanner, struct span directive, struct span values);

#endif
