/* SPDX-License-Identifier: BSD-2-Clause */
/* The text with the call-outs. They stand in the line of their instruction, so that lines keep
   their numbers. */
#include <stdlib.h>
#include <string.h>

#include "as/as.h"
#include "base/notes.h"
#include "hook/callout.h"

static void add_span(struct text *to, struct span span) {
    text_add(to, span.at, span.length);
}

/* rdi = the address. In Intel's syntax the operand is left as it is written. */
static void emit_operand(const struct item *item, unsigned frame, struct text *to) {
    struct span text = item->memory.text;
    bool counts = span_is(item->memory.base, "rsp") || span_is(item->memory.index, "rsp");
    if (item->intel) {
        const char *close = counts ? memchr(text.at, ']', text.length) : NULL;
        size_t head = close == NULL ? text.length : (size_t)(close - text.at);
        text_print(to, ".intel_syntax noprefix; lea rdi, %.*s", (int)head, text.at);
        if (close != NULL)
            text_print(to, "+%u%.*s", frame, (int)(text.length - head), close);
        text_print(to, "; .att_syntax prefix; ");
        return;
    }
    /* -8(%rsp) becomes 152+-8(%rsp). */
    text_print(to, "leaq ");
    if (counts)
        text_print(to, memrchr(text.at, '(', text.length) == text.at ? "%u" : "%u+", frame);
    add_span(to, text);
    text_print(to, ", %%rdi; ");
}

/* A scatter's operand without its vector: (%rax,%zmm1,4) becomes (%rax). */
static void emit_scatter_base(const struct item *item, unsigned frame, struct text *to) {
    struct span text = item->memory.text, base = item->memory.base;
    size_t open = text.length;
    while (open > 0 && text.at[open - 1] != '(')
        open--;
    bool counts = span_is(base, "rsp");
    text_print(to, "vmovdqu64 %%%.*s, 24(%%rsp); leaq ", (int)item->action.index.length,
               item->action.index.at);
    if (counts)
        text_print(to, "%u%s", frame, open > 1 ? "+" : "");
    text_print(to, "%.*s", open > 0 ? (int)open - 1 : 0, text.at);
    if (base.length > 0)
        text_print(to, "(%%%.*s)", (int)base.length, base.at);
    else if (open <= 1)
        text_print(to, "0");
    text_print(to, ", %%rdi; ");
}

/* rsi = the mask or the count. */
static void emit_mask(const struct item *item, struct text *to) {
    struct span mask = item->action.mask;
    int length = (int)mask.length;
    unsigned bits = item->action.length >> item->action.unit;
    switch (item->action.source) {
    case MASK_NONE:
        return;
    case MASK_REGISTER:
        if (item->action.shape == CALLOUT_SCATTERED)
            bits = 16;
        text_print(to, "kmov%s %%%.*s, %%%s; ",
                   bits <= 16   ? "w"
                   : bits <= 32 ? "d"
                                : "q",
                   length, mask.at, bits <= 32 ? "esi" : "rsi");
        return;
    case MASK_BYTES: /* with v where the instruction has it */
        text_print(to, "%spmovmskb %%%.*s, %%esi; ", *item->place.at == 'v' ? "v" : "", length,
                   mask.at);
        return;
    case MASK_SINGLES:
        text_print(to, "vmovmskps %%%.*s, %%esi; ", length, mask.at);
        return;
    case MASK_DOUBLES:
        text_print(to, "vmovmskpd %%%.*s, %%esi; ", length, mask.at);
        return;
    case MASK_COUNT:
        text_print(to, "movq %%rcx, %%rsi; ");
        return;
    case MASK_ONE:
        text_print(to, "movl $1, %%esi; ");
        return;
    }
}

static void emit_address(const struct item *item, unsigned frame, struct text *to) {
    struct span address = item->action.address;
    text_print(to, "movq %%rdi, 8(%%rsp); ");
    if (item->action.shape == CALLOUT_SCATTERED)
        emit_scatter_base(item, frame, to);
    else if (address.length > 0)
        text_print(to, "movq %%%.*s, %%rdi; ", (int)address.length, address.at);
    else
        emit_operand(item, frame, to);
}

static void emit_callout(const struct item *item, struct text *to) {
    const struct action *action = &item->action;
    bool address = action->shape != CALLOUT_NOWHERE, mask = action->source != MASK_NONE;
    unsigned frame = action->shape == CALLOUT_SCATTERED ? CALLOUT_SCATTER_FRAME : CALLOUT_FRAME;
    unsigned word =
        CALLOUT_WORD(action->kind, action->detail, action->shape, action->unit, action->length);
    if (item->intel)
        text_print(to, ".att_syntax prefix; ");
    text_print(to, "leaq -%u(%%rsp), %%rsp; ", frame);
    if (item->cfi)
        text_print(to, ".cfi_adjust_cfa_offset %u; ", frame);
    if (address)
        emit_address(item, frame, to);
    if (mask) {
        text_print(to, "movq %%rsi, 16(%%rsp); ");
        emit_mask(item, to);
    }
    text_print(to, "movq $%u, (%%rsp); call *__nvrtl_callout@GOTPCREL(%%rip); ", word);
    if (address)
        text_print(to, "movq 8(%%rsp), %%rdi; ");
    if (mask)
        text_print(to, "movq 16(%%rsp), %%rsi; ");
    text_print(to, "leaq %u(%%rsp), %%rsp; ", frame);
    if (item->cfi)
        text_print(to, ".cfi_adjust_cfa_offset -%u; ", frame);
    if (item->intel)
        text_print(to, ".intel_syntax noprefix; ");
}

void emit(const struct source *source, struct text *to) {
    const char *at = source->text.at, *end = at + source->text.length;
    for (size_t i = 0; i < source->item_count; i++) {
        const struct item *item = &source->items[i];
        bool adds = item->kind == ITEM_ACTION && !item->announced && !item->stack;
        bool drops = item->kind == ITEM_ANNOUNCE && item->announced;
        if (source->untouchable || (!adds && !drops))
            continue;
        text_add(to, at, (size_t)(item->place.at - at));
        at = item->place.at;
        if (adds) {
            emit_callout(item, to);
            continue;
        }
        for (const char *stop = at + item->place.length; at < stop; at++) {
            if (*at == '\n') /* behind a prefix that had a line of its own */
                text_add(to, at, 1);
        }
    }
    text_add(to, at, (size_t)(end - at));
    if (to->length > 0 && to->bytes[to->length - 1] != '\n')
        text_add(to, "\n", 1);
}

/* Text in an assembler's string. */
static void emit_string(struct text *to, struct span span) {
    for (size_t i = 0; i < span.length; i++) {
        unsigned char c = (unsigned char)span.at[i];
        if (c < ' ' || c == '"' || c == '\\' || c > '~')
            text_print(to, "\\%03o", c);
        else
            text_add(to, span.at + i, 1);
    }
}

static void emit_note(unsigned type, const struct text *words, struct text *to) {
    text_print(to,
               "\t.balign 4\n\t.long %zu, 9f - 8f, %u\n\t.asciz \"%s\"\n\t.balign 4\n8:\t.asciz \"",
               sizeof NOTES_OWNER, type, NOTES_OWNER);
    emit_string(to, (struct span){words->bytes, words->length});
    text_print(to, "\"\n9:\t.balign 4\n");
}

#define OPAQUE_MAX 20 /* of one object; the rest is counted */

void emit_notes(const struct source *source, const char *failure, struct text *to) {
    struct text words = {0};
    text_print(to, "\t.section %s,\"a\",@note\n", NOTES_SECTION);
    text_print(&words, "%s", source->maker);
    emit_note(NOTES_HOOKED, &words, to);
    if (failure != NULL) {
        words.length = 0;
        const char *name = source->name != NULL ? source->name : "-";
        if (source->origin.length > 0)
            text_add(&words, source->origin.at, source->origin.length);
        else
            text_add(&words, name, strlen(name));
        text_print(&words, ": %s", failure);
        emit_note(NOTES_OPAQUE, &words, to);
    }
    for (size_t i = 0; i < source->opaque_count; i++) {
        const struct opaque *opaque = &source->opaques[i];
        words.length = 0;
        if (i == OPAQUE_MAX) {
            text_print(&words, "and %zu more", source->opaque_count - i);
            emit_note(NOTES_OPAQUE, &words, to);
            break;
        }
        text_print(&words, "%.*s:%u: %s", (int)opaque->file.length,
                   opaque->file.at != NULL ? opaque->file.at : "", opaque->line, opaque->why);
        if (opaque->what.length > 0)
            text_print(&words, ": %.*s", (int)opaque->what.length, opaque->what.at);
        emit_note(NOTES_OPAQUE, &words, to);
    }
    free(words.bytes);
}
