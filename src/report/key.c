/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/key.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "report/place.h"
#include "report/report.h"

/* FNV-1a of 128 bits: not to be fooled by chance. Nobody gains by fooling it on purpose. */
typedef unsigned __int128 hash;
#define HASH_START ((hash)0x6c62272e07bb0142 << 64 | 0x62b821756295c58d)
#define HASH_PRIME ((hash)1 << 88 | 0x13b)

/* The end of a string counts too, so that strings do not run into each other. */
static void add(hash *sum, const char *string) {
    for (;; string++) {
        *sum = (*sum ^ (unsigned char)*string) * HASH_PRIME;
        if (*string == '\0')
            return;
    }
}

/* Of a place without source there is the function, and of one without name the module. */
static void add_frame(hash *sum, const struct source_frame *frame, const char *directory) {
    char buffer[PLACE_SIZE];
    add(sum, frame->function != NULL ? frame->function : "");
    if (frame->file != NULL)
        add(sum, place_path(frame->file, directory, buffer));
    else
        add(sum, frame->module != NULL ? place_name(frame->module) : "");
}

static struct key key_of(const struct finding *finding, const char *directory) {
    hash sum = HASH_START;
    add(&sum, kind_facts[finding->kind].name);
    size_t frames = place_visible(&finding->at);
    for (size_t i = 0; i < frames; i++)
        add_frame(&sum, &finding->at.frames[i], directory);
    return (struct key){.high = (uint64_t)(sum >> 64), .low = (uint64_t)sum};
}

struct key key_exact(const struct finding *finding, enum key_extent extent) {
    hash sum = HASH_START;
    char region[16];
    snprintf(region, sizeof region, "%" PRIu32, extent >= KEY_REGION ? finding->region : 0);
    add(&sum, kind_facts[finding->kind].name);
    add(&sum, extent >= KEY_SEVERITY ? report_severity_name(finding->severity) : "");
    add(&sum, region);
    /* Of what a power cut leaves only the sentence says all that it takes. */
    add(&sum, finding->kind == KIND_CRASH_INCONSISTENCY ? finding->message : "");
    add(&sum, extent >= KEY_REGION && finding->rescued_by != NULL ? finding->rescued_by : "");
    for (size_t i = 0; i < finding->at.count; i++) {
        const struct source_frame *frame = &finding->at.frames[i];
        char place[64];
        bool lines = frame->file != NULL;
        snprintf(place, sizeof place, "%d+%" PRIx64, lines ? frame->line : 0,
                 lines ? 0 : frame->offset);
        add(&sum, frame->function != NULL ? frame->function : "");
        add(&sum, lines ? frame->file : frame->module != NULL ? frame->module : "");
        add(&sum, place);
    }
    return (struct key){.high = (uint64_t)(sum >> 64), .low = (uint64_t)sum};
}

static int compare(uint64_t a, uint64_t b) {
    return a < b ? -1 : a > b;
}

int key_compare(struct key a, struct key b) {
    int order = compare(a.high, b.high);
    if (order == 0)
        order = compare(a.low, b.low);
    return order != 0 ? order : compare(a.number, b.number);
}

/* By key, and equal ones by their place in the report, which number is. */
static int compare_places(const void *left, const void *right) {
    return key_compare(*(const struct key *)left, *(const struct key *)right);
}

static bool is_equal(const struct key *a, const struct key *b) {
    return a->high == b->high && a->low == b->low;
}

struct key *key_all(const struct report *report) {
    size_t found = report->finding_count, count = found + report->suppressed_count;
    struct key *keys = calloc(count + 1, sizeof *keys);
    struct key *sorted = calloc(count + 1, sizeof *sorted);
    if (keys == NULL || sorted == NULL) {
        free(keys);
        free(sorted);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        const struct finding *finding =
            i < found ? &report->findings[i] : &report->suppressed[i - found];
        sorted[i] = key_of(finding, report->directory);
        sorted[i].number = i;
    }
    qsort(sorted, count, sizeof *sorted, compare_places);
    for (size_t i = 0, number = 0; i < count; i++) {
        number = i > 0 && is_equal(&sorted[i], &sorted[i - 1]) ? number + 1 : 1;
        keys[sorted[i].number] = (struct key){sorted[i].high, sorted[i].low, number};
    }
    free(sorted);
    return keys;
}

const char *key_text(struct key key, char buffer[KEY_SIZE]) {
    snprintf(buffer, KEY_SIZE, "%016" PRIx64 "%016" PRIx64 ":%zu", key.high, key.low, key.number);
    return buffer;
}
