/* SPDX-License-Identifier: BSD-2-Clause */
/* What a finding says, and what would mend it. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "event/event.h"
#include "verify/collect.h"

char *collect_place(const struct source_stack *stack) {
    char *place = NULL;
    const struct source_frame *frame = stack->count != 0 ? &stack->frames[0] : NULL;
    int length;
    if (frame != NULL && frame->file != NULL && frame->line > 0) {
        const char *slash = strrchr(frame->file, '/');
        length = asprintf(&place, "%s:%d", slash != NULL ? slash + 1 : frame->file, frame->line);
    } else if (frame != NULL && frame->function != NULL) {
        length = asprintf(&place, "%s()", frame->function);
    } else if (frame != NULL && frame->module != NULL) {
        length = asprintf(&place, "%s+0x%" PRIx64, frame->module, frame->offset);
    } else {
        length = asprintf(&place, "an unknown place");
    }
    return length >= 0 ? place : NULL;
}

char *collect_others(const struct arena_finding *record) {
    uint64_t others = atomic_load(&record->count) - 1;
    char *text = NULL;
    int length = others == 0 ? asprintf(&text, "%s", "")
                             : asprintf(&text, " and at %" PRIu64 " other place%s", others,
                                        others == 1 ? "" : "s");
    return length >= 0 ? text : NULL;
}

/* The routine that a call was. */
static const char *call_name(uint32_t call) {
    static const char *const names[] = {
        [CALL_GET] = "RtlGetNonVolatileToken",
        [CALL_FREE] = "RtlFreeNonVolatileToken",
        [CALL_WRITE] = "RtlWriteNonVolatileMemory",
        [CALL_FILL] = "RtlFillNonVolatileMemory",
        [CALL_FLUSH] = "RtlFlushNonVolatileMemory",
        [CALL_FLUSH_RANGES] = "RtlFlushNonVolatileMemoryRanges",
        [CALL_DRAIN] = "RtlDrainNonVolatileFlush",
        [CALL_QUERY] = "NvRtlQueryToken",
        [CALL_MAP_FILE] = "NvRtlMapFile",
        [CALL_UNMAP_FILE] = "NvRtlUnmapFile",
        [CALL_READ] = "NvRtlReadNonVolatileMemory",
        [CALL_RETRY] = "NvRtlRetryToken",
        [CALL_IGNORE] = "NvRtlVerifierIgnore",
        [CALL_ASSERT_DURABLE] = "NvRtlVerifierAssertDurable",
        [CALL_MARK] = "NvRtlVerifierMark",
        [CALL_COMMIT_POINT] = "NvRtlVerifierCommitPoint",
        [CALL_COMMIT_POINT_FOR] = "NvRtlVerifierCommitPointFor",
        [CALL_INSTRUCTION] = "the flush instruction",
    };
    return call < sizeof names / sizeof names[0] ? names[call] : "a routine";
}

__attribute__((format(printf, 2, 3))) static bool say(char **text, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    bool made = vasprintf(text, format, arguments) >= 0;
    va_end(arguments);
    if (!made)
        *text = NULL;
    return made;
}

/* Which of the two stacks of a finding is the store's. */
static const struct source_stack *store_of(const struct finding *finding) {
    for (size_t i = 0; i < finding->related_count; i++) {
        if (strcmp(finding->related[i].role, "store") == 0)
            return &finding->related[i].stack;
    }
    return &finding->at;
}

/* "s" unless there is one. */
static const char *plural(uint64_t count) {
    return count == 1 ? "" : "s";
}

static bool say_unflushed(struct finding *finding, uint64_t bytes, const char *place,
                          const char *when, const struct collect_direct *direct) {
    bool said =
        say(&finding->message, "%" PRIu64 " byte%s stored at %s %s %s", bytes, plural(bytes), place,
            bytes == 1 ? "was" : "were",
            finding->rescued_by != NULL ? "saved only because its whole page was flushed" : when);
    /* A program that is watched calls no routine. */
    if (direct->watched)
        return said && say(&finding->mend,
                           "after %s wait for what was stored: msync(address, %" PRIu64
                           ", MS_SYNC), with address at a page's begin, or fsync",
                           place, bytes);
    return said &&
           say(&finding->mend,
               "after %s flush what was stored and drain: RtlFlushNonVolatileMemory(token, "
               "address, %" PRIu64 ", 0), or give the call itself WRITE_NV_MEMORY_FLAG_FLUSH%s",
               place, bytes, direct->hooked ? " if a routine stores there" : "");
}

/* Of a streaming store that has been drained. */
static bool say_stream(struct finding *finding, uint64_t bytes, const char *place) {
    return say(&finding->message,
               "%" PRIu64 " byte%s stored past the cache at %s %s drained and never written back: "
               "a line that was cached may hold them still",
               bytes, plural(bytes), place, bytes == 1 ? "was" : "were") &&
           say(&finding->mend,
               "after %s write the lines back and drain: RtlFlushNonVolatileMemory(token, address, "
               "%" PRIu64 ", 0); where only CPUs count whose vendor documents such stores as "
               "durable, run with --streams=drain",
               place, bytes);
}

/* What nobody has seen stored. */
static bool say_unseen(struct finding *finding, const struct arena_finding *record,
                       const char *when) {
    uint64_t bytes = record->bytes;
    char *others = collect_others(record);
    bool said =
        others != NULL &&
        say(&finding->message,
            "%" PRIu64 " byte%s at 0x%" PRIx64 "%s, changed by code that the verifier does "
            "not see (a library without hooks, another process, the kernel), %s %s",
            bytes, plural(bytes), record->ranges[0].offset, others,
            bytes == 1 && others[0] == '\0' ? "was" : "were",
            finding->rescued_by != NULL ? "saved only because its whole page was flushed" : when) &&
        say(&finding->mend, "flush what that code has stored, or build it with nvrtl-cc");
    free(others);
    return said;
}

/* Where it was stored; unseen: by code that the verifier does not see. */
static char *stored_at(const struct finding *finding, const struct arena_finding *record) {
    for (size_t i = 0; i < ARENA_RELATED; i++) {
        if (record->roles[i] == ARENA_ROLE_STORE && record->related[i] == MODEL_UNSEEN)
            return strdup(
                "a place that the verifier does not see (a library without hooks, another "
                "process, the kernel)");
    }
    return collect_place(store_of(finding));
}

static bool say_undrained(struct finding *finding, const struct arena_finding *record,
                          const char *place, const char *when) {
    uint64_t bytes = record->bytes;
    char *store = stored_at(finding, record);
    if (store == NULL)
        return false;
    bool said = finding->rescued_by != NULL
                    ? say(&finding->message,
                          "the flush at %s of %" PRIu64
                          " byte%s stored at %s was completed only by a drain "
                          "of another token",
                          place, bytes, plural(bytes), store)
                    : say(&finding->message, "%" PRIu64 " byte%s stored at %s: the flush at %s %s",
                          bytes, plural(bytes), store, place, when);
    free(store);
    return said && say(&finding->mend,
                       "after %s call RtlDrainNonVolatileFlush(token) on the same thread, or leave "
                       "NO_DRAIN out of the flags",
                       place);
}

/* The places of the data that a commit publishes, each once: "a.c:1, a.c:2 and b.c:3". */
static char *data_places(const struct finding *finding) {
    char *places[ARENA_RELATED + 1] = {NULL}, *joined = NULL;
    size_t count = 0;
    for (size_t i = 0; i < finding->related_count && count < ARENA_RELATED; i++) {
        char *place = strcmp(finding->related[i].role, "data") == 0
                          ? collect_place(&finding->related[i].stack)
                          : NULL;
        bool known = place == NULL;
        for (size_t p = 0; p < count && !known; p++)
            known = strcmp(places[p], place) == 0;
        if (known)
            free(place);
        else
            places[count++] = place;
    }
    for (size_t p = 0; p < count; p++) {
        char *before = joined;
        say(&joined, "%s%s%s", before != NULL ? before : "",
            before == NULL   ? ""
            : p + 1 == count ? " and "
                             : ", ",
            places[p]);
        free(before);
        free(places[p]);
    }
    return joined != NULL ? joined : collect_place(&finding->at);
}

/* Of stores to a commit point. */
static bool say_commit(struct finding *finding, const struct arena_finding *record,
                       const char *place) {
    char *data = data_places(finding);
    if (data == NULL)
        return false;
    uint64_t bytes = record->bytes;
    bool said =
        record->abnormal
            ? say(&finding->message,
                  "the store at %s commits %" PRIu64 " byte%s of its own line stored at %s: x86 "
                  "keeps their order, other CPUs need not",
                  place, bytes, plural(bytes), data)
            : say(&finding->message,
                  "the store at %s commits %" PRIu64 " byte%s stored at %s before %s", place, bytes,
                  plural(bytes), data,
                  record->value != 0 ? "a drain has completed their flush" : "they are flushed");
    said = said && (record->abnormal || say(&finding->mend,
                                            "before %s flush what was stored at %s and drain: "
                                            "RtlFlushNonVolatileMemory(token, address, size, 0)",
                                            place, data));
    free(data);
    return said;
}

static bool say_torn(struct finding *finding, const struct arena_finding *record,
                     const char *place) {
    return say(&finding->message,
               "a power cut may leave a part of the %" PRIu64 "-byte store at %s to a commit point",
               record->bytes, place) &&
           say(&finding->mend, "commit by one store of at most 8 bytes that crosses no multiple "
                               "of 8");
}

/* The place of a finding's first related stack of that role. */
static char *place_of_role(const struct finding *finding, const char *role) {
    for (size_t i = 0; i < finding->related_count; i++) {
        if (strcmp(finding->related[i].role, role) == 0)
            return collect_place(&finding->related[i].stack);
    }
    return strdup("an unknown place");
}

static bool say_overwritten(struct finding *finding, uint64_t bytes, const char *place) {
    char *store = place_of_role(finding, "store");
    bool said = store != NULL &&
                say(&finding->message,
                    "%" PRIu64 " byte%s stored at %s %s stored again at %s with no flush between",
                    bytes, plural(bytes), store, bytes == 1 ? "was" : "were", place) &&
                say(&finding->mend,
                    "flush what was stored at %s before it is stored again, or leave that store "
                    "out",
                    store);
    free(store);
    return said;
}

static bool say_read(struct finding *finding, uint64_t bytes, const char *place) {
    char *store = place_of_role(finding, "store"), *dependent = place_of_role(finding, "dependent");
    bool said =
        store != NULL && dependent != NULL &&
        say(&finding->message,
            "%" PRIu64 " byte%s stored at %s by another thread %s read at %s, and what was stored "
            "after that at %s became durable first",
            bytes, plural(bytes), store, bytes == 1 ? "was" : "were", place, dependent) &&
        say(&finding->mend,
            "flush and drain what was stored at %s before other threads can read it, or at %s "
            "before what rests on it",
            store, place);
    free(store);
    free(dependent);
    return said;
}

static bool say_call(struct finding *finding, const struct arena_finding *record,
                     const char *place) {
    const char *call = call_name(record->call);
    switch (finding->kind) {
    case KIND_UNORDERED_COMMIT:
        return say_commit(finding, record, place);
    case KIND_TORN_COMMIT:
        return say_torn(finding, record, place);
    case KIND_OVERWRITTEN_UNFLUSHED:
        return say_overwritten(finding, record->bytes, place);
    case KIND_UNPERSISTED_READ:
        return say_read(finding, record->bytes, place);
    case KIND_BAD_TOKEN:
        return say(&finding->message, "%s at %s was given 0x%" PRIx64 ", which is no live token%s",
                   call, place, record->value,
                   finding->related_count != 0   ? ": it was freed before"
                   : record->value == UINT64_MAX ? ": this call does not take the default token"
                                                 : "");
    case KIND_OUTSIDE_REGION:
        return say(&finding->message,
                   "%s at %s was given %" PRIu64 " byte%s at 0x%" PRIx64 ", not all inside %s",
                   call, place, record->bytes, plural(record->bytes), record->value,
                   finding->region != 0 ? "the token's region" : "one shared view of a file");
    case KIND_OVERLAPPING_WRITE:
        return say(&finding->message,
                   "source and destination of %s at %s overlap: legal here, undefined on Windows",
                   call, place) &&
               say(&finding->mend, "copy through a buffer, or make sure that they are apart");
    case KIND_LEAKED_TOKEN:
        return say(&finding->message, "the token made at %s was never freed", place) &&
               say(&finding->mend,
                   "call RtlFreeNonVolatileToken(token), or NvRtlUnmapFile(&mapping) "
                   "if NvRtlMapFile made it");
    case KIND_REDUNDANT_FLUSH:
        return say(&finding->message, "everything that %s at %s names was clean or flushed already",
                   call, place) &&
               say(&finding->mend, "leave this call out, or flush only what was stored since");
    case KIND_REDUNDANT_DRAIN:
        return say(&finding->message, "nothing waited for the drain at %s", place) &&
               say(&finding->mend, "leave this call out");
    default:
        return say(&finding->message, "%s at %s", kind_facts[finding->kind].name, place);
    }
}

bool collect_words(struct finding *finding, const struct arena_finding *record,
                   const struct source_stack *asserted, const struct collect_direct *direct) {
    char *place = collect_place(&finding->at), *when = NULL;
    bool flush = finding->kind == KIND_UNDRAINED_FLUSH;
    bool said = place != NULL;
    if (said && asserted != NULL) {
        char *where = collect_place(asserted);
        const char *unflushed = direct->unheard ? "not flushed by a routine" : "not flushed";
        said = where != NULL && say(&when, "%s when %s was reached",
                                    flush ? "was not completed by a drain" : unflushed, where);
        free(where);
    } else if (said) {
        said = say(&when, flush             ? "was never completed by a drain"
                          : direct->unheard ? "flushed by no routine"
                                            : "never flushed");
    }
    if (said && direct->mark != 0 && (flush || finding->kind == KIND_UNFLUSHED_WRITE))
        said = collect_direct_words(finding, record, direct, when);
    else if (said && finding->kind == KIND_UNFLUSHED_WRITE && record->at == MODEL_UNSEEN)
        said = say_unseen(finding, record, when);
    else if (said && finding->kind == KIND_UNFLUSHED_WRITE)
        said = say_unflushed(finding, record->bytes, place, when, direct);
    else if (said && finding->kind == KIND_UNFLUSHED_STREAM)
        said = say_stream(finding, record->bytes, place);
    else if (said && flush)
        said = say_undrained(finding, record, place, when);
    else if (said)
        said = say_call(finding, record, place);
    if (direct->unheard || direct->cut_off) {
        free(finding->mend); /* it may be mended already */
        finding->mend = NULL;
    }
    if (said && direct->cut_off) {
        char *message = finding->message;
        said = say(&finding->message, "%s; the file was cut off before them since", message);
        free(message);
    }
    free(when);
    free(place);
    return said;
}
