/* SPDX-License-Identifier: BSD-2-Clause */
/* The text form, written. */
#include <inttypes.h>

#include "trace/reader.h"

/* A text as the rest of a line: what would end it, or begin a comment, is written as \xHH. */
static void write_text(FILE *stream, const char *text) {
    for (const char *at = text; *at != '\0'; at++) {
        unsigned char byte = (unsigned char)*at;
        bool edge = byte == ' ' && (at == text || at[1] == '\0');
        if (byte == '\\')
            fputs("\\\\", stream);
        else if (byte < ' ' || byte == 0x7F || byte == '#' || edge || (byte == '@' && at == text))
            fprintf(stream, "\\x%02x", byte);
        else
            putc(byte, stream);
    }
}

static void write_bytes(FILE *stream, const struct trace_event *event) {
    static const char digits[] = "0123456789abcdef";
    putc(' ', stream);
    for (uint64_t i = 0; i < event->length; i++) {
        putc(digits[event->bytes[i] >> 4], stream);
        putc(digits[event->bytes[i] & 15], stream);
    }
}

static void write_region(FILE *stream, const struct trace_event *event) {
    fprintf(stream, "region %" PRIu32 " size %" PRIu64 " line %" PRIu32 " domain %s", event->region,
            event->length, event->line_size, trace_domain_name(event->domain));
    if (event->address != 0)
        fprintf(stream, " at 0x%" PRIx64, event->address);
    if (event->text[0] != '\0') {
        fputs(" path ", stream);
        write_text(stream, event->text);
    }
}

static void write_mark(FILE *stream, const struct trace_event *event) {
    fprintf(stream, "mark %s %" PRIu64, trace_mark_name(event->mark), event->id);
    if (event->stack != 0)
        fprintf(stream, " @%" PRIu32, event->stack);
    if (event->text[0] != '\0') {
        putc(' ', stream);
        write_text(stream, event->text);
    }
}

static void write_act(FILE *stream, const struct trace_event *event) {
    if (trace_has_thread(event->kind))
        fprintf(stream, "%" PRIu32 " ", event->thread);
    fputs(trace_kind_name(event->kind), stream);
    if (trace_has_range(event->kind))
        fprintf(stream, " %" PRIu32 " 0x%" PRIx64 " %" PRIu64, event->region, event->offset,
                event->length);
    if (trace_stores(event->kind) || event->kind == TRACE_BASE)
        write_bytes(stream, event);
    if (event->kind == TRACE_RELEASE || event->kind == TRACE_ACQUIRE)
        fprintf(stream, " 0x%" PRIx64, event->id);
    if (event->stack != 0)
        fprintf(stream, " @%" PRIu32, event->stack);
}

bool trace_text_head(FILE *stream, const struct trace_head *head) {
    fputs(TEXT_MAGIC "\n", stream);
    if (head->model_said || head->streams != TRACE_STREAMS_UNSAID || head->direct64_atomic ||
        head->stable_pages) {
        fprintf(stream, "model %s", trace_model_name(head->model));
        if (head->streams != TRACE_STREAMS_UNSAID)
            fprintf(stream, " streams=%s",
                    head->streams == TRACE_STREAMS_DRAIN ? "drain" : "inplace");
        fprintf(stream, "%s%s\n", head->direct64_atomic ? " direct64=atomic" : "",
                head->stable_pages ? " stable-pages" : "");
    }
    if (head->cpu[0] != '\0')
        fprintf(stream, "cpu %s\n", head->cpu);
    if (head->ordered)
        fputs("order hb\n", stream);
    return ferror(stream) == 0;
}

bool trace_text_event(FILE *stream, const struct trace_event *event) {
    if (event->kind == TRACE_REGION) {
        write_region(stream, event);
    } else if (event->kind == TRACE_MARK) {
        write_mark(stream, event);
    } else if (event->kind == TRACE_STACK) {
        fprintf(stream, "stack %" PRIu32 " ", event->stack);
        write_text(stream, event->text);
    } else {
        write_act(stream, event);
    }
    putc('\n', stream);
    return ferror(stream) == 0;
}
