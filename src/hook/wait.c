/* SPDX-License-Identifier: BSD-2-Clause */
/* Ways of threads to wait for each other that are more than one function of libc: what is done
   once, signals that are waited for, and C++'s threads and conditions, whose own functions lie in a
   library that has no hooks. */
#include "hook/wait.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#include "hook/real.h"

/* What is done once is done by a function of ours, which says so before others go on. */
static _Thread_local struct once {
    void (*body)(void);
    const volatile void *object;
} once;

static void do_once(void) {
    const struct once mine = once; /* its body may come here again, for another object */
    mine.body();
    wait_release(mine.object);
}

int hook_pthread_once(pthread_once_t *object, void (*body)(void)) {
    if (!hook_on)
        return real_get()->pthread_once(object, body);
    once = (struct once){body, object};
    int result = real_get()->pthread_once(object, do_once);
    wait_acquire(object);
    return result;
}

void hook_call_once(once_flag *object, void (*body)(void)) {
    if (!hook_on) {
        real_get()->call_once(object, body);
        return;
    }
    once = (struct once){body, object};
    real_get()->call_once(object, do_once);
    wait_acquire(object);
}

/* Who sends a signal lets go, who has waited for one of that number comes after it. */
static char signals[SIGNALS];

static void send_signal(int number) {
    if (number > 0 && number < SIGNALS)
        wait_release(&signals[number]);
}

static int receive(int number) {
    if (number > 0 && number < SIGNALS)
        wait_acquire(&signals[number]);
    return number;
}

int hook_kill(pid_t process, int number) {
    send_signal(number);
    return real_get()->kill(process, number);
}

int hook_raise(int number) {
    send_signal(number);
    return real_get()->raise(number);
}

int hook_pthread_kill(pthread_t thread, int number) {
    send_signal(number);
    return real_get()->pthread_kill(thread, number);
}

int hook_sigqueue(pid_t process, int number, const union sigval value) {
    send_signal(number);
    return real_get()->sigqueue(process, number, value);
}

int hook_sigwait(const sigset_t *set, int *number) {
    int result = real_get()->sigwait(set, number);
    if (result == 0)
        receive(*number);
    return result;
}

int hook_sigwaitinfo(const sigset_t *set, siginfo_t *info) {
    return receive(real_get()->sigwaitinfo(set, info));
}

int hook_sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *limit) {
    return receive(real_get()->sigtimedwait(set, info, limit));
}

/* libstdc++'s own function, for what ends in an exception. It may be in nobody's sight, loaded for
   a plugin alone. */
static void *find_own(const char *name) {
    void *function = dlsym(RTLD_NEXT, name);
    void *library = function == NULL ? dlopen("libstdc++.so.6", RTLD_LAZY | RTLD_NOLOAD) : NULL;
    if (library != NULL) {
        function = dlsym(library, name);
        dlclose(library);
    }
    return function;
}

/* As libstdc++ has them, unchanged since its first threads: a std::thread is its handle, a lock
   begins with its mutex, which is libc's, and so is a condition. What a thread is to do is an
   object whose table of functions holds two destructors, the second of which frees it, and
   _M_run. */
enum { STATE_DELETE = 1, STATE_RUN = 2 };
typedef void state_function(void *state);

static state_function *function_of(void *state, size_t index) {
    return (*(state_function *const **)state)[index];
}

static void *run_state(void *state) {
    function_of(state, STATE_RUN)(state);
    function_of(state, STATE_DELETE)(state);
    return NULL;
}

void hook_start_thread(pthread_t *thread, void **state, void (*depend)(void)) {
    typedef void start(pthread_t *, void **, void (*)(void));
    if (hook_pthread_create(thread, NULL, run_state, *state) == 0) {
        *state = NULL;
        return;
    }
    start *own = __extension__(start *) find_own(THREAD_START);
    if (own == NULL)
        abort(); /* as it ends when nobody catches what is thrown */
    own(thread, state, depend);
}

void hook_join_thread(pthread_t *thread) {
    typedef void join(pthread_t *);
    if (*thread != 0 && hook_pthread_join(*thread, NULL) == 0) {
        *thread = 0;
        return;
    }
    join *own = __extension__(join *) find_own(THREAD_JOIN);
    if (own == NULL)
        abort();
    own(thread);
}

void hook_wait_condition(pthread_cond_t *condition, pthread_mutex_t **lock) {
    hook_pthread_cond_wait(condition, *lock);
}
