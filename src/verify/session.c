/* SPDX-License-Identifier: BSD-2-Clause */
#include "verify/session.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/stream.h"
#include "base/bits.h"
#include "verify/collect.h"
#include "verify/symbols.h"
#include "verify/unheard.h"

struct verify_session {
    struct arena arena;
    int descriptor;
    struct verify_options options;
};

static const char *const judges[] = {[MODEL_JUDGE_STRICT] = "strict",
                                     [MODEL_JUDGE_MEMORY] = "memory",
                                     [MODEL_JUDGE_PAGES] = "page-cache",
                                     [MODEL_JUDGE_ACTUAL] = "actual"};
static const char *const stacks[] = {
    [ARENA_STACKS_CACHED] = "cached", [ARENA_STACKS_FULL] = "full", [ARENA_STACKS_SITE] = "site"};

/* What a streaming store does to a line that is cached. */
static const char *const streams[] = {"drain", "inplace"};

/* The sources by the names that options and reports have for them. What one does not have yet is a
   reason to refuse it. */
static const struct {
    const char *name, *refusal;
} sources[] = {
    [ARENA_STORES_API] = {"api", NULL},     [ARENA_STORES_AUTO] = {"auto", NULL},
    [ARENA_STORES_PAGES] = {"pages", NULL}, [ARENA_STORES_INTERVAL] = {"pages=interval", NULL},
    [ARENA_STORES_HOOKS] = {"hooks", NULL},
};

static size_t find_source(const char *name) {
    size_t i = 0;
    while (i < ARRAY_LENGTH(sources) && strcmp(sources[i].name, name) != 0)
        i++;
    return i;
}

const char *verify_refuses_stores(const char *source) {
    size_t i = find_source(source);
    if (strcmp(source, "binary") == 0)
        return "the source 'binary' is a reserved name: no version has it";
    return i < ARRAY_LENGTH(sources) ? sources[i].refusal
                                     : "there is no such source of stores (auto, api, hooks, "
                                       "pages, pages=interval)";
}

/* What a run saw stores by, whatever was asked for. */
static const char *source_used(const struct arena_head *head) {
    uint32_t stores = head->stores;
    if (stores == ARENA_STORES_AUTO)
        stores = atomic_load(&head->hooked) != 0 ? ARENA_STORES_HOOKS : ARENA_STORES_API;
    return sources[stores < ARRAY_LENGTH(sources) ? stores : ARENA_STORES_API].name;
}

static size_t find_name(const char *const *names, size_t count, const char *name) {
    size_t i = 0;
    while (i < count && strcmp(names[i], name) != 0)
        i++;
    return i;
}

bool verify_options_check(const struct verify_options *options, const char **wrong) {
    *wrong = options->judge;
    if (find_name(judges, ARRAY_LENGTH(judges), options->judge) == ARRAY_LENGTH(judges))
        return false;
    *wrong = options->streams;
    if (find_name(streams, ARRAY_LENGTH(streams), options->streams) == ARRAY_LENGTH(streams))
        return false;
    *wrong = options->stacks;
    return find_name(stacks, ARRAY_LENGTH(stacks), options->stacks) < ARRAY_LENGTH(stacks);
}

enum kind verify_kind(const char *name) {
    unsigned kind = 0;
    while (kind < KIND_COUNT && strcmp(kind_facts[kind].name, name) != 0)
        kind++;
    return (enum kind)kind;
}

struct verify_session *verify_begin(const struct verify_options *options) {
    struct verify_session *session = calloc(1, sizeof *session);
    if (session == NULL)
        return NULL;
    session->options = *options;
    session->descriptor = arena_create(&session->arena);
    if (session->descriptor < 0) {
        free(session);
        return NULL;
    }
    session->arena.head->judge = (uint32_t)find_name(judges, ARRAY_LENGTH(judges), options->judge);
    session->arena.head->stores = (uint32_t)find_source(options->stores);
    session->arena.head->placed =
        (uint32_t)find_name(streams, ARRAY_LENGTH(streams), options->streams);
    session->arena.head->extras =
        (options->wanted[KIND_OVERWRITTEN_UNFLUSHED] ? ARENA_EXTRA_OVERWRITES : 0u) |
        (options->wanted[KIND_UNPERSISTED_READ] ? ARENA_EXTRA_READS : 0u) |
        (options->profile ? ARENA_EXTRA_COSTS : 0u);
    session->arena.head->stacks_mode =
        (uint32_t)find_name(stacks, ARRAY_LENGTH(stacks), options->stacks);
    if (options->record) {
        session->arena.head->log.on = LOG_TRACE;
        if (!stream_make(&session->arena)) {
            verify_end(session);
            return NULL;
        }
    }
    return session;
}

const struct arena *verify_arena(const struct verify_session *session) {
    return &session->arena;
}

int verify_descriptor(const struct verify_session *session) {
    return session->descriptor;
}

/* The parent and the state of a process, as /proc tells it; false: it has ended. */
static bool look_up(pid_t pid, pid_t *parent, char *state) {
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    /* "pid (name) state parent ...": the name may hold anything, a bracket too. */
    const char *name_end = strrchr(text, ')');
    if (name_end == NULL || strlen(name_end) < sizeof ") S 1" - 1)
        return false;
    *state = name_end[2];
    *parent = (pid_t)strtol(name_end + 3, NULL, 10);
    return true;
}

/* Does the process live, and is it one that descends from this one? Its number may have gone to
   another meanwhile, or be that of another PID namespace. */
static bool is_ours(pid_t pid) {
    pid_t parent;
    char state;
    if (access("/proc/self/stat", R_OK) != 0)
        return kill(pid, 0) == 0 || errno != ESRCH;
    if (!look_up(pid, &parent, &state) || state == 'Z' || state == 'X')
        return false;
    for (int steps = 0; parent != getpid() && parent > 1 && steps < ARENA_PROCESSES; steps++) {
        if (!look_up(parent, &parent, &state))
            return false;
    }
    return parent == getpid();
}

/* Has the process the arena? So it has if it was forked by one of the run and became no other. */
static bool has_arena(pid_t pid) {
    char path[64], *line = NULL;
    size_t size = 0;
    bool found = false;
    snprintf(path, sizeof path, "/proc/%ld/maps", (long)pid);
    FILE *file = fopen(path, "re");
    while (file != NULL && !found && getline(&line, &size, file) > 0)
        found = strstr(line, "/memfd:" ARENA_NAME) != NULL;
    if (file != NULL)
        fclose(file);
    free(line);
    return found;
}

/* A descendant that has the arena, though it may not have made itself known there yet. */
static pid_t find_unknown(pid_t pid) {
    siginfo_t info;
    pid_t found = 0;
    /* Whatever is left of the run is, or descends from, a child of this process. */
    DIR *folder =
        waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 ? opendir("/proc") : NULL;
    const struct dirent *entry;
    while (folder != NULL && found == 0 && (entry = readdir(folder)) != NULL) {
        pid_t other = (pid_t)strtol(entry->d_name, NULL, 10);
        if (other > 0 && other != pid && is_ours(other) && has_arena(other))
            found = other;
    }
    if (folder != NULL)
        closedir(folder);
    return found;
}

pid_t verify_still_running(const struct verify_session *session, pid_t pid) {
    const struct arena_head *head = session->arena.head;
    uint32_t count = atomic_load(&head->process_count);
    for (uint32_t i = 0; i < count && i < ARENA_PROCESSES; i++) {
        pid_t other = (pid_t)atomic_load(&head->processes[i].pid);
        if (other > 0 && other != pid && atomic_load(&head->processes[i].end) != ARENA_REPLACED &&
            is_ours(other))
            return other;
    }
    return count != 0 ? find_unknown(pid) : 0;
}

/* Did every process that began by itself end by exit() or return? Where one was killed, aborted or
   left by _exit, data in flight is legitimate. */
static bool ended_well(const struct verify_session *session, pid_t pid, int status) {
    const struct arena_head *head = session->arena.head;
    uint32_t count = atomic_load(&head->process_count);
    if (!WIFEXITED(status))
        return false;
    if (verify_still_running(session, pid) != 0)
        return false; /* the wait was ended by a signal */
    for (uint32_t i = 0; i < count && i < ARENA_PROCESSES; i++) {
        const struct arena_process *process = &head->processes[i];
        if (process->parent == 0 && atomic_load(&process->end) == ARENA_RUNS)
            return false;
    }
    return true;
}

bool verify_finish(struct verify_session *session, char **program, pid_t pid, int status,
                   struct report *report) {
    const struct collect_run run = {.arena = &session->arena,
                                    .wanted = session->options.wanted,
                                    .profile = session->options.profile,
                                    .ended_well = ended_well(session, pid, status)};
    *report =
        (struct report){.program = program,
                        .exit = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status),
                        .stores = source_used(session->arena.head),
                        .judge = session->options.judge};
    return collect_report(&run, report);
}

char *verify_unheard(const struct verify_session *session) {
    struct unheard_code flushes = {0};
    struct symbols *symbols = symbols_open();
    if (symbols == NULL)
        return NULL;
    unheard_look(&flushes, &session->arena, symbols);
    symbols_close(symbols);
    return flushes.where;
}

void verify_end(struct verify_session *session) {
    close(session->descriptor);
    arena_unmap(&session->arena);
    free(session);
}
