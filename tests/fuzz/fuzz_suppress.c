/* SPDX-License-Identifier: BSD-2-Clause */
/* Files of suppressions: read, or refused with the line; what was read has all that it needs. */
#include "fuzz.h"
#include "report/suppress.h"
#include "report/utf8.h"

static void check_wrong(const char *wrong, size_t lines) {
    char *end;
    FUZZ_CHECK(wrong != NULL && strncmp(wrong, "file:", 5) == 0);
    unsigned long line = strtoul(wrong + 5, &end, 10);
    FUZZ_CHECK(line >= 1 && line <= lines && strncmp(end, ": ", 2) == 0);
    for (size_t size = strlen(wrong); size > 0;) {
        uint32_t point;
        size_t length = utf8_decode(wrong, size, &point);
        FUZZ_CHECK(utf8_printable(point));
        wrong += length;
        size -= length;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct suppressions suppressions = {0};
    struct source_frame frames[] = {{.function = "append", .file = "/src/a.c", .line = 1},
                                    {.function = "main", .module = "/bin/x"}};
    char *wrong;
    size_t lines = 1;
    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    bool read = suppress_read(&suppressions, "file", (const char *)data, size, &wrong);
    if (!read)
        check_wrong(wrong, lines);
    for (size_t i = 0; i < suppressions.count && read; i++) {
        const struct suppression *one = &suppressions.items[i];
        FUZZ_CHECK(one->kind <= KIND_COUNT && one->reason != NULL && one->reason[0] != '\0');
        FUZZ_CHECK(one->function != NULL || one->file != NULL || one->caller != NULL);
    }
    if (read) {
        struct report report = {.finding_count = 2};
        report.findings = calloc(2, sizeof *report.findings);
        FUZZ_CHECK(report.findings != NULL);
        report.findings[0].at = (struct source_stack){frames, 2};
        report.findings[1].at = (struct source_stack){frames + 1, 1};
        FUZZ_CHECK(suppress_apply(&suppressions, &report));
        FUZZ_CHECK(report.finding_count + report.suppressed_count == 2);
        for (size_t i = 0; i < report.suppressed_count; i++)
            report.suppressed[i].at.count = 0; /* the frames are no heap's */
        for (size_t i = 0; i < report.suppressed_count; i++)
            report.suppressed[i].at.frames = NULL;
        for (size_t i = 0; i < report.finding_count; i++)
            report.findings[i].at = (struct source_stack){0};
        FUZZ_CHECK(suppress_remark(&suppressions, &report));
        verify_free_report(&report);
    }
    suppress_free(&suppressions);
    free(wrong);
    return 0;
}
