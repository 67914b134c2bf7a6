/* SPDX-License-Identifier: BSD-2-Clause */
/* One statement that is an instruction: its words, and what it means for the items. */
#include <stdlib.h>
#include <string.h>

#include "as/scan.h"
#include "base/bits.h"
#include "hook/callout.h"

static struct span after(struct span span, size_t length) {
    return (struct span){span.at + length, span.length - length};
}

static struct span first_word(struct span text) {
    size_t length = 0;
    while (length < text.length && is_name(text.at[length]))
        length++;
    return (struct span){text.at, length};
}

static bool is_one_of(struct span word, const char *const *list, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (span_is(word, list[i]))
            return true;
    return false;
}

/* Words before a mnemonic. */
static bool is_prefix(struct scanner *scanner, struct span word) {
    static const char *const repeats[] = {"rep", "repe", "repz", "repne", "repnz"};
    static const char *const others[] = {"xacquire", "xrelease", "data16", "data32", "addr16",
                                         "addr32",   "notrack",  "bnd",    "cs",     "ds",
                                         "es",       "ss",       "fs",     "gs"};
    if (span_is(word, "lock"))
        scanner->lock = true;
    else if (is_one_of(word, repeats, ARRAY_LENGTH(repeats)))
        scanner->repeat = true;
    else if (!is_one_of(word, others, ARRAY_LENGTH(others)) && !span_starts(word, "rex"))
        return false;
    return true;
}

/* Takes prefixes and {evex}; false if nothing is left. The instruction begins at the first one. */
static bool take_prefixes(struct scanner *scanner, struct span *statement) {
    if (scanner->prefix == NULL)
        scanner->lock = scanner->repeat = scanner->operand_size = false;
    const char *begin = statement->at;
    for (;;) {
        *statement = span_trim(*statement);
        if (statement->length == 0) {
            if (scanner->prefix == NULL)
                scanner->prefix = begin;
            return false;
        }
        if (*statement->at == '{') {
            size_t end = span_find(*statement, ' ');
            *statement = after(*statement, end);
            continue;
        }
        struct span word = first_word(*statement);
        if (!is_prefix(scanner, word))
            return true;
        *statement = after(*statement, word.length);
        /* "lock, addl" and "rep/stosb" are taken by some assemblers. */
        if (statement->length > 0 && (*statement->at == ',' || *statement->at == '/'))
            *statement = after(*statement, 1);
    }
}

static void read_operands(const struct scanner *scanner, struct span text,
                          struct instruction *instruction) {
    text = span_trim(text);
    while (text.length > 0 && instruction->count < OPERANDS_MAX) {
        size_t end = span_find(text, ',');
        instruction->operands[instruction->count++] =
            operand_read((struct span){text.at, end}, scanner->intel);
        if (end == text.length)
            break;
        text = after(text, end + 1);
    }
    if (!scanner->intel)
        return;
    for (size_t i = 0; i < instruction->count / 2; i++) {
        struct operand *one = &instruction->operands[i];
        struct operand *other = &instruction->operands[instruction->count - 1 - i];
        struct operand kept = *one;
        *one = *other;
        *other = kept;
    }
}

static struct item *add_item(struct scanner *scanner, enum item_kind kind) {
    struct source *source = scanner->source;
    source->items =
        grow(source->items, &source->item_count, &source->item_capacity, sizeof *source->items);
    struct item *item = &source->items[source->item_count - 1];
    item->kind = kind;
    item->compiled = !scanner->by_hand && strcmp(source->maker, "assembly") != 0;
    item->intel = scanner->intel;
    item->cfi =
        scanner->frames.now == FRAME_RSP && scanner->macro_depth == 0 && scanner->repeat_depth == 0;
    return item;
}

/* The bytes of a compiler's call-out: __tsan_write4, __tsan_unaligned_write8, ... */
static bool read_callout(const struct scanner *scanner, struct span target, size_t *length) {
    static const char prefix[] = "__tsan_";
    target = after(target, sizeof prefix - 1);
    if (span_starts(target, "unaligned_"))
        target = after(target, 10);
    if (span_starts(target, "volatile_"))
        target = after(target, 9);
    *length = 0;
    if (span_starts(target, "vptr_update"))
        *length = 8;
    else if (span_starts(target, "write_range"))
        *length = scanner->rsi;
    else if (span_starts(target, "write"))
        *length = strtoul(target.at + 5, NULL, 10);
    else if (span_starts(target, "read"))
        return true; /* between the call-out of a store and the store there may be such */
    return *length > 0;
}

static void scan_call(struct scanner *scanner, struct span place, struct span target) {
    if (target.length > 0 && *target.at == '*')
        target = span_trim(after(target, 1));
    size_t length = 0;
    if (span_starts(target, "__tsan_") && read_callout(scanner, target, &length)) {
        if (length > 0) {
            struct item *item = add_item(scanner, ITEM_ANNOUNCE);
            item->place = place;
            item->name = scanner->rdi;
            item->length = length;
        }
    } else {
        add_item(scanner, ITEM_CALL)->place = place;
    }
    scanner->rdi = NO_SPAN;
    scanner->rsi = LENGTH_UNKNOWN;
}

static void scan_jump(struct scanner *scanner, struct span mnemonic, struct span rest) {
    bool always = span_starts(mnemonic, "jmp");
    struct item *item = add_item(scanner, always ? ITEM_JUMP : ITEM_BRANCH);
    item->name = rest.length > 0 && *rest.at != '*' ? rest : NO_SPAN;
    item->place = rest;
    scanner->flows = !always;
    if (always)
        scanner->rdi = NO_SPAN;
}

/* Is it a name of the register, of any width? */
static bool is_wide(struct span name, const char *wide) {
    return name.length == 3 && name.at[1] == wide[1] && name.at[2] == wide[2] &&
           (*name.at == 'r' || *name.at == 'e');
}

/* What a call-out will be about. */
static void note_argument(struct scanner *scanner, const struct instruction *instruction) {
    if (instruction->count == 0)
        return;
    const struct operand *to = &instruction->operands[instruction->count - 1];
    if (to->kind != OPERAND_REGISTER)
        return;
    const struct operand *from = instruction->count == 2 ? &instruction->operands[0] : NULL;
    bool moves = span_starts(instruction->mnemonic, "mov");
    if (is_wide(to->name, "rdi")) {
        scanner->rdi = NO_SPAN;
        if (from != NULL && span_starts(instruction->mnemonic, "lea"))
            scanner->rdi = from->text;
        else if (from != NULL && moves && from->kind == OPERAND_REGISTER)
            scanner->rdi = from->name;
    } else if (is_wide(to->name, "rsi")) {
        scanner->rsi = LENGTH_UNKNOWN;
        if (from != NULL && moves && from->kind == OPERAND_IMMEDIATE && from->text.length > 0)
            scanner->rsi = strtoul(from->text.at + (*from->text.at == '$'), NULL, 0);
        if (scanner->rsi == 0)
            scanner->rsi = LENGTH_UNKNOWN;
    }
}

/* A plain store to the frame of the function that does it: such memory is nobody's file. */
static bool is_frame(const struct scanner *scanner, const struct item *item,
                     const struct operand *memory) {
    struct span base = memory->base;
    return span_is(base, "rsp") ||
           (item->compiled && scanner->frames.now == FRAME_RBP && span_is(base, "rbp"));
}

/* rep stos where lea has put an address of the frame into rdi. */
static bool is_frame_cleared(const struct scanner *scanner, const struct item *item) {
    struct operand operand = operand_read(scanner->rdi, scanner->intel);
    return item->compiled && scanner->rdi.length > 0 && is_frame(scanner, item, &operand);
}

static void add_action(struct scanner *scanner, const struct action *action, struct span place) {
    struct item *item = add_item(scanner, ITEM_ACTION);
    item->place = place;
    item->action = *action;
    if (action->where == NULL) {
        item->stack = action->shape == CALLOUT_REPEATED && is_frame_cleared(scanner, item);
        scanner->rdi = action->shape == CALLOUT_REPEATED ? NO_SPAN : scanner->rdi;
        return;
    }
    item->memory = *action->where;
    item->action.where = NULL; /* items move */
    if (item->memory.segment) {
        item->action.shape = CALLOUT_NOWHERE;
        item->action.length = 0;
    }
    item->stack = action->kind == CALLOUT_STORE && is_frame(scanner, item, &item->memory);
}

static bool drains(const struct action *action) {
    return action->kind == CALLOUT_LOCKED || action->kind == CALLOUT_FENCE;
}

static void check_relative(struct scanner *scanner, const struct instruction *instruction,
                           struct span statement) {
    for (size_t i = 0; i < instruction->count; i++)
        if (instruction->operands[i].relative) {
            scanner->source->untouchable = true;
            scan_opaque(scanner, "the code counts its own bytes", statement);
            return;
        }
}

/* Is a register of its address a macro's argument, which may be rsp? */
static bool has_made_base(const struct action *action) {
    if (action->where == NULL)
        return false;
    struct span text = action->where->text;
    size_t open = 0;
    while (open < text.length && text.at[open] != '(' && text.at[open] != '[')
        open++;
    return memchr(text.at + open, '\\', text.length - open) != NULL;
}

static void act(struct scanner *scanner, const struct instruction *instruction,
                struct span statement, struct span place) {
    struct action action;
    enum verdict verdict = decode(instruction, &action);
    if (verdict == VERDICT_ACTION && has_made_base(&action)) {
        scan_opaque(scanner, "a macro's arguments make the address", statement);
        return;
    }
    if (verdict == VERDICT_OPAQUE)
        scan_opaque(scanner, action.why, statement);
    if (verdict == VERDICT_ACTION || (verdict == VERDICT_OPAQUE && drains(&action)))
        add_action(scanner, &action, place);
}

/* Where control does not come back from. */
static bool ends_flow(struct span mnemonic) {
    static const char *const names[] = {"ret", "retq", "ud2", "hlt", "iretq", "lret", "lretq"};
    return is_one_of(mnemonic, names, ARRAY_LENGTH(names));
}

void scan_instruction(struct scanner *scanner, struct span statement) {
    struct span whole = statement;
    if (!take_prefixes(scanner, &statement))
        return;
    if (scanner->prefix != NULL) {
        whole.length += (size_t)(whole.at - scanner->prefix);
        whole.at = scanner->prefix;
        scanner->prefix = NULL;
    }
    struct instruction instruction = {.mnemonic = first_word(statement),
                                      .lock = scanner->lock,
                                      .repeat = scanner->repeat,
                                      .operand_size = scanner->operand_size};
    struct span rest = span_trim(after(statement, instruction.mnemonic.length));
    scanner->flows = true;
    read_operands(scanner, rest, &instruction);
    check_relative(scanner, &instruction, statement);
    if (span_starts(instruction.mnemonic, "call")) {
        scan_call(scanner, whole, rest);
        return;
    }
    if (span_starts(instruction.mnemonic, "j")) {
        scan_jump(scanner, instruction.mnemonic, rest);
        return;
    }
    if (ends_flow(instruction.mnemonic)) {
        add_item(scanner, ITEM_JUMP);
        scanner->flows = false;
        return;
    }
    note_argument(scanner, &instruction);
    act(scanner, &instruction, statement, whole);
}

void scan_spelled(struct scanner *scanner, struct span statement, struct span place) {
    struct instruction instruction = {.mnemonic = first_word(statement)};
    read_operands(scanner, after(statement, instruction.mnemonic.length), &instruction);
    act(scanner, &instruction, place, place);
}
