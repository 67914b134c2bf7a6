/* SPDX-License-Identifier: BSD-2-Clause */
#include <string.h>

#include "base/bits.h"
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

const char *report_role_text(const char *role) {
    static const struct {
        const char *role, *text;
    } texts[] = {
        {"store", "stored here"},      {"flush", "flushed here"},
        {"read", "read here"},         {"dependent", "dependent store here"},
        {"commit", "committed here"},  {"data", "data stored here"},
        {"freed", "token freed here"}, {"got", "token obtained here"},
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
