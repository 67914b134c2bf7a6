/* SPDX-License-Identifier: BSD-2-Clause */
#include "cut/session.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* Of what is free a run may fill half with its log. */
static uint64_t room_for_log(void) {
    uint64_t pages = (uint64_t)sysconf(_SC_AVPHYS_PAGES);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE) / 2;
}

struct cut_session *cut_new(enum cut_stores stores) {
    static const enum arena_stores sources[] = {[CUT_STORES_AUTO] = ARENA_STORES_AUTO,
                                                [CUT_STORES_API] = ARENA_STORES_API,
                                                [CUT_STORES_HOOKS] = ARENA_STORES_HOOKS,
                                                [CUT_STORES_INTERVAL] = ARENA_STORES_INTERVAL};
    struct cut_session *session = calloc(1, sizeof *session);
    if (session != NULL) {
        session->descriptor = -1;
        session->stores = sources[stores];
    }
    return session;
}

/* An empty arena: the one of the run before, or a new one. */
static bool empty(struct cut_session *session) {
    if (session->descriptor >= 0 && arena_reset(&session->arena, session->descriptor))
        return true;
    if (session->descriptor >= 0) {
        close(session->descriptor);
        arena_unmap(&session->arena);
    }
    session->descriptor = arena_create(&session->arena);
    return session->descriptor >= 0;
}

bool cut_begin(struct cut_session *session, const struct cut_moment *moment) {
    free(session->records);
    session->records = NULL;
    if (!empty(session))
        return false;
    struct arena_log *log = &session->arena.head->log;
    session->arena.head->stacks_mode = ARENA_STACKS_SITE;
    session->arena.head->stores = session->stores;
    log->stop_record = moment->record;
    log->stop_ack = moment->ack;
    log->stop_drain = moment->drain;
    log->room = atomic_load(&session->arena.head->used) + room_for_log();
    log->on = 1;
    return true;
}

void cut_end(struct cut_session *session) {
    if (session == NULL)
        return;
    free(session->records);
    if (session->descriptor >= 0) {
        close(session->descriptor);
        arena_unmap(&session->arena);
    }
    free(session);
}

int cut_descriptor(const struct cut_session *session) {
    return session->descriptor;
}

bool cut_reached(const struct cut_session *session) {
    return atomic_load(&session->arena.head->log.stopped) != 0;
}

struct cut_counts cut_counts(const struct cut_session *session) {
    const struct arena_head *head = session->arena.head;
    const struct log_record *last = log_last(&session->arena);
    struct cut_counts counts = {.full = atomic_load(&head->log.full) != 0,
                                .waiting = atomic_load(&head->log.deferred) != 0,
                                .lost = arena_escaped(head)};
    if (last != NULL) {
        counts.records = last->number;
        counts.drains = last->drains;
        counts.acks = last->acks;
    }
    return counts;
}

const struct log_record **session_records(struct cut_session *session) {
    if (session->records != NULL)
        return session->records;
    const struct log_record *record = log_last(&session->arena);
    size_t count = record != NULL ? record->number : 0;
    /* Much cheaper than a fault for each of its pages. */
    madvise(session->arena.head, atomic_load(&session->arena.head->used), MADV_POPULATE_READ);
    const struct log_record **records = calloc(count + 1, sizeof(void *));
    session->records = records;
    for (size_t i = count; records != NULL && record != NULL && i != 0; i--) {
        records[i - 1] = record;
        record = log_before(&session->arena, record);
    }
    return records;
}

size_t cut_file_count(const struct cut_session *session) {
    uint32_t count = atomic_load(&session->arena.head->file_count);
    return count < ARENA_FILES ? count : ARENA_FILES;
}

const char *cut_file_path(const struct cut_session *session, size_t index) {
    return session->arena.head->files[index].path;
}

bool cut_marks(struct cut_session *session, uint32_t kind, uint64_t **ids, size_t *count) {
    const struct log_record **records = session_records(session);
    size_t total = 0;
    *count = 0;
    for (size_t i = 0; records != NULL && records[i] != NULL; i++)
        total += records[i]->kind == LOG_MARK && records[i]->length == kind;
    *ids = records != NULL ? calloc(total + 1, sizeof **ids) : NULL;
    for (size_t i = 0; *ids != NULL && records[i] != NULL; i++) {
        if (records[i]->kind == LOG_MARK && records[i]->length == kind)
            (*ids)[(*count)++] = records[i]->offset;
    }
    return *ids != NULL;
}
