/* SPDX-License-Identifier: BSD-2-Clause */
/* Everything that libnvrtl asks of an operating system. One file implements it per system; policy
   is never there. No function here allocates unless it says so, and none changes errno. */
#ifndef OS_OS_H
#define OS_OS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/result.h"

/* Bytes in a page: a power of two. */
size_t os_page_size(void);

/* Reserves zeroed memory that costs nothing until it is touched; NULL when the address space or a
   limit forbids it. Never given back. pre: size > 0 */
void *os_reserve(size_t size);

/* Waits until the pages of [address, address + size) are on the medium, with the metadata to find
   them (msync MS_SYNC). RESULT_INVALID: a part is not mapped; RESULT_BUSY: locked pages;
   RESULT_NO_MEMORY: kernel memory; RESULT_IO_ERROR, RESULT_NO_SPACE: the write-back failed.
   Interrupted calls are repeated. pre: address is page-aligned, size > 0 */
enum result os_sync_view(void *address, size_t size);

/* Which pages of a view are in memory: bit 0 of one byte a page. RESULT_INVALID: a part is not
   mapped; RESULT_NO_MEMORY. pre: address is page-aligned, size is a multiple of the page, in_memory
   has a byte a page */
enum result os_resident(void *address, size_t size, unsigned char *in_memory);

/* May the 4 bytes at address be stored to? Asked by storing what they hold, atomically, in the
   kernel, which reports what would be a signal here. true where it will not say. pre: 4-aligned */
bool os_may_store(void *address);

/* A setting from the environment, or NULL; NULL always in a set-user-id program. The string stays
   valid until the program changes its environment. */
const char *os_setting(const char *name);

/* A whole number that no other live thread of the process has; never 0. */
uint32_t os_thread_id(void);

/* A lock that knows its owner: a thread, or a signal handler on it, that already holds it gets
   false at once instead of a deadlock. Zero-initialised. Works in signal handlers. */
struct os_lock {
    _Atomic uint32_t owner; /* 0 free; else thread id, with the top bit while someone waits */
};
bool os_lock(struct os_lock *lock);
/* Does this thread hold it? So it is in a signal handler, if it is about to take the lock. */
bool os_lock_is_own(const struct os_lock *lock);
/* Has this thread given a lock back, and not woken yet who waits for it? So it is in a signal
   handler. */
bool os_owes_waking(void);
void os_unlock(struct os_lock *lock);

/* As os_lock, but waits no longer than until *count is beyond limit, and then need not take the
   lock. Who holds it raises *count, and gives it back by os_unlock_all, for all to look. */
enum os_locked { OS_LOCKED, OS_LOCKED_BY_SELF, OS_LOCK_SPARED };
enum os_locked os_lock_or(struct os_lock *lock, const _Atomic uint64_t *count, uint64_t limit);
void os_unlock_all(struct os_lock *lock);
/* The same without any wait. */
static inline enum os_locked os_try_lock(struct os_lock *lock) {
    static const _Atomic uint64_t beyond = 1;
    return os_lock_or(lock, &beyond, 0);
}

/* Nanoseconds since some moment. Works in signal handlers. */
uint64_t os_nanoseconds(void);

/* Waits until *count has come to until, for so many nanoseconds at most; false: it has not. Who
   makes it until by adding 1 calls os_count_reached. Both work in signal handlers. */
bool os_await_count(const _Atomic uint32_t *count, uint32_t until, uint64_t nanoseconds);
void os_count_reached(const _Atomic uint32_t *count);

/* Calls the three around every fork of the process, as pthread_atfork does. May allocate. */
bool os_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void));

/* Loads the shared object at path for good and returns the address of symbol, or NULL with a reason
   that stays valid until the next call. May allocate. */
void *os_load(const char *path, const char *symbol, const char **reason);

/* If a file in memory was inherited as this descriptor, and begins with magic: adds 1 to the 32-bit
   number behind that. Nothing else is touched. */
void os_count_inherited(int descriptor, const char magic[8]);

/* Does a call that failed with this errno tell something: there is no such thing, or it may not be
   seen? What else fails (no descriptor left, no memory, a device) leaves it open. */
bool os_is_answer(int error);

/* Reads a text file from its start in pieces. os_text_open returns false when it cannot be opened.
   Never used for a file that the program mapped. Allocation-free; works in signal handlers. */
struct os_text {
    int descriptor;
    int failed; /* the errno with which it could not be opened or read, if os_is_answer does not
                   know it; else 0 */
};
bool os_text_open(struct os_text *text, const char *path);
size_t os_text_read(struct os_text *text, char *buffer, size_t size); /* 0 at the end or on error */
void os_text_close(struct os_text *text);

#endif
