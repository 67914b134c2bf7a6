/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "base/bits.h"
#include "report/place.h"
#include "report/report.h"

const char *report_severity_name(enum severity severity) {
    static const char *const names[REPORT_SEVERITIES] = {
        [SEVERITY_ERROR] = "error",
        [SEVERITY_WARNING] = "warning",
        [SEVERITY_PERFORMANCE] = "performance",
        [SEVERITY_NOTE] = "note",
    };
    return names[severity];
}

const char *report_code(enum kind kind, char buffer[REPORT_CODE_SIZE]) {
    snprintf(buffer, REPORT_CODE_SIZE, "0x%04X", (KIND_FIRST_CODE + (unsigned)kind) & 0xFFFFu);
    return buffer;
}

const char *report_kind_text(enum kind kind) {
    static const char *const texts[KIND_COUNT] = {
        [KIND_UNFLUSHED_WRITE] = "Stored, and not flushed when its token or the program ended.",
        [KIND_UNDRAINED_FLUSH] = "Flushed, and not drained when its token or the program ended.",
        [KIND_UNORDERED_COMMIT] =
            "A commit point was stored to before what it publishes was durable.",
        [KIND_TORN_COMMIT] = "A commit is wider than what a power cut leaves whole.",
        [KIND_OUTSIDE_REGION] = "A call's range leaves the region of its token.",
        [KIND_BAD_TOKEN] = "A call was given a value that is no live token.",
        [KIND_UNFLUSHED_STREAM] = "A streaming store was drained, and not written back.",
        [KIND_UNPERSISTED_READ] =
            "A thread made something durable that rests on data which were not.",
        [KIND_OVERWRITTEN_UNFLUSHED] = "Bytes were stored again with no flush between.",
        [KIND_OVERLAPPING_WRITE] =
            "Source and destination overlap: legal here, undefined on Windows.",
        [KIND_LEAKED_TOKEN] = "A token was not freed when the program ended.",
        [KIND_REDUNDANT_FLUSH] = "Everything that the call flushed was clean, or flushed already.",
        [KIND_REDUNDANT_DRAIN] = "There was nothing to wait for.",
        [KIND_CRASH_INCONSISTENCY] = "Recovery does not survive what a power cut can leave.",
    };
    return texts[kind];
}

size_t report_arguments(const struct report *report) {
    size_t count = 0;
    while (report->program != NULL && report->program[count] != NULL)
        count++;
    return count;
}

const char *report_program_name(const struct report *report) {
    return report_arguments(report) > 0 ? place_name(report->program[0]) : "the program";
}

const struct report_region *report_find_region(const struct report *report, uint32_t id) {
    for (size_t i = 0; i < report->region_count; i++) {
        if (report->regions[i].id == id)
            return &report->regions[i];
    }
    return NULL;
}

const char *report_rescue_text(const char *rescued_by) {
    return strcmp(rescued_by, "page") == 0 ? "the flush of its whole page" : rescued_by;
}

const char *report_role_text(const char *role) {
    static const struct {
        const char *role, *text;
    } texts[] = {
        {"store", "stored here"},       {"flush", "flushed here"},
        {"read", "read here"},          {"dependent", "dependent store here"},
        {"commit", "committed here"},   {"data", "data stored here"},
        {"freed", "token freed here"},  {"got", "token obtained here"},
        {"early", "durable too early"}, {"missing", "not durable"},
        {"ack", "acknowledged here"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (strcmp(texts[i].role, role) == 0)
            return texts[i].text;
    }
    return role;
}

struct report_tally report_count(const struct report *report) {
    struct report_tally tally = {{0}};
    for (size_t i = 0; i < report->finding_count; i++)
        tally.of[report->findings[i].severity]++;
    return tally;
}
