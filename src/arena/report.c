/* SPDX-License-Identifier: BSD-2-Clause */
/* Findings, and the judgement over a stretch of a file that makes most of them. */
#include "arena/arena.h"
#include "base/bits.h"

static bool same_finding(const struct arena_finding *a, const struct arena_finding *b) {
    return a->kind == b->kind && a->file == b->file && a->at == b->at && a->rescue == b->rescue &&
           a->abnormal == b->abnormal && a->call == b->call;
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
    for (;;) {
        for (arena_id id = first; id != last;) {
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

bool arena_ignores(const struct arena *arena, const struct arena_file *file, uint64_t offset,
                   uint64_t length) {
    for (arena_id id = atomic_load(&file->ignored); id != 0;) {
        const struct arena_ignored *ignored = arena_at(arena, id, sizeof *ignored);
        if (ignored == NULL)
            return false;
        if (offset >= ignored->offset && length <= ignored->length &&
            offset - ignored->offset <= ignored->length - length)
            return true;
        id = ignored->next;
    }
    return false;
}

struct judgement {
    const struct arena *arena;
    const struct arena_finding *wish;
};

/* Reports [offset, offset + length) but for what the ignored ranges from id on take out of it. */
static void report_rest(const struct judgement *judgement, struct arena_finding *finding,
                        arena_id id, uint64_t offset, uint64_t length) {
    uint64_t end = offset + length;
    for (; id != 0 && offset < end;) {
        const struct arena_ignored *ignored = arena_at(judgement->arena, id, sizeof *ignored);
        if (ignored == NULL)
            break;
        id = ignored->next;
        uint64_t ignored_end = ignored->offset + ignored->length;
        if (ignored_end <= offset || ignored->offset >= end)
            continue;
        if (ignored->offset > offset)
            report_rest(judgement, finding, id, offset, ignored->offset - offset);
        offset = ignored_end < end ? ignored_end : end;
    }
    if (offset >= end)
        return;
    atomic_store(&finding->range_count, 1);
    finding->ranges[0].offset = offset;
    finding->ranges[0].length = finding->bytes = end - offset;
    arena_report(judgement->arena, finding);
}

static void tell_hole(void *context, const struct model_page *page, const struct model_hole *hole) {
    const struct judgement *judgement = context;
    struct arena_finding finding = *judgement->wish;
    uint32_t last = finding.roles[0] == ARENA_ROLE_NONE ? 0 : 1;
    finding.kind = KIND_UNFLUSHED_WRITE;
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
    report_rest(judgement, &finding,
                atomic_load(&judgement->arena->head->files[page->file].ignored),
                page->index * MODEL_PAGE_SIZE + hole->start, hole->length);
}

static void judge_page(struct model_page *page, void *context, uint64_t from, uint64_t to) {
    const struct model_judging *judging = context;
    if (page->touched != 0)
        model_judge(page, judging, (uint32_t)from, (uint32_t)(to - from));
}

void arena_judge(const struct arena *arena, uint32_t file, uint64_t offset, uint64_t length,
                 const struct arena_finding *wish, uint32_t thread) {
    const struct arena_file *record = &arena->head->files[file];
    struct judgement judgement = {.arena = arena, .wish = wish};
    struct model_judging judging = {.threads = arena->head->threads,
                                    .judge = (enum model_judge)arena->head->judge,
                                    .pages = record->domain == 1,
                                    .file_drains = atomic_load(&record->drains),
                                    .tell = tell_hole,
                                    .context = &judgement};
    const struct arena_pages pages = {file, offset, length, thread};
    arena_each_page(arena, &pages, judge_page, &judging);
}
