/* SPDX-License-Identifier: BSD-2-Clause */
#include "report/report.h"

#include <string.h>

static bool write_json(FILE *out, const struct report *report, const struct report_style *style) {
    (void)style;
    return report_json(out, report);
}

const struct report_format report_formats[REPORT_FORMATS] = {
    {"text", "report.txt", report_text},     {"json", "report.json", write_json},
    {"sarif", "report.sarif", report_sarif}, {"junit", "report.xml", report_junit},
    {"html", "report.html", report_html},
};

const struct report_format *report_format(const char *name) {
    for (size_t i = 0; i < REPORT_FORMATS; i++) {
        if (strcmp(report_formats[i].name, name) == 0)
            return &report_formats[i];
    }
    return NULL;
}
