/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "report/place.h"
#include "report/profile.h"
#include "report/text.h"

/* More than this is for the other formats; a reader wants the first ones. */
#define RANGES_SHOWN 20
#define FRAMES_SHOWN 16
#define RELATED_SHOWN 8

#define WORDS_SIZE 64

static const char *count_words(uint64_t count, const char *noun, char buffer[WORDS_SIZE]) {
    snprintf(buffer, WORDS_SIZE, "%" PRIu64 " %s%s", count, noun, count == 1 ? "" : "s");
    return buffer;
}

/* A number of bytes, exactly: "8 bytes", "24 KiB". */
static const char *size_words(uint64_t size, char buffer[WORDS_SIZE]) {
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
    uint64_t value = size;
    size_t unit = 0;
    while (unit < ARRAY_LENGTH(units) && value >= 1024 && value % 1024 == 0) {
        value /= 1024;
        unit++;
    }
    if (unit == 0)
        return count_words(size, "byte", buffer);
    snprintf(buffer, WORDS_SIZE, "%" PRIu64 " %s", value, units[unit - 1]);
    return buffer;
}

static enum paint severity_paint(enum severity severity) {
    return severity == SEVERITY_ERROR     ? PAINT_ERROR
           : severity == SEVERITY_WARNING ? PAINT_WARNING
           : severity == SEVERITY_NOTE    ? PAINT_NOTE
                                          : PAINT_PERFORMANCE;
}

/* Is data at stake, and not only a call that was refused? */
static bool loses_data(enum kind kind) {
    return kind == KIND_UNFLUSHED_WRITE || kind == KIND_UNDRAINED_FLUSH ||
           kind == KIND_UNORDERED_COMMIT || kind == KIND_TORN_COMMIT ||
           kind == KIND_CRASH_INCONSISTENCY;
}

/* "1 error, 0 warnings, 2 performance findings" */
static void put_counts(struct page *page, const struct report *report,
                       const struct report_tally *tally) {
    static const char *const nouns[] = {"error", "warning", "performance finding", "note"};
    char words[WORDS_SIZE];
    for (int i = 0; i < REPORT_SEVERITIES; i++) {
        if (i > SEVERITY_WARNING && tally->of[i] == 0)
            continue;
        page_put(page, i > 0 ? ", " : " ");
        page_put(page, count_words(tally->of[i], nouns[i], words));
    }
    if (report->suppressed_count > 0) {
        snprintf(words, sizeof words, ", %zu suppressed", report->suppressed_count);
        page_put(page, words);
    }
}

static void put_remarks(struct page *page, const struct report *report) {
    if (report->remark_count > 0)
        page_put(page, report->remark_count == 1 ? "; see the remark" : "; see the remarks");
}

/* Nothing was found: says what that covers, and no more. */
static void put_nothing_found(struct page *page, const struct report *report,
                              const struct report_tally *tally) {
    bool api = report->stores != NULL && strcmp(report->stores, "api") == 0;
    bool hooks = report->stores != NULL && strcmp(report->stores, "hooks") == 0;
    size_t improvable = tally->of[SEVERITY_PERFORMANCE];
    char words[WORDS_SIZE];
    page_paint(page, report->incomplete ? PAINT_WARNING : PAINT_GOOD);
    page_put(page, report->incomplete ? " incomplete:" : " clean:");
    page_paint(page, PAINT_PLAIN);
    if (report->stores != NULL && strcmp(report->stores, "trace") == 0) {
        page_put(page, " recovery copes with every image that was tried");
        put_remarks(page, report);
        return;
    }
    page_put(page, report->incomplete ? " of what was seen" : "");
    page_put(page, report->unasked ? " nothing of the kinds that were asked for in "
                   : api           ? " every Write and Fill to "
                   : hooks         ? " every store that hooks saw to "
                                   : " every store to ");
    page_put(page, count_words(report->region_count, "region", words));
    page_put(page, report->unasked ? "" : " was flushed and drained");
    if (improvable > 0) {
        page_put(page, ", with ");
        page_put(page, count_words(improvable, "performance finding", words));
    }
    put_remarks(page, report);
}

/* One line, whatever its length, so that it can be searched for. */
static void print_verdict(struct text *text) {
    struct page *page = &text->page;
    const struct report *report = text->report;
    struct report_tally tally = report_count(report);
    bool errors = tally.of[SEVERITY_ERROR] > 0, warnings = tally.of[SEVERITY_WARNING] > 0;
    bool loses = false;
    for (size_t i = 0; i < report->finding_count; i++) {
        const struct finding *finding = &report->findings[i];
        loses |= finding->severity == SEVERITY_ERROR && loses_data(finding->kind);
    }
    size_t found = report->finding_count + report->suppressed_count;
    page_put(page, "nvrtl:");
    if (!errors && !warnings && tally.of[SEVERITY_NOTE] == 0 && report->region_count > 0 &&
        report->suppressed_count == 0) {
        put_nothing_found(page, report, &tally);
    } else if (found == 0 && report->incomplete) {
        page_paint(page, PAINT_WARNING);
        page_put(page, " incomplete:");
        page_paint(page, PAINT_PLAIN);
        page_put(page, " nothing was seen of how ");
        page_put(page, report_program_name(report));
        page_put(page, " uses non-volatile memory");
        put_remarks(page, report);
    } else if (found == 0) {
        page_put(page, " nothing to judge: ");
        page_put(page, report_program_name(report));
        page_put(page, " was not seen to use non-volatile memory");
        put_remarks(page, report);
    } else {
        page_paint(page, errors ? PAINT_ERROR : warnings ? PAINT_WARNING : PAINT_NOTE);
        put_counts(page, report, &tally);
        page_put(page, errors ? ": " : " in ");
        page_paint(page, PAINT_PLAIN);
        page_put(page, report_program_name(report));
        if (errors)
            page_put(page, loses ? " can lose data in a power cut"
                                 : " calls the routines with bad tokens or ranges");
    }
    page_end(page);
}

/* Begins a line "= name: " under a source line; what follows lines up, also when it is broken. */
static void begin_field(struct page *page, const char *name, enum paint paint) {
    page->margin = PLACE_GUTTER + 9;
    page_move(page, PLACE_GUTTER);
    page_paint(page, PAINT_DIM);
    page_put(page, "= ");
    page_paint(page, PAINT_PLAIN);
    page_paint(page, paint);
    page_put(page, name);
    page_put(page, ":");
    page_paint(page, PAINT_PLAIN);
    page_move(page, page->margin);
}

void text_field(struct text *text, const char *name, const char *value) {
    begin_field(&text->page, name, PAINT_PLACE);
    page_words(&text->page, value);
    page_end(&text->page);
}

static void print_frame(struct text *text, const struct source_frame *frame) {
    struct page *page = &text->page;
    char buffer[PLACE_SIZE];
    const char *place = place_frame(frame, text->style->base, buffer);
    if (frame->function != NULL) {
        page_words(page, frame->function);
        page_word(page, frame->file != NULL ? "at" : "in");
    }
    page_word(page, place != NULL ? place : "an unknown place");
    if (frame->inlined)
        page_word(page, "(inlined)");
}

static void print_stack(struct text *text, const struct source_stack *stack, size_t count) {
    struct page *page = &text->page;
    if (count == 0)
        return;
    begin_field(page, "stack", PAINT_PLACE);
    for (size_t i = 0; i < count && i < FRAMES_SHOWN; i++) {
        if (i > 0)
            page_break(page);
        print_frame(text, &stack->frames[i]);
    }
    if (count > FRAMES_SHOWN) {
        char words[WORDS_SIZE];
        page_break(page);
        page_words(page, count_words(count - FRAMES_SHOWN, "more frame", words));
    }
    page_end(page);
}

/* "accounts.nv: 8 bytes at 0x40, 0x80, 16 bytes at 0x100" */
static void print_ranges(struct text *text, const struct finding *finding) {
    struct page *page = &text->page;
    const struct report_region *region = report_find_region(text->report, finding->region);
    size_t count = finding->range_count < RANGES_SHOWN ? finding->range_count : RANGES_SHOWN;
    bool more = finding->more_ranges || count < finding->range_count;
    char words[WORDS_SIZE], path[PLACE_SIZE];
    if (count == 0)
        return;
    begin_field(page, region != NULL ? "file" : "bytes", PAINT_PLACE);
    if (region != NULL) {
        page_word(page, place_path(region->path, text->style->base, path));
        page_put(page, ":");
    }
    for (size_t i = 0; i < count; i++) {
        const struct byte_range *bytes = &finding->ranges[i];
        if (i == 0 || bytes->length != bytes[-1].length) {
            page_words(page, size_words(bytes->length, words));
            page_word(page, "at");
        }
        snprintf(words, sizeof words, "0x%" PRIx64 "%s", bytes->offset,
                 i + 1 < count || more ? "," : "");
        page_word(page, words);
    }
    if (more)
        page_words(page, "and more");
    page_end(page);
}

/* Begins a line as compilers do, so that editors can jump to it: "ledger.c:38: error:" */
static void begin_heading(struct text *text, const char *place, const char *severity,
                          enum paint paint) {
    struct page *page = &text->page;
    page->margin = 4;
    page_paint(page, PAINT_PLACE);
    page_put(page, place);
    page_put(page, ":");
    page_paint(page, PAINT_PLAIN);
    page_paint(page, paint);
    page_word(page, severity);
    page_put(page, ":");
    page_paint(page, PAINT_PLAIN);
}

static bool same_string(const char *a, const char *b) {
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_frame(const struct source_frame *a, const struct source_frame *b) {
    if (!same_string(a->function, b->function) || !same_string(a->file, b->file))
        return false;
    /* Calls on one line are one for a reader. */
    return a->file != NULL ? a->line == b->line
                           : a->offset == b->offset && same_string(a->module, b->module);
}

/* How many frames of stack are not the callers of other, too. */
static size_t own_frames(const struct source_stack *stack, const struct source_stack *other) {
    size_t count = place_visible(stack), others = place_visible(other);
    while (count > 1 && others > 0 &&
           same_frame(&stack->frames[count - 1], &other->frames[others - 1])) {
        count--;
        others--;
    }
    return count;
}

static void print_related(struct text *text, const struct finding *finding,
                          const struct related *related) {
    struct page *page = &text->page;
    static const struct source_frame nowhere = {0};
    const struct source_frame *frame =
        related->stack.count > 0 ? &related->stack.frames[0] : &nowhere;
    char buffer[PLACE_SIZE];
    const char *place = place_frame(frame, text->style->base, buffer);
    begin_heading(text, place != NULL ? place : "nvrtl", report_severity_name(SEVERITY_NOTE),
                  PAINT_NOTE);
    page_words(page, report_role_text(related->role));
    if (frame->function != NULL) {
        page_put(page, ",");
        page_word(page, "in");
        page_words(page, frame->function);
    }
    page_end(page);
    if (text->style->source)
        place_source(page, &related->source, frame->line);
    size_t own = own_frames(&related->stack, &finding->at);
    if (own > 1)
        print_stack(text, &related->stack, own);
}

static void print_all_related(struct text *text, const struct finding *finding) {
    size_t count = finding->related_count;
    for (size_t i = 0; i < count && i < RELATED_SHOWN; i++)
        print_related(text, finding, &finding->related[i]);
    if (count > RELATED_SHOWN) {
        char words[WORDS_SIZE];
        text->page.margin = 0;
        page_words(&text->page, count_words(count - RELATED_SHOWN, "more place", words));
        page_end(&text->page);
    }
}

void text_heading(struct text *text, const struct finding *finding) {
    struct page *page = &text->page;
    const struct report_region *region = report_find_region(text->report, finding->region);
    enum paint paint = severity_paint(finding->severity);
    char buffer[PLACE_SIZE], words[WORDS_SIZE], mark[2 * WORDS_SIZE];
    const char *place = NULL;
    if (finding->at.count > 0)
        place = place_frame(&finding->at.frames[0], text->style->base, buffer);
    if (place == NULL && region != NULL)
        place = place_path(region->path, text->style->base, buffer);
    begin_heading(text, place != NULL ? place : "nvrtl", report_severity_name(finding->severity),
                  paint);
    page_words(page, finding->message);
    if (finding->count > 1) {
        snprintf(mark, sizeof mark, "(%s)", count_words(finding->count, "time", words));
        page_words(page, mark);
    }
    page_paint(page, paint);
    snprintf(mark, sizeof mark, "[%s]", kind_facts[finding->kind].name);
    page_word(page, mark);
    page_paint(page, PAINT_PLAIN);
    page_end(page);
}

void text_finding(struct text *text, const struct finding *finding) {
    struct page *page = &text->page;
    page_end(page);
    text_heading(text, finding);
    if (finding->at.count > 0 && text->style->source)
        place_source(page, &finding->source, finding->at.frames[0].line);
    print_stack(text, &finding->at, place_visible(&finding->at));
    print_ranges(text, finding);
    if (finding->rescued_by != NULL) {
        begin_field(page, "saved", PAINT_PLACE);
        page_words(page, "only by");
        page_words(page, report_rescue_text(finding->rescued_by));
        page_end(page);
    }
    if (finding->mend != NULL) {
        begin_field(page, "mend", PAINT_GOOD);
        page_words(page, finding->mend);
        page_end(page);
    }
    if (finding->image != NULL) {
        begin_field(page, "image", PAINT_PLACE);
        page_put(page, finding->image);
        page_end(page);
    }
    if (finding->replay != NULL) {
        begin_field(page, "again", PAINT_PLACE);
        page_put(page, finding->replay); /* on one line, to be copied */
        page_end(page);
    }
    print_all_related(text, finding);
}

void text_section(struct text *text, const char *title) {
    struct page *page = &text->page;
    page_end(page);
    page->margin = 4;
    page_paint(page, PAINT_PLACE);
    page_put(page, title);
    page_paint(page, PAINT_PLAIN);
    page_end(page);
}

/* What somebody has taken for no mistake: the first line of each, and who said so. */
static void print_suppressed(struct text *text) {
    if (text->report->suppressed_count > 0)
        text_section(text, "suppressed:");
    for (size_t i = 0; i < text->report->suppressed_count; i++) {
        const struct finding *finding = &text->report->suppressed[i];
        text_heading(text, finding);
        text_field(text, "why", finding->suppression);
        text_field(text, "said", finding->suppressor);
    }
}

static void print_regions(struct text *text) {
    struct page *page = &text->page;
    if (text->report->region_count == 0)
        return;
    text_section(text, "regions:");
    for (size_t i = 0; i < text->report->region_count; i++) {
        const struct report_region *region = &text->report->regions[i];
        char path[PLACE_SIZE], words[WORDS_SIZE];
        page_move(page, 2);
        page_put(page, place_path(region->path, text->style->base, path));
        page_put(page, ",");
        page_words(page, size_words(region->size, words));
        page_put(page, ",");
        if (strcmp(region->domain, "volatile") == 0)
            page_paint(page, PAINT_WARNING);
        page_word(page, region->domain);
        page_paint(page, PAINT_PLAIN);
        if (region->reason != NULL) {
            page_put(page, ":");
            page_words(page, region->reason);
        }
        page_end(page);
    }
}

static void print_run(struct text *text) {
    struct page *page = &text->page;
    const struct report *report = text->report;
    char words[WORDS_SIZE];
    text_section(text, "run:");
    page_move(page, 2);
    for (char *const *argument = report->program; argument != NULL && *argument != NULL; argument++)
        page_word(page, *argument);
    snprintf(words, sizeof words, "(exit status %d;", report->exit);
    page_words(page, words);
    page_words(page, "stores:");
    page_words(page, report->stores != NULL ? report->stores : "unknown");
    page_put(page, ";");
    page_words(page, "judge:");
    page_words(page, report->judge != NULL ? report->judge : "unknown");
    page_put(page, ")");
    page_end(page);
}

static void print_remarks(struct text *text) {
    struct page *page = &text->page;
    if (text->report->remark_count == 0)
        return;
    text_section(text, "remarks:");
    for (size_t i = 0; i < text->report->remark_count; i++) {
        page_move(page, 2);
        page_put(page, "-");
        page_words(page, text->report->remarks[i]);
        page_end(page);
    }
}

char *text_verdict_line(const struct report *report) {
    static const struct report_style plain = {0};
    char *line = NULL;
    size_t size = 0;
    FILE *memory = open_memstream(&line, &size);
    if (memory == NULL)
        return NULL;
    struct text text = {.page = {.out = memory, .fresh = true}, .report = report, .style = &plain};
    print_verdict(&text);
    if (fclose(memory) == 0) {
        line[size - 1] = '\0'; /* its end */
        return line;
    }
    free(line);
    return NULL;
}

bool report_text(FILE *out, const struct report *report, const struct report_style *style) {
    struct text text = {.page = {.out = out, .colour = style->colour, .fresh = true},
                        .report = report,
                        .style = style};
    print_verdict(&text);
    for (size_t i = 0; i < report->finding_count; i++)
        text_finding(&text, &report->findings[i]);
    print_suppressed(&text);
    report_profile_text(&text);
    print_regions(&text);
    print_run(&text);
    print_remarks(&text);
    return fflush(out) == 0 && ferror(out) == 0;
}
