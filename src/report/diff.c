/* SPDX-License-Identifier: BSD-2-Clause */
#include <inttypes.h>
#include <stdlib.h>

#include "report/json.h"
#include "report/key.h"
#include "report/merge.h"
#include "report/text.h"

/* A key of one of the reports, and the place of its finding there. */
struct keyed {
    struct key key;
    size_t place;
};

static int compare_keyed(const void *left, const void *right) {
    return key_compare(((const struct keyed *)left)->key, ((const struct keyed *)right)->key);
}

/* The findings of a report in the order of their keys. NULL: out of memory. */
static struct keyed *sort(const struct report *report) {
    struct key *keys = key_all(report);
    struct keyed *sorted = calloc(report->finding_count + 1, sizeof *sorted);
    for (size_t i = 0; i < report->finding_count && keys != NULL && sorted != NULL; i++)
        sorted[i] = (struct keyed){keys[i], i};
    if (sorted != NULL && keys != NULL)
        qsort(sorted, report->finding_count, sizeof *sorted, compare_keyed);
    if (keys == NULL) {
        free(sorted);
        sorted = NULL;
    }
    free(keys);
    return sorted;
}

enum diff_class diff_class(const struct difference *difference) {
    return difference->before == NULL                                 ? DIFF_NEW
           : difference->now == NULL                                  ? DIFF_GONE
           : difference->now->severity < difference->before->severity ? DIFF_WORSE
                                                                      : DIFF_SAME;
}

/* Fills in the pairs: the first differences are those of now, in its order; then those that are
   gone, in the order of before. */
static void pair(const struct keyed *before, const struct keyed *now, bool *found,
                 struct diff *diff) {
    size_t olds = diff->before->finding_count, news = diff->now->finding_count;
    for (size_t i = 0; i < news; i++)
        diff->differences[i].now = &diff->now->findings[i];
    for (size_t o = 0, n = 0; o < olds && n < news;) {
        int order = key_compare(before[o].key, now[n].key);
        if (order == 0) {
            diff->differences[now[n].place].before = &diff->before->findings[before[o].place];
            found[before[o].place] = true;
        }
        o += order <= 0;
        n += order >= 0;
    }
    diff->count = news;
    for (size_t i = 0; i < olds; i++) {
        if (!found[i])
            diff->differences[diff->count++].before = &diff->before->findings[i];
    }
}

bool diff_make(struct report *before, struct report *now, struct diff *diff) {
    *diff = (struct diff){.before = before, .now = now};
    if (!report_fold(before, KEY_PLACE) || !report_fold(now, KEY_PLACE))
        return false;
    struct keyed *olds = sort(before), *news = sort(now);
    bool *found = calloc(before->finding_count + 1, sizeof *found);
    diff->differences =
        calloc(before->finding_count + now->finding_count + 1, sizeof *diff->differences);
    bool complete = olds != NULL && news != NULL && found != NULL && diff->differences != NULL;
    if (complete)
        pair(olds, news, found, diff);
    for (size_t i = 0; i < diff->count && complete; i++)
        diff->of[diff_class(&diff->differences[i])]++;
    free(olds);
    free(news);
    free(found);
    return complete;
}

void diff_free(struct diff *diff) {
    free(diff->differences);
    *diff = (struct diff){0};
}

static const char *const group_names[DIFF_CLASSES] = {
    [DIFF_NEW] = "new", [DIFF_WORSE] = "worse", [DIFF_GONE] = "gone", [DIFF_SAME] = "same"};

/* What was counted differently, or is not so bad any more. */
static void print_change(struct text *text, const struct difference *difference) {
    const struct finding *before = difference->before, *now = difference->now;
    char words[96];
    if (before->severity != now->severity)
        text_field(text, "before", report_severity_name(before->severity));
    snprintf(words, sizeof words, "%" PRIu64 " before, %" PRIu64 " now", before->count, now->count);
    if (before->count != now->count)
        text_field(text, "count", words);
}

static bool has_changed(const struct difference *difference) {
    return difference->before->severity != difference->now->severity ||
           difference->before->count != difference->now->count;
}

/* What is new is told whole, of the rest the first line; of what is the same nothing, unless
   something about it has changed. Returns whether anything was told. */
static bool print_one(struct text *text, const struct diff *diff,
                      const struct difference *difference) {
    enum diff_class group = diff_class(difference);
    text->report = group == DIFF_GONE ? diff->before : diff->now;
    if (group == DIFF_SAME && !has_changed(difference))
        return false;
    if (group == DIFF_NEW)
        text_finding(text, difference->now);
    else
        text_heading(text, group == DIFF_GONE ? difference->before : difference->now);
    if (group == DIFF_WORSE || group == DIFF_SAME)
        print_change(text, difference);
    return true;
}

static void print_group(struct text *text, const struct diff *diff, enum diff_class group) {
    const char *title = group == DIFF_SAME ? "changed:" : NULL;
    char words[32];
    snprintf(words, sizeof words, "%s:", group_names[group]);
    bool told = false;
    for (size_t i = 0; i < diff->count; i++) {
        const struct difference *difference = &diff->differences[i];
        if (diff_class(difference) != group || (group == DIFF_SAME && !has_changed(difference)))
            continue;
        if (!told)
            text_section(text, title != NULL ? title : words);
        told = print_one(text, diff, difference) || told;
    }
}

bool diff_text(FILE *out, const struct diff *diff, const struct report_style *style) {
    struct text text = {.page = {.out = out, .colour = style->colour, .fresh = true},
                        .report = diff->now,
                        .style = style};
    fprintf(out, "nvrtl: %zu new", diff->of[DIFF_NEW]);
    for (enum diff_class group = DIFF_WORSE; group < DIFF_CLASSES; group++) {
        if (group != DIFF_WORSE || diff->of[group] > 0)
            fprintf(out, ", %zu %s", diff->of[group], group_names[group]);
    }
    fputc('\n', out);
    for (enum diff_class group = DIFF_NEW; group < DIFF_CLASSES; group++)
        print_group(&text, diff, group);
    return fflush(out) == 0 && ferror(out) == 0;
}

static json_t *make_before(const struct finding *before) {
    json_t *object = json_object();
    return value_or_nothing(
        object, value_put_text(object, "severity", report_severity_name(before->severity)) &&
                    value_put(object, "count", value_number(before->count)));
}

static json_t *make_group(const struct diff *diff, enum diff_class group) {
    json_t *array = json_array();
    bool complete = true;
    for (size_t i = 0; i < diff->count && complete; i++) {
        const struct difference *difference = &diff->differences[i];
        if (diff_class(difference) != group)
            continue;
        json_t *finding = json_finding(group == DIFF_GONE ? difference->before : difference->now);
        complete = (group != DIFF_WORSE && group != DIFF_SAME) ||
                   value_put(finding, "before", make_before(difference->before));
        complete = json_array_append_new(array, value_or_nothing(finding, complete)) == 0;
    }
    return value_or_nothing(array, complete);
}

bool diff_json(FILE *out, const struct diff *diff) {
    json_t *object = json_object(), *summary = json_object();
    bool complete = true;
    for (enum diff_class group = DIFF_NEW; group < DIFF_CLASSES && complete; group++)
        complete = value_put(summary, group_names[group], value_number(diff->of[group]));
    complete = value_put_text(object, "schema", "nvrtl-diff/1") &&
               value_put(object, "summary", value_or_nothing(summary, complete));
    for (enum diff_class group = DIFF_NEW; group < DIFF_CLASSES && complete; group++)
        complete = value_put(object, group_names[group], make_group(diff, group));
    return value_write(out, value_or_nothing(object, complete));
}
