/* SPDX-License-Identifier: BSD-2-Clause */
/* A file with its medium, as Linux treats it. What msync writes back goes to a buffer of the test;
   a write-back that fails leaves the pages clean all the same, with the old bytes on the medium,
   and each open file behind the views is told of it once. A page becomes dirty by other bytes in
   it, or by isa_touch, which the linker puts here: a test needs WRAP isa_touch. */
#ifndef UNIT_MEDIUM_H
#define UNIT_MEDIUM_H

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/bits.h"
#include "base/fault.h"
#include "range/range.h"
#include "view.h"

#define MEDIUM_VIEWS 4
#define MEDIUM_PAGES 64

struct medium {
    struct view file;
    size_t pages;
    pthread_mutex_t lock;
    unsigned char *disk; /* what a power cut leaves */
    unsigned char *last; /* of a page that is clean: its bytes since it is */
    bool clean[MEDIUM_PAGES];
    struct {
        unsigned char *bytes; /* NULL: no view, or one that is closed */
        int owed;             /* the error that it was not told of */
    } views[MEDIUM_VIEWS];
    struct medium *next;
};
static struct medium *medium_first;

/* All of it is zeros. false: there is no such folder. */
static inline bool medium_open(struct medium *medium, const char *folder, size_t pages) {
    *medium = (struct medium){.pages = pages, .lock = PTHREAD_MUTEX_INITIALIZER};
    if (!view_open(&medium->file, folder, pages * PAGE))
        return false;
    medium->disk = calloc(pages, PAGE);
    medium->last = calloc(pages, PAGE);
    medium->views[0].bytes = medium->file.bytes;
    memset(medium->clean, 1, sizeof medium->clean);
    medium->next = medium_first;
    medium_first = medium;
    return medium->disk != NULL && medium->last != NULL;
}

static inline void medium_close(struct medium *medium) {
    struct medium **link = &medium_first;
    while (*link != medium)
        link = &(*link)->next;
    *link = medium->next;
    for (size_t i = 1; i < MEDIUM_VIEWS; i++) {
        if (medium->views[i].bytes != NULL)
            munmap(medium->views[i].bytes, medium->file.size);
    }
    view_close(&medium->file);
    free(medium->disk);
    free(medium->last);
}

/* Another view, of an open file of its own. */
static inline unsigned char *medium_view(struct medium *medium, size_t number) {
    char link[32];
    snprintf(link, sizeof link, "/proc/self/fd/%d", medium->file.descriptor);
    int descriptor = open(link, O_RDWR | O_CLOEXEC);
    medium->views[number].bytes = view_map(descriptor, medium->file.size, 0);
    close(descriptor);
    return medium->views[number].bytes;
}

static inline struct medium *medium_of(const void *address, size_t *view) {
    for (struct medium *medium = medium_first; medium != NULL; medium = medium->next) {
        for (*view = 0; *view < MEDIUM_VIEWS; ++*view) {
            uintptr_t base = (uintptr_t)medium->views[*view].bytes;
            if (base != 0 && (uintptr_t)address - base < medium->file.size)
                return medium;
        }
    }
    return NULL;
}

/* Writes the dirty ones of these pages back, or fails to; then they are clean. pre: locked */
static inline void medium_clean(struct medium *medium, size_t first, size_t end, int error) {
    for (size_t page = first; page < end; page++) {
        const unsigned char *bytes = medium->file.bytes + page * PAGE;
        unsigned char *last = medium->last + page * PAGE;
        if (medium->clean[page] && memcmp(last, bytes, PAGE) == 0)
            continue;
        memcpy(last, bytes, PAGE);
        medium->clean[page] = true;
        if (error == 0)
            memcpy(medium->disk + page * PAGE, last, PAGE);
    }
    for (size_t i = 0; error != 0 && i < MEDIUM_VIEWS; i++)
        medium->views[i].owed = error;
}

/* Does a failure with this error mean that a write-back failed? */
static inline bool medium_loses(int error) {
    return error != 0 && error != EINTR && error != EBUSY && error != ENOMEM;
}

/* The kernel writes all back on its own account. */
static inline void medium_write_back(struct medium *medium, int error) {
    pthread_mutex_lock(&medium->lock);
    medium_clean(medium, 0, medium->pages, error);
    pthread_mutex_unlock(&medium->lock);
}

/* msync, which fails with error if that is not 0. */
static inline int medium_sync(void *address, size_t size, int flags, int error) {
    size_t view;
    struct medium *medium = medium_of(address, &view);
    if (flags == MS_ASYNC || medium == NULL) {
        errno = flags == MS_ASYNC && medium != NULL ? 0 : ENOMEM;
        return errno == 0 ? 0 : -1;
    }
    pthread_mutex_lock(&medium->lock);
    if (error == 0 || medium_loses(error)) {
        size_t first = ((uintptr_t)address - (uintptr_t)medium->views[view].bytes) / PAGE;
        medium_clean(medium, first, first + align_up(size, PAGE) / PAGE, error);
        error = medium->views[view].owed;
        medium->views[view].owed = 0;
    }
    pthread_mutex_unlock(&medium->lock);
    errno = error;
    return error == 0 ? 0 : -1;
}

static inline bool medium_holds(struct medium *medium, size_t from, size_t length) {
    pthread_mutex_lock(&medium->lock);
    bool holds = memcmp(medium->disk + from, medium->file.bytes + from, length) == 0;
    pthread_mutex_unlock(&medium->lock);
    return holds;
}

enum fault __real_isa_touch(void *address);
enum fault __wrap_isa_touch(void *address);
enum fault __wrap_isa_touch(void *address) {
    size_t view;
    enum fault met = __real_isa_touch(address);
    struct medium *medium = medium_of(address, &view);
    if (medium != NULL) {
        pthread_mutex_lock(&medium->lock);
        medium->clean[((uintptr_t)address - (uintptr_t)medium->views[view].bytes) / PAGE] = false;
        pthread_mutex_unlock(&medium->lock);
    }
    return met;
}

#endif
