/* SPDX-License-Identifier: BSD-2-Clause */
/* The binary form, read. Whatever is wrong with it is damage: what came before is sound. */
#include <string.h>
#include <zstd.h>

#include "trace/binary.h"
#include "trace/reader.h"

static bool damage(struct trace_reader *reader, const char *what) {
    reader_fail(reader, "%s", what);
    reader->damaged = true;
    return false;
}

static uint32_t load_word(const uint8_t *at) {
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

/* The next block. false: there is none, or the problem is set. */
static bool read_block(struct trace_reader *reader) {
    if (!reader_more(reader, 0, BINARY_BLOCK_HEAD))
        return false;
    if (!reader_more(reader, BINARY_BLOCK_HEAD - 1, BINARY_BLOCK_HEAD))
        return reader->ended != TRACE_WRONG && damage(reader, "the trace ends in a block");
    const uint8_t *head = reader->buffer + reader->at;
    uint32_t word = load_word(head), frame = load_word(head + 4), size = load_word(head + 8);
    if (word != BINARY_BLOCK || size == 0 || size > BINARY_BLOCK_MOST || frame == 0 ||
        frame > ZSTD_COMPRESSBOUND((size_t)size))
        return damage(reader, "the trace is damaged: no block begins here");
    reader->at += BINARY_BLOCK_HEAD;
    if (!reader_more(reader, frame - 1, (size_t)frame + 1))
        return reader->ended != TRACE_WRONG && damage(reader, "the trace ends in a block");
    if (!reader_need_bytes(reader, size))
        return false;
    size_t got =
        ZSTD_decompressDCtx(reader->zstd, reader->bytes, size, reader->buffer + reader->at, frame);
    if (ZSTD_isError(got) || got != size)
        return damage(reader, "the trace is damaged: a block does not match its checksum");
    reader->at += frame;
    reader->raw_at = 0;
    reader->raw_end = size;
    reader->state = (struct binary_state){0};
    return true;
}

static bool take_byte(struct trace_reader *reader, uint8_t *byte) {
    if (reader->raw_at == reader->raw_end)
        return damage(reader, "the trace is damaged: a block ends in an event");
    *byte = reader->bytes[reader->raw_at++];
    return true;
}

static bool take_number(struct trace_reader *reader, uint64_t most, uint64_t *number) {
    uint8_t byte = 0x80;
    *number = 0;
    for (unsigned shift = 0; byte >= 0x80; shift += 7) {
        if (shift > 63 || !take_byte(reader, &byte))
            return damage(reader, "the trace is damaged: no number");
        *number |= (uint64_t)(byte & 0x7F) << shift;
    }
    return *number <= most || damage(reader, "the trace is damaged: a number is too large");
}

static bool take_small(struct trace_reader *reader, uint32_t most, uint32_t *number) {
    uint64_t value;
    bool good = take_number(reader, most, &value);
    *number = good ? (uint32_t)value : 0;
    return good;
}

static bool take_difference(struct trace_reader *reader, uint64_t before, uint64_t *now) {
    uint64_t number;
    if (!take_number(reader, UINT64_MAX, &number))
        return false;
    *now = before + (number >> 1 ^ (number & 1 ? UINT64_MAX : 0));
    return true;
}

static bool take_text(struct trace_reader *reader, const char **text) {
    uint64_t length;
    if (!take_number(reader, BINARY_TEXT, &length))
        return false;
    if (length > reader->raw_end - reader->raw_at)
        return damage(reader, "the trace is damaged: a block ends in a text");
    if (!reader_need_text(reader, length + 1))
        return false;
    memcpy(reader->text, reader->bytes + reader->raw_at, length);
    reader->text[length] = '\0';
    reader->raw_at += length;
    *text = reader->text;
    return true;
}

static bool take_head(struct trace_reader *reader) {
    struct trace_head *head = &reader->head;
    uint32_t said, model, streams, atomic, stable, ordered;
    const char *cpu;
    if (!take_small(reader, 1, &said) || !take_small(reader, TRACE_MODELS - 1, &model) ||
        !take_small(reader, TRACE_STREAMS_INPLACE, &streams) || !take_small(reader, 1, &atomic) ||
        !take_small(reader, 1, &stable) || !take_small(reader, 1, &ordered) ||
        !take_text(reader, &cpu))
        return false;
    if (!reader_check_cpu(reader, cpu) || (said == 0 && model != TRACE_X86))
        return damage(reader, "the trace is damaged: no sound head");
    *head = (struct trace_head){.model_said = said != 0,
                                .model = (enum trace_model)model,
                                .streams = (enum trace_streams)streams,
                                .direct64_atomic = atomic != 0,
                                .stable_pages = stable != 0,
                                .ordered = ordered != 0};
    memcpy(head->cpu, cpu, strlen(cpu));
    return true;
}

/* Thread, region and stack, as far as they are not those of the record before. */
static bool take_who(struct trace_reader *reader, uint8_t first, struct trace_event *event) {
    struct binary_state *state = &reader->state;
    uint64_t stack = state->stack;
    if ((first & BINARY_SAME_THREAD) == 0 && !take_small(reader, UINT32_MAX, &state->thread))
        return false;
    if ((first & BINARY_SAME_REGION) == 0 && !take_small(reader, UINT32_MAX, &state->region))
        return false;
    if ((first & BINARY_SAME_STACK) == 0 && !take_difference(reader, state->stack, &stack))
        return false;
    if (stack > UINT32_MAX)
        return damage(reader, "the trace is damaged: a stack's number is too large");
    state->stack = (uint32_t)stack;
    event->thread = state->thread;
    event->region = state->region;
    event->stack = state->stack;
    return true;
}

static bool take_range(struct trace_reader *reader, struct trace_event *event) {
    if (!trace_has_range(event->kind))
        return true;
    if (!take_difference(reader, reader->state.offset, &event->offset) ||
        !take_number(reader, UINT64_MAX, &event->length))
        return false;
    reader->state.offset = event->offset;
    if (!trace_stores(event->kind) && event->kind != TRACE_BASE)
        return true;
    if (event->length > reader->raw_end - reader->raw_at)
        return damage(reader, "the trace is damaged: a block ends in an event");
    event->bytes = reader->bytes + reader->raw_at;
    reader->raw_at += event->length;
    return true;
}

/* What single kinds have. */
static bool take_rest(struct trace_reader *reader, struct trace_event *event) {
    uint32_t small = 0;
    if ((event->kind == TRACE_RELEASE || event->kind == TRACE_ACQUIRE ||
         event->kind == TRACE_MARK) &&
        !take_number(reader, UINT64_MAX, &event->id))
        return false;
    if (event->kind == TRACE_REGION) {
        if (!take_number(reader, UINT64_MAX, &event->length) ||
            !take_number(reader, UINT64_MAX, &event->address) ||
            !take_small(reader, UINT32_MAX, &event->line_size) ||
            !take_small(reader, TRACE_CPU_CACHE, &small))
            return false;
        event->domain = (enum trace_domain)small;
    }
    if (event->kind == TRACE_MARK) {
        if (!take_small(reader, TRACE_ACK, &small))
            return false;
        event->mark = (enum trace_mark)small;
    }
    if (event->kind == TRACE_REGION || event->kind == TRACE_MARK || event->kind == TRACE_STACK)
        return take_text(reader, &event->text);
    return true;
}

static bool take_record(struct trace_reader *reader, struct trace_event *event) {
    uint8_t first;
    if (!take_byte(reader, &first))
        return false;
    if ((first & BINARY_KIND) >= TRACE_KINDS)
        return damage(reader, "the trace is damaged: there is no such event");
    *event = (struct trace_event){
        .kind = (enum trace_kind)(first & BINARY_KIND), .text = "", .place = ++reader->place};
    if (!take_who(reader, first, event) || !take_range(reader, event) || !take_rest(reader, event))
        return false;
    return reader_check(reader, event) || damage(reader, "the trace is damaged: no sound event");
}

/* The head, behind the magic. */
static bool begin(struct trace_reader *reader) {
    uint8_t first;
    reader->at += BINARY_MAGIC_SIZE;
    reader->begun = true;
    if (!read_block(reader))
        return reader->ended != TRACE_WRONG && damage(reader, "the trace ends before its head");
    if (!take_byte(reader, &first) || first != BINARY_HEAD)
        return damage(reader, "the trace is damaged: it has no head");
    return take_head(reader);
}

bool binary_begins(const uint8_t *bytes, size_t size) {
    return size >= BINARY_MAGIC_SIZE && memcmp(bytes, BINARY_MAGIC, BINARY_MAGIC_SIZE) == 0;
}

enum trace_result binary_next(struct trace_reader *reader, struct trace_event *event) {
    if (reader->zstd == NULL)
        reader->zstd = ZSTD_createDCtx();
    if (reader->zstd == NULL)
        return reader_fail(reader, "there is no memory for it") ? TRACE_EVENT : TRACE_WRONG;
    if (!reader->begun && !begin(reader))
        return TRACE_WRONG;
    if (reader->raw_at == reader->raw_end && !read_block(reader))
        return reader->ended == TRACE_WRONG ? TRACE_WRONG : TRACE_END;
    return take_record(reader, event) ? TRACE_EVENT : TRACE_WRONG;
}

void binary_end(struct trace_reader *reader) {
    ZSTD_freeDCtx(reader->zstd);
}
