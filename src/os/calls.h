/* SPDX-License-Identifier: BSD-2-Clause */
/* The system calls that os/ makes, in one table, so that a test can put a failing one in the place
   of the real one. Nothing but a test writes to it, and only while no other thread runs. */
#ifndef OS_CALLS_H
#define OS_CALLS_H

#include <stddef.h>
#include <sys/types.h>

struct os_calls {
    void *(*mmap)(void *address, size_t size, int protection, int flags, int descriptor, off_t at);
    int (*msync)(void *address, size_t size, int flags);
    int (*mincore)(void *address, size_t size, unsigned char *in_memory);
    int (*open)(const char *path, int flags, ...);
    ssize_t (*read)(int descriptor, void *buffer, size_t size);
    int (*close)(int descriptor);
};
extern struct os_calls os_calls;

#endif
