/* SPDX-License-Identifier: BSD-2-Clause */
/* Why a power cut could leave an image, or could not, in sentences. */
#include "crash/explain.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/crash.h"

/* The events that are spoken of, as the trace has them. */
struct told {
    uint64_t place;
    char *text;
};

static int digit_of(char character) {
    static const char digits[] = "0123456789abcdef";
    const char *found = memchr(digits, character | 0x20, sizeof digits - 1);
    return found != NULL ? (int)(found - digits) : -1;
}

/* All regions in hexadecimal, as --enumerate prints them. */
static bool parse_image(const struct crash_scan *scan, const char *text, uint8_t *image) {
    for (size_t r = 0; r < scan->region_count; r++) {
        if (r != 0 && *text++ != ' ')
            return false;
        for (uint64_t i = 0; i < scan->regions[r].size; i++, text += 2) {
            int high = text[0] != '\0' ? digit_of(text[0]) : -1;
            int low = high >= 0 && text[1] != '\0' ? digit_of(text[1]) : -1;
            if (low < 0)
                return false;
            image[scan->regions[r].start + i] = (uint8_t)(high << 4 | low);
        }
    }
    return *text == '\0';
}

static bool read_image(const struct crash_scan *scan, const char *path, uint8_t *image) {
    FILE *file = fopen(path, "re");
    bool good = file != NULL && fread(image, 1, scan->total, file) == scan->total &&
                getc(file) == EOF && ferror(file) == 0;
    if (file != NULL)
        fclose(file);
    if (!good)
        cli_complain("'%.80s' is no image: %" PRIu64 " bytes in hexadecimal, a space between "
                     "regions, or a file of so many bytes",
                     path, scan->total);
    return good;
}

static const char *text_of(const struct told *told, size_t count, uint64_t place) {
    for (size_t i = 0; i < count; i++) {
        if (told[i].place == place && told[i].text != NULL)
            return told[i].text;
    }
    return "";
}

/* One event as a text, without its end. */
static char *write_event(const struct trace_event *event) {
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (stream == NULL)
        return NULL;
    trace_text_event(stream, event);
    if (fclose(stream) != 0 || size == 0)
        return text;
    text[size - 1] = '\0';
    if (size > 80)
        memcpy(text + 76, "...", 4);
    return text;
}

/* Takes the texts of the events from the trace; told is sorted by place. */
static void find_texts(FILE *trace, struct told *told, size_t count) {
    struct trace_event event;
    rewind(trace);
    struct trace_reader *reader = trace_read(trace);
    for (size_t i = 0; reader != NULL && i < count && trace_next(reader, &event) == TRACE_EVENT;) {
        while (i < count && told[i].place < event.place)
            i++;
        for (; i < count && told[i].place == event.place; i++)
            told[i].text = write_event(&event);
    }
    trace_end(reader);
}

static int compare(const void *left, const void *right) {
    const struct told *a = left, *b = right;
    return a->place < b->place ? -1 : a->place > b->place;
}

static void print_possible(const struct explanation *answer, const struct told *told,
                           size_t count) {
    if (answer->place == 0)
        printf("possible: after the last event\n");
    else
        printf("possible: before %" PRIu64 ": %s\n", answer->place,
               text_of(told, count, answer->place));
    for (size_t i = 0; i < answer->fate_count; i++) {
        const struct explain_fate *fate = &answer->fates[i];
        const char *word = fate->lost == 0 ? "in" : fate->kept == 0 ? "out" : "torn";
        printf("%-5s %" PRIu64 ": %s\n", word, fate->place, text_of(told, count, fate->place));
    }
}

static void print_impossible(const struct explanation *answer, const struct crash_scan *scan,
                             const struct told *told, size_t count) {
    printf("impossible: region %" PRIu32 ", the line at 0x%" PRIx64 ": ",
           scan->regions[answer->region].number, answer->offset);
    if (answer->why == EXPLAIN_ORDER)
        printf("its stores, in the order of the line, never leave these bytes\n");
    if (answer->why == EXPLAIN_NEVER)
        printf("it held these bytes at some moment, but never when the other lines held theirs\n");
    if (answer->why != EXPLAIN_GUARANTEE)
        return;
    printf("what is missing was durable\n");
    const struct {
        const char *word;
        uint64_t place;
    } parts[] = {{"missing", answer->store},
                 {"flushed", answer->flush},
                 {"durable", answer->guarantee},
                 {"later", answer->later > answer->guarantee ? answer->later : 0}};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (parts[i].place != 0)
            printf("%-7s %" PRIu64 ": %s\n", parts[i].word, parts[i].place,
                   text_of(told, count, parts[i].place));
    }
}

/* false: no memory. */
static bool print(FILE *trace, const struct crash_scan *scan, const struct explanation *answer) {
    size_t count = answer->fate_count + 5;
    struct told *told = calloc(count, sizeof *told);
    if (told == NULL)
        return false;
    for (size_t i = 0; i < answer->fate_count; i++)
        told[i].place = answer->fates[i].place;
    const uint64_t places[] = {answer->place, answer->store, answer->flush, answer->guarantee,
                               answer->later};
    for (size_t i = 0; i < 5; i++)
        told[answer->fate_count + i].place = places[i];
    qsort(told, count, sizeof *told, compare);
    find_texts(trace, told, count);
    if (answer->why == EXPLAIN_POSSIBLE)
        print_possible(answer, told, count);
    else
        print_impossible(answer, scan, told, count);
    for (size_t i = 0; i < count; i++)
        free(told[i].text);
    free(told);
    return true;
}

int crash_explain(FILE *trace, const struct crash_arguments *arguments,
                  const struct crash_scan *scan) {
    struct explanation answer = {.problem = "there is no memory for the image"};
    uint8_t *image = malloc(scan->total);
    int status = CLI_RUN_FAILED;
    if (image != NULL && !parse_image(scan, arguments->explain, image) &&
        !read_image(scan, arguments->explain, image))
        status = CLI_USAGE;
    else if (image == NULL || !explain(trace, scan, &arguments->wish, image, &answer) ||
             !print(trace, scan, &answer))
        cli_complain("%s: %s", arguments->trace,
                     answer.problem != NULL ? answer.problem : "there is no memory");
    else
        status = answer.why == EXPLAIN_POSSIBLE ? EXIT_SUCCESS : EXIT_FAILURE;
    explain_free(&answer);
    free(image);
    return status;
}
