/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions of libc that this library has of the same name: looked up when it is loaded, since
   a call by name would come back here. */
#ifndef HOOK_REAL_H
#define HOOK_REAL_H

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <threads.h>

#include "hook/hook.h"
#include "hook/output.h"
#include "hook/scan.h"

/* REAL(result, name, parameters) */
#define REAL_MEMORY(REAL)                                                                          \
    REAL(void *, memcpy, (void *to, const void *from, size_t size))                                \
    REAL(void *, memmove, (void *to, const void *from, size_t size))                               \
    REAL(void *, memset, (void *to, int byte, size_t size))                                        \
    REAL(int, memcmp, (const void *one, const void *other, size_t size))                           \
    REAL(void *, memchr, (const void *in, int byte, size_t size))                                  \
    REAL(size_t, strlen, (const char *text))                                                       \
    REAL(size_t, strnlen, (const char *text, size_t size))                                         \
    REAL(int, strcmp, (const char *one, const char *other))                                        \
    REAL(int, strncmp, (const char *one, const char *other, size_t size))
#define REAL_SYSTEM(REAL)                                                                          \
    REAL(ssize_t, read, (int file, void *to, size_t size))                                         \
    REAL(ssize_t, pread, (int file, void *to, size_t size, off_t at))                              \
    REAL(ssize_t, readv, (int file, const struct iovec *parts, int count))                         \
    REAL(ssize_t, preadv, (int file, const struct iovec *parts, int count, off_t at))              \
    REAL(ssize_t, preadv2, (int file, const struct iovec *parts, int count, off_t at, int flags))  \
    REAL(ssize_t, write, (int file, const void *from, size_t size))                                \
    REAL(ssize_t, pwrite, (int file, const void *from, size_t size, off_t at))                     \
    REAL(ssize_t, writev, (int file, const struct iovec *parts, int count))                        \
    REAL(ssize_t, pwritev, (int file, const struct iovec *parts, int count, off_t at))             \
    REAL(ssize_t, pwritev2, (int file, const struct iovec *parts, int count, off_t at, int flags)) \
    REAL(int, ftruncate, (int file, off_t size))                                                   \
    REAL(int, fallocate, (int file, int mode, off_t at, off_t size))                               \
    REAL(ssize_t, recv, (int socket, void *to, size_t size, int flags))                            \
    REAL(ssize_t, recvfrom,                                                                        \
         (int socket, void *to, size_t size, int flags, struct sockaddr *from, socklen_t *length)) \
    REAL(ssize_t, recvmsg, (int socket, struct msghdr *message, int flags))                        \
    REAL(                                                                                          \
        int, recvmmsg,                                                                             \
        (int socket, struct mmsghdr *messages, unsigned count, int flags, struct timespec *limit)) \
    REAL(ssize_t, getrandom, (void *to, size_t size, unsigned flags))                              \
    REAL(size_t, fread, (void *to, size_t size, size_t count, FILE *file))                         \
    REAL(char *, fgets, (char *to, int size, FILE *file))                                          \
    REAL(int, vsnprintf, (char *to, size_t size, const char *format, va_list arguments))           \
    REAL(int, __vsnprintf_chk,                                                                     \
         (char *to, size_t size, int flag, size_t room, const char *format, va_list arguments))    \
    REAL(int, __vsprintf_chk,                                                                      \
         (char *to, int flag, size_t room, const char *format, va_list arguments))                 \
    REAL(void, swab, (const void *from, void *to, ssize_t size))                                   \
    REAL(void, qsort,                                                                              \
         (void *base, size_t count, size_t size, int (*compare)(const void *, const void *)))      \
    REAL(void, qsort_r,                                                                            \
         (void *base, size_t count, size_t size,                                                   \
          int (*compare)(const void *, const void *, void *), void *context))                      \
    REAL(int, msync, (void *address, size_t length, int flags))                                    \
    REAL(int, fsync, (int file))                                                                   \
    REAL(int, fdatasync, (int file))                                                               \
    REAL(int, munmap, (void *address, size_t length))                                              \
    REAL(void *, mremap, (void *old, size_t old_size, size_t size, int flags, ...))                \
    REAL(void *, mmap, (void *address, size_t size, int access, int flags, int file, off_t at))    \
    REAL(int, dlclose, (void *library))                                                            \
    REAL(int, prctl, (int option, ...))                                                            \
    REAL(int, setrlimit, (__rlimit_resource_t resource, const struct rlimit *limit))               \
    REAL(int, prlimit,                                                                             \
         (pid_t process, __rlimit_resource_t resource, const struct rlimit *limit,                 \
          struct rlimit *old))                                                                     \
    REAL(int, pthread_once, (pthread_once_t * object, void (*body)(void)))                         \
    REAL(void, call_once, (once_flag * object, void (*body)(void)))                                \
    REAL(int, kill, (pid_t process, int number))                                                   \
    REAL(int, raise, (int number))                                                                 \
    REAL(int, pthread_kill, (pthread_t thread, int number))                                        \
    REAL(int, sigqueue, (pid_t process, int number, const union sigval value))                     \
    REAL(int, sigwait, (const sigset_t *set, int *number))                                         \
    REAL(int, sigwaitinfo, (const sigset_t *set, siginfo_t *info))                                 \
    REAL(int, sigtimedwait, (const sigset_t *set, siginfo_t *info, const struct timespec *limit))

#define REAL_THREADS(REAL)                                                                         \
    REAL(int, pthread_create,                                                                      \
         (pthread_t * thread, const pthread_attr_t *options, void *(*body)(void *),                \
          void *argument))                                                                         \
    REAL(int, pthread_join, (pthread_t thread, void **value))                                      \
    REAL(int, pthread_tryjoin_np, (pthread_t thread, void **result))                               \
    REAL(int, pthread_mutex_lock, (pthread_mutex_t * mutex))                                       \
    REAL(int, pthread_mutex_trylock, (pthread_mutex_t * mutex))                                    \
    REAL(int, pthread_mutex_timedlock, (pthread_mutex_t * mutex, const struct timespec *until))    \
    REAL(int, pthread_mutex_unlock, (pthread_mutex_t * mutex))                                     \
    REAL(int, pthread_cond_wait, (pthread_cond_t * condition, pthread_mutex_t * mutex))            \
    REAL(int, pthread_cond_timedwait,                                                              \
         (pthread_cond_t * condition, pthread_mutex_t * mutex, const struct timespec *until))      \
    REAL(int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock))                                    \
    REAL(int, pthread_rwlock_tryrdlock, (pthread_rwlock_t * lock))                                 \
    REAL(int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock))                                    \
    REAL(int, pthread_rwlock_trywrlock, (pthread_rwlock_t * lock))                                 \
    REAL(int, pthread_rwlock_unlock, (pthread_rwlock_t * lock))                                    \
    REAL(int, pthread_spin_lock, (pthread_spinlock_t * lock))                                      \
    REAL(int, pthread_spin_trylock, (pthread_spinlock_t * lock))                                   \
    REAL(int, pthread_spin_unlock, (pthread_spinlock_t * lock))                                    \
    REAL(int, pthread_barrier_wait, (pthread_barrier_t * barrier))                                 \
    REAL(int, sem_post, (sem_t * semaphore))                                                       \
    REAL(int, sem_wait, (sem_t * semaphore))                                                       \
    REAL(int, sem_trywait, (sem_t * semaphore))                                                    \
    REAL(int, sem_timedwait, (sem_t * semaphore, const struct timespec *until))                    \
    REAL(int, mtx_lock, (mtx_t * mutex))                                                           \
    REAL(int, mtx_trylock, (mtx_t * mutex))                                                        \
    REAL(int, mtx_timedlock, (mtx_t * mutex, const struct timespec *until))                        \
    REAL(int, mtx_unlock, (mtx_t * mutex))                                                         \
    REAL(int, cnd_wait, (cnd_t * condition, mtx_t * mutex))                                        \
    REAL(int, cnd_timedwait, (cnd_t * condition, mtx_t * mutex, const struct timespec *until))     \
    REAL(int, thrd_create, (thrd_t * thread, int (*body)(void *), void *argument))                 \
    REAL(int, pthread_timedjoin_np,                                                                \
         (pthread_t thread, void **result, const struct timespec *until))                          \
    REAL(int, pthread_clockjoin_np,                                                                \
         (pthread_t thread, void **result, clockid_t clock, const struct timespec *until))         \
    REAL(int, pthread_mutex_clocklock,                                                             \
         (pthread_mutex_t * mutex, clockid_t clock, const struct timespec *until))                 \
    REAL(int, pthread_cond_clockwait,                                                              \
         (pthread_cond_t * condition, pthread_mutex_t * mutex, clockid_t clock,                    \
          const struct timespec *until))                                                           \
    REAL(int, pthread_rwlock_timedrdlock, (pthread_rwlock_t * lock, const struct timespec *until)) \
    REAL(int, pthread_rwlock_timedwrlock, (pthread_rwlock_t * lock, const struct timespec *until)) \
    REAL(int, pthread_rwlock_clockrdlock,                                                          \
         (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until))                 \
    REAL(int, pthread_rwlock_clockwrlock,                                                          \
         (pthread_rwlock_t * lock, clockid_t clock, const struct timespec *until))                 \
    REAL(int, sem_clockwait, (sem_t * semaphore, clockid_t clock, const struct timespec *until))   \
    REAL(int, thrd_join, (thrd_t thread, int *result))

/* One of them by the name that it has here, and as others know it. */
#define REAL_NAMED(result, name, parameters)                                                       \
    HOOK_EXPORT result hook_##name parameters HOOK_AS(#name);

struct real {
    bool found;
#define REAL_FIELD(result, name, parameters) result(*name) parameters;
    REAL_MEMORY(REAL_FIELD)
    REAL_SYSTEM(REAL_FIELD)
    REAL_THREADS(REAL_FIELD)
#define OUTPUT_FIELD(result, name, parameters, arguments, length, when) result(*name) parameters;
    OUTPUTS(OUTPUT_FIELD)
#define SCAN_FIELD(input, name, by_list)                                                           \
    int (*by_list)(input, const char *format, va_list arguments);
    SCANS(SCAN_FIELD)
};
extern struct real real;

void real_find(void);

/* pre: not in the middle of the program's own loading; the functions of memory may be used then. */
static inline const struct real *real_get(void) {
    if (__builtin_expect(!real.found, 0))
        real_find();
    return &real;
}

#endif
