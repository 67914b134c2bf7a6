/* SPDX-License-Identifier: BSD-2-Clause */
#include "verify/remarks.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

__attribute__((format(printf, 2, 3))) static bool remark(struct report *report, const char *format,
                                                         ...) {
    char **larger = realloc(report->remarks, (report->remark_count + 1) * sizeof *larger);
    if (larger == NULL)
        return false;
    report->remarks = larger;
    va_list arguments;
    va_start(arguments, format);
    bool made = vasprintf(&larger[report->remark_count], format, arguments) >= 0;
    va_end(arguments);
    report->remark_count += made;
    return made;
}

static bool remark_lost(const struct arena_lost *lost, struct report *report) {
    uint64_t events = atomic_load(&lost->events), memory = atomic_load(&lost->memory),
             threads = atomic_load(&lost->threads), locks = atomic_load(&lost->locks),
             processes = atomic_load(&lost->processes);
    if (events != 0 &&
        !remark(report, "%" PRIu64 " calls in signal handlers could not be recorded", events))
        return false;
    if (memory != 0 &&
        !remark(report, "%" PRIu64 " records found no place: the run is too large", memory))
        return false;
    if (threads != 0 &&
        !remark(report, "%" PRIu64 " threads or processes beyond the limits were not watched",
                threads))
        return false;
    if (processes != 0 &&
        !remark(report,
                "%" PRIu64 " processes were not watched: their limit of address space leaves the "
                "verifier no room",
                processes))
        return false;
    if (locks != 0 &&
        !remark(report,
                "%" PRIu64
                " records were in use by threads that stood still, or that left a signal "
                "handler by longjmp",
                locks))
        return false;
    return (events | memory | threads | processes | locks) == 0 ||
           remark(report, "so what was found is told as warnings: a flush may have been missed");
}

bool remarks_add(const struct arena_head *head, struct report *report) {
    if (atomic_load(&head->process_count) == 0 && atomic_load(&head->lost.processes) == 0)
        return remark(report, "the program never asked for a token: nothing was verified "
                              "(is it linked with libnvrtl, and was its RtlGetNonVolatileToken or "
                              "NvRtlMapFile reached?)");
    if (atomic_load(&head->process_count) != 0 && atomic_load(&head->file_count) == 0 &&
        !remark(report, "every Get failed: there was no region to verify"))
        return false;
    if (!remark(report,
                "only the routines are seen (--stores=api): what the program stores through "
                "pointers is not, nor what it flushes by other means, as by msync"))
        return false;
    return remark_lost(&head->lost, report);
}
