/* SPDX-License-Identifier: BSD-2-Clause */
/* The system calls that the library makes, in one table, so that a test can put a failing one in
   the place of the real one. Nothing but a test writes to it, and only while no other thread runs.
   Not here: what fails for no reason outside of the process (ids, futex, signal masks). */
#ifndef OS_CALLS_H
#define OS_CALLS_H

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

/* What libc has no name for everywhere: the entries of an open directory, as the kernel writes
   them. */
ssize_t os_read_folder(int descriptor, void *buffer, size_t size);

/* Each has the name of the function that it is at first. */
#define OS_CALLS(CALL)                                                                             \
    CALL(mmap)                                                                                     \
    CALL(munmap)                                                                                   \
    CALL(munlock)                                                                                  \
    CALL(mprotect)                                                                                 \
    CALL(msync)                                                                                    \
    CALL(mincore)                                                                                  \
    CALL(open)                                                                                     \
    CALL(close)                                                                                    \
    CALL(read)                                                                                     \
    CALL(readlink)                                                                                 \
    CALL(os_read_folder)                                                                           \
    CALL(ioctl)                                                                                    \
    CALL(lseek)                                                                                    \
    CALL(stat)                                                                                     \
    CALL(fstat)                                                                                    \
    CALL(lstat)                                                                                    \
    CALL(statx)                                                                                    \
    CALL(statfs)                                                                                   \
    CALL(access)                                                                                   \
    CALL(ftruncate)                                                                                \
    CALL(posix_fallocate)                                                                          \
    CALL(fsync)                                                                                    \
    CALL(syncfs)                                                                                   \
    CALL(unlink)                                                                                   \
    CALL(sigaction)

struct os_calls {
#define OS_CALL_MEMBER(name) __typeof__(name) *name;
    OS_CALLS(OS_CALL_MEMBER)
#undef OS_CALL_MEMBER
};
extern struct os_calls os_calls;

#endif
