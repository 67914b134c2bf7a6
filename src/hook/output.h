/* SPDX-License-Identifier: BSD-2-Clause */
/* Functions of libc that store what they have to say where their caller wants it, in one piece. */
#ifndef HOOK_OUTPUT_H
#define HOOK_OUTPUT_H

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>
#include <wchar.h>

#include "hook/hook.h"

/* OUTPUT(result, name, parameters, arguments, length, when): `length` bytes at `to` were stored if
   `when`; `got` is what the function has returned. */
#define OUTPUTS(OUTPUT)                                                                            \
    OUTPUT(int, stat, (const char *path, struct stat *to), (path, to), sizeof *to, got == 0)       \
    OUTPUT(int, lstat, (const char *path, struct stat *to), (path, to), sizeof *to, got == 0)      \
    OUTPUT(int, fstat, (int file, struct stat *to), (file, to), sizeof *to, got == 0)              \
    OUTPUT(int, fstatat, (int folder, const char *path, struct stat *to, int flags),               \
           (folder, path, to, flags), sizeof *to, got == 0)                                        \
    OUTPUT(int, statfs, (const char *path, struct statfs *to), (path, to), sizeof *to, got == 0)   \
    OUTPUT(int, fstatfs, (int file, struct statfs *to), (file, to), sizeof *to, got == 0)          \
    OUTPUT(int, statvfs, (const char *path, struct statvfs *to), (path, to), sizeof *to, got == 0) \
    OUTPUT(int, fstatvfs, (int file, struct statvfs *to), (file, to), sizeof *to, got == 0)        \
    OUTPUT(int, stat64, (const char *path, struct stat64 *to), (path, to), sizeof *to, got == 0)   \
    OUTPUT(int, lstat64, (const char *path, struct stat64 *to), (path, to), sizeof *to, got == 0)  \
    OUTPUT(int, fstat64, (int file, struct stat64 *to), (file, to), sizeof *to, got == 0)          \
    OUTPUT(int, fstatat64, (int folder, const char *path, struct stat64 *to, int flags),           \
           (folder, path, to, flags), sizeof *to, got == 0)                                        \
    OUTPUT(int, statfs64, (const char *path, struct statfs64 *to), (path, to), sizeof *to,         \
           got == 0)                                                                               \
    OUTPUT(int, fstatfs64, (int file, struct statfs64 *to), (file, to), sizeof *to, got == 0)      \
    OUTPUT(int, statvfs64, (const char *path, struct statvfs64 *to), (path, to), sizeof *to,       \
           got == 0)                                                                               \
    OUTPUT(int, fstatvfs64, (int file, struct statvfs64 *to), (file, to), sizeof *to, got == 0)    \
    OUTPUT(int, statx, (int folder, const char *path, int flags, unsigned mask, struct statx *to), \
           (folder, path, flags, mask, to), sizeof *to, got == 0)                                  \
    OUTPUT(int, clock_gettime, (clockid_t clock, struct timespec * to), (clock, to), sizeof *to,   \
           got == 0)                                                                               \
    OUTPUT(int, clock_getres, (clockid_t clock, struct timespec * to), (clock, to), sizeof *to,    \
           got == 0 && to != NULL)                                                                 \
    OUTPUT(int, gettimeofday, (struct timeval * to, void *zone), (to, zone), sizeof *to,           \
           got == 0 && to != NULL)                                                                 \
    OUTPUT(time_t, time, (time_t * to), (to), sizeof *to, to != NULL)                              \
    OUTPUT(int, timespec_get, (struct timespec * to, int base), (to, base), sizeof *to, got != 0)  \
    OUTPUT(clock_t, times, (struct tms * to), (to), sizeof *to, to != NULL)                        \
    OUTPUT(int, getrusage, (__rusage_who_t who, struct rusage * to), (who, to), sizeof *to,        \
           got == 0)                                                                               \
    OUTPUT(int, getrlimit, (__rlimit_resource_t resource, struct rlimit * to), (resource, to),     \
           sizeof *to, got == 0)                                                                   \
    OUTPUT(int, uname, (struct utsname * to), (to), sizeof *to, got == 0)                          \
    OUTPUT(int, sysinfo, (struct sysinfo * to), (to), sizeof *to, got == 0)                        \
    OUTPUT(struct tm *, gmtime_r, (const time_t *time, struct tm *to), (time, to), sizeof *to,     \
           got != NULL)                                                                            \
    OUTPUT(struct tm *, localtime_r, (const time_t *time, struct tm *to), (time, to), sizeof *to,  \
           got != NULL)                                                                            \
    OUTPUT(char *, asctime_r, (const struct tm *time, char *to), (time, to), strlen(to) + 1,       \
           got != NULL)                                                                            \
    OUTPUT(char *, ctime_r, (const time_t *time, char *to), (time, to), strlen(to) + 1,            \
           got != NULL)                                                                            \
    OUTPUT(size_t, strftime, (char *to, size_t size, const char *format, const struct tm *time),   \
           (to, size, format, time), got + 1, got != 0)                                            \
    OUTPUT(size_t, strxfrm, (char *to, const char *from, size_t size), (to, from, size), got + 1,  \
           got < size)                                                                             \
    OUTPUT(int, gethostname, (char *to, size_t size), (to, size), text_size(to, size), got == 0)   \
    OUTPUT(char *, getcwd, (char *to, size_t size), (to, size), strlen(to) + 1,                    \
           got != NULL && to != NULL)                                                              \
    OUTPUT(char *, realpath, (const char *path, char *to), (path, to), strlen(to) + 1,             \
           got != NULL && to != NULL)                                                              \
    OUTPUT(ssize_t, readlink, (const char *path, char *to, size_t size), (path, to, size),         \
           (size_t)got, got > 0)                                                                   \
    OUTPUT(ssize_t, readlinkat, (int folder, const char *path, char *to, size_t size),             \
           (folder, path, to, size), (size_t)got, got > 0)                                         \
    OUTPUT(ssize_t, getxattr, (const char *path, const char *name, void *to, size_t size),         \
           (path, name, to, size), (size_t)got, got > 0 && size != 0)                              \
    OUTPUT(ssize_t, lgetxattr, (const char *path, const char *name, void *to, size_t size),        \
           (path, name, to, size), (size_t)got, got > 0 && size != 0)                              \
    OUTPUT(ssize_t, fgetxattr, (int file, const char *name, void *to, size_t size),                \
           (file, name, to, size), (size_t)got, got > 0 && size != 0)                              \
    OUTPUT(int, getentropy, (void *to, size_t size), (to, size), size, got == 0)                   \
    OUTPUT(int, rand_r, (unsigned *to), (to), sizeof *to, got >= 0)                                \
    OUTPUT(int, inet_pton, (int family, const char *text, void *to), (family, text, to),           \
           family == AF_INET ? 4 : 16, got == 1)                                                   \
    OUTPUT(int, inet_aton, (const char *text, struct in_addr *to), (text, to), sizeof *to,         \
           got != 0)                                                                               \
    OUTPUT(const char *, inet_ntop, (int family, const void *from, char *to, socklen_t size),      \
           (family, from, to, size), strlen(to) + 1, got != NULL)                                  \
    OUTPUT(wchar_t *, wmemset, (wchar_t * to, wchar_t value, size_t count), (to, value, count),    \
           count * sizeof *to, got != NULL)                                                        \
    OUTPUT(wchar_t *, wmemcpy, (wchar_t * to, const wchar_t *from, size_t count),                  \
           (to, from, count), count * sizeof *to, got != NULL)                                     \
    OUTPUT(wchar_t *, wmemmove, (wchar_t * to, const wchar_t *from, size_t count),                 \
           (to, from, count), count * sizeof *to, got != NULL)                                     \
    OUTPUT(wchar_t *, wcsncpy, (wchar_t * to, const wchar_t *from, size_t count),                  \
           (to, from, count), count * sizeof *to, got != NULL)                                     \
    OUTPUT(wchar_t *, wcscpy, (wchar_t * to, const wchar_t *from), (to, from),                     \
           (wcslen(to) + 1) * sizeof *to, got != NULL)                                             \
    OUTPUT(double, frexp, (double value, int *to), (value, to), sizeof *to, to != NULL)            \
    OUTPUT(double, modf, (double value, double *to), (value, to), sizeof *to, to != NULL)          \
    OUTPUT(float, frexpf, (float value, int *to), (value, to), sizeof *to, to != NULL)             \
    OUTPUT(float, modff, (float value, float *to), (value, to), sizeof *to, to != NULL)            \
    OUTPUT(long double, frexpl, (long double value, int *to), (value, to), sizeof *to, to != NULL) \
    OUTPUT(long double, modfl, (long double value, long double *to), (value, to),                  \
           OUTPUT_LONG_DOUBLE, to != NULL)

#define OUTPUT_NAMED(result, name, parameters, arguments, length, when)                            \
    HOOK_EXPORT result hook_##name parameters HOOK_AS(#name);
OUTPUTS(OUTPUT_NAMED)

/* Bytes of a long double that hold something. */
#define OUTPUT_LONG_DOUBLE 10

HOOK_EXPORT void hook_swab(const void *from, void *to, ssize_t size) HOOK_AS("swab");
HOOK_EXPORT void hook_qsort(void *base, size_t count, size_t size,
                            int (*compare)(const void *, const void *)) HOOK_AS("qsort");
HOOK_EXPORT void hook_qsort_r(void *base, size_t count, size_t size,
                              int (*compare)(const void *, const void *, void *), void *context)
    HOOK_AS("qsort_r");

#endif
