/* SPDX-License-Identifier: BSD-2-Clause */
/* Findings, and the judgement over a stretch of a file that makes most of them. */
#include <signal.h>
#include <sys/types.h>

#include "arena/arena.h"
#include "base/bits.h"
#include "event/event.h"

static bool same_finding(const struct arena_finding *a, const struct arena_finding *b) {
    return a->kind == b->kind && a->file == b->file && a->at == b->at && a->rescue == b->rescue &&
           a->abnormal == b->abnormal && a->call == b->call &&
           (a->kind != KIND_UNORDERED_COMMIT || a->related[0] == b->related[0]);
}

static void count_finding(struct arena_finding *finding, const struct arena_finding *wish) {
    atomic_fetch_add(&finding->count, 1);
    if (atomic_load(&wish->range_count) == 0)
        return;
    uint32_t place = atomic_fetch_add(&finding->range_count, 1);
    if (place < ARENA_RANGES)
        finding->ranges[place] = wish->ranges[0];
    else
        atomic_store(&finding->range_count, ARENA_RANGES + 1); /* more than are kept */
}

void arena_report(const struct arena *arena, const struct arena_finding *wish) {
    uint32_t hash = (wish->kind * 31 + wish->at) * 2654435761u ^ wish->file;
    _Atomic arena_id *bucket = &arena->head->findings[hash % ARENA_FINDING_BUCKETS];
    arena_id first = atomic_load(bucket), last = 0;
    struct arena_finding *mine = NULL;
    for (uint64_t links = 0;;) {
        for (arena_id id = first; id != last && arena_follow(arena, &links);) {
            struct arena_finding *finding = arena_at(arena, id, sizeof *finding);
            if (finding == NULL)
                break;
            if (same_finding(finding, wish)) {
                count_finding(finding, wish);
                return;
            }
            id = finding->next;
        }
        if (mine == NULL) {
            mine = arena_new(arena, sizeof *mine);
            if (mine == NULL)
                return;
            *mine = *wish;
            atomic_store(&mine->count, 1);
        }
        mine->next = last = first;
        if (atomic_compare_exchange_strong(bucket, &first, arena_id_of(arena, mine)))
            return;
    }
}

void arena_ignore(const struct arena *arena, struct arena_file *file, uint64_t offset,
                  uint64_t length) {
    _Atomic arena_id *link = &file->ignored;
    uint64_t links = 0;
    struct arena_ignored *before = NULL;
    for (;;) {
        struct arena_ignored *next = arena_at(arena, atomic_load(link), sizeof *next);
        if (next == NULL || next->offset > offset || !arena_follow(arena, &links))
            break;
        before = next;
        link = &next->next;
    }
    if (before != NULL && offset - before->offset <= atomic_load(&before->length)) {
        uint64_t wanted = offset - before->offset + length;
        if (wanted > atomic_load(&before->length))
            atomic_store(&before->length, wanted);
        return;
    }
    struct arena_ignored *ignored = arena_new(arena, sizeof *ignored);
    if (ignored == NULL)
        return;
    ignored->offset = offset;
    atomic_store(&ignored->length, length);
    atomic_store(&ignored->next, atomic_load(link));
    atomic_store(link, arena_id_of(arena, ignored));
}

bool arena_ignores(const struct arena *arena, uint32_t file, uint64_t offset, uint64_t length) {
    uint64_t links = 0;
    arena_id id = atomic_load(&arena->head->files[file].ignored);
    while (id != 0 && arena_follow(arena, &links)) {
        const struct arena_ignored *ignored = arena_at(arena, id, sizeof *ignored);
        if (ignored == NULL || ignored->offset > offset)
            return false;
        if (offset + length <= ignored->offset + atomic_load(&ignored->length))
            return true;
        id = atomic_load(&ignored->next);
    }
    return false;
}

struct model_judging arena_judging(const struct arena *arena, const struct model_lines *lines,
                                   uint32_t file, model_tell *tell, void *context) {
    const struct arena_file *record = &arena->head->files[file];
    return (struct model_judging){.threads = arena->head->threads,
                                  .lines = lines,
                                  .judge = (enum model_judge)arena->head->judge,
                                  .pages = record->domain == DOMAIN_PAGE_CACHE,
                                  .file_drains = atomic_load(&record->drains),
                                  .tell = tell,
                                  .context = context};
}

/* One judgement on its way from page to page. */
struct judgement {
    const struct arena *arena;
    const struct arena_finding *wish;
    uint32_t process; /* index of the one that judges; ARENA_PROCESSES: the parent, at the end */
    /* Found and not yet reported: a store may go on on the next page. */
    struct arena_finding finding;
    uint64_t offset, length;
};

static void report_range(struct judgement *judgement, uint64_t offset, uint64_t end) {
    struct arena_finding *finding = &judgement->finding;
    if (offset >= end)
        return;
    atomic_store(&finding->range_count, 1);
    finding->ranges[0].offset = offset;
    finding->ranges[0].length = finding->bytes = end - offset;
    arena_report(judgement->arena, finding);
}

/* Reports what was found but for the bytes that are ignored. */
static void report_found(struct judgement *judgement) {
    const struct arena *arena = judgement->arena;
    uint64_t offset = judgement->offset, end = offset + judgement->length, links = 0;
    if (judgement->length == 0)
        return;
    const struct arena_file *file = &arena->head->files[judgement->finding.file - 1];
    for (arena_id id = atomic_load(&file->ignored); id != 0 && arena_follow(arena, &links);) {
        const struct arena_ignored *ignored = arena_at(arena, id, sizeof *ignored);
        if (ignored == NULL || ignored->offset >= end)
            break;
        uint64_t stop = ignored->offset + atomic_load(&ignored->length);
        id = atomic_load(&ignored->next);
        if (stop <= offset)
            continue;
        report_range(judgement, offset, ignored->offset);
        offset = stop;
    }
    report_range(judgement, offset, end);
    judgement->length = 0;
}

/* Was the store in flight when its process was killed? Then nobody can be blamed; nor when it was
   one of a forked child that has ended: whoever forked it may well expect that. */
static bool was_cut_off(const struct judgement *judgement, uint32_t thread) {
    const struct arena_head *head = judgement->arena->head;
    uint32_t process = thread < ARENA_THREADS ? head->thread_processes[thread] : ARENA_PROCESSES;
    if (process >= ARENA_PROCESSES || process == judgement->process)
        return false;
    const struct arena_process *record = &head->processes[process];
    uint32_t end = atomic_load(&record->end);
    bool at_end = judgement->process == ARENA_PROCESSES;
    if (!at_end && end == ARENA_RUNS && kill((pid_t)atomic_load(&record->pid), 0) == 0)
        return false;
    return record->parent != 0 || end == ARENA_RUNS;
}

static void tell_hole(void *context, const struct model_page *page, const struct model_hole *hole) {
    struct judgement *judgement = context;
    struct arena_finding finding = *judgement->wish;
    uint32_t last = finding.roles[0] == ARENA_ROLE_NONE ? 0 : 1;
    uint64_t offset = page->index * MODEL_PAGE_SIZE + hole->start;
    finding.kind = hole->placed ? KIND_UNFLUSHED_STREAM : KIND_UNFLUSHED_WRITE;
    finding.at = hole->store;
    finding.rescue = hole->page_rescued    ? ARENA_RESCUE_PAGE
                     : hole->token_rescued ? ARENA_RESCUE_TOKEN
                                           : ARENA_RESCUE_NONE;
    if (hole->flushed) {
        finding.kind = KIND_UNDRAINED_FLUSH;
        finding.at = hole->flush != 0 ? hole->flush : hole->store;
        finding.related[last] = hole->store;
        finding.roles[last] = ARENA_ROLE_STORE;
    }
    if (finding.roles[0] != ARENA_ROLE_ASSERTED && was_cut_off(judgement, hole->thread))
        finding.abnormal = 1;
    if (judgement->length != 0 && hole->continues &&
        judgement->offset + judgement->length == offset &&
        same_finding(&finding, &judgement->finding) &&
        finding.related[last] == judgement->finding.related[last]) {
        judgement->length += hole->length;
        return;
    }
    report_found(judgement);
    judgement->finding = finding;
    judgement->offset = offset;
    judgement->length = hole->length;
}

static void judge_page(struct model_page *page, void *context, uint64_t from, uint64_t to) {
    const struct model_judging *judging = context;
    if (page->touched != 0)
        model_judge(page, judging, (uint32_t)from, (uint32_t)(to - from));
}

void arena_judge(const struct arena *arena, uint32_t file, uint64_t offset, uint64_t length,
                 const struct arena_finding *wish, uint32_t thread) {
    struct judgement judgement = {.arena = arena,
                                  .wish = wish,
                                  .process = thread <= ARENA_THREADS
                                                 ? arena->head->thread_processes[thread - 1]
                                                 : ARENA_PROCESSES};
    const struct model_lines lines = arena_lines(arena);
    struct model_judging judging = arena_judging(arena, &lines, file, tell_hole, &judgement);
    const struct arena_pages pages = {file, offset, length, thread};
    arena_each_page(arena, &pages, judge_page, &judging);
    report_found(&judgement);
}
