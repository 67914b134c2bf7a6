/* SPDX-License-Identifier: BSD-2-Clause */
/* What the processes that forked from one another share, and how they wait for one another. As in
   os.h nothing allocates or changes errno; and all but os_share works in signal handlers. */
#ifndef OS_KIN_H
#define OS_KIN_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Zeroed memory that costs nothing until it is touched, and that every process forked from now on
   shares with this one; NULL when the address space or a limit forbids it. pre: size > 0 */
void *os_share(size_t size);

/* This thread and the present, in one word that is never 0: by it another process can tell whether
   the thread that made it still lives. */
uint64_t os_mark(void);
uint32_t os_mark_thread(uint64_t mark); /* its os_thread_id() */

enum os_life { OS_LIVES, OS_DEAD, OS_UNSURE };
/* Of the thread that made the mark. OS_UNSURE: there is no /proc, or it hides that thread. */
enum os_life os_mark_life(uint64_t mark);

/* Waits until place may no longer hold mark, at most OS_MARK_WAIT_MS; os_mark_wake ends it. */
#define OS_MARK_WAIT_MS 20
void os_mark_wait(_Atomic uint64_t *place, uint64_t mark);
void os_mark_wake(_Atomic uint64_t *place);

#endif
