/* SPDX-License-Identifier: BSD-2-Clause */
/* Instructions that are written as bytes, for assemblers that do not know them: prefixes, flushes,
   fences and direct stores, and what stores nothing since it names registers alone. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "as/scan.h"
#include "base/bits.h"

#define BYTES_MAX 64

/* What is read of one instruction. */
struct reader {
    unsigned char bytes[BYTES_MAX];
    size_t count, at;
    unsigned rex;
    bool lock, repeat, operand_size, segment;
    bool returns; /* the last one was a ret */
    unsigned mode, reg, rm;
    char memory[64]; /* AT&T's text for the operand; empty if it is none that can be told */
};

static bool read_values(struct reader *reader, struct span directive, struct span values) {
    unsigned width = span_is(directive, ".byte") ? 1 : 2;
    bool wide = span_is(directive, ".value") || span_is(directive, ".word") ||
                span_is(directive, ".short") || span_is(directive, ".2byte");
    if (width == 2 && !wide)
        return false;
    while (values.length > 0) {
        size_t end = span_find(values, ',');
        struct span one = span_trim((struct span){values.at, end});
        if (one.length == 0 || !isdigit((unsigned char)*one.at))
            return false;
        char *rest;
        unsigned long value = strtoul(one.at, &rest, 0);
        if (rest != one.at + one.length || reader->count + width > BYTES_MAX)
            return false;
        for (unsigned i = 0; i < width; i++)
            reader->bytes[reader->count++] = (unsigned char)(value >> (8 * i));
        if (end == values.length)
            break;
        values.at += end + 1;
        values.length -= end + 1;
    }
    return reader->count > 0;
}

static int next(struct reader *reader) {
    return reader->at < reader->count ? reader->bytes[reader->at++] : -1;
}

static void read_prefixes(struct reader *reader) {
    reader->rex = 0;
    reader->lock = reader->repeat = reader->operand_size = reader->segment = false;
    for (; reader->at < reader->count; reader->at++) {
        unsigned char byte = reader->bytes[reader->at];
        if (byte == 0xf0)
            reader->lock = true;
        else if (byte == 0xf2 || byte == 0xf3)
            reader->repeat = true;
        else if (byte == 0x66)
            reader->operand_size = true;
        else if (byte == 0x64 || byte == 0x65)
            reader->segment = true;
        else if ((byte & 0xf0) == 0x40)
            reader->rex = byte;
        else if (byte != 0x2e && byte != 0x36 && byte != 0x3e && byte != 0x26)
            return;
    }
}

static const char *const registers[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                        "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};

/* The operand that ModRM tells of; false if the bytes end in it. */
static bool read_operand(struct reader *reader) {
    int modrm = next(reader), sib = 0;
    if (modrm < 0)
        return false;
    reader->mode = (unsigned)modrm >> 6;
    reader->reg = ((unsigned)modrm >> 3 & 7) | (reader->rex & 4) << 1;
    reader->rm = (unsigned)modrm & 7;
    reader->memory[0] = '\0';
    if (reader->mode == 3)
        return true;
    bool indexed = reader->rm == 4;
    if (indexed && (sib = next(reader)) < 0)
        return false;
    unsigned base = indexed ? (unsigned)sib & 7 : reader->rm;
    unsigned index = ((unsigned)sib >> 3 & 7) | (reader->rex & 2) << 2;
    size_t width = reader->mode == 1 ? 1 : reader->mode == 2 ? 4 : 0;
    bool baseless = base == 5 && reader->mode == 0;
    if (baseless)
        width = 4;
    uint32_t offset = 0;
    for (size_t i = 0; i < width; i++) {
        int byte = next(reader);
        if (byte < 0)
            return false;
        offset |= (uint32_t)byte << (8 * i);
    }
    int32_t signed_offset = width == 1 ? (int8_t)offset : (int32_t)offset;
    base |= (reader->rex & 1) << 3;
    if (baseless || reader->segment)
        return true;
    if (indexed && index != 4)
        snprintf(reader->memory, sizeof reader->memory, "%d(%%%s,%%%s,%u)", signed_offset,
                 registers[base], registers[index], 1u << ((unsigned)sib >> 6));
    else
        snprintf(reader->memory, sizeof reader->memory, "%d(%%%s)", signed_offset, registers[base]);
    return true;
}

/* The text of an instruction that does the same, into text; false if there is none, or it is not
   known. An empty text: nothing is stored, flushed or drained. */
static bool spell_store(struct reader *reader, int opcode, char *text, size_t size) {
    const char *name = NULL;
    bool wide = (reader->rex & 8) != 0;
    if (!read_operand(reader))
        return false;
    text[0] = '\0';
    if (opcode == 0xae && reader->mode == 3) {
        if (!reader->operand_size && !reader->repeat && reader->reg >= 6)
            snprintf(text, size, "%s", reader->reg == 6 ? "mfence" : "sfence");
        return true;
    }
    if (reader->mode == 3)
        return opcode != 0xf7;
    if (opcode == 0xae && reader->reg == 7)
        name = reader->operand_size ? "clflushopt" : "clflush";
    else if (opcode == 0xae && reader->reg == 6 && reader->operand_size)
        name = "clwb";
    if (name != NULL)
        snprintf(text, size, "%s %s", name, reader->memory);
    else if (opcode == 0xc3)
        snprintf(text, size, "movnti%c %%eax, %s", wide ? 'q' : 'l', reader->memory);
    else if (opcode == 0xe7)
        snprintf(text, size, "%s %%xmm0, %s", reader->operand_size ? "movntdq" : "movntq",
                 reader->memory);
    else if (opcode == 0x2b)
        snprintf(text, size, "movntps %%xmm0, %s", reader->memory);
    else
        return false;
    return reader->memory[0] != '\0';
}

static bool spell_direct(struct reader *reader, int opcode, char *text, size_t size) {
    bool wide = (reader->rex & 8) != 0;
    if (!read_operand(reader))
        return false;
    text[0] = '\0';
    if (reader->mode == 3)
        return true;
    if (opcode == 0xf8 && reader->operand_size)
        snprintf(text, size, "movdir64b 0(%%rax), %%%s", registers[reader->reg]);
    else if (opcode == 0xf9 && reader->memory[0] != '\0')
        snprintf(text, size, "movdiri%c %%eax, %s", wide ? 'q' : 'l', reader->memory);
    return text[0] != '\0';
}

static bool spell(struct reader *reader, char *text, size_t size) {
    text[0] = '\0';
    int opcode = next(reader);
    reader->returns = opcode == 0xc3;
    if (opcode == 0x90 || opcode == 0xc3 || opcode == 0xcc)
        return true;
    if (opcode != 0x0f)
        return false;
    opcode = next(reader);
    switch (opcode) {
    case 0x05:
    case 0x0b:
    case 0x31:
    case 0x77:
    case 0xa2:
        return true;
    case 0x01: {
        int next_byte = next(reader);
        if (next_byte == 0xfc)
            snprintf(text, size, "clzero");
        return next_byte >= 0xc0;
    }
    case 0x38:
        opcode = next(reader);
        return spell_direct(reader, opcode, text, size);
    case 0x3a:
        return next(reader) >= 0 && read_operand(reader) && reader->mode == 3 && next(reader) >= 0;
    default:
        return opcode >= 0 && spell_store(reader, opcode, text, size);
    }
}

/* Prefixes that wait for their instruction. */
static void keep_prefixes(struct scanner *scanner, const struct reader *reader,
                          struct span directive) {
    if (scanner->prefix == NULL) {
        scanner->prefix = directive.at;
        scanner->lock = scanner->repeat = scanner->operand_size = false;
    }
    scanner->lock |= reader->lock;
    scanner->repeat |= reader->repeat;
    scanner->operand_size |= reader->operand_size;
}

/* Items point into the text: it stays. */
static struct span keep_spelled(struct source *source, const char *text) {
    source->spelled = grow(source->spelled, &source->spelled_count, &source->spelled_capacity,
                           sizeof *source->spelled);
    char **kept = &source->spelled[source->spelled_count - 1];
    *kept = strdup(text);
    return *kept != NULL ? (struct span){*kept, strlen(*kept)} : NO_SPAN;
}

void scan_bytes(struct scanner *scanner, struct span directive, struct span values) {
    struct reader reader = {.count = 0};
    struct span all = {directive.at, (size_t)(values.at + values.length - directive.at)};
    bool known = read_values(&reader, directive, values);
    if (known) {
        read_prefixes(&reader);
        if (reader.at == reader.count) {
            keep_prefixes(scanner, &reader, directive);
            return;
        }
        reader.at = 0;
    }
    bool within = scanner->by_hand && strcmp(scanner->source->maker, "assembly") != 0;
    if (!scanner->flows && !within && scanner->prefix == NULL)
        return; /* a table, behind code */
    bool first = true;
    while (known && reader.at < reader.count) {
        char text[96];
        read_prefixes(&reader);
        known = !reader.lock && spell(&reader, text, sizeof text);
        if (!known || text[0] == '\0')
            continue;
        /* The call-out goes before all of the bytes. */
        known = first && !scanner->intel && scanner->prefix == NULL;
        if (known)
            scan_spelled(scanner, keep_spelled(scanner->source, text), all);
        first = false;
    }
    scanner->prefix = NULL;
    scanner->flows = !reader.returns;
    if (!known)
        scan_opaque(scanner, "bytes in place of an instruction", all);
}
