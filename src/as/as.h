/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The assembler step: between the compiler's assembly and the assembler. It reads x86-64 assembly
 * as the GNU assembler takes it, finds what flushes, fences, and stores without being announced,
 * and puts the call-outs of hook/callout.h before it.
 *
 * text -> lines of statements (scan) -> instructions (operand, decode) -> which of them the
 * compiler's own call-outs announce (announced) -> text (emit). Nothing is ever left out of the
 * text but a compiler's call-out that one of ours replaces, and no line moves.
 */
#ifndef AS_AS_H
#define AS_AS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A piece of the input. */
struct span {
    const char *at;
    size_t length;
};

#define NO_SPAN ((struct span){"", 0})

/* Text that grows. */
struct text {
    char *bytes;
    size_t length, capacity;
};

void text_add(struct text *text, const char *bytes, size_t length);
__attribute__((format(printf, 2, 3))) void text_print(struct text *text, const char *format, ...);

/* An array's next place, zeroed; the array grows. */
void *grow(void *array, size_t *count, size_t *capacity, size_t size);

bool span_is(struct span span, const char *word);
bool span_starts(struct span span, const char *word);
bool span_same(struct span one, struct span other);
struct span span_trim(struct span span);
/* The position of a character outside of parentheses, brackets and quotes, or length. */
size_t span_find(struct span span, char wanted);
/* The length of a character constant at its quote; it may be closed by another one. */
size_t char_length(struct span text);
bool is_name(char c); /* may be in a symbol or a mnemonic */

/* Operands. */

enum operand_kind { OPERAND_IMMEDIATE, OPERAND_REGISTER, OPERAND_MEMORY };
enum register_kind { REGISTER_GENERAL, REGISTER_MMX, REGISTER_VECTOR, REGISTER_OTHER };

struct operand {
    enum operand_kind kind;
    struct span text;         /* without {...}, without a segment that is not fs or gs, in Intel's
                                 syntax without PTR */
    struct span name;         /* REGISTER: without % */
    struct span mask;         /* {%k1}: k1 */
    unsigned width;           /* bytes of a register, or what PTR says; 0 if neither */
    enum register_kind class; /* REGISTER */
    struct span base, index;  /* MEMORY: registers without %, if any */
    unsigned scale;
    bool segment;  /* fs: or gs: */
    bool relative; /* counts from where it stands */
};

struct operand operand_read(struct span text, bool intel);

/* Instructions. */

#define OPERANDS_MAX 5

struct instruction {
    struct span mnemonic;
    struct operand operands[OPERANDS_MAX]; /* the destination last, in either syntax */
    size_t count;
    bool lock, repeat, operand_size; /* prefixes; operand_size: .byte 0x66 */
};

/* What stands in rsi for the runtime. */
enum mask_source {
    MASK_NONE,
    MASK_REGISTER,
    MASK_BYTES,
    MASK_SINGLES,
    MASK_DOUBLES,
    MASK_COUNT,
    MASK_ONE
};

enum verdict { VERDICT_NOTHING, VERDICT_ACTION, VERDICT_OPAQUE };

struct action {
    unsigned kind, detail, shape, unit, length; /* as in callout.h */
    const struct operand *where;                /* the memory, or NULL */
    struct span address;                        /* else the register that has its address */
    enum mask_source source;
    struct span mask;  /* the register that source is about */
    struct span index; /* SCATTERED: the register of indexes */
    const char *why;   /* VERDICT_OPAQUE; may go with a kind that drains */
};

enum verdict decode(const struct instruction *instruction, struct action *action);

/* Items: what matters of a file, in its order. */

enum item_kind {
    ITEM_ACTION,   /* an instruction to announce, if the compiler has not */
    ITEM_ANNOUNCE, /* the compiler's call-out before a store of length bytes */
    ITEM_CALL,     /* any other call */
    ITEM_LABEL,    /* name */
    ITEM_BRANCH,   /* to name, or on */
    ITEM_JUMP,     /* to name, and never on */
};

#define LENGTH_UNKNOWN SIZE_MAX

struct item {
    enum item_kind kind;
    struct span place; /* from where a call-out goes in to the end of the statement */
    struct span name;  /* LABEL, BRANCH, JUMP: the label. ANNOUNCE: the operand it is about */
    size_t length;     /* ANNOUNCE: bytes */
    struct action action;
    struct operand memory; /* what action.where points to */
    bool compiled;         /* by the compiler, not written by hand */
    bool stack;            /* a plain store to the function's frame */
    bool intel, cfi;       /* syntax; the frame is found from rsp, and unwinding wants to know */
    bool announced;        /* ACTION: the compiler's call-out tells of it. ANNOUNCE: ours does */
};

struct opaque {
    unsigned line;
    struct span file;
    const char *why;
    struct span what;
};

struct source {
    const char *name;   /* as given to the assembler, or NULL for standard input */
    struct span origin; /* what the text says that it was made of, if it does */
    struct span text;   /* with a zero behind it */
    struct item *items;
    size_t item_count, item_capacity;
    struct opaque *opaques;
    size_t opaque_count, opaque_capacity;
    char **spelled; /* instructions that stood there as bytes */
    size_t spelled_count, spelled_capacity;
    const char *maker; /* "gcc", "clang" or "assembly" */
    bool untouchable;  /* counts in bytes of code: nothing may be put in */
};

/* Reads text into items. */
void scan(struct source *source);
/* Decides for each item whether it is announced. */
void match_announcements(struct source *source);
/* The text with call-outs, without notes. */
void emit(const struct source *source, struct text *to);
/* The notes, as text for the end. */
void emit_notes(const struct source *source, const char *failure, struct text *to);

#endif
