/* SPDX-License-Identifier: BSD-2-Clause */
#include "verify/screen.h"

#include <stdlib.h>
#include <string.h>

#include "arena/shadow.h"
#include "base/bits.h"

/* Which grains of the arena belong to a record, as many bits each as there are grains of lines in
   one. */
#define PARTS (ARENA_GRAIN / MODEL_GRAIN)
struct claims {
    const struct arena *arena;
    uint32_t files;
    uint64_t grains;
    uint8_t *bits;
};
_Static_assert(PARTS == 4, "two grains a byte");

/* The record of an id, if it is nobody else's; then it is taken. */
static void *claim(struct claims *claims, arena_id id, size_t size) {
    void *record = arena_at(claims->arena, id, size);
    uint64_t end = id + align_up(size, ARENA_GRAIN) / ARENA_GRAIN;
    if (record == NULL || end > claims->grains)
        return NULL;
    for (uint64_t grain = id; grain < end; grain++) {
        if (((uint32_t)claims->bits[grain / 2] >> grain % 2 * PARTS & ((1u << PARTS) - 1)) != 0)
            return NULL;
    }
    for (uint64_t grain = id; grain < end; grain++)
        claims->bits[grain / 2] |= (uint8_t)(((1u << PARTS) - 1) << grain % 2 * PARTS);
    return record;
}

/* The same of a line. */
static struct model_line *claim_line(struct claims *claims, uint32_t id) {
    uint64_t end = (uint64_t)id + MODEL_LINE_GRAINS;
    void *record = arena_at(claims->arena, id / PARTS, sizeof(struct model_line) + ARENA_GRAIN);
    if (id == 0 || record == NULL || end > claims->grains * PARTS)
        return NULL;
    for (uint64_t grain = id; grain < end; grain++) {
        if (claims->bits[grain / 8] >> grain % 8 & 1)
            return NULL;
    }
    for (uint64_t grain = id; grain < end; grain++)
        claims->bits[grain / 8] |= (uint8_t)(1u << grain % 8);
    record = (char *)record + (size_t)(id % PARTS) * MODEL_GRAIN;
    return record;
}

/* What is wrong in a record becomes 0, which is none everywhere. */
typedef void screen_record(struct claims *claims, void *record);

static void screen_line(struct model_line *line) {
    for (size_t f = 0; f < ARRAY_LENGTH(line->flush); f++) {
        if (line->flush[f].thread >= ARENA_THREADS)
            line->flush[f] = (struct model_flush){0};
    }
}

static void screen_page(struct claims *claims, void *record) {
    struct model_page *page = record;
    if (page->file >= claims->files)
        page->touched = 0;
    /* Whoever held it is dead, and left the page as it was: that counts as a loss. */
    if (atomic_exchange(&page->lock, 0) != 0)
        atomic_fetch_add(&claims->arena->head->lost.locks, 1);
    atomic_store(&page->owner, ARENA_SEVERAL);
    for (size_t l = 0; l < MODEL_PAGE_LINES; l++) {
        struct model_line *line = page->touched != 0 ? claim_line(claims, page->open[l]) : NULL;
        page->open[l] = line != NULL ? page->open[l] : 0;
        if (line != NULL)
            screen_line(line);
    }
}

static void screen_finding(struct claims *claims, void *record) {
    struct arena_finding *finding = record;
    if (finding->file > claims->files)
        finding->file = 0;
}

static void screen_site(struct claims *claims, void *record) {
    struct arena_site *site = record;
    if (site->file > claims->files)
        site->file = 0;
}

/* A kind of chain: how large its records are (the part of a fixed size), and where in them the next
   one's id lies. */
struct chain {
    size_t size, next;
    screen_record *screen; /* or NULL */
    bool segments;         /* they end with a number of segments that they tell */
};
/* Without `content`: not every run has it, and here nobody looks at it. */
static const struct chain pages = {offsetof(struct model_page, content),
                                   offsetof(struct model_page, next), screen_page, false};
static const struct chain chunks = {sizeof(struct shadow_chunk),
                                    offsetof(struct shadow_chunk, next), NULL, false};
static const struct chain blocks = {sizeof(struct shadow_block),
                                    offsetof(struct shadow_block, next), NULL, false};
static const struct chain findings = {sizeof(struct arena_finding),
                                      offsetof(struct arena_finding, next), screen_finding, false};
static const struct chain sites = {sizeof(struct arena_site), offsetof(struct arena_site, next),
                                   screen_site, false};
static const struct chain tokens = {sizeof(struct arena_token),
                                    offsetof(struct arena_token, sibling), NULL, true};
static const struct chain ignored = {sizeof(struct arena_ignored),
                                     offsetof(struct arena_ignored, next), NULL, false};

static const struct chain commits = {sizeof(struct arena_commit),
                                     offsetof(struct arena_commit, next), NULL, false};

static size_t size_of(const struct claims *claims, arena_id id, struct chain chain) {
    const struct arena_token *token = arena_at(claims->arena, id, chain.size);
    if (!chain.segments || token == NULL)
        return chain.size;
    return chain.size + token->segment_count * sizeof token->segments[0];
}

static void screen_links(struct claims *claims, _Atomic arena_id *first, struct chain chain) {
    arena_id *link = NULL;
    for (arena_id id = atomic_load(first); id != 0; id = *link) {
        void *record = claim(claims, id, size_of(claims, id, chain));
        if (record == NULL && link == NULL)
            atomic_store(first, 0);
        else if (record == NULL)
            *link = 0;
        if (record == NULL)
            return;
        link = (arena_id *)(void *)((char *)record + chain.next);
        if (chain.screen != NULL)
            chain.screen(claims, record);
    }
}

/* Most of a million are empty. */
static inline void screen_chain(struct claims *claims, _Atomic arena_id *first,
                                struct chain chain) {
    if (UNLIKELY(atomic_load_explicit(first, memory_order_relaxed) != 0))
        screen_links(claims, first, chain);
}

/* The pages of a chunk of shadows. */
static void screen_shadows(struct claims *claims, arena_id id) {
    uint64_t links = 0;
    while (id != 0 && arena_follow(claims->arena, &links)) {
        struct shadow_chunk *chunk = arena_at(claims->arena, id, sizeof *chunk);
        if (chunk == NULL)
            return;
        for (size_t i = 0; i < SHADOW_CHUNK_PAGES; i++) {
            arena_id page = atomic_load(&chunk->pages[i]);
            if (page != 0 && claim(claims, page, sizeof(struct shadow_page)) == NULL)
                atomic_store(&chunk->pages[i], 0);
        }
        id = chunk->next;
    }
}

/* What threads have flushed of direct stores, and the pages that they were using when they died. */
static void screen_threads(struct claims *claims) {
    struct arena_head *head = claims->arena->head;
    uint32_t threads = atomic_load(&head->thread_count);
    for (size_t i = 0; i < threads && i < ARENA_THREADS; i++) {
        struct shadow_list *list = &head->lists[i];
        if (atomic_exchange(&head->threads[i].holds, 0) != 0)
            atomic_fetch_add(&head->lost.locks, 1);
        arena_id log = atomic_load(&list->log);
        screen_chain(claims, &list->first, blocks);
        if (log != 0 && claim(claims, log, sizeof(struct shadow_log)) == NULL)
            atomic_store(&list->log, 0);
    }
}

static void screen_chains(struct claims *claims) {
    struct arena_head *head = claims->arena->head;
    for (size_t b = 0; b < ARENA_PAGE_BUCKETS; b++)
        screen_chain(claims, &head->pages[b], pages);
    for (size_t b = 0; b < ARENA_SHADOW_BUCKETS; b++) {
        screen_chain(claims, &head->shadows[b], chunks);
        screen_shadows(claims, atomic_load(&head->shadows[b]));
    }
    screen_threads(claims);
    for (size_t b = 0; b < ARENA_FINDING_BUCKETS; b++)
        screen_chain(claims, &head->findings[b], findings);
    for (size_t b = 0; b < ARENA_SITE_BUCKETS; b++)
        screen_chain(claims, &head->sites[b], sites);
    for (uint32_t i = 0; i < claims->files; i++) {
        screen_chain(claims, &head->files[i].tokens, tokens);
        screen_chain(claims, &head->files[i].ignored, ignored);
        screen_chain(claims, &head->files[i].commits, commits);
    }
}

bool screen_arena(const struct arena *arena) {
    struct arena_head *head = arena->head;
    uint64_t used = atomic_load(&head->used);
    uint32_t files = atomic_load(&head->file_count);
    struct claims claims = {.arena = arena, .files = files < ARENA_FILES ? files : ARENA_FILES};
    if (used > arena->size || used < sizeof *head || used % ARENA_GRAIN != 0)
        used = arena->size;
    claims.grains = used / ARENA_GRAIN;
    claims.bits = calloc(claims.grains / 2 + 1, 1);
    if (claims.bits == NULL)
        return false;
    atomic_store(&head->used, used);
    atomic_store(&head->file_count, claims.files);
    for (size_t i = 0; i < ARENA_MODULES; i++)
        head->modules[i].path[sizeof head->modules[i].path - 1] = '\0';
    screen_chains(&claims);
    free(claims.bits);
    return true;
}
