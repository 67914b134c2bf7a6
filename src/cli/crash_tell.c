/* SPDX-License-Identifier: BSD-2-Clause */
/* What is said of an image that recovery does not survive. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/shell.h"
#include "cli/cli.h"
#include "cli/crash.h"

/* Where a frame's function ends and its file begins, or NULL. Functions have spaces as well as
   files: "operator new(unsigned long) /src/my log.c:40". Most files are told by a whole path. */
static const char *find_file(const char *text, size_t length) {
    const char *space = memmem(text, length, " /", 2);
    space = space != NULL ? space : memrchr(text, ' ', length);
    size_t rest = space != NULL ? length - (size_t)(space - text) : 0;
    return rest != 0 && memrchr(space, ':', rest) != NULL ? space : NULL;
}

/* Where the offset of "module+0x12" begins, or NULL. */
static const char *find_offset(const char *text, size_t length) {
    const char *plus = memrchr(text, '+', length);
    size_t rest = plus != NULL ? length - (size_t)(plus - text) : 0;
    bool is_offset = rest > 3 && memcmp(plus, "+0x", 3) == 0;
    return is_offset && strspn(plus + 3, "0123456789abcdef") >= rest - 3 ? plus : NULL;
}

/* The frames of a stack: "function file:line", "function", "module+0x12", between "; ". */
static bool add_frame(struct source_stack *stack, const char *text, size_t length) {
    struct source_frame *frames =
        realloc(stack->frames, (stack->count + 1) * sizeof *stack->frames);
    if (frames == NULL)
        return false;
    stack->frames = frames;
    struct source_frame *frame = &frames[stack->count++];
    *frame = (struct source_frame){.line = 0};
    const char *space = find_file(text, length), *plus = find_offset(text, length);
    if (space != NULL) {
        const char *colon = memrchr(text, ':', length);
        frame->function = strndup(text, (size_t)(space - text));
        frame->file = strndup(space + 1, (size_t)(colon - space - 1));
        frame->line = (int)strtol(colon + 1, NULL, 10);
    } else if (plus != NULL) {
        frame->module = strndup(text, (size_t)(plus - text));
        frame->offset = strtoull(plus + 1, NULL, 16);
    } else {
        frame->function = strndup(text, length);
    }
    return frame->function != NULL || frame->module != NULL;
}

static bool make_stack(const struct walk_facts *facts, uint32_t number,
                       struct source_stack *stack) {
    const char *text = walk_stack_text(facts, number);
    *stack = (struct source_stack){0};
    while (text != NULL && text[0] != '\0') {
        const char *end = strstr(text, "; ");
        size_t length = end != NULL ? (size_t)(end - text) : strlen(text);
        if (!add_frame(stack, text, length))
            return false;
        text = end != NULL ? end + 2 : NULL;
    }
    return true;
}

static char *name_frame(const struct source_frame *frame) {
    char *name = NULL;
    const char *slash = frame->file != NULL ? strrchr(frame->file, '/') : NULL;
    int length =
        frame->file != NULL
            ? asprintf(&name, "%s:%d", slash != NULL ? slash + 1 : frame->file, frame->line)
            : asprintf(&name, "%s", frame->function != NULL ? frame->function : frame->module);
    return length >= 0 ? name : NULL;
}

/* A place for the sentence: "commit.c:40", with who has called there if the level is not 0; or the
   store's line in the trace. */
static char *place_of(const struct walk_facts *facts, const struct search_store *store,
                      size_t level) {
    struct source_stack stack;
    bool made = make_stack(facts, store->stack, &stack);
    char *place = made && stack.count != 0 ? name_frame(&stack.frames[0]) : NULL;
    char *caller =
        level != 0 && made && level < stack.count ? name_frame(&stack.frames[level]) : NULL;
    char *both = NULL;
    if (caller != NULL && place != NULL &&
        asprintf(&both, "%s (called at %s)", place, caller) >= 0) {
        free(place);
        place = both;
    }
    if (made && stack.count == 0 &&
        asprintf(&place, "event %" PRIu64 " of the trace", store->place) < 0)
        place = NULL;
    free(caller);
    verify_free_stack(&stack);
    return place;
}

static bool is_same_frame(const struct source_stack *a, const struct source_stack *b,
                          size_t level) {
    char *one = name_frame(&a->frames[level]), *other = name_frame(&b->frames[level]);
    bool same = one != NULL && other != NULL && strcmp(one, other) == 0;
    free(one);
    free(other);
    return same;
}

/* Stores of one function, say of a wrapper for copies, are told apart by who has called it: the
   level of the stacks at which that can be said; 0: there is no need, or it cannot. */
static size_t level_of(const struct walk_facts *facts, const struct search_cause *cause) {
    struct source_stack early, missing;
    size_t level = 0;
    if (cause->early_count == 0 || cause->missing_count == 0)
        return 0;
    bool made = make_stack(facts, cause->early[0].stack, &early);
    made = make_stack(facts, cause->missing[0].stack, &missing) && made;
    while (made && level < early.count && level < missing.count &&
           is_same_frame(&early, &missing, level))
        level++;
    if (level == early.count || level == missing.count)
        level = 0;
    verify_free_stack(&early);
    verify_free_stack(&missing);
    return level;
}

char *crash_verdict_words(struct sandbox_verdict verdict) {
    char *words = NULL;
    int length = -1;
    switch (verdict.outcome) {
    case SANDBOX_FINE:
        length = asprintf(&words, "recovery copes");
        break;
    case SANDBOX_REFUSED:
        length = asprintf(&words, "recovery fails (the checker returns %d)", verdict.status);
        break;
    case SANDBOX_STRANGE:
        length = asprintf(&words, "recovery leaves a state that no %s of the operations has",
                          verdict.status == HISTORY_SET ? "set" : "prefix");
        break;
    case SANDBOX_EXITED:
        length = asprintf(&words, "recovery exits with status %d", verdict.status);
        break;
    case SANDBOX_KILLED:
        length = asprintf(&words, "recovery is killed by signal %d (%s)", verdict.status,
                          strsignal(verdict.status));
        break;
    default:
        length = asprintf(&words, "recovery does not end in time");
        break;
    }
    return length >= 0 ? words : NULL;
}

/* The first of so many stores, and where it is. A fresh text; NULL: there is none, or no memory. */
static char *say_stores(const struct walk_facts *facts, const struct search_store *stores,
                        size_t count, size_t level) {
    char *place = count != 0 ? place_of(facts, stores, level) : NULL, *said = NULL;
    const char *store = count > 1 ? "one of the stores with the one" : "the store";
    int length = 0;
    if (place != NULL && stores->found)
        length = asprintf(&said, "what was stored before %s", place);
    else if (place != NULL)
        length = asprintf(&said, "%s at %s", store, place);
    free(place);
    return length >= 0 ? said : NULL;
}

/* "recovery loses operation 17 when the store at a.c:40 is durable and the store at b.c:31 is not;
   no drain stands between them" */
static char *say(const struct walk_facts *facts, const struct search_cause *cause) {
    char *what = NULL, *message = NULL;
    size_t level = level_of(facts, cause);
    char *early = say_stores(facts, cause->early, cause->early_count != 0, level);
    char *missing = say_stores(facts, cause->missing, cause->missing_count, level);
    int length = -1;
    char *failed = crash_verdict_words(cause->verdict);
    const char *again = cause->nested != NULL ? "power is cut in recovery too, and " : "";
    if (failed == NULL)
        length = -1;
    else if (cause->lost)
        length = asprintf(&what, "%srecovery loses operation %" PRIu64, again, cause->operation);
    else
        length = asprintf(&what, "%s%s", again, failed);
    free(failed);
    if (length < 0)
        what = NULL;
    if (what == NULL)
        length = -1;
    else if (cause->unknown != NULL)
        length = asprintf(&message, "%s; its cause was not found: %s", what, cause->unknown);
    else if (cause->torn)
        length =
            asprintf(&message, "%s when a part of %s is durable and the rest is not", what, early);
    else if (early != NULL && missing != NULL && strcmp(early, missing) == 0)
        length = asprintf(&message, "%s when %s is durable and %s is not%s", what, early,
                          cause->early[0].found ? "something else that was stored before it"
                                                : "another store there",
                          cause->future ? " yet made" : "; no drain stands between them");
    else if (early != NULL && missing != NULL)
        length = asprintf(&message, "%s when %s is durable and %s is not%s", what, early, missing,
                          cause->future ? " yet made" : "; no drain stands between them");
    else if (missing != NULL)
        length = asprintf(&message, "%s when %s is not durable%s", what, missing,
                          cause->lost ? ", though it was acknowledged" : "");
    else if (early != NULL)
        length = asprintf(&message, "%s when %s is durable", what, early);
    else
        length = asprintf(&message, "%s whatever was still on its way", what);
    free(what);
    free(early);
    free(missing);
    return length >= 0 ? message : NULL;
}

static char *say_mend(const struct walk_facts *facts, const struct search_cause *cause) {
    char *mend = NULL;
    size_t level = level_of(facts, cause);
    char *early = cause->early_count != 0 ? place_of(facts, &cause->early[0], level) : NULL;
    char *missing = cause->missing_count != 0 ? place_of(facts, &cause->missing[0], level) : NULL;
    int length = 0;
    bool found =
        (missing != NULL && cause->missing[0].found) || (early != NULL && cause->early[0].found);
    const char *text =
        found && missing != NULL
            ? "wait for the pages of what has to come first, before the rest is stored"
        : found && cause->torn
            ? "put into one line what belongs together, or let recovery see that it is torn"
        : cause->torn ? "publish it by one aligned store of 8 bytes"
                      : NULL;
    if (text != NULL)
        length = asprintf(&mend, "%s", text);
    else if (cause->lost && missing != NULL)
        length = asprintf(&mend, "flush and drain what is stored at %s before the acknowledgement",
                          missing);
    else if (early != NULL && missing != NULL && strcmp(early, missing) == 0)
        length = asprintf(&mend, "flush and drain each store at %s before the next", early);
    else if (early != NULL && missing != NULL)
        length = asprintf(&mend, "flush and drain what is stored at %s before the store at %s",
                          missing, early);
    free(early);
    free(missing);
    return length >= 0 ? mend : NULL;
}

static bool add_related(struct finding *finding, const struct walk_facts *facts, const char *role,
                        const struct search_store *store) {
    struct related *related =
        realloc(finding->related, (finding->related_count + 1) * sizeof *related);
    if (related == NULL)
        return false;
    finding->related = related;
    related[finding->related_count] = (struct related){.role = role};
    return make_stack(facts, store->stack, &related[finding->related_count++].stack);
}

static bool add_range(struct finding *finding, const struct search_store *store) {
    struct byte_range *ranges =
        realloc(finding->ranges, (finding->range_count + 1) * sizeof *ranges);
    if (ranges == NULL)
        return false;
    finding->ranges = ranges;
    ranges[finding->range_count++] = (struct byte_range){store->offset, store->length};
    return true;
}

/* Who is to blame, and who else has to do with it. */
static bool add_places(struct finding *finding, const struct walk_facts *facts,
                       const struct search_cause *cause) {
    bool early = cause->early_count != 0;
    const struct search_store *at = early                       ? &cause->early[0]
                                    : cause->missing_count != 0 ? &cause->missing[0]
                                                                : NULL;
    bool good = true;
    for (size_t i = early; good && i < cause->early_count; i++)
        good = add_related(finding, facts, "early", &cause->early[i]);
    for (size_t i = !early; good && i < cause->missing_count; i++)
        good = add_related(finding, facts, "missing", &cause->missing[i]);
    if (good && cause->lost && cause->nested == NULL) /* the mark is of the run */
        good = add_related(finding, facts, "ack", &cause->mark);
    if (at == NULL)
        return good;
    finding->region = (uint32_t)at->region + 1;
    return good && make_stack(facts, at->stack, &finding->at) && add_range(finding, at);
}

static bool is_same(const struct finding *a, const struct finding *b) {
    return strcmp(a->message, b->message) == 0;
}

static void put_model(FILE *out, const struct crash_wish *wish) {
    if (wish->model_said)
        fprintf(out, "--model=%s ", trace_model_name(wish->model));
    if (wish->streams != TRACE_STREAMS_UNSAID)
        fprintf(out, "--streams=%s ", wish->streams == TRACE_STREAMS_DRAIN ? "drain" : "inplace");
    fprintf(out, "%s%s", wish->direct64_atomic ? "--direct64=atomic " : "",
            wish->stable_pages ? "--stable-pages " : "");
}

static char *say_replay(const struct crash_told *told, const struct search_cause *cause) {
    const struct search_options *search = &told->explore->search;
    static const char *const atomic[] = {"", "--atomic ", "--atomic=set "};
    char *replay = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&replay, &size);
    if (out == NULL)
        return NULL;
    fputs("nvrtl crash ", out);
    if (search->check != NULL) {
        fputs("--check ", out);
        shell_put_word(out, search->check);
        putc(' ', out);
    }
    fprintf(out, "%s%s", search->isolate ? "--isolate " : "", atomic[search->atomic]);
    fputs(search->nested ? "--nested " : "", out);
    put_model(out, &search->wish);
    if (search->timeout != SEARCH_TIMEOUT)
        fprintf(out, "--check-timeout=%" PRIu64 " ", search->timeout / 1000);
    fprintf(out, "--exhaustive %" PRIu64 " --seed %" PRIu64 " --replay '%s' ", search->exhaustive,
            search->seed, cause->replay);
    shell_put_word(out, told->explore->trace);
    for (size_t i = 0; search->program != NULL && search->program[i] != NULL; i++) {
        fputs(i == 0 ? " -- " : " ", out);
        shell_put_word(out, search->program[i]);
    }
    return fclose(out) == 0 ? replay : NULL;
}

/* The same limits hold where parts of a search are told as one. */
_Static_assert(FINDING_MET == SEARCH_FAILURES && FINDING_ALIKE == SEARCH_ALIKE, "they are one");

static bool add_met(struct finding *finding, const struct search_failure *failure) {
    struct finding_met *met = realloc(finding->met, (finding->met_count + 1) * sizeof *met);
    if (met == NULL)
        return false;
    finding->met = met;
    met[finding->met_count++] = (struct finding_met){failure->place.pass, failure->place.point,
                                                     failure->place.number, failure->key};
    return true;
}

bool crash_tell_cause(struct crash_told *told, const struct search_failure *failure,
                      const struct search_cause *cause, unsigned number) {
    struct report *report = &told->report;
    struct finding finding = {.kind = KIND_CRASH_INCONSISTENCY,
                              .severity = SEVERITY_ERROR,
                              .count = 1,
                              .message = say(cause->facts, cause),
                              .mend = say_mend(cause->facts, cause),
                              .replay = say_replay(told, cause)};
    bool kept = cause->unknown == NULL;
    bool good = finding.message != NULL && finding.replay != NULL &&
                (!kept || asprintf(&finding.image, "%s/%u-1", told->folder, number) >= 0) &&
                add_met(&finding, failure) && add_places(&finding, cause->facts, cause);
    for (size_t i = 0; good && i < report->finding_count; i++) {
        if (is_same(&report->findings[i], &finding)) {
            report->findings[i].count++;
            verify_free_finding(&finding);
            return add_met(&report->findings[i], failure);
        }
    }
    struct finding *findings =
        good ? realloc(report->findings, (report->finding_count + 1) * sizeof *findings) : NULL;
    if (findings == NULL) {
        verify_free_finding(&finding);
        return false;
    }
    report->findings = findings;
    findings[report->finding_count++] = finding;
    return true;
}

bool crash_tell_begin(struct crash_told *told, const struct crash_explore *explore,
                      const struct walk_facts *facts, const struct search_outcome *outcome) {
    *told = (struct crash_told){.explore = explore, .facts = facts, .outcome = outcome};
    told->program[0] = (char *)explore->trace;
    enum trace_model model =
        explore->search.wish.model_said ? explore->search.wish.model : facts->head.model;
    struct report *report = &told->report;
    report->program = explore->recorded != NULL ? explore->recorded : told->program;
    report->exit = explore->exit;
    report->stores = "trace";
    report->judge = trace_model_name(model);
    report->search = search_identity(facts, &explore->search);
    snprintf(told->folder, sizeof told->folder, "%s", explore->keep);
    report->regions = calloc(facts->region_count, sizeof *report->regions);
    for (size_t i = 0; report->regions != NULL && i < facts->region_count; i++) {
        const struct walk_region *region = &facts->regions[i];
        report->regions[i] = (struct report_region){.id = (uint32_t)i + 1,
                                                    .path = strdup(region->path),
                                                    .size = region->size,
                                                    .domain = trace_domain_name(region->domain),
                                                    .reason = strdup("as recorded")};
        report->region_count++;
        if (report->regions[i].path == NULL || report->regions[i].reason == NULL)
            return false;
    }
    return report->regions != NULL;
}

/* What recovery could not meet. */
static bool remark_unmet(struct crash_told *told) {
    struct report *report = &told->report;
    bool good = true;
    if (told->facts->stores == 0)
        good = verify_remark(report, "no store is in the trace: only what the regions held at "
                                     "first was checked");
    if (good && told->explore->unnamed != 0)
        good =
            verify_remark(report,
                          "the program is not told of %zu of the files of the run: no word of it "
                          "names them, so it does not meet their images",
                          told->explore->unnamed);
    return good;
}

bool crash_tell_end(struct crash_told *told, const char *remark) {
    const struct search_outcome *outcome = told->outcome;
    const struct search_counts *counts = &outcome->counts;
    struct report *report = &told->report;
    char part[64] = "", lazy[128] = "";
    if (told->explore->search.shards > 1)
        snprintf(part, sizeof part, "part %" PRIu64 " of %" PRIu64 ": ",
                 told->explore->search.shard, told->explore->search.shards);
    if (counts->lazy != 0)
        snprintf(lazy, sizeof lazy,
                 "of %" PRIu64 " all that the checker's code with hooks can tell apart, ",
                 counts->lazy);
    bool good = verify_remark(report,
                              "%s%" PRIu64 " image%s checked at %" PRIu64 " crash point%s: all "
                              "images of %" PRIu64 ", %sa choice of %" PRIu64 "; seed %" PRIu64,
                              part, outcome->images, outcome->images == 1 ? "" : "s",
                              counts->points, counts->points == 1 ? "" : "s", counts->exhausted,
                              lazy, counts->bounded - counts->lazy, told->explore->search.seed);
    if (good && outcome->left_out)
        good = verify_remark(report, "a line had more stores in flight than are kept: the oldest "
                                     "were taken for durable, and no point from there on counts as "
                                     "one of which all images were checked");
    if (good && outcome->failing != 0)
        good = verify_remark(report, "%" PRIu64 " of the images fail%s", outcome->failing,
                             outcome->failing == outcome->images && outcome->images > 1
                                 ? ": all of them, also what no cut has taken anything from; does "
                                   "the check itself work? With --replay it shows what it says"
                                 : "");
    good = good && remark_unmet(told);
    if (good && outcome->unconfirmed != 0)
        good = verify_remark(report,
                             "%" PRIu64 " image%s failed once and not in a fresh process: "
                             "the checker keeps something from one to the next (--isolate)",
                             outcome->unconfirmed, outcome->unconfirmed == 1 ? "" : "s");
    if (good && told->explore->search.nested)
        good = verify_remark(report, "power was cut in recovery too, of %" PRIu64 " image%s",
                             outcome->recoveries, outcome->recoveries == 1 ? "" : "s");
    if (good && outcome->unrecorded != 0)
        good = verify_remark(report,
                             "recovery of %" PRIu64 " image%s could not be recorded, or uses files "
                             "that the run did not",
                             outcome->unrecorded, outcome->unrecorded == 1 ? "" : "s");
    if (good && outcome->unjudged != 0)
        good = verify_remark(report,
                             "of %" PRIu64 " images the state was not judged: operations overlap "
                             "in a way that does not tell what each of them does",
                             outcome->unjudged);
    if (good && told->facts->damage[0] != '\0')
        good = verify_remark(report, "the trace is read up to its damage: %s", told->facts->damage);
    report->incomplete = outcome->over || outcome->interrupted || told->facts->damage[0] != '\0';
    if (good && (outcome->over || outcome->interrupted))
        good = verify_remark(report, "the search was not finished: %s",
                             outcome->over ? "its budget is used up" : "it was interrupted");
    if (good && remark != NULL)
        good = verify_remark(report, "%s", remark);
    return good;
}

void crash_tell_forget(struct crash_told *told) {
    verify_free_report(&told->report);
}
