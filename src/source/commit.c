/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/commit.h"

#include <sys/mman.h>

#include "base/bits.h"
#include "event/event.h"

/* A line that the thread has stored to, from number n of its stores on. */
struct recent_line {
    arena_id page;
    uint32_t line, n;
};

#define RECENT_LINES 16384
#define RECENT_SLOTS 4096
#define RECENT_POINTS 64

/* Lines by their running number, and where each point's last store stood among them. */
struct recent {
    uint64_t first, end; /* numbers of those that are kept */
    uint64_t newest;     /* of the last store to any point: where a line is noted anew */
    struct recent_line lines[RECENT_LINES];
    uint64_t slots[RECENT_SLOTS]; /* number + 1 of a line, by its hash */
    struct {
        arena_id point;
        uint64_t end;
    } points[RECENT_POINTS];
};

/* What of it is not durable. */
struct judgement {
    const struct commit_store *store;
    const struct arena_commit *point;
    struct arena_finding finding; /* of another line than the store's */
    struct arena_finding beside;  /* of its own line */
    uint32_t related, beside_related;
    uint32_t n; /* stores of the line before this one were published before */
};

static struct arena *arena_here(void) {
    return &source_process.arena;
}

static uint64_t lines_of(uint32_t from, uint32_t to) {
    return UINT64_MAX << from / MODEL_LINE_SIZE & UINT64_MAX >> (63 - (to - 1) / MODEL_LINE_SIZE);
}

static struct recent *recent_of(struct self *me) {
    if (me->recent == NULL) {
        void *made = mmap(NULL, sizeof *me->recent, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        me->recent = made == MAP_FAILED ? NULL : made;
    }
    return me->recent;
}

void commit_forget(struct self *me) {
    struct recent *recent = me->recent;
    if (recent == NULL)
        return;
    recent->first = recent->newest = recent->end;
    for (size_t i = 0; i < RECENT_POINTS; i++)
        recent->points[i].point = 0;
}

static uint64_t *slot_of(struct recent *recent, arena_id page, uint32_t line) {
    uint32_t hash = (page * MODEL_PAGE_LINES + line) * 2654435761u;
    return &recent->slots[hash >> 20];
}

static void note_line(struct recent *recent, arena_id page, uint32_t line, uint32_t n) {
    uint64_t *slot = slot_of(recent, page, line);
    if (*slot > recent->newest && *slot > recent->first) {
        const struct recent_line *known = &recent->lines[(*slot - 1) % RECENT_LINES];
        if (known->page == page && known->line == line)
            return;
    }
    if (recent->end - recent->first == RECENT_LINES)
        recent->first++;
    recent->lines[recent->end % RECENT_LINES] = (struct recent_line){page, line, n};
    *slot = ++recent->end;
}

void commit_after(const struct commit_store *store) {
    struct recent *recent = recent_of(store->me);
    arena_id page = arena_id_of(arena_here(), store->page);
    if (recent == NULL)
        return;
    for (uint64_t lines = lines_of(store->from, store->to); lines != 0; lines &= lines - 1) {
        uint32_t line = (uint32_t)__builtin_ctzll(lines);
        note_line(recent, page, line, model_stores(store->page, &store->me->lines, line));
    }
}

/* Where the thread's last store to the point stands; it is to be moved to the end. */
static uint64_t *mark_of(struct recent *recent, arena_id point) {
    uint64_t oldest = 0;
    for (size_t i = 0; i < RECENT_POINTS; i++) {
        if (recent->points[i].point == point)
            return &recent->points[i].end;
        if (recent->points[i].end < recent->points[oldest].end || recent->points[i].point == 0)
            oldest = i;
        if (recent->points[i].point == 0)
            break;
    }
    recent->points[oldest].point = point;
    recent->points[oldest].end = recent->first;
    return &recent->points[oldest].end;
}

static void add_related(struct arena_finding *finding, uint32_t *count, arena_id stack) {
    for (uint32_t i = 0; i < *count; i++) {
        if (finding->related[i] == stack)
            return;
    }
    if (*count < ARENA_RELATED) {
        finding->related[*count] = stack;
        finding->roles[(*count)++] = ARENA_ROLE_DATA;
    }
}

/* A line keeps the order of its stores on x86: one before the commit, on the commit's own line, is
   worth a note. Pages keep no order. */
static void tell_hole(void *context, const struct model_page *page, const struct model_hole *hole) {
    struct judgement *judgement = context;
    const struct commit_store *store = judgement->store;
    bool same_page = page == store->page;
    if (hole->thread != store->me->thread || hole->n < judgement->n || hole->token_rescued ||
        hole->page_rescued || hole->placed ||
        (same_page && hole->start < store->to && hole->start + hole->length > store->from) ||
        arena_ignores(arena_here(), page->file, page->index * MODEL_PAGE_SIZE + hole->start,
                      hole->length))
        return;
    uint32_t line = hole->start / MODEL_LINE_SIZE;
    bool beside = same_page && (lines_of(store->from, store->to) >> line & 1) != 0 &&
                  arena_here()->head->judge != MODEL_JUDGE_PAGES;
    struct arena_finding *finding = beside ? &judgement->beside : &judgement->finding;
    uint32_t *related = beside ? &judgement->beside_related : &judgement->related;
    uint32_t range = atomic_load(&finding->range_count);
    if (range < ARENA_RANGES) {
        finding->ranges[range].offset = page->index * MODEL_PAGE_SIZE + hole->start;
        finding->ranges[range].length = hole->length;
    }
    atomic_store(&finding->range_count, range < ARENA_RANGES ? range + 1 : ARENA_RANGES + 1);
    if (*related == 0)
        finding->value = true;
    finding->value = finding->value != 0 && hole->flushed; /* all of it */
    finding->bytes += hole->length;
    add_related(finding, related, hole->store);
}

static struct model_judging judging_of(struct judgement *judgement, uint32_t file) {
    struct model_judging judging =
        arena_judging(arena_here(), &judgement->store->me->lines, file, tell_hole, judgement);
    judging.keep = true;
    return judging;
}

static void judge_line(struct judgement *judgement, const struct recent_line *line) {
    struct model_page *page = arena_at(arena_here(), line->page, sizeof *page);
    if (page == NULL)
        return;
    const struct model_judging judging = judging_of(judgement, page->file);
    judgement->n = line->n;
    arena_lock_page(arena_here(), page, judgement->store->me->thread + 1);
    model_judge(page, &judging, line->line * MODEL_LINE_SIZE, MODEL_LINE_SIZE);
    arena_unlock_page(arena_here(), page, judgement->store->me->thread + 1);
}

static void judge_data(struct model_page *page, void *context, uint64_t from, uint64_t to) {
    const struct model_judging judging = judging_of(context, page->file);
    if (page->touched != 0)
        model_judge(page, &judging, (uint32_t)from, (uint32_t)(to - from));
}

static void report(const struct judgement *judgement) {
    if (judgement->related != 0)
        arena_report(arena_here(), &judgement->finding);
    if (judgement->beside_related != 0)
        arena_report(arena_here(), &judgement->beside);
}

static void judge_point(const struct commit_store *store, const struct arena_commit *point,
                        arena_id id) {
    const struct arena_finding wish = {
        .kind = KIND_UNORDERED_COMMIT, .file = store->page->file + 1, .at = store->stack};
    struct judgement judgement = {.store = store, .point = point, .finding = wish, .beside = wish};
    struct recent *recent = recent_of(store->me);
    uint64_t length = atomic_load(&point->data_length);
    judgement.beside.abnormal = 1;
    if (recent == NULL)
        return;
    uint64_t *mark = mark_of(recent, id);
    if (length != 0) {
        const struct arena_pages pages = {store->page->file, atomic_load(&point->data_offset),
                                          length, store->me->thread + 1};
        arena_each_page(arena_here(), &pages, judge_data, &judgement);
    } else {
        for (uint64_t i = *mark > recent->first ? *mark : recent->first; i < recent->end; i++)
            judge_line(&judgement, &recent->lines[i % RECENT_LINES]);
    }
    *mark = recent->newest = recent->end;
    report(&judgement);
}

/* What a power cut leaves whole is 8 bytes. */
static bool is_torn(const struct commit_store *store) {
    return (store->from ^ (store->to - 1)) >= MODEL_UNIT_SIZE;
}

static void report_torn(const struct commit_store *store) {
    struct arena_finding finding = {.kind = KIND_TORN_COMMIT,
                                    .file = store->page->file + 1,
                                    .at = store->stack,
                                    .bytes = store->to - store->from,
                                    .range_count = 1};
    finding.ranges[0].offset = store->page->index * MODEL_PAGE_SIZE + store->from;
    finding.ranges[0].length = finding.bytes;
    arena_report(arena_here(), &finding);
}

void commit_before(const struct commit_store *store) {
    uint64_t from = store->page->index * MODEL_PAGE_SIZE + store->from, links = 0;
    uint64_t to = from + (store->to - store->from);
    bool torn = false;
    if ((store->page->commits & lines_of(store->from, store->to)) == 0)
        return;
    const struct arena_file *file = &arena_here()->head->files[store->page->file];
    for (arena_id id = atomic_load(&file->commits);
         id != 0 && arena_follow(arena_here(), &links);) {
        const struct arena_commit *point = arena_at(arena_here(), id, sizeof *point);
        if (point == NULL)
            break;
        if (point->offset < to && point->offset + point->length > from) {
            judge_point(store, point, id);
            torn = torn || is_torn(store);
        }
        id = point->next;
    }
    if (torn)
        report_torn(store);
}

static void mark_page(struct self *me, const struct commit_point *point, uint64_t index) {
    struct model_page *page = arena_page(arena_here(), point->file, index, true);
    uint64_t start = index * MODEL_PAGE_SIZE, end = point->offset + point->length;
    uint32_t from = point->offset > start ? (uint32_t)(point->offset - start) : 0;
    uint32_t to = end - start < MODEL_PAGE_SIZE ? (uint32_t)(end - start) : MODEL_PAGE_SIZE;
    if (page == NULL)
        return;
    arena_lock_page(arena_here(), page, me->thread + 1);
    page->commits |= lines_of(from, to);
    arena_unlock_page(arena_here(), page, me->thread + 1);
}

/* The point's record, if it was declared before. */
static struct arena_commit *find_point(const struct commit_point *point) {
    const struct arena_file *file = &arena_here()->head->files[point->file];
    uint64_t links = 0;
    for (arena_id id = atomic_load(&file->commits);
         id != 0 && arena_follow(arena_here(), &links);) {
        struct arena_commit *known = arena_at(arena_here(), id, sizeof *known);
        if (known == NULL || (known->offset == point->offset && known->length == point->length))
            return known;
        id = known->next;
    }
    return NULL;
}

void commit_declare(struct self *me, const struct commit_point *point) {
    struct arena_head *head = arena_here()->head;
    struct arena_file *file = &head->files[point->file];
    if (point->length == 0)
        return;
    arena_lock(arena_here(), &head->lock, me->thread + 1);
    struct arena_commit *known = find_point(point);
    struct arena_commit *made = known != NULL ? known : arena_new(arena_here(), sizeof *made);
    if (made != NULL) {
        atomic_store(&made->data_offset, point->data_offset);
        atomic_store(&made->data_length, point->data_length);
    }
    if (made != NULL && known == NULL) {
        made->offset = point->offset;
        made->length = point->length;
        made->next = atomic_load(&file->commits);
        atomic_store(&file->commits, arena_id_of(arena_here(), made));
        atomic_fetch_add(&head->commits, 1);
    }
    arena_unlock(&head->lock);
    uint64_t last = (point->offset + point->length - 1) / MODEL_PAGE_SIZE;
    for (uint64_t i = point->offset / MODEL_PAGE_SIZE; known == NULL && i <= last; i++)
        mark_page(me, point, i);
}
