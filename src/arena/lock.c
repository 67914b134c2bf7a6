/* SPDX-License-Identifier: BSD-2-Clause */
/* Locks of threads that may end, or be left by a longjmp, while they hold one; and pages that one
   thread uses without any. */
#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "arena/arena.h"
#include "base/bits.h"

/* Somebody holds a lock for microseconds. */
#define LOCK_SPINS 100u
#define LOCK_WAITS_ALIVE 100u /* milliseconds, about */
#define LOCK_WAITS_MAX 1000u

bool arena_thread_lives(const struct arena *arena, uint32_t thread) {
    if (thread == 0 || thread > ARENA_THREADS)
        return false;
    uint32_t id = arena->head->thread_ids[thread - 1];
    return id != 0 && (syscall(SYS_tkill, id, 0) == 0 || errno == EPERM);
}

void arena_lock(const struct arena *arena, _Atomic uint32_t *lock, uint32_t thread) {
    const struct timespec pause = {.tv_nsec = 1000000};
    uint32_t holder = 0, patient_with = 0;
    unsigned waits = 0;
    for (unsigned tries = 0; !atomic_compare_exchange_strong(lock, &holder, thread); tries++) {
        /* Nobody locks twice: what this thread still holds was left by a longjmp. */
        bool own = holder == thread;
        if (tries >= LOCK_SPINS && holder != patient_with) {
            patient_with = holder;
            waits = 0;
        }
        /* Asked rarely: the program may have forbidden itself the call. */
        bool dead =
            waits != 0 && waits % LOCK_WAITS_ALIVE == 0 && !arena_thread_lives(arena, holder);
        if (own || dead || waits >= LOCK_WAITS_MAX) {
            /* Only from that holder: somebody else may have been quicker. */
            if (!atomic_compare_exchange_strong(lock, &holder, thread)) {
                holder = 0;
                continue;
            }
            if (!own)
                atomic_fetch_add(&arena->head->lost.locks, 1);
            return;
        }
        if (tries >= LOCK_SPINS) {
            /* Woken by nobody: a short wait again and again needs no waiter's mark in the word. */
            syscall(SYS_futex, lock, FUTEX_WAIT, holder, &pause, NULL, 0);
            waits++;
        }
        holder = 0;
    }
}

void arena_unlock(_Atomic uint32_t *lock) {
    atomic_store_explicit(lock, 0, memory_order_release);
}

#define SETTLE_TURNS 5000u /* at some 40 to 140 cycles a turn */
#define AWAIT_SPINS 1000u
#define AWAIT_WAITS 20000u /* of 50 microseconds and more: it may not be running */
#define AWAIT_ALIVE 2000u

static void wait_a_turn(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* What another thread has stored before now can be seen after this. It does so without a barrier,
   and what a CPU has stored leaves it in far less time. No call of the system is asked to hurry it
   (membarrier): a program may have had itself killed for that. */
static void settle(void) {
    for (unsigned i = 0; i < SETTLE_TURNS; i++)
        wait_a_turn();
    atomic_thread_fence(memory_order_seq_cst);
}

void arena_await(const struct arena *arena, uint32_t thread, const _Atomic uint32_t *word,
                 uint32_t value) {
    const struct timespec pause = {.tv_nsec = 50000};
    int error = errno;
    settle();
    for (unsigned tries = 0; atomic_load(word) == value; tries++) {
        if (tries < AWAIT_SPINS)
            continue;
        unsigned waits = tries - AWAIT_SPINS + 1;
        if (waits >= AWAIT_WAITS ||
            (waits % AWAIT_ALIVE == 0 && !arena_thread_lives(arena, thread))) {
            atomic_fetch_add(&arena->head->lost.locks, 1);
            break;
        }
        syscall(SYS_futex, word, FUTEX_WAIT, value, &pause, NULL, 0);
    }
    errno = error;
}

#define TAKINGS_MAX 64u

/* Takes a page away from its owner. Who loses many of them takes locks from then on, so that no
   more waits are needed. pre: the page's lock */
static void dispossess(const struct arena *arena, const struct model_page *page, uint32_t owner) {
    struct model_thread *thread = &arena->head->threads[owner - 1];
    bool last = atomic_fetch_add(&thread->lost, 1) + 1 >= TAKINGS_MAX;
    if (atomic_load(&thread->locks) == ARENA_LOCKS_ALWAYS)
        return;
    if (last)
        atomic_store(&thread->locks, ARENA_LOCKS_SOON);
    arena_await(arena, owner, &thread->holds, arena_id_of(arena, page));
    /* It may hold another page: of that its own visitor has not been told by this wait. */
    if (last && atomic_load(&thread->holds) == 0)
        atomic_store(&thread->locks, ARENA_LOCKS_ALWAYS);
}

static uint32_t take_page(const struct arena *arena, struct model_page *page, uint32_t thread) {
    arena_lock(arena, &page->lock, thread);
    uint32_t owner = atomic_load(&page->owner);
    /* The parent comes when nobody is left. */
    if (owner == thread || owner == ARENA_SEVERAL || thread > ARENA_THREADS)
        return 0;
    if (owner == 0) {
        atomic_store(&page->owner, thread);
        return 0;
    }
    atomic_store(&page->owner, ARENA_SEVERAL);
    if (owner > ARENA_THREADS)
        return 0;
    dispossess(arena, page, owner);
    return owner;
}

uint32_t arena_take_page(const struct arena *arena, struct model_page *page, uint32_t thread) {
    int error = errno;
    uint32_t owner = take_page(arena, page, thread);
    errno = error;
    return owner;
}
