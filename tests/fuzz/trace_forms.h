/* SPDX-License-Identifier: BSD-2-Clause */
/* Whatever a reader makes of its input: the events are sound, and in each form of a trace they are
   the same ones. */
#ifndef FUZZ_TRACE_FORMS_H
#define FUZZ_TRACE_FORMS_H

#include "fuzz.h"
#include "trace/trace.h"

struct form {
    char *bytes;
    size_t size;
};

static inline FILE *form_stream(const struct form *form) {
    FILE *stream = fmemopen(form->bytes, form->size, "r");
    FUZZ_CHECK(stream != NULL);
    return stream;
}

/* What a reader that has been checked before would refuse. */
static inline void form_check_event(const struct trace_event *event) {
    FUZZ_CHECK(event->kind >= 0 && event->kind < TRACE_KINDS && event->text != NULL);
    FUZZ_CHECK(!trace_has_thread(event->kind) || event->thread < TRACE_THREADS);
    FUZZ_CHECK(!trace_has_range(event->kind) || event->length != 0);
    FUZZ_CHECK(!trace_stores(event->kind) || event->length <= TRACE_BYTES);
    FUZZ_CHECK(event->kind != TRACE_STACK || event->stack != 0);
    uint64_t sum = 0;
    for (uint64_t i = 0; trace_stores(event->kind) && i < event->length; i++)
        sum += event->bytes[i]; /* all of them can be read */
    FUZZ_CHECK(sum <= UINT64_C(255) * event->length);
}

/* Writes what the reader gives, in the text form and in the binary one, and ends it. */
static inline void form_write(struct trace_reader *reader, struct form *text, struct form *packed) {
    FILE *text_stream = open_memstream(&text->bytes, &text->size);
    FILE *packed_stream = open_memstream(&packed->bytes, &packed->size);
    struct trace_event event;
    FUZZ_CHECK(reader != NULL && text_stream != NULL && packed_stream != NULL);
    struct trace_writer *writer = trace_write(packed_stream, trace_head(reader));
    FUZZ_CHECK(writer != NULL && trace_text_head(text_stream, trace_head(reader)));
    enum trace_result result;
    while ((result = trace_next(reader, &event)) == TRACE_EVENT) {
        form_check_event(&event);
        FUZZ_CHECK(trace_text_event(text_stream, &event) && trace_put(writer, &event));
    }
    FUZZ_CHECK((result == TRACE_WRONG) == (trace_problem(reader)[0] != '\0'));
    FUZZ_CHECK(trace_next(reader, &event) == result);
    FUZZ_CHECK(trace_finish(writer) && fclose(packed_stream) == 0 && fclose(text_stream) == 0);
    trace_end(reader);
}

/* Reads a form that was written, which has to be sound, and holds it against the text. */
static inline void form_compare(const struct form *form, const struct form *text) {
    struct form again = {0}, packed = {0};
    FILE *stream = form_stream(form);
    struct trace_reader *reader = trace_read(stream);
    FUZZ_CHECK(reader != NULL);
    form_write(reader, &again, &packed);
    FUZZ_CHECK(again.size == text->size && memcmp(again.bytes, text->bytes, text->size) == 0);
    fclose(stream);
    free(again.bytes);
    free(packed.bytes);
}

/* Ends the reader. */
static inline void form_check(struct trace_reader *reader) {
    struct form text = {0}, packed = {0};
    form_write(reader, &text, &packed);
    form_compare(&text, &text);
    form_compare(&packed, &text);
    free(text.bytes);
    free(packed.bytes);
}

#endif
