/* SPDX-License-Identifier: BSD-2-Clause */
#include "soak/medium.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "isa/isa.h"
#include "os/calls.h"
#include "unit/seed.h"

struct soak_file soak_files[FILES];
struct soak_faults soak_faults;

static _Atomic bool faults_on;
static struct os_calls real;

/* One in so many. pre: the file's lock */
static bool happens(struct soak_file *file, unsigned odds) {
    return faults_on && random_next(&file->seed) >> 16 & 1 &&
           (random_next(&file->seed) >> 16) % odds < 2;
}

/* The file behind an address, which of its views, and where in it. */
static struct soak_file *file_at(const void *address, size_t *view, size_t *offset) {
    for (size_t f = 0; f < FILES; f++) {
        for (size_t v = 0; v < VIEWS; v++) {
            uintptr_t start = (uintptr_t)soak_files[f].views[v];
            if ((uintptr_t)address - start < FILE_SIZE) {
                *view = v;
                *offset = (uintptr_t)address - start;
                return &soak_files[f];
            }
        }
    }
    return NULL;
}

/* The kernel writes one page back, or fails to. pre: the file's lock */
static void write_back(struct soak_file *file, size_t page) {
    unsigned char now[PAGE];
    unsigned char *lost = file->lost_content + page * PAGE, *there = file->medium + page * PAGE;
    memcpy(now, file->views[0] + page * PAGE, PAGE); /* others may store meanwhile */
    if (memcmp(now, there, PAGE) == 0 || (file->lost[page] && memcmp(now, lost, PAGE) == 0))
        return; /* clean, as far as the kernel knows */
    file->lost[page] = happens(file, 400);
    memcpy(file->lost[page] ? lost : there, now, PAGE);
    if (!file->lost[page])
        return;
    soak_faults.lost_pages++;
    for (size_t v = 0; v < VIEWS; v++)
        file->owed[v] = random_next(&file->seed) >> 20 & 1 ? EIO : ENOSPC;
}

/* What passes: nothing was written, nothing is lost. pre: the file's lock */
static int transient(struct soak_file *file) {
    static const int errors[] = {EINTR, EBUSY, ENOMEM};
    if (!happens(file, 60))
        return 0;
    soak_faults.transient++;
    return errors[(random_next(&file->seed) >> 20) % 3];
}

static int model_msync(void *address, size_t size, int flags) {
    size_t view = 0, offset = 0;
    struct soak_file *file = file_at(address, &view, &offset);
    if (file == NULL || flags == MS_ASYNC)
        return real.msync(address, size, flags);
    pthread_mutex_lock(&file->lock);
    int error = transient(file);
    if (error == 0) {
        /* The kernel also writes back on its own account, and tells nobody. */
        write_back(file, (random_next(&file->seed) >> 20) % FILE_PAGES);
        for (size_t page = offset / PAGE; page < (offset + size + PAGE - 1) / PAGE; page++)
            write_back(file, page);
        error = file->owed[view];
        file->owed[view] = 0;
        soak_faults.told += error != 0;
    }
    pthread_mutex_unlock(&file->lock);
    errno = error;
    return error == 0 ? 0 : -1;
}

/* A touch makes a page dirty that the kernel took for clean. */
enum fault __real_isa_touch(void *address);
enum fault __wrap_isa_touch(void *address);
enum fault __wrap_isa_touch(void *address) {
    size_t view = 0, offset = 0;
    struct soak_file *file = file_at(address, &view, &offset);
    if (file != NULL) {
        pthread_mutex_lock(&file->lock);
        file->lost[offset / PAGE] = false;
        pthread_mutex_unlock(&file->lock);
    }
    return __real_isa_touch(address);
}

/* The rest fails now and then, before it does anything. */
static bool refuses(void) {
    static _Atomic uint64_t count;
    bool refused = faults_on && (count++ * UINT64_C(0x9e3779b97f4a7c15)) >> 57 == 0;
    soak_faults.refused += refused;
    return refused;
}

static int model_mincore(void *address, size_t size, unsigned char *in_memory) {
    if (!refuses())
        return real.mincore(address, size, in_memory);
    errno = EAGAIN;
    return -1;
}

static int model_open(const char *path, int flags, ...) {
    if (!refuses())
        return real.open(path, flags);
    errno = EMFILE;
    return -1;
}

static ssize_t model_read(int descriptor, void *buffer, size_t size) {
    if (!refuses())
        return real.read(descriptor, buffer, size);
    errno = EINTR;
    return -1;
}

static bool open_file(struct soak_file *file) {
    const char *folder = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    char path[64], again[64];
    snprintf(path, sizeof path, "%s/nvrtl-soak-XXXXXX", folder);
    file->descriptors[0] = mkostemp(path, O_CLOEXEC);
    if (file->descriptors[0] < 0 || ftruncate(file->descriptors[0], (off_t)FILE_SIZE) != 0)
        return false;
    snprintf(again, sizeof again, "/proc/self/fd/%d", file->descriptors[0]);
    file->descriptors[1] = open(again, O_RDWR | O_CLOEXEC);
    unlink(path);
    for (size_t v = 0; v < VIEWS; v++) {
        void *view =
            mmap(NULL, FILE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file->descriptors[v], 0);
        if (view == MAP_FAILED)
            return false;
        file->views[v] = view;
    }
    return true;
}

bool medium_start(uint64_t seed) {
    /* All of it is there from the start: what grows later is the library's. */
    memset(soak_files, 0, sizeof soak_files);
    for (size_t f = 0; f < FILES; f++) {
        pthread_mutex_init(&soak_files[f].lock, NULL);
        soak_files[f].seed = random_next(&seed);
        if (!open_file(&soak_files[f]))
            return false;
    }
    real = os_calls;
    os_calls.msync = model_msync;
    os_calls.mincore = model_mincore;
    os_calls.open = model_open;
    os_calls.read = model_read;
    return true;
}

void medium_set_faults(bool on) {
    faults_on = on;
}

void medium_end(void) {
    os_calls = real;
    for (size_t f = 0; f < FILES; f++) {
        for (size_t v = 0; v < VIEWS; v++) {
            munmap(soak_files[f].views[v], FILE_SIZE);
            close(soak_files[f].descriptors[v]);
        }
        pthread_mutex_destroy(&soak_files[f].lock);
    }
}

bool medium_has(struct soak_file *file, size_t offset, const unsigned char *bytes, size_t size) {
    pthread_mutex_lock(&file->lock);
    bool has = memcmp(file->medium + offset, bytes, size) == 0;
    pthread_mutex_unlock(&file->lock);
    return has;
}
