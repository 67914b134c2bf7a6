/* SPDX-License-Identifier: BSD-2-Clause */
/* What an instruction does to memory. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "as/as.h"
#include "base/bits.h"
#include "hook/callout.h"

enum how {
    STORE,
    SUFFIXED,
    CONDITIONAL,
    EXCHANGE,
    BIT,
    STREAM,
    STREAMING, /* a STREAM that may have a suffix */
    DIRECT,
    LINE, /* the destination's address is in a register */
    FLUSH,
    FENCE,
    CLEAR,
    STRING,
    BYTES,    /* non-temporal, of the bytes at rdi those that a vector chooses */
    LANES,    /* those that the signs of a vector choose */
    COMPRESS, /* as many as a mask has bits */
    SCATTER,
    UNKNOWN,
    NOTHING,
    READS /* NOTHING that may have a suffix */
};

/* Sizes that are no numbers of bytes. */
enum { OPERAND = 1001, VECTOR, HALF, QUARTER, EIGHTH };

static const struct known {
    const char *name;
    enum how how;
    unsigned size, unit;
} table[] = {
#define INSTRUCTION(name, how, size, unit) {name, how, size, unit},
#include "as/instructions.def"
#undef INSTRUCTION
};

#define PLACES 1024 /* a power of two, several times the table's length */

static unsigned hash(const char *name, size_t length) {
    unsigned value = 5381;
    for (size_t i = 0; i < length; i++)
        value = value * 33 + (unsigned char)name[i];
    return value % PLACES;
}

static const struct known *look_up(struct span name) {
    static unsigned short places[PLACES]; /* index in table + 1 */
    static bool filled;
    for (size_t i = 0; !filled && i < ARRAY_LENGTH(table); i++) {
        unsigned place = hash(table[i].name, strlen(table[i].name));
        while (places[place] != 0)
            place = (place + 1) % PLACES;
        places[place] = (unsigned short)(i + 1);
    }
    filled = true;
    for (unsigned place = hash(name.at, name.length); places[place] != 0;
         place = (place + 1) % PLACES)
        if (span_is(name, table[places[place] - 1].name))
            return &table[places[place] - 1];
    return NULL;
}

static unsigned suffix_size(char suffix) {
    static const char letters[] = "bwlq";
    const char *letter = suffix != '\0' ? strchr(letters, suffix) : NULL;
    return letter != NULL ? 1u << (letter - letters) : 0;
}

static bool takes_suffix(enum how how) {
    return how == SUFFIXED || how == CONDITIONAL || how == EXCHANGE || how == BIT ||
           how == STREAMING || how == DIRECT || how == READS;
}

/* The entry for a mnemonic; suffix: the bytes that its last letter stands for, or 0. */
static const struct known *find(struct span name, unsigned *suffix) {
    *suffix = 0;
    const struct known *known = look_up(name);
    if (known != NULL || name.length < 2)
        return known;
    unsigned size = suffix_size(name.at[name.length - 1]);
    known = look_up((struct span){name.at, name.length - 1});
    if (size == 0 || known == NULL || !takes_suffix(known->how))
        return NULL;
    *suffix = size;
    return known;
}

/* Mnemonics that only read memory, and are too many to be listed. */
static bool only_reads(struct span name) {
    static const char *const begins[] = {
        "j",     "call", "push",   "prefetch", "loop",    "fld",        "fild",  "fadd",
        "fsub",  "fmul", "fdiv",   "fcom",     "ficom",   "fiadd",      "fisub", "fimul",
        "fidiv", "fbld", "frstor", "nop",      "vgather", "vscatterpf", "cmp",   "bnd"};
    for (size_t i = 0; i < ARRAY_LENGTH(begins); i++)
        if (span_starts(name, begins[i]) && !span_starts(name, "cmpxchg"))
            return true;
    return false;
}

static unsigned log2_of(unsigned value) {
    return (unsigned)__builtin_ctz(value);
}

/* The first vector register, the last general one. */
static const struct operand *find_register(const struct instruction *instruction,
                                           enum register_kind class) {
    const struct operand *found = NULL;
    for (size_t i = 0; i < instruction->count; i++) {
        const struct operand *operand = &instruction->operands[i];
        if (operand->kind != OPERAND_REGISTER)
            continue;
        bool fits = operand->class == class ||
                    (class == REGISTER_GENERAL && operand->class == REGISTER_OTHER);
        if (fits && (found == NULL || class == REGISTER_GENERAL))
            found = operand;
    }
    return found;
}

/* Bytes that it stores, or 0 if that cannot be told. */
static unsigned find_size(const struct instruction *instruction, unsigned size, unsigned suffix) {
    if (size < OPERAND)
        return size;
    const struct operand *memory = &instruction->operands[instruction->count - 1];
    if (size == OPERAND) {
        if (suffix != 0)
            return suffix;
        if (memory->width != 0)
            return memory->width;
        /* Of shll %cl and the like the suffix or PTR is all that tells: assemblers insist on it. */
        const struct operand *source = find_register(instruction, REGISTER_GENERAL);
        return source != NULL ? source->width : 0;
    }
    const struct operand *vector = find_register(instruction, REGISTER_VECTOR);
    if (vector == NULL)
        return 0;
    return vector->width >> (size - VECTOR);
}

static enum verdict opaque(struct action *action, const char *why) {
    action->why = why;
    return VERDICT_OPAQUE;
}

/* One with {%k1}, or one that takes it always. */
static void take_mask(struct action *action, const struct operand *memory, unsigned unit,
                      unsigned shape) {
    action->shape = shape;
    action->unit = log2_of(unit);
    action->source = MASK_REGISTER;
    action->mask = memory->mask;
}

static enum verdict decode_scatter(const struct instruction *instruction, const struct known *known,
                                   struct action *action) {
    const struct operand *memory = action->where;
    const struct operand *vector = find_register(instruction, REGISTER_VECTOR);
    struct operand index = operand_read(memory->index, true);
    if (vector == NULL || index.width == 0 || memory->mask.length == 0)
        return opaque(action, "a scatter that is not understood");
    unsigned indexes = index.width / known->size, units = vector->width / known->unit;
    take_mask(action, memory, known->unit, CALLOUT_SCATTERED);
    action->kind = CALLOUT_STORE;
    action->index = memory->index;
    action->detail = (indexes < units ? indexes : units) - 1;
    action->length = memory->scale | (known->size == 8 ? CALLOUT_WIDE : 0);
    return VERDICT_ACTION;
}

static enum verdict decode_string(const struct instruction *instruction, unsigned size,
                                  struct action *action) {
    static const struct span rdi = {"rdi", 3};
    const struct operand *last =
        instruction->count > 0 ? &instruction->operands[instruction->count - 1] : NULL;
    for (size_t i = 0; i < instruction->count; i++)
        if (size == OPERAND && instruction->operands[i].width != 0)
            size = instruction->operands[i].width;
    if (size == OPERAND)
        return opaque(action, "a string instruction of unknown width");
    if (last != NULL && last->base.length > 0 && (*last->base.at | 32) == 'e')
        return opaque(action, "a string instruction with a 32-bit address");
    action->kind = CALLOUT_STORE;
    action->address = rdi;
    action->shape = CALLOUT_REPEATED;
    action->unit = log2_of(size);
    action->source = instruction->repeat ? MASK_COUNT : MASK_ONE;
    return VERDICT_ACTION;
}

/* maskmovdqu data and mask: the mask first in AT&T's order. */
static enum verdict decode_bytes(const struct instruction *instruction, struct action *action) {
    static const struct span rdi = {"rdi", 3};
    if (instruction->count != 2 || instruction->operands[0].kind != OPERAND_REGISTER)
        return opaque(action, "a masked store that is not understood");
    action->kind = CALLOUT_STREAM;
    action->address = rdi;
    action->shape = CALLOUT_MASKED;
    action->unit = 0;
    action->length = instruction->operands[0].width;
    action->source = MASK_BYTES;
    action->mask = instruction->operands[0].name;
    return VERDICT_ACTION;
}

/* vmaskmovps data, mask, memory in AT&T's order. */
static enum verdict decode_lanes(const struct instruction *instruction, unsigned unit,
                                 struct action *action) {
    if (instruction->count != 3 || instruction->operands[1].kind != OPERAND_REGISTER)
        return opaque(action, "a masked store that is not understood");
    action->kind = CALLOUT_STORE;
    action->shape = CALLOUT_MASKED;
    action->unit = log2_of(unit);
    action->length = instruction->operands[1].width;
    action->source = unit == 4 ? MASK_SINGLES : MASK_DOUBLES;
    action->mask = instruction->operands[1].name;
    return VERDICT_ACTION;
}

static enum verdict decode_flush(const struct instruction *instruction, unsigned detail,
                                 struct action *action) {
    if (instruction->count != 1 || instruction->operands[0].kind != OPERAND_MEMORY)
        return opaque(action, "a flush that is not understood");
    action->kind = CALLOUT_FLUSH;
    /* .byte 0x66; clflush is clflushopt. */
    action->detail =
        detail == CALLOUT_CLFLUSH && instruction->operand_size ? CALLOUT_CLFLUSHOPT : detail;
    action->shape = CALLOUT_WHOLE;
    action->where = &instruction->operands[0];
    return VERDICT_ACTION;
}

/* What stores [where, +size). */
static enum verdict decode_store(const struct instruction *instruction, const struct known *known,
                                 unsigned suffix, struct action *action) {
    unsigned size = find_size(instruction, known->size, suffix);
    action->kind = CALLOUT_STORE;
    if (known->how == STREAM || known->how == STREAMING)
        action->kind = CALLOUT_STREAM;
    if (known->how == DIRECT)
        action->kind = CALLOUT_DIRECT;
    if (known->how == EXCHANGE || instruction->lock)
        action->kind = CALLOUT_LOCKED;
    if (known->how == CONDITIONAL)
        action->detail = action->kind == CALLOUT_LOCKED ? CALLOUT_CONDITIONAL : 0;
    action->shape = CALLOUT_WHOLE;
    action->length = size;
    if (known->how == BIT && instruction->operands[0].kind == OPERAND_REGISTER) {
        action->shape = CALLOUT_NOWHERE;
        action->length = 0;
        return opaque(action, "a bit is set whose place a register tells");
    }
    if (size == 0)
        return opaque(action, "a store of unknown width");
    if (action->where->mask.length > 0) {
        if (known->unit == 0)
            return opaque(action, "a masked store that is not understood");
        take_mask(action, action->where, known->unit,
                  known->how == COMPRESS ? CALLOUT_PACKED : CALLOUT_MASKED);
    }
    return VERDICT_ACTION;
}

/* Those whose destination is not their last operand. */
static bool decode_special(const struct instruction *instruction, const struct known *known,
                           struct action *action, enum verdict *verdict) {
    static const struct span rax = {"rax", 3};
    const struct operand *last =
        instruction->count > 0 ? &instruction->operands[instruction->count - 1] : NULL;
    *verdict = VERDICT_ACTION;
    switch (known->how) {
    case FENCE:
        action->kind = CALLOUT_FENCE;
        action->detail = known->size;
        return true;
    case CLEAR:
        action->kind = CALLOUT_CLZERO;
        action->shape = CALLOUT_WHOLE;
        action->length = known->size;
        action->address = rax;
        return true;
    case LINE:
        action->kind = CALLOUT_DIRECT;
        action->shape = CALLOUT_WHOLE;
        action->length = known->size;
        if (last == NULL || last->kind != OPERAND_REGISTER || last->width != 8)
            *verdict = opaque(action, "a movdir64b that is not understood");
        else
            action->address = last->name;
        return true;
    case FLUSH:
        *verdict = decode_flush(instruction, known->size, action);
        return true;
    case BYTES:
        *verdict = decode_bytes(instruction, action);
        return true;
    case STRING: /* unless it moves a scalar, or with its sign into a register */
        if (find_register(instruction, REGISTER_VECTOR) != NULL)
            return false;
        *verdict = last != NULL && last->kind == OPERAND_REGISTER
                       ? VERDICT_NOTHING
                       : decode_string(instruction, known->size, action);
        return true;
    default:
        return false;
    }
}

static enum verdict decode_known(const struct instruction *instruction, const struct known *known,
                                 unsigned suffix, struct action *action) {
    static const struct known movsd = {"movsd", STORE, 8, 0};
    enum verdict verdict;
    if (decode_special(instruction, known, action, &verdict))
        return verdict;
    if (action->where == NULL)
        return VERDICT_NOTHING;
    switch (known->how) {
    case STRING:
        return decode_store(instruction, &movsd, 0, action);
    case LANES:
        return decode_lanes(instruction, known->size, action);
    case SCATTER:
        return decode_scatter(instruction, known, action);
    case UNKNOWN:
        /* .byte 0x66; xsaveopt is clwb. */
        if (instruction->operand_size && span_is(instruction->mnemonic, "xsaveopt"))
            return decode_flush(instruction, CALLOUT_CLWB, action);
        return opaque(action, "a store of what only the CPU knows");
    case NOTHING:
    case READS:
        return VERDICT_NOTHING;
    default:
        return decode_store(instruction, known, suffix, action);
    }
}

/* The memory that is its destination; of xchg it may be either operand. */
static const struct operand *find_destination(const struct instruction *instruction) {
    if (instruction->count == 0)
        return NULL;
    const struct operand *last = &instruction->operands[instruction->count - 1];
    if (last->kind == OPERAND_MEMORY)
        return last;
    if (span_starts(instruction->mnemonic, "xchg") &&
        instruction->operands[0].kind == OPERAND_MEMORY)
        return &instruction->operands[0];
    return NULL;
}

enum verdict decode(const struct instruction *instruction, struct action *action) {
    unsigned suffix;
    *action = (struct action){.where = find_destination(instruction)};
    const struct known *known = find(instruction->mnemonic, &suffix);
    if (known != NULL)
        return decode_known(instruction, known, suffix, action);
    if (action->where == NULL || only_reads(instruction->mnemonic))
        return VERDICT_NOTHING;
    if (span_starts(instruction->mnemonic, "set")) {
        static const struct known set = {"set", STORE, 1, 0};
        return decode_store(instruction, &set, 0, action);
    }
    return opaque(action, "an instruction that is not known");
}
