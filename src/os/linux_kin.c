/* SPDX-License-Identifier: BSD-2-Clause */
/* os/kin.h on Linux. */
#include <errno.h>
#include <linux/futex.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "os/kin.h"
#include "os/os.h"

/* A mark: the thread's id below, above it the time since the machine started, in the unit in which
   /proc says when a thread began. */
#define TICK_MS 10

uint32_t os_mark_thread(uint64_t mark) {
    return (uint32_t)mark;
}

uint64_t os_mark(void) {
    struct timespec now = {0};
    /* Of the kernel: what libc calls instead takes more stack than a handler may have. */
    syscall(SYS_clock_gettime, CLOCK_BOOTTIME, &now);
    uint64_t ticks = (uint64_t)now.tv_sec * (1000 / TICK_MS) +
                     (uint64_t)now.tv_nsec / (TICK_MS * UINT64_C(1000000));
    return ticks << 32 | os_thread_id();
}

/* State and starting time of a thread, the 3rd and the 22nd word of its line. The 2nd, in
   parentheses, is a name that may hold anything. */
static bool parse_stat(char *line, char *state, uint32_t *start) {
    char *at = strrchr(line, ')');
    if (at == NULL || at[1] != ' ' || at[2] == '\0')
        return false;
    *state = at[2];
    for (int word = 2; word < 22 && at != NULL; word++)
        at = strchr(at + 1, ' ');
    if (at == NULL)
        return false;
    *start = (uint32_t)strtoull(at + 1, NULL, 10);
    return true;
}

enum os_life os_mark_life(uint64_t mark) {
    char line[1024], path[32], state;
    uint32_t start, since = (uint32_t)(mark >> 32);
    struct os_text text;
    int error = errno;
    bool gone = kill((pid_t)os_mark_thread(mark), 0) != 0 && errno == ESRCH;
    errno = error;
    if (gone)
        return OS_DEAD;
    snprintf(path, sizeof path, "/proc/%u/stat", os_mark_thread(mark));
    if (!os_text_open(&text, path))
        return OS_UNSURE;
    size_t length = os_text_read(&text, line, sizeof line - 1);
    os_text_close(&text);
    line[length] = '\0';
    if (!parse_stat(line, &state, &start))
        return OS_UNSURE;
    /* A thread that began later has been given the number of one that ended. */
    return state == 'Z' || state == 'X' || (int32_t)(start - since) > 0 ? OS_DEAD : OS_LIVES;
}

/* The half of the place that holds the thread's id. */
static uint32_t *thread_word(_Atomic uint64_t *place) {
    return (uint32_t *)place + (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

void os_mark_wait(_Atomic uint64_t *place, uint64_t mark) {
    const struct timespec limit = {.tv_nsec = OS_MARK_WAIT_MS * 1000000L};
    int error = errno;
    syscall(SYS_futex, thread_word(place), FUTEX_WAIT, os_mark_thread(mark), &limit, NULL, 0);
    errno = error;
}

void os_mark_wake(_Atomic uint64_t *place) {
    int error = errno;
    syscall(SYS_futex, thread_word(place), FUTEX_WAKE, INT32_MAX, NULL, NULL, 0);
    errno = error;
}
