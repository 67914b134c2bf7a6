/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of wait.c, by the names that others know them by, and what they are made of. */
#ifndef HOOK_WAIT_H
#define HOOK_WAIT_H

#include <pthread.h>
#include <signal.h>
#include <threads.h>

#include "hook/hook.h"

#define SIGNALS 65

/* std::thread::_M_start_thread, std::thread::join, std::condition_variable::wait */
#define THREAD_START                                                                               \
    "_ZNSt6thread15_M_start_threadESt10unique_ptrINS_6_StateESt14default_deleteIS1_EEPFvvE"
#define THREAD_JOIN "_ZNSt6thread4joinEv"
#define CONDITION_WAIT "_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE"

/* threads.c's. */
void wait_release(const volatile void *object);
void wait_acquire(const volatile void *object);
int hook_pthread_create(pthread_t *thread, const pthread_attr_t *options, void *(*body)(void *),
                        void *argument) HOOK_AS("pthread_create");
int hook_pthread_join(pthread_t thread, void **value) HOOK_AS("pthread_join");
int hook_pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
    HOOK_AS("pthread_cond_wait");

HOOK_EXPORT int hook_pthread_once(pthread_once_t *object, void (*body)(void))
    HOOK_AS("pthread_once");
HOOK_EXPORT void hook_call_once(once_flag *object, void (*body)(void)) HOOK_AS("call_once");
HOOK_EXPORT int hook_kill(pid_t process, int number) HOOK_AS("kill");
HOOK_EXPORT int hook_raise(int number) HOOK_AS("raise");
HOOK_EXPORT int hook_pthread_kill(pthread_t thread, int number) HOOK_AS("pthread_kill");
HOOK_EXPORT int hook_sigqueue(pid_t process, int number, const union sigval value)
    HOOK_AS("sigqueue");
HOOK_EXPORT int hook_sigwait(const sigset_t *set, int *number) HOOK_AS("sigwait");
HOOK_EXPORT int hook_sigwaitinfo(const sigset_t *set, siginfo_t *info) HOOK_AS("sigwaitinfo");
HOOK_EXPORT int hook_sigtimedwait(const sigset_t *set, siginfo_t *info,
                                  const struct timespec *limit) HOOK_AS("sigtimedwait");

/* In C++ an odd pointer to a member function stands for a virtual one. */
#define HOOK_MEMBER __attribute__((aligned(16))) HOOK_EXPORT

/* By reference: a unique_ptr<_State>, which is a pointer, and a unique_lock<mutex>. */
HOOK_MEMBER void hook_start_thread(pthread_t *thread, void **state, void (*depend)(void))
    HOOK_AS(THREAD_START);
HOOK_MEMBER void hook_join_thread(pthread_t *thread) HOOK_AS(THREAD_JOIN);
HOOK_MEMBER void hook_wait_condition(pthread_cond_t *condition, pthread_mutex_t **lock)
    HOOK_AS(CONDITION_WAIT);

#endif
