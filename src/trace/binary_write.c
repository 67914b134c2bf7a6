/* SPDX-License-Identifier: BSD-2-Clause */
/* The binary form, written. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/bits.h"
#include "trace/binary.h"

/* A recorder does not keep its program waiting: a seventh of its time less than level 1 takes, for
   2 % more bytes. */
#define LEVEL (-1)

struct trace_writer {
    FILE *stream;
    ZSTD_CCtx *zstd;
    struct binary_state state;
    uint8_t *raw, *frame;
    size_t used, room, frame_room;
    bool failed;
    int error; /* errno of what failed */
};

static bool fail(struct trace_writer *writer, int error) {
    if (!writer->failed)
        writer->error = error;
    writer->failed = true;
    errno = writer->error;
    return false;
}

static void put_number(struct trace_writer *writer, uint64_t number) {
    uint8_t *at = writer->raw + writer->used;
    for (; number >= 0x80; number >>= 7)
        *at++ = (uint8_t)(number | 0x80);
    *at++ = (uint8_t)number;
    writer->used = (size_t)(at - writer->raw);
}

static void put_difference(struct trace_writer *writer, uint64_t now, uint64_t before) {
    uint64_t difference = now - before;
    put_number(writer, difference << 1 ^ (difference >> 63 != 0 ? UINT64_MAX : 0));
}

static void put_bytes(struct trace_writer *writer, const void *bytes, size_t size) {
    if (LIKELY(size == sizeof(uint64_t))) /* as most stores have */
        memcpy(writer->raw + writer->used, bytes, sizeof(uint64_t));
    else if (size != 0)
        memcpy(writer->raw + writer->used, bytes, size);
    writer->used += size;
}

static void put_text(struct trace_writer *writer, const char *text) {
    size_t length = strnlen(text, BINARY_TEXT);
    put_number(writer, length);
    put_bytes(writer, text, length);
}

static void store_word(uint8_t *at, size_t word) {
    for (unsigned i = 0; i < 4; i++)
        at[i] = (uint8_t)(word >> 8 * i);
}

/* Room for so much in an array that grows. */
static bool grow(struct trace_writer *writer, uint8_t **array, size_t *room, size_t wanted) {
    if (wanted <= *room)
        return true;
    wanted = wanted > 2 * *room ? wanted : 2 * *room;
    uint8_t *grown = realloc(*array, wanted);
    if (grown == NULL)
        return fail(writer, ENOMEM);
    *array = grown;
    *room = wanted;
    return true;
}

bool trace_flush(struct trace_writer *writer) {
    uint8_t head[BINARY_BLOCK_HEAD];
    if (writer->failed)
        return fail(writer, writer->error);
    if (writer->used != 0) {
        if (!grow(writer, &writer->frame, &writer->frame_room, ZSTD_compressBound(writer->used)))
            return false;
        size_t size = ZSTD_compress2(writer->zstd, writer->frame, writer->frame_room, writer->raw,
                                     writer->used);
        if (ZSTD_isError(size))
            return fail(writer, ENOMEM);
        store_word(head, BINARY_BLOCK);
        store_word(head + 4, size);
        store_word(head + 8, writer->used);
        fwrite(head, 1, sizeof head, writer->stream);
        fwrite(writer->frame, 1, size, writer->stream);
        writer->used = 0;
        writer->state = (struct binary_state){0};
    }
    errno = EIO;
    return (fflush(writer->stream) == 0 && ferror(writer->stream) == 0) || fail(writer, errno);
}

/* Room for a record with so many bytes and texts; what is there is written first if it is much. */
static inline bool need(struct trace_writer *writer, size_t size) {
    if (LIKELY(!writer->failed && writer->used < BINARY_BLOCK_SIZE &&
               writer->used + size + 256 <= writer->room))
        return true;
    if (writer->failed || (writer->used >= BINARY_BLOCK_SIZE && !trace_flush(writer)))
        return fail(writer, writer->error);
    return grow(writer, &writer->raw, &writer->room, writer->used + size + 256);
}

static void put_head(struct trace_writer *writer, const struct trace_head *head) {
    writer->raw[writer->used++] = BINARY_HEAD;
    put_number(writer, head->model_said);
    put_number(writer, head->model);
    put_number(writer, head->streams);
    put_number(writer, head->direct64_atomic);
    put_number(writer, head->stable_pages);
    put_number(writer, head->ordered);
    put_text(writer, head->cpu);
}

struct trace_writer *trace_write(FILE *stream, const struct trace_head *head) {
    struct trace_writer *writer = calloc(1, sizeof *writer);
    if (writer == NULL)
        return NULL;
    writer->stream = stream;
    writer->zstd = ZSTD_createCCtx();
    if (writer->zstd == NULL || !need(writer, sizeof head->cpu) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_compressionLevel, LEVEL)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(writer->zstd, ZSTD_c_checksumFlag, 1))) {
        fail(writer, ENOMEM);
        trace_finish(writer);
        return NULL;
    }
    fwrite(BINARY_MAGIC, 1, BINARY_MAGIC_SIZE, stream);
    put_head(writer, head);
    return writer;
}

bool trace_finish(struct trace_writer *writer) {
    bool good = trace_flush(writer);
    int error = errno;
    ZSTD_freeCCtx(writer->zstd);
    free(writer->raw);
    free(writer->frame);
    free(writer);
    errno = error;
    return good;
}

/* The byte that a record begins with. */
static uint8_t first_byte(const struct binary_state *state, const struct trace_event *event) {
    return (uint8_t)(event->kind | (event->thread == state->thread ? BINARY_SAME_THREAD : 0) |
                     (event->region == state->region ? BINARY_SAME_REGION : 0) |
                     (event->stack == state->stack ? BINARY_SAME_STACK : 0));
}

static void put_range(struct trace_writer *writer, const struct trace_event *event) {
    if (trace_has_range(event->kind)) {
        put_difference(writer, event->offset, writer->state.offset);
        writer->state.offset = event->offset;
        put_number(writer, event->length);
    }
    if (trace_stores(event->kind) || event->kind == TRACE_BASE)
        put_bytes(writer, event->bytes, event->length);
}

bool trace_put(struct trace_writer *writer, const struct trace_event *event) {
    struct binary_state *state = &writer->state;
    bool carries = trace_stores(event->kind) || event->kind == TRACE_BASE;
    size_t words = event->text[0] != '\0' ? strnlen(event->text, BINARY_TEXT) : 0;
    if (!need(writer, (carries ? event->length : 0) + words))
        return false;
    uint8_t first = first_byte(state, event);
    writer->raw[writer->used++] = first;
    if ((first & BINARY_SAME_THREAD) == 0)
        put_number(writer, event->thread);
    if ((first & BINARY_SAME_REGION) == 0)
        put_number(writer, event->region);
    if ((first & BINARY_SAME_STACK) == 0)
        put_difference(writer, event->stack, state->stack);
    state->thread = event->thread;
    state->region = event->region;
    state->stack = event->stack;
    put_range(writer, event);
    if (event->kind == TRACE_RELEASE || event->kind == TRACE_ACQUIRE || event->kind == TRACE_MARK)
        put_number(writer, event->id);
    if (event->kind == TRACE_REGION) {
        put_number(writer, event->length);
        put_number(writer, event->address);
        put_number(writer, event->line_size);
        put_number(writer, event->domain);
    }
    if (event->kind == TRACE_MARK)
        put_number(writer, event->mark);
    if (event->kind == TRACE_REGION || event->kind == TRACE_MARK || event->kind == TRACE_STACK)
        put_text(writer, event->text);
    return true;
}
