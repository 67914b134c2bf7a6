/* SPDX-License-Identifier: BSD-2-Clause */
/* How the program's threads wait for each other: passed on to libc, and noted, so that the verifier
   knows what happened before what. */
#include <errno.h>
#include <sys/mman.h>

#include "hook/hook.h"
#include "hook/real.h"
#include "hook/sync.h"
#include "hook/wait.h"

REAL_THREADS(REAL_NAMED)

enum step { STEP_RELEASE, STEP_ACQUIRE, STEP_LOCK_SHARED, STEP_LOCK_WRITER, STEP_UNLOCK_SHARED };

APART static void note_step(const volatile void *object, enum step step) {
    int error = errno;
    struct self *me = hook_enter(__builtin_frame_address(0));
    uintptr_t address = (uintptr_t)object;
    if (me != NULL) {
        if (step == STEP_RELEASE)
            clock_release(me, address);
        else if (step == STEP_ACQUIRE)
            clock_acquire(me, address);
        else if (step == STEP_UNLOCK_SHARED)
            clock_unlock_shared(me, address);
        else
            clock_lock_shared(me, address, step == STEP_LOCK_WRITER);
        runtime_leave(me);
    }
    errno = error;
}

static inline void note(const volatile void *object, enum step step) {
    if (UNLIKELY(hook_on))
        note_step(object, step);
}

void wait_release(const volatile void *object) {
    note(object, STEP_RELEASE);
}

void wait_acquire(const volatile void *object) {
    note(object, STEP_ACQUIRE);
}

static inline int note_if(bool done, const volatile void *object, enum step step, int result) {
    if (done)
        note(object, step);
    return result;
}

/* What a new thread begins with. */
struct start {
    void *(*body)(void *);
    int (*plain_body)(void *);
    void *argument;
    struct clock known;
};

APART static void take_start(void *given) {
    const struct start start = *(struct start *)given;
    real_get()->munmap(given, sizeof start);
    struct self *me = hook_enter(__builtin_frame_address(0));
    if (me != NULL) {
        clock_join(me, &start.known);
        runtime_leave(me);
    }
}

/* The body is jumped to (see the build), so that this is on no stack. */
static void *begin(void *given) {
    const struct start *start = given;
    void *(*body)(void *) = start->body;
    void *argument = start->argument;
    take_start(given);
    return body(argument);
}

static int begin_plain(void *given) {
    const struct start *start = given;
    int (*body)(void *) = start->plain_body;
    void *argument = start->argument;
    take_start(given);
    return body(argument);
}

/* NULL: the thread begins without. */
static struct start *make_start(const struct start *wish) {
    int error = errno;
    struct start *made = NULL;
    struct self *me = hook_on ? hook_enter(__builtin_frame_address(0)) : NULL;
    if (me != NULL) {
        made = real_get()->mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (made == MAP_FAILED)
            made = NULL;
        if (made != NULL) {
            *made = *wish;
            clock_hand(me, &made->known);
        }
        runtime_leave(me);
    }
    errno = error;
    return made;
}

int hook_pthread_create(pthread_t *thread, const pthread_attr_t *options, void *(*body)(void *),
                        void *argument) {
    struct start *start = make_start(&(struct start){.body = body, .argument = argument});
    if (start == NULL)
        return real_get()->pthread_create(thread, options, body, argument);
    int result = real_get()->pthread_create(thread, options, begin, start);
    if (result != 0)
        real_get()->munmap(start, sizeof *start);
    return result;
}

int hook_thrd_create(thrd_t *thread, int (*body)(void *), void *argument) {
    struct start *start = make_start(&(struct start){.plain_body = body, .argument = argument});
    if (start == NULL)
        return real_get()->thrd_create(thread, body, argument);
    int result = real_get()->thrd_create(thread, begin_plain, start);
    if (result != thrd_success)
        real_get()->munmap(start, sizeof *start);
    return result;
}

/* A thread that ends releases what its handle stands for (self.c). */
#define JOIN(name, handle, parameters, arguments)                                                  \
    int hook_##name parameters {                                                                   \
        int result = real_get()->name arguments;                                                   \
        return note_if(result == 0, (const void *)handle, STEP_ACQUIRE, result);                   \
    }
JOIN(pthread_join, thread, (pthread_t thread, void **value), (thread, value))
JOIN(pthread_tryjoin_np, thread, (pthread_t thread, void **value), (thread, value))
JOIN(pthread_timedjoin_np, thread, (pthread_t thread, void **value, const struct timespec *until),
     (thread, value, until))
JOIN(pthread_clockjoin_np, thread,
     (pthread_t thread, void **value, clockid_t clock, const struct timespec *until),
     (thread, value, clock, until))
JOIN(thrd_join, thread, (thrd_t thread, int *value), (thread, value))

#define AFTER(name, done, step, object, parameters, arguments)                                     \
    int hook_##name parameters {                                                                   \
        int result = real_get()->name arguments;                                                   \
        return note_if(done, object, step, result);                                                \
    }
#define BEFORE(name, step, object, parameters, arguments)                                          \
    int hook_##name parameters {                                                                   \
        note(object, step);                                                                        \
        return real_get()->name arguments;                                                         \
    }
/* The last owner of a robust mutex has died: the next one has it all the same. */
#define OWNED (result == 0 || result == EOWNERDEAD)
AFTER(pthread_mutex_lock, OWNED, STEP_ACQUIRE, mutex, (pthread_mutex_t * mutex), (mutex))
AFTER(pthread_mutex_trylock, OWNED, STEP_ACQUIRE, mutex, (pthread_mutex_t * mutex), (mutex))
AFTER(pthread_mutex_timedlock, OWNED, STEP_ACQUIRE, mutex,
      (pthread_mutex_t * mutex, const struct timespec *until), (mutex, until))
AFTER(pthread_mutex_clocklock, OWNED, STEP_ACQUIRE, mutex,
      (pthread_mutex_t * mutex, clockid_t clock, const struct timespec *until),
      (mutex, clock, until))
BEFORE(pthread_mutex_unlock, STEP_RELEASE, mutex, (pthread_mutex_t * mutex), (mutex))
AFTER(pthread_rwlock_rdlock, result == 0, STEP_LOCK_SHARED, lock, (pthread_rwlock_t * lock), (lock))
AFTER(pthread_rwlock_tryrdlock, result == 0, STEP_LOCK_SHARED, lock, (pthread_rwlock_t * lock),
      (lock))
AFTER(pthread_rwlock_wrlock, result == 0, STEP_LOCK_WRITER, lock, (pthread_rwlock_t * lock), (lock))
AFTER(pthread_rwlock_trywrlock, result == 0, STEP_LOCK_WRITER, lock, (pthread_rwlock_t * lock),
      (lock))
#define LIMITED(name, step)                                                                        \
    AFTER(pthread_rwlock_timed##name, result == 0, step, lock,                                     \
          (pthread_rwlock_t * lock, const struct timespec *until), (lock, until))                  \
    AFTER(pthread_rwlock_clock##name, result == 0, step, lock,                                     \
          (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until),                \
          (lock, clock, until))
LIMITED(rdlock, STEP_LOCK_SHARED)
LIMITED(wrlock, STEP_LOCK_WRITER)
BEFORE(pthread_rwlock_unlock, STEP_UNLOCK_SHARED, lock, (pthread_rwlock_t * lock), (lock))
AFTER(pthread_spin_lock, result == 0, STEP_ACQUIRE, lock, (pthread_spinlock_t * lock), (lock))
AFTER(pthread_spin_trylock, result == 0, STEP_ACQUIRE, lock, (pthread_spinlock_t * lock), (lock))
BEFORE(pthread_spin_unlock, STEP_RELEASE, lock, (pthread_spinlock_t * lock), (lock))
BEFORE(sem_post, STEP_RELEASE, semaphore, (sem_t * semaphore), (semaphore))
AFTER(sem_wait, result == 0, STEP_ACQUIRE, semaphore, (sem_t * semaphore), (semaphore))
AFTER(sem_trywait, result == 0, STEP_ACQUIRE, semaphore, (sem_t * semaphore), (semaphore))
AFTER(sem_timedwait, result == 0, STEP_ACQUIRE, semaphore,
      (sem_t * semaphore, const struct timespec *until), (semaphore, until))
AFTER(sem_clockwait, result == 0, STEP_ACQUIRE, semaphore,
      (sem_t * semaphore, clockid_t clock, const struct timespec *until), (semaphore, clock, until))
AFTER(mtx_lock, result == thrd_success, STEP_ACQUIRE, mutex, (mtx_t * mutex), (mutex))
AFTER(mtx_trylock, result == thrd_success, STEP_ACQUIRE, mutex, (mtx_t * mutex), (mutex))
AFTER(mtx_timedlock, result == thrd_success, STEP_ACQUIRE, mutex,
      (mtx_t * mutex, const struct timespec *until), (mutex, until))
BEFORE(mtx_unlock, STEP_RELEASE, mutex, (mtx_t * mutex), (mutex))

/* A wait for a condition gives the mutex away and takes it again, whatever comes of it. */
#define WAIT(name, parameters, arguments)                                                          \
    int hook_##name parameters {                                                                   \
        note(mutex, STEP_RELEASE);                                                                 \
        int result = real_get()->name arguments;                                                   \
        note(mutex, STEP_ACQUIRE);                                                                 \
        return result;                                                                             \
    }
WAIT(pthread_cond_wait, (pthread_cond_t * condition, pthread_mutex_t *mutex), (condition, mutex))
WAIT(pthread_cond_timedwait,
     (pthread_cond_t * condition, pthread_mutex_t *mutex, const struct timespec *until),
     (condition, mutex, until))
WAIT(pthread_cond_clockwait,
     (pthread_cond_t * condition, pthread_mutex_t *mutex, clockid_t clock,
      const struct timespec *until),
     (condition, mutex, clock, until))
WAIT(cnd_wait, (cnd_t * condition, mtx_t *mutex), (condition, mutex))
WAIT(cnd_timedwait, (cnd_t * condition, mtx_t *mutex, const struct timespec *until),
     (condition, mutex, until))

int hook_pthread_barrier_wait(pthread_barrier_t *barrier) {
    struct self *me = hook_on ? hook_enter(__builtin_frame_address(0)) : NULL;
    uint32_t round = 0;
    if (me != NULL) {
        round = clock_enter(me, (uintptr_t)barrier);
        runtime_leave(me);
    }
    int result = real_get()->pthread_barrier_wait(barrier);
    if (me != NULL && runtime_enter(me, __builtin_frame_address(0))) {
        clock_leave(me, (uintptr_t)barrier, round);
        runtime_leave(me);
    }
    return result;
}
