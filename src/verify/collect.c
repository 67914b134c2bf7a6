/* SPDX-License-Identifier: BSD-2-Clause */
#include "verify/collect.h"

#include <stdlib.h>
#include <string.h>

#include "arena/shadow.h"
#include "base/bits.h"
#include "verify/cutoff.h"
#include "verify/opaque.h"
#include "verify/path.h"
#include "verify/remarks.h"
#include "verify/screen.h"
#include "verify/session.h"
#include "verify/sites.h"
#include "verify/unheard.h"

struct collector {
    const struct collect_run *run;
    struct report *report;
    struct symbols *symbols;
    struct unheard unheard;
    size_t capacity;
};

/* What called main is of no interest, and looking it up means reading all that is known of libc. */
static bool is_complete(const struct source_stack *stack) {
    const struct source_frame *last = stack->count != 0 ? &stack->frames[stack->count - 1] : NULL;
    return last != NULL && last->function != NULL && strcmp(last->function, "main") == 0;
}

/* What our own library does between two functions of the program is of no interest. */
static bool is_runtime(const struct arena_module *module) {
    return strstr(module->path, "/libnvrtl-rt.so") != NULL;
}

/* Adds the frames of a record from one on, up to a mark that follows. */
static bool append_frames(struct collector *collector, uint32_t id, uint32_t from,
                          struct source_stack *stack) {
    const struct arena *arena = collector->run->arena;
    const struct arena_stack *record = arena_at(arena, id, sizeof *record);
    if (record == NULL || record->depth > ARENA_STACK_DEPTH ||
        arena_at(arena, id, sizeof *record + record->depth * sizeof record->frames[0]) == NULL)
        return true;
    for (uint32_t i = from; i < record->depth && !is_complete(stack); i++) {
        if (shadow_mark_of(record->frames[i]) != 0 && i == from)
            continue;
        if (shadow_mark_of(record->frames[i]) != 0)
            break;
        uint32_t number = ARENA_FRAME_MODULE(record->frames[i]);
        uint64_t offset = ARENA_FRAME_OFFSET(record->frames[i]);
        const struct arena_module *module =
            number >= 1 && number <= ARENA_MODULES ? &arena->head->modules[number - 1] : NULL;
        if (module != NULL && memchr(module->path, '\0', sizeof module->path) == NULL)
            module = NULL;
        if (module != NULL && is_runtime(module))
            continue;
        bool named = module != NULL && module->build_id_size != 0 &&
                     module->build_id_size <= sizeof module->build_id;
        if (!symbols_append(collector->symbols, module != NULL ? module->path : NULL,
                            named ? module->build_id : NULL, named ? module->build_id_size : 0,
                            offset, stack))
            return false;
    }
    return true;
}

void collect_drop_system(struct source_stack *stack) {
    size_t own = 0;
    while (own < stack->count &&
           (stack->frames[own].file == NULL || path_is_system(stack->frames[own].file)))
        own++;
    if (own == 0 || own == stack->count || stack->frames[0].file == NULL)
        return;
    for (size_t i = 0; i < own; i++) {
        free(stack->frames[i].function);
        free(stack->frames[i].file);
        free(stack->frames[i].module);
    }
    stack->count -= own;
    memmove(stack->frames, stack->frames + own, stack->count * sizeof stack->frames[0]);
}

static bool append_stack(struct collector *collector, uint32_t id, struct source_stack *stack) {
    bool done = append_frames(collector, id, 0, stack);
    collect_drop_system(stack);
    return done;
}

bool verify_stack(const struct arena *arena, struct symbols *symbols, uint32_t id,
                  struct source_stack *stack) {
    const struct collect_run run = {.arena = arena};
    struct collector collector = {.run = &run, .symbols = symbols};
    *stack = (struct source_stack){0};
    return append_stack(&collector, id, stack);
}

/* What the record of a stack says of stores that nobody saw. */
static bool read_direct(struct collector *collector, uint32_t id, struct collect_direct *direct) {
    const struct arena *arena = collector->run->arena;
    const struct arena_stack *record = arena_at(arena, id, sizeof *record);
    if (record == NULL || record->depth == 0 || record->depth > ARENA_STACK_DEPTH ||
        arena_at(arena, id, sizeof *record + record->depth * sizeof record->frames[0]) == NULL)
        return true;
    direct->mark = shadow_mark_of(record->frames[0]);
    for (uint32_t i = 1; direct->mark == SHADOW_BEFORE && i < record->depth; i++) {
        if (shadow_mark_of(record->frames[i]) == SHADOW_SINCE)
            return append_frames(collector, id, i, &direct->since);
    }
    return true;
}

/* Of the store that a finding is about. */
static bool find_direct(struct collector *collector, const struct arena_finding *record,
                        struct collect_direct *direct) {
    bool done = read_direct(collector, record->at, direct);
    for (size_t i = 0; done && direct->mark == 0 && i < ARRAY_LENGTH(record->related); i++) {
        if (record->roles[i] == ARENA_ROLE_STORE)
            done = read_direct(collector, record->related[i], direct);
    }
    return done;
}

static const char *role_name(uint32_t role) {
    switch ((enum arena_role)role) {
    case ARENA_ROLE_STORE:
        return "store";
    case ARENA_ROLE_FLUSH:
        return "flush";
    case ARENA_ROLE_FREED:
        return "freed";
    case ARENA_ROLE_READ:
        return "read";
    case ARENA_ROLE_DEPENDENT:
        return "dependent";
    case ARENA_ROLE_COMMIT:
        return "commit";
    case ARENA_ROLE_DATA:
        return "data";
    case ARENA_ROLE_GOT:
        return "got";
    case ARENA_ROLE_NONE:
    case ARENA_ROLE_ASSERTED:
        break;
    }
    return NULL;
}

/* How bad it is: an error stays one only if nothing speaks for the program. */
static enum severity severity_of(const struct collector *collector,
                                 const struct arena_finding *record,
                                 const struct collect_direct *direct) {
    const struct arena_head *head = collector->run->arena->head;
    enum severity severity = kind_facts[record->kind].severity;
    bool by_state = record->kind == KIND_UNFLUSHED_WRITE || record->kind == KIND_UNDRAINED_FLUSH;
    bool unseen = record->at == MODEL_UNSEEN;
    for (size_t i = 0; i < ARENA_RELATED; i++)
        unseen =
            unseen || (record->roles[i] != ARENA_ROLE_NONE && record->related[i] == MODEL_UNSEEN);
    bool doubtful = direct->mark == SHADOW_DOUBTFUL || arena_escaped(head) ||
                    atomic_load(&head->lost.locks) != 0;
    if (record->abnormal)
        return SEVERITY_NOTE;
    if (severity == SEVERITY_ERROR && unseen)
        return SEVERITY_WARNING;
    if (severity == SEVERITY_ERROR && by_state && (record->rescue != ARENA_RESCUE_NONE || doubtful))
        return SEVERITY_WARNING;
    return severity;
}

static bool fill_ranges(struct finding *finding, const struct arena_finding *record) {
    uint32_t count = atomic_load(&record->range_count);
    finding->more_ranges = count > ARENA_RANGES;
    finding->range_count = count < ARENA_RANGES ? count : ARENA_RANGES;
    finding->ranges = calloc(ARENA_RANGES, sizeof *finding->ranges);
    if (finding->ranges == NULL)
        return false;
    for (size_t i = 0; i < finding->range_count; i++)
        finding->ranges[i] = (struct byte_range){.offset = record->ranges[i].offset,
                                                 .length = record->ranges[i].length};
    return true;
}

/* Related places; the one where an assertion stood goes into the words instead. */
static bool fill_related(struct collector *collector, struct finding *finding,
                         const struct arena_finding *record, struct source_stack *asserted) {
    finding->related = calloc(ARRAY_LENGTH(record->related), sizeof *finding->related);
    if (finding->related == NULL)
        return false;
    for (size_t i = 0; i < ARRAY_LENGTH(record->related); i++) {
        const char *role = role_name(record->roles[i]);
        struct source_stack *stack = asserted;
        if (role != NULL) {
            finding->related[finding->related_count].role = role;
            stack = &finding->related[finding->related_count++].stack;
        } else if (record->roles[i] != ARENA_ROLE_ASSERTED) {
            continue;
        }
        if (!append_stack(collector, record->related[i], stack))
            return false;
        if (role != NULL && stack->count == 0)
            finding->related_count--; /* the library itself did it, unasked */
    }
    return true;
}

static struct finding *next_finding(struct collector *collector) {
    struct report *report = collector->report;
    if (report->finding_count == collector->capacity) {
        size_t capacity = collector->capacity != 0 ? collector->capacity * 2 : 64;
        struct finding *larger = realloc(report->findings, capacity * sizeof *larger);
        if (larger == NULL)
            return NULL;
        report->findings = larger;
        collector->capacity = capacity;
    }
    struct finding *finding = &report->findings[report->finding_count++];
    *finding = (struct finding){0};
    return finding;
}

static bool add_finding(struct collector *collector, const struct arena_finding *record) {
    if (record->kind >= KIND_COUNT || !collector->run->wanted[record->kind])
        return true;
    bool unheard = !record->abnormal && unheard_may_help(&collector->unheard, collector->run->arena,
                                                         collector->symbols, record);
    if (unheard && record->kind == KIND_REDUNDANT_DRAIN)
        return true;
    struct finding *finding = next_finding(collector);
    if (finding == NULL)
        return false;
    struct source_stack asserted = {0};
    struct collect_direct direct = {0};
    if (!find_direct(collector, record, &direct))
        return false;
    if (record->file != 0 && record->file <= ARENA_FILES)
        direct.watched = collector->run->arena->head->files[record->file - 1].watched != 0;
    direct.hooked = atomic_load(&collector->run->arena->head->hooked) != 0;
    finding->kind = (enum kind)record->kind;
    direct.unheard = unheard;
    direct.cut_off = cutoff_has_all(collector->run->arena, record);
    finding->severity =
        unheard || direct.cut_off ? SEVERITY_NOTE : severity_of(collector, record, &direct);
    finding->count = atomic_load(&record->count);
    finding->region = record->file;
    if (record->rescue == ARENA_RESCUE_PAGE)
        finding->rescued_by = "page";
    else if (record->rescue == ARENA_RESCUE_TOKEN)
        finding->rescued_by = "drain on another token";
    bool done = fill_ranges(finding, record) && append_stack(collector, record->at, &finding->at) &&
                fill_related(collector, finding, record, &asserted) &&
                collect_words(finding, record,
                              record->roles[0] == ARENA_ROLE_ASSERTED ? &asserted : NULL, &direct);
    verify_free_stack(&asserted);
    verify_free_stack(&direct.since);
    return done;
}

static bool add_findings(struct collector *collector) {
    const struct arena *arena = collector->run->arena;
    uint64_t links = 0;
    for (size_t b = 0; b < ARENA_FINDING_BUCKETS; b++) {
        for (arena_id id = atomic_load(&arena->head->findings[b]);
             id != 0 && arena_follow(arena, &links);) {
            const struct arena_finding *record = arena_at(arena, id, sizeof *record);
            if (record == NULL)
                break;
            if (!add_finding(collector, record))
                return false;
            id = record->next;
        }
    }
    return true;
}

/* What a token left that was freed while a forked child had it too. */
static void judge_deferred(const struct collect_run *run, const struct arena_token *token) {
    const struct arena_finding wish = {.file = token->file + 1,
                                       .related = {atomic_load(&token->freed)},
                                       .roles = {ARENA_ROLE_FREED},
                                       .abnormal = !run->ended_well};
    for (uint32_t i = 0; i < token->segment_count; i++)
        arena_judge(run->arena, token->file, token->segments[i].offset, token->segments[i].length,
                    &wish, ARENA_THREADS + 1);
}

static void report_leak(const struct collect_run *run, const struct arena_token *token) {
    const struct arena_head *head = run->arena->head;
    bool exited = token->process < ARENA_PROCESSES &&
                  atomic_load(&head->processes[token->process].end) == ARENA_EXITED;
    const struct arena_finding leak = {
        .kind = KIND_LEAKED_TOKEN, .file = token->file + 1, .at = token->got};
    if (exited && !token->internal && !token->inherited)
        arena_report(run->arena, &leak);
}

/* The tokens of a file that still live, or were left to be judged now. */
static void judge_tokens(const struct collect_run *run, uint32_t file) {
    const struct arena *arena = run->arena;
    uint64_t links = 0;
    for (arena_id id = atomic_load(&arena->head->files[file].tokens);
         id != 0 && arena_follow(arena, &links);) {
        const struct arena_token *token = arena_at(arena, id, sizeof *token);
        size_t size = sizeof *token;
        if (token != NULL)
            size += token->segment_count * sizeof token->segments[0];
        if (token == NULL || token->file != file || arena_at(arena, id, size) == NULL)
            break;
        if (token->deferred)
            judge_deferred(run, token);
        else if (run->ended_well && atomic_load(&token->freed) == 0)
            report_leak(run, token);
        id = atomic_load(&token->sibling);
    }
}

bool collect_is_scratch(const struct arena_file *file) {
    return file->watched == ARENA_WATCH_FOUND && atomic_load(&file->synced) == 0;
}

/* What is in flight when the last process has ended, and which tokens nobody freed. */
static void judge_end(const struct collect_run *run) {
    const struct arena_head *head = run->arena->head;
    shadow_absorb_all(run->arena);
    for (uint32_t i = 0; i < atomic_load(&head->file_count) && i < ARENA_FILES; i++) {
        const struct arena_finding wish = {.file = i + 1, .abnormal = !run->ended_well};
        const struct arena_pages all = {i, 0, UINT64_MAX, ARENA_THREADS + 1};
        shadow_fold(run->arena, &all);
        if (collect_is_scratch(&head->files[i]) || atomic_load(&head->files[i].gone) != 0)
            continue;
        judge_tokens(run, i);
        arena_judge(run->arena, i, 0, atomic_load(&head->files[i].end), &wish, ARENA_THREADS + 1);
    }
}

static const char *file_name(const struct finding *finding) {
    const char *file = finding->at.count != 0 ? finding->at.frames[0].file : NULL;
    return file != NULL ? file : "";
}

static int compare_numbers(uint64_t a, uint64_t b) {
    return a < b ? -1 : a > b;
}

static int compare_findings(const void *left, const void *right) {
    const struct finding *a = left, *b = right;
    int order = compare_numbers(a->severity, b->severity);
    if (order == 0)
        order = compare_numbers(a->kind, b->kind);
    if (order == 0)
        order = strcmp(file_name(a), file_name(b));
    if (order == 0 && a->at.count != 0 && b->at.count != 0)
        order = compare_numbers((uint64_t)a->at.frames[0].line, (uint64_t)b->at.frames[0].line);
    if (order == 0)
        order = compare_numbers(a->region, b->region);
    if (order == 0 && a->range_count != 0 && b->range_count != 0)
        order = compare_numbers(a->ranges[0].offset, b->ranges[0].offset);
    return order != 0 ? order : compare_numbers(b->count, a->count);
}

void verify_sort_findings(struct report *report) {
    if (report->finding_count != 0)
        qsort(report->findings, report->finding_count, sizeof *report->findings, compare_findings);
}

static const char *domain_name(uint32_t domain) {
    static const char *const names[] = {"volatile", "page-cache", "memory", "cpu-cache"};
    return domain < ARRAY_LENGTH(names) ? names[domain] : "unknown";
}

static bool add_regions(struct collector *collector) {
    const struct arena_head *head = collector->run->arena->head;
    struct report *report = collector->report;
    uint32_t count = atomic_load(&head->file_count);
    report->regions = calloc(ARENA_FILES, sizeof *report->regions);
    if (report->regions == NULL)
        return false;
    for (uint32_t i = 0; i < count && i < ARENA_FILES; i++) {
        const struct arena_file *file = &head->files[i];
        struct report_region *region = &report->regions[report->region_count++];
        region->id = i + 1;
        region->path = strndup(file->path, sizeof file->path);
        region->reason = strndup(file->reason, sizeof file->reason);
        region->size = atomic_load(&file->end);
        region->domain = domain_name(file->domain);
        if (region->path == NULL || region->reason == NULL)
            return false;
    }
    return true;
}

static bool site_stack(void *context, uint32_t id, struct source_stack *stack) {
    return append_stack(context, id, stack);
}

bool collect_report(const struct collect_run *run, struct report *report) {
    struct collector collector = {.run = run, .report = report, .symbols = symbols_open()};
    if (collector.symbols == NULL)
        return false;
    bool done = screen_arena(run->arena);
    if (done)
        judge_end(run);
    done = done && add_regions(&collector) && add_findings(&collector) &&
           remarks_add(run->arena->head, report) && remarks_unasked(run->wanted, report) &&
           unheard_remark(&collector.unheard, report) && opaque_remarks(run->arena->head, report) &&
           (!run->profile || sites_collect(run->arena, site_stack, &collector, &report->profile));
    unheard_free(&collector.unheard);
    symbols_close(collector.symbols);
    verify_sort_findings(report);
    return done;
}
