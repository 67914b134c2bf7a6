/* SPDX-License-Identifier: BSD-2-Clause */
#include "verify/remarks.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "verify/collect.h"

bool verify_remark(struct report *report, const char *format, ...) {
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

static bool remark_lost(const struct arena_head *head, struct report *report) {
    const struct arena_lost *lost = &head->lost;
    uint64_t unheard = atomic_load(&head->run.unheard);
    const struct {
        uint64_t count;
        const char *one, *several; /* what they are, and what became of them */
    } losses[] = {
        {atomic_load(&lost->events), "call in a signal handler could not be recorded",
         "calls in signal handlers could not be recorded"},
        {atomic_load(&lost->memory), "record found no place: the run is too large",
         "records found no place: the run is too large"},
        {atomic_load(&lost->threads), "thread or process beyond the limits was not watched",
         "threads or processes beyond the limits were not watched"},
        {atomic_load(&lost->processes),
         "process was not watched: its limit of address space leaves the verifier no room",
         "processes were not watched: their limits of address space leave the verifier no room"},
        {unheard,
         "process was not watched: it asked for a token without the environment or the root "
         "directory in which the verifier is to be found",
         "processes were not watched: they asked for a token without the environment or the root "
         "directory in which the verifier is to be found"},
        {atomic_load(&head->two_runtimes),
         "process has two libnvrtl-rt.so, of which one hears of stores and the other of tokens: "
         "build it and run it with one installation",
         "processes have two libnvrtl-rt.so, of which one hears of stores and the other of tokens: "
         "build them and run them with one installation"},
        {atomic_load(&lost->locks),
         "record was in use by a thread that stood still, or that left a signal handler by longjmp",
         "records were in use by threads that stood still, or that left a signal handler by "
         "longjmp"},
    };
    bool any = false;
    for (size_t i = 0; i < ARRAY_LENGTH(losses); i++) {
        uint64_t count = losses[i].count;
        any = any || count != 0;
        if (count != 0 && !verify_remark(report, "%" PRIu64 " %s", count,
                                         count == 1 ? losses[i].one : losses[i].several))
            return false;
    }
    return !any ||
           verify_remark(report,
                         "so what was found is told as warnings: a flush may have been missed");
}

/* What --watch has found, and nobody has waited for. */
static bool remark_scratch(const struct arena_head *head, struct report *report) {
    for (uint32_t i = 0; i < atomic_load(&head->file_count) && i < ARENA_FILES; i++) {
        if (collect_is_scratch(&head->files[i]) &&
            !verify_remark(report,
                           "%.*s was mapped and never waited for: taken for a file that need not "
                           "last (name it itself with --watch to have it judged)",
                           (int)sizeof head->files[i].path, head->files[i].path))
            return false;
    }
    return true;
}

/* What the source `pages` does not see, and what it could not look at. */
static bool remark_pages(const struct arena_head *head, struct report *report) {
    if (head->stores != ARENA_STORES_PAGES && head->stores != ARENA_STORES_INTERVAL)
        return true;
    for (uint32_t i = 0; i < atomic_load(&head->file_count) && i < ARENA_FILES; i++) {
        uint64_t unread = atomic_load(&head->files[i].unread);
        report->incomplete = report->incomplete || unread != 0;
        if (unread != 0 &&
            !verify_remark(report,
                           "what %.*s held from byte %" PRIu64 " on could not be kept: direct "
                           "stores there were not seen",
                           (int)sizeof head->files[i].path, head->files[i].path, unread - 1))
            return false;
    }
    uint32_t failed = atomic_load(&head->failed);
    report->incomplete = report->incomplete || failed != 0;
    if (failed != 0 &&
        !verify_remark(report,
                       "%" PRIu32 " wait%s of the program for a file failed: what %s about counts "
                       "as durable here, and need not be",
                       failed, failed == 1 ? "" : "s", failed == 1 ? "it was" : "they were"))
        return false;
    if (atomic_load(&head->confined) != 0) {
        report->incomplete = true;
        if (!verify_remark(report, "the program has forbidden itself system calls (seccomp): its "
                                   "direct stores and new views were not looked at from then on"))
            return false;
    }
    return verify_remark(
        report,
        "direct stores are seen by what they change (--stores=%s): one that stores "
        "what is there already is not, no line of code is known, and where the program has flush "
        "instructions of its own, what no routine flushed is not judged",
        report->stores);
}

/* Where it was not kept what pages held, code without hooks shows only where code with hooks stores
   too. */
static bool remark_blind(const struct arena_head *head, struct report *report) {
    if (strcmp(report->stores, "hooks") != 0)
        return true;
    for (uint32_t i = 0; i < atomic_load(&head->file_count) && i < ARENA_FILES; i++) {
        uint64_t blind = atomic_load(&head->files[i].blind);
        if (blind != 0 &&
            !verify_remark(report,
                           "what %.*s held from byte %" PRIu64 " on is not known: stores by code "
                           "without hooks were looked for only where code with hooks stores too",
                           (int)sizeof head->files[i].path, head->files[i].path, blind - 1))
            return false;
    }
    return true;
}

bool remarks_add(const struct arena_head *head, struct report *report) {
    report->incomplete = arena_escaped(head);
    if (atomic_load(&head->process_count) == 0 && !report->incomplete)
        return verify_remark(report,
                             "the verifier heard of no token: nothing was verified "
                             "(is the program linked with libnvrtl, was its "
                             "RtlGetNonVolatileToken or NvRtlMapFile reached, and does it keep "
                             "its environment and root directory until then?)");
    if (atomic_load(&head->process_count) != 0 && atomic_load(&head->file_count) == 0 &&
        !verify_remark(report, "every Get failed: there was no region to verify"))
        return false;
    if (strcmp(report->stores, "api") == 0 &&
        !verify_remark(report,
                       "only the routines are seen (--stores=api): what the program stores through "
                       "pointers is not, nor what it flushes by other means, as by msync"))
        return false;
    if (strcmp(report->stores, "hooks") == 0 && atomic_load(&head->hooked) == 0 &&
        !verify_remark(report, "no code with hooks has run, so only the routines were seen: build "
                               "the program with nvrtl-cc or nvrtl-c++ (with -flto, link with it "
                               "too)"))
        return false;
    return remark_scratch(head, report) && remark_pages(head, report) &&
           remark_blind(head, report) && remark_lost(head, report);
}

bool remarks_unasked(const bool *wanted, struct report *report) {
    char names[256] = "";
    size_t used = 0;
    for (size_t k = 0; k < KIND_COUNT; k++) {
        bool told = kind_facts[k].on && k != KIND_CRASH_INCONSISTENCY; /* never by a run */
        if (!told || wanted[k] || kind_facts[k].severity != SEVERITY_ERROR)
            continue;
        int length = snprintf(names + used, sizeof names - used, "%s%s", used != 0 ? ", " : "",
                              kind_facts[k].name);
        used += (size_t)length < sizeof names - used ? (size_t)length : 0;
    }
    report->unasked = used != 0;
    return used == 0 || verify_remark(report, "not looked for, as was asked: %s", names);
}
