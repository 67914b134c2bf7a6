/* SPDX-License-Identifier: BSD-2-Clause */
/* What the readers of both forms share. */
#ifndef TRACE_READER_H
#define TRACE_READER_H

#include "trace/binary.h"

struct trace_reader {
    FILE *stream;
    struct trace_head head;
    enum trace_result ended; /* TRACE_EVENT: not yet */
    char problem[256];
    bool damaged;
    /* What was read while the head was looked for: regions, and the event behind them. */
    struct trace_queued {
        struct trace_event event;
        char *text;
    } * queue;
    size_t queued, given;
    bool waiting;
    struct trace_event first;
    enum trace_result (*next)(struct trace_reader *reader, struct trace_event *event);
    /* What was read and not used yet: [at, end) of buffer. */
    uint8_t *buffer;
    size_t at, end, room;
    bool drained; /* the stream is at its end */
    uint64_t place;
    uint8_t *bytes; /* of the event */
    size_t bytes_room;
    char *text;
    size_t text_room;
    /* Of the binary form: a block is in bytes, and used up to raw_at. */
    struct ZSTD_DCtx_s *zstd;
    size_t raw_at, raw_end;
    struct binary_state state;
    bool begun;                  /* its head was read */
    struct pmemcheck *pmemcheck; /* of such a log */
    struct trace_region {
        uint32_t number, line_size;
        uint64_t size;
    } regions[TRACE_REGIONS];
    size_t region_count;
};

struct trace_reader *reader_new(FILE *stream, enum trace_result (*next)(struct trace_reader *reader,
                                                                        struct trace_event *event));

/* Reads on, so that there are more than `known` bytes in the buffer if the stream has them; false:
   it has not, it cannot be read, or that would be more than most. */
bool reader_more(struct trace_reader *reader, size_t known, size_t most);

/* Ends the reading with a problem, at the place where it is now. Always false. */
__attribute__((format(printf, 2, 3))) bool reader_fail(struct trace_reader *reader,
                                                       const char *format, ...);

/* Room for so many bytes; false, with the problem set: no memory. */
bool reader_need_bytes(struct trace_reader *reader, size_t size);
bool reader_need_text(struct trace_reader *reader, size_t size);

const struct trace_region *reader_region(const struct trace_reader *reader, uint32_t number);

/* Is the event sound, and does it fit what came before? Learns regions. false: the problem is
   set. */
bool reader_check(struct trace_reader *reader, const struct trace_event *event);

/* Is this a CPU's name that each form can hold? Printable, without a # and spaces at its ends. */
bool reader_check_cpu(struct trace_reader *reader, const char *cpu);

/* The next event in either form. */
enum trace_result text_next(struct trace_reader *reader, struct trace_event *event);
enum trace_result binary_next(struct trace_reader *reader, struct trace_event *event);
bool binary_begins(const uint8_t *bytes, size_t size);
void binary_end(struct trace_reader *reader);
void pmemcheck_end(struct trace_reader *reader);

/* The first line of the text form, without its end. */
#define TEXT_MAGIC "nvrtl-trace-text/1"

#endif
