/* SPDX-License-Identifier: BSD-2-Clause */
/* A table of system calls that fail where a test says so. */
#ifndef UNIT_FAULTS_H
#define UNIT_FAULTS_H

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "os/calls.h"

enum fault_call {
#define FAULT_NUMBER(name) FAULT_IN_##name,
    OS_CALLS(FAULT_NUMBER)
#undef FAULT_NUMBER
        FAULT_CALLS
};

static const char *const fault_names[] = {
#define FAULT_NAME(name) #name,
    OS_CALLS(FAULT_NAME)
#undef FAULT_NAME
};

/* The real calls, and who decides: the errno with which the call fails, 0 if it is made. */
static struct os_calls real_calls;
static int (*fault_decide)(enum fault_call call);

#define FAULTY(type, name, parameters, arguments)                                                  \
    static inline type faulty_##name parameters {                                                  \
        int error = fault_decide(FAULT_IN_##name);                                                 \
        if (error == 0)                                                                            \
            return real_calls.name arguments;                                                      \
        errno = error;                                                                             \
        return (type)-1;                                                                           \
    }
FAULTY(void *, mmap, (void *address, size_t size, int protection, int flags, int file, off_t at),
       (address, size, protection, flags, file, at))
FAULTY(int, munmap, (void *address, size_t size), (address, size))
FAULTY(int, munlock, (const void *address, size_t size), (address, size))
FAULTY(int, mprotect, (void *address, size_t size, int protection), (address, size, protection))
FAULTY(int, msync, (void *address, size_t size, int flags), (address, size, flags))
FAULTY(int, mincore, (void *address, size_t size, unsigned char *pages), (address, size, pages))
FAULTY(ssize_t, read, (int file, void *buffer, size_t size), (file, buffer, size))
FAULTY(ssize_t, readlink, (const char *path, char *buffer, size_t size), (path, buffer, size))
FAULTY(ssize_t, os_read_folder, (int file, void *buffer, size_t size), (file, buffer, size))
FAULTY(off_t, lseek, (int file, off_t offset, int whence), (file, offset, whence))
FAULTY(int, stat, (const char *path, struct stat *told), (path, told))
FAULTY(int, fstat, (int file, struct stat *told), (file, told))
FAULTY(int, lstat, (const char *path, struct stat *told), (path, told))
FAULTY(int, statx, (int folder, const char *path, int flags, unsigned mask, struct statx *told),
       (folder, path, flags, mask, told))
FAULTY(int, statfs, (const char *path, struct statfs *told), (path, told))
FAULTY(int, access, (const char *path, int mode), (path, mode))
FAULTY(int, ftruncate, (int file, off_t size), (file, size))
FAULTY(int, fsync, (int file), (file))
FAULTY(int, syncfs, (int file), (file))
FAULTY(int, unlink, (const char *path), (path))
FAULTY(int, sigaction, (int number, const struct sigaction *to, struct sigaction *from),
       (number, to, from))

static inline int faulty_open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    mode_t mode = (flags & O_CREAT) != 0 ? va_arg(more, mode_t) : 0;
    va_end(more);
    errno = fault_decide(FAULT_IN_open);
    return errno != 0 ? -1 : real_calls.open(path, flags, mode);
}

static inline int faulty_ioctl(int file, unsigned long request, ...) {
    va_list more;
    va_start(more, request);
    void *argument = va_arg(more, void *);
    va_end(more);
    errno = fault_decide(FAULT_IN_ioctl);
    return errno != 0 ? -1 : real_calls.ioctl(file, request, argument);
}

/* Linux has closed the descriptor, whatever it says. */
static inline int faulty_close(int file) {
    int error = fault_decide(FAULT_IN_close), result = real_calls.close(file);
    if (error == 0)
        return result;
    errno = error;
    return -1;
}

static inline int faulty_posix_fallocate(int file, off_t from, off_t size) {
    int error = fault_decide(FAULT_IN_posix_fallocate);
    return error != 0 ? error : real_calls.posix_fallocate(file, from, size);
}

/* Does this call fail with this error on Linux, some time? */
static inline bool fault_is_real(enum fault_call call, int error) {
    static const uint64_t interruptible =
        1u << FAULT_IN_msync | 1u << FAULT_IN_open | 1u << FAULT_IN_read | 1u << FAULT_IN_close |
        1u << FAULT_IN_fsync | 1u << FAULT_IN_ftruncate | 1u << FAULT_IN_posix_fallocate |
        1u << FAULT_IN_statfs | 1u << FAULT_IN_syncfs;
    if (call == FAULT_IN_sigaction || call == FAULT_IN_munmap)
        return false; /* not with the arguments that they are given */
    if (call == FAULT_IN_munlock || call == FAULT_IN_mprotect)
        return error == ENOMEM || error == EAGAIN;
    return error != EINTR || (interruptible >> call & 1) != 0;
}

/* A plan: the calls from number first on fail, so many of them, with error. */
static struct {
    unsigned calls, first, times;
    int error;
    uint64_t met;              /* bits of the calls that failed */
    enum fault_call first_met; /* the first of them */
} fault;

static inline int fault_plan(enum fault_call call) {
    unsigned number = fault.calls++;
    if (number < fault.first || number - fault.first >= fault.times ||
        !fault_is_real(call, fault.error))
        return 0;
    if (fault.met == 0)
        fault.first_met = call;
    fault.met |= UINT64_C(1) << call;
    return fault.error;
}

static inline void fault_arm(unsigned first, unsigned times, int error) {
    memset(&fault, 0, sizeof fault);
    fault.first = first;
    fault.times = times;
    fault.error = error;
}

static inline bool fault_met(enum fault_call call) {
    return (fault.met >> call & 1) != 0;
}

/* decide: fault_plan, or a test's own */
static inline void faults_begin(int (*decide)(enum fault_call call)) {
    real_calls = os_calls;
    fault_decide = decide;
#define FAULT_REPLACE(name) os_calls.name = faulty_##name;
    OS_CALLS(FAULT_REPLACE)
#undef FAULT_REPLACE
}

static inline void faults_end(void) {
    os_calls = real_calls;
}

#endif
