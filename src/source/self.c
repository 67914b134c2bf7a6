/* SPDX-License-Identifier: BSD-2-Clause */
#include "source/self.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/bits.h"
#include "source/code.h"
#include "source/commit.h"
#include "source/explain.h"
#include "source/extra.h"
#include "source/frames.h"
#include "source/pages.h"
#include "source/record.h"
#include "source/regions.h"

/* Bytes: of the address space, besides the arena, generously. */
#define OWN_MEMORY ((rlim_t)256 << 20)

struct source_process source_process;

_Thread_local struct self *self_current;
static _Thread_local bool left_out; /* there was no place, and it is counted */

volatile uint32_t *self_not_forked;

static pthread_key_t end_of_thread;
/* Not a mutex of libc's: those are told of. Held for a few instructions. */
static _Atomic uint32_t idle_lock;
static struct self *idle;

/* The program's own destructors may still call routines: this one lets them go first, as long as it
   is asked again. */
static void thread_ends(void *ending) {
    struct self *ended = ending;
    runtime_finish(ended);
    clock_release(ended, (uintptr_t)pthread_self());
    if (++ended->ends < PTHREAD_DESTRUCTOR_ITERATIONS &&
        pthread_setspecific(end_of_thread, ended) == 0)
        return;
    clock_end(ended);
    self_current = NULL;
    /* The next thread takes this one's index, unless it would drain what this one flushed. */
    pages_apply(ended);
    ended->placed = !model_drain_needed(&source_process.arena.head->threads[ended->thread]) &&
                    !pages_pending(ended);
    arena_lock(&source_process.arena, &idle_lock, ended->thread + 1);
    ended->next_idle = idle;
    idle = ended;
    arena_unlock(&idle_lock);
}

/* The memory of a thread that ended, or new. */
static struct self *take_memory(void) {
    struct self *taken = NULL;
    /* Not a wait: this may be a signal handler that interrupted the holder. */
    uint32_t nobody = 0;
    if (atomic_compare_exchange_strong(&idle_lock, &nobody, UINT32_MAX)) {
        taken = idle;
        if (taken != NULL)
            idle = taken->next_idle;
        arena_unlock(&idle_lock);
    }
    if (taken != NULL) {
        for (size_t i = 0; i < ARRAY_LENGTH(taken->cache.seen); i++)
            taken->cache.seen[i].caller = NULL; /* another stack's */
        return taken;
    }
    taken = mmap(NULL, sizeof *taken, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return taken == MAP_FAILED ? NULL : taken;
}

/* Gives the thread an index in the arena; false: there is none. */
static bool find_place(struct self *made) {
    struct arena_head *head = source_process.arena.head;
    if (!made->placed && atomic_load(&head->thread_count) < ARENA_THREADS) {
        made->thread = atomic_fetch_add(&head->thread_count, 1);
        made->placed = made->thread < ARENA_THREADS;
        made->batch.now = NULL;
    }
    return made->placed;
}

static struct self *new_self(void) {
    struct arena_head *head = source_process.arena.head;
    struct self *made = take_memory();
    if (made == NULL || !find_place(made)) {
        if (made != NULL)
            munmap(made, sizeof *made);
        if (!left_out)
            atomic_fetch_add(&head->lost.threads, 1);
        left_out = true;
        return NULL;
    }
    head->thread_ids[made->thread] = (uint32_t)syscall(SYS_gettid);
    head->thread_processes[made->thread] = source_process.process;
    made->busy = made->queued = made->handled = made->ends = 0;
    pages_begin(made);
    made->lines = arena_lines(&source_process.arena);
    made->lines.spare = &made->spare;
    made->actor = (struct model_actor){.threads = head->threads,
                                       .lines = &made->lines,
                                       .judge = (enum model_judge)head->judge,
                                       .thread = made->thread};
    made->flushed.count = 0;
    made->told_handle = 0;
    made->waiting = made->emptied = false;
    if (made->frames != NULL)
        frames_clear(made->frames);
    commit_forget(made);
    reads_forget(made);
    clock_begin(made);
    made->usual = __builtin_frame_address(0);
    pthread_setspecific(end_of_thread, made);
    return made;
}

/* Of what the kernel gives each program that is executed, without what libc takes for secret. */
static uint64_t this_program(void) {
    uint64_t random[2] = {0};
    const void *given = (const void *)getauxval(AT_RANDOM); /* NOLINT(performance-no-int-to-ptr) */
    if (given != NULL)
        memcpy(random, given, sizeof random);
    return random[0] ^ random[1];
}

/* Takes the next place among the run's processes. parent: index + 1, or 0. */
static bool new_process(uint32_t parent) {
    struct arena_head *head = source_process.arena.head;
    uint32_t process = atomic_fetch_add(&head->process_count, 1);
    if (process >= ARENA_PROCESSES) {
        atomic_fetch_add(&head->lost.threads, 1);
        return false;
    }
    uint32_t pid = (uint32_t)getpid();
    uint64_t program = this_program();
    for (uint32_t i = 0; i < process && parent == 0; i++) {
        if (atomic_load(&head->processes[i].pid) != pid)
            continue;
        if (head->processes[i].program == program)
            atomic_fetch_add(&head->two_runtimes, 1);
        else
            atomic_store(&head->processes[i].end, ARENA_REPLACED);
    }
    head->processes[process].parent = parent;
    head->processes[process].program = program;
    atomic_store(&head->processes[process].pid, pid);
    source_process.process = process;
    return true;
}

struct self *self_find(void) {
    const struct self *parent = NULL;
    if (UNLIKELY(*self_not_forked == 0)) {
        parent = self_current;
        clock_forked();
        self_current = NULL;
        left_out = false;
        idle = NULL; /* another thread may have been changing the list at the fork */
        atomic_store(&source_process.forks, 0);
        atomic_store(&idle_lock, 0);
        regions_forked();
        pages_forked();
        *self_not_forked = 1;
        new_process(source_process.process + 1);
    }
    if (UNLIKELY(self_current == NULL && !left_out))
        self_current = new_self();
    /* The child goes on in the functions that its parent was in. */
    if (self_current != NULL && parent != NULL) {
        self_current->frames = parent->frames;
        clock_inherit(self_current, &parent->clock);
    }
    return self_current;
}

/* "DESCRIPTOR:PID": inherited as it is, or still open in the parent if the program closed it. */
static bool map_inherited(const char *setting) {
    char *end, path[64];
    long descriptor = strtol(setting, &end, 10);
    long pid = *end == ':' ? strtol(end + 1, NULL, 10) : 0;
    enum arena_mapped mapped = ARENA_NOT_FOUND;
    if (descriptor > 0 && descriptor <= INT_MAX)
        mapped = arena_map(&source_process.arena, (int)descriptor);
    if (mapped != ARENA_NOT_FOUND)
        return mapped == ARENA_MAPPED;
    snprintf(path, sizeof path, "/proc/%ld/fd/%ld", pid, descriptor);
    int opened = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (opened < 0)
        return false;
    mapped = arena_map(&source_process.arena, opened);
    close(opened);
    return mapped == ARENA_MAPPED;
}

static bool guard_against_fork(void) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || madvise(memory, page, MADV_WIPEONFORK) != 0)
        return false;
    self_not_forked = memory;
    *self_not_forked = 1;
    return true;
}

static void count_fork(void) {
    if (self_current != NULL)
        runtime_finish(self_current); /* the child sees what was stored before it */
    atomic_fetch_add(&source_process.forks, 1);
}

static void go_on_after_fork(void) {
    if (self_current != NULL)
        clock_fork(self_current);
}

static void forget_forks(void) {
    atomic_store(&source_process.forks, 0);
}

static bool attach(void) {
    const char *setting = secure_getenv("NVRTL_ARENA");
    if (setting == NULL || !map_inherited(setting) || !guard_against_fork() ||
        pthread_key_create(&end_of_thread, thread_ends) != 0 ||
        pthread_atfork(count_fork, go_on_after_fork, forget_forks) != 0)
        return false;
    ssize_t length =
        readlink("/proc/self/exe", source_process.executable, sizeof source_process.executable - 1);
    source_process.executable[length > 0 ? length : 0] = '\0';
    return new_process(0);
}

void self_confine(void) {
    if (self_not_forked == NULL || source_process.confined)
        return;
    code_begin();
    code_note();
    source_process.confined = true;
    atomic_fetch_add(&source_process.arena.head->confined, 1);
}

void self_widen(struct rlimit *limit) {
    struct rlimit now;
    if (self_not_forked == NULL || getrlimit(RLIMIT_AS, &now) != 0)
        return;
    rlim_t more = source_process.arena.size + OWN_MEMORY;
    rlim_t room = now.rlim_max == RLIM_INFINITY ? RLIM_INFINITY : now.rlim_max;
    limit->rlim_cur = limit->rlim_cur < room - more ? limit->rlim_cur + more : room;
    limit->rlim_max = limit->rlim_max < room - more ? limit->rlim_max + more : room;
}

bool self_attach(void) {
    static enum { NOT_TRIED, ATTACHED, REFUSED } outcome;
    static _Atomic uint32_t lock;
    static _Thread_local bool attaching; /* what it calls of libc may come back here */
    if (attaching)
        return false;
    attaching = true;
    while (atomic_exchange(&lock, 1) != 0) {
    }
    if (outcome == NOT_TRIED)
        outcome = attach() ? ATTACHED : REFUSED;
    atomic_store(&lock, 0);
    attaching = false;
    return outcome == ATTACHED;
}

/* Runs when the program leaves by exit() or returns from main; not when it is killed or aborts. */
__attribute__((destructor)) static void process_exits(void) {
    if (self_not_forked == NULL || *self_not_forked == 0)
        return;
    if (self_current != NULL)
        runtime_finish(self_current);
    bool explains = explain_wanted() && !record_wanted();
    struct self *me = pages_wanted() || explains ? self_get() : NULL;
    if (me != NULL && pages_wanted())
        pages_exit(me);
    if (me != NULL && explains)
        explain_exit(me);
    code_note();
    atomic_store(&source_process.arena.head->processes[source_process.process].end, ARENA_EXITED);
}
