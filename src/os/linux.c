/* SPDX-License-Identifier: BSD-2-Clause */
/* os.h on Linux. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/bits.h"
#include "os/calls.h"
#include "os/calm.h"
#include "os/kin.h"
#include "os/os.h"

ssize_t os_read_folder(int descriptor, void *buffer, size_t size) {
    return syscall(SYS_getdents64, descriptor, buffer, size);
}

/* libc's own symbols, so that an interposed msync is the one that is called. */
struct os_calls os_calls = {
#define OS_CALL_ITSELF(name) .name = (name),
    OS_CALLS(OS_CALL_ITSELF)
#undef OS_CALL_ITSELF
};

size_t os_page_size(void) {
    return (size_t)getpagesize(); /* asks nobody, unlike sysconf */
}

static void *reserve(size_t size, int sharing) {
    int error = errno;
    /* After mlockall(MCL_FUTURE) the kernel would at once give a page to all that may be touched.
     */
    void *memory =
        os_calls.mmap(NULL, size, PROT_NONE, sharing | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory != MAP_FAILED) {
        os_calls.munlock(memory, size);
        if (os_calls.mprotect(memory, size, PROT_READ | PROT_WRITE) != 0) {
            os_calls.munmap(memory, size);
            memory = MAP_FAILED;
        }
    }
    errno = error;
    return memory == MAP_FAILED ? NULL : memory;
}

void *os_reserve(size_t size) {
    return reserve(size, MAP_PRIVATE);
}

void *os_share(size_t size) {
    return reserve(size, MAP_SHARED);
}

static int sync_repeat(void *address, size_t size, int flags) {
    while (os_calls.msync(address, size, flags) != 0) {
        if (errno != EINTR)
            return errno;
    }
    return 0;
}

APART static enum result sync_result(void *address, size_t size, int error) {
    switch (error) {
    case 0:
        return RESULT_OK;
    case ENOSPC:
    case EDQUOT:
        return RESULT_NO_SPACE;
    case EBUSY:
        return RESULT_BUSY;
    case ENOMEM:
        /* Either a hole in the view, or a file system or device that ran out of memory. MS_ASYNC
           writes nothing on Linux, it only walks the mappings: it fails for a hole alone. */
        return sync_repeat(address, size, MS_ASYNC) == ENOMEM ? RESULT_INVALID : RESULT_NO_MEMORY;
    default:
        return RESULT_IO_ERROR;
    }
}

enum result os_sync_view(void *address, size_t size) {
    struct os_calm calm = os_calm_begin();
    int error = sync_repeat(address, size, MS_SYNC);
    enum result result = sync_result(address, size, error);
    os_calm_end(calm);
    return result;
}

enum result os_resident(void *address, size_t size, unsigned char *in_memory) {
    int saved = errno, error = 0;
    do
        error = os_calls.mincore(address, size, in_memory) == 0 ? 0 : errno;
    while (error == EAGAIN);
    errno = saved;
    return error == 0 ? RESULT_OK : error == ENOMEM ? RESULT_INVALID : RESULT_NO_MEMORY;
}

const char *os_setting(const char *name) {
    return secure_getenv(name);
}

/* Asked of the kernel each time: a cached copy would need thread-local storage, which a library
   that was loaded late may have to allocate, perhaps in a signal handler, and fork would spoil
   it. */
uint32_t os_thread_id(void) {
    return (uint32_t)syscall(SYS_gettid);
}

#define SECOND UINT64_C(1000000000)

/* The kernel's thread ids end at 2^22, far below this bit. */
#define LOCK_WAITER (UINT32_C(1) << 31)

bool os_may_store(void *address) {
    /* Wakes who waits for the first word, which is nobody, and adds 0 to the second; and one that
       waits there if it held less than the least number that the request can name, which a waiter
       has to expect anyhow. */
    uint32_t nobody = 0;
    const int add_nothing = (int)FUTEX_OP(FUTEX_OP_ADD, 0, FUTEX_OP_CMP_LT, 0x800);
    int error = errno;
    bool may =
        syscall(SYS_futex, &nobody, FUTEX_WAKE_OP_PRIVATE, 0, NULL, address, add_nothing) >= 0 ||
        errno != EFAULT;
    errno = error;
    return may;
}

static void lock_futex(struct os_lock *lock, int operation, uint32_t value) {
    int error = errno;
    syscall(SYS_futex, &lock->owner, operation | FUTEX_PRIVATE_FLAG, value, NULL, NULL, 0);
    errno = error;
}

enum os_locked os_lock_or(struct os_lock *lock, const _Atomic uint64_t *count, uint64_t limit) {
    uint32_t self = os_thread_id();
    uint32_t seen = 0;
    if (LIKELY(atomic_compare_exchange_strong_explicit(&lock->owner, &seen, self,
                                                       memory_order_acquire, memory_order_relaxed)))
        return OS_LOCKED;
    if ((seen & ~LOCK_WAITER) == self)
        return OS_LOCKED_BY_SELF;
    for (;;) {
        if (count != NULL && atomic_load_explicit(count, memory_order_acquire) > limit)
            return OS_LOCK_SPARED;
        /* Who comes from the queue cannot know whether others still wait: it keeps the bit. */
        uint32_t wanted = seen == 0 ? self | LOCK_WAITER : seen | LOCK_WAITER;
        if (wanted != seen &&
            !atomic_compare_exchange_strong_explicit(&lock->owner, &seen, wanted,
                                                     memory_order_acquire, memory_order_relaxed))
            continue;
        if (seen == 0)
            return OS_LOCKED;
        lock_futex(lock, FUTEX_WAIT, wanted);
        seen = atomic_load_explicit(&lock->owner, memory_order_relaxed);
    }
}

/* For this thread's handlers to see. */
static _Thread_local volatile bool unlocking;

bool os_owes_waking(void) {
    return unlocking;
}

bool os_lock_is_own(const struct os_lock *lock) {
    uint32_t owner = atomic_load_explicit(&lock->owner, memory_order_relaxed) & ~LOCK_WAITER;
    return owner != 0 && owner == os_thread_id();
}

bool os_lock(struct os_lock *lock) {
    return os_lock_or(lock, NULL, 0) == OS_LOCKED;
}

static void unlock(struct os_lock *lock, uint32_t woken) {
    const bool interrupted = unlocking;
    unlocking = true;
    uint32_t owner = atomic_exchange_explicit(&lock->owner, 0, memory_order_release);
    if (owner & LOCK_WAITER)
        lock_futex(lock, FUTEX_WAKE, woken);
    unlocking = interrupted;
}

void os_unlock(struct os_lock *lock) {
    unlock(lock, 1);
}

void os_unlock_all(struct os_lock *lock) {
    unlock(lock, INT32_MAX);
}

uint64_t os_nanoseconds(void) {
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec;
}

bool os_await_count(const _Atomic uint32_t *count, uint32_t until, uint64_t nanoseconds) {
    const uint64_t end = os_nanoseconds() + nanoseconds;
    int error = errno;
    for (;;) {
        uint32_t seen = atomic_load(count);
        uint64_t now = os_nanoseconds();
        if ((int32_t)(until - seen) <= 0 || now >= end) {
            errno = error;
            return (int32_t)(until - seen) <= 0;
        }
        const struct timespec left = {.tv_sec = (time_t)((end - now) / SECOND),
                                      .tv_nsec = (long)((end - now) % SECOND)};
        syscall(SYS_futex, count, FUTEX_WAIT_PRIVATE, seen, &left, NULL, 0);
    }
}

void os_count_reached(const _Atomic uint32_t *count) {
    int error = errno;
    syscall(SYS_futex, count, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
    errno = error;
}

bool os_at_fork(void (*prepare)(void), void (*parent)(void), void (*child)(void)) {
    int error = errno;
    bool done = pthread_atfork(prepare, parent, child) == 0;
    errno = error;
    return done;
}

/* Weak, and the only one of its family that is named here: a static program links without a loader,
   and without the linker's warning about dlopen. */
#pragma weak dlsym

static void *load_symbol(const char *path, const char *symbol, const char **reason) {
    __typeof__(dlopen) *open_object = NULL;
    __typeof__(dlerror) *last_error = NULL;
    if (dlsym != NULL) {
        open_object = __extension__(__typeof__(dlopen) *) dlsym(RTLD_DEFAULT, "dlopen");
        last_error = __extension__(__typeof__(dlerror) *) dlsym(RTLD_DEFAULT, "dlerror");
    }
    if (open_object == NULL || last_error == NULL) {
        *reason = "a static program cannot load a shared object";
        return NULL;
    }
    void *object = open_object(path, RTLD_NOW | RTLD_LOCAL);
    void *address = object == NULL ? NULL : dlsym(object, symbol);
    if (address == NULL) {
        *reason = last_error();
        if (*reason == NULL)
            *reason = "the symbol has no address";
    }
    return address;
}

void *os_load(const char *path, const char *symbol, const char **reason) {
    struct os_calm calm = os_calm_begin();
    void *address = load_symbol(path, symbol, reason);
    os_calm_end(calm);
    return address;
}

/* Only files in memory have seals: a look at one meets no error of a medium. With bytes enough and
   no name that leads to it, it is not cut short by accident either. */
static bool is_memory_file(int descriptor) {
    struct stat stat;
    return fcntl(descriptor, F_GET_SEALS) >= 0 && os_calls.fstat(descriptor, &stat) == 0 &&
           S_ISREG(stat.st_mode) && stat.st_nlink == 0 && stat.st_size >= (off_t)os_page_size();
}

void os_count_inherited(int descriptor, const char magic[8]) {
    struct counted {
        char magic[8];
        _Atomic uint32_t count;
    } * view;
    struct os_calm calm = os_calm_begin();
    view = MAP_FAILED;
    if (is_memory_file(descriptor))
        view =
            os_calls.mmap(NULL, os_page_size(), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    if (view != MAP_FAILED) {
        if (memcmp(view->magic, magic, sizeof view->magic) == 0)
            atomic_fetch_add(&view->count, 1);
        os_calls.munmap(view, os_page_size());
    }
    os_calm_end(calm);
}

bool os_is_answer(int error) {
    switch (error) {
    case ENOENT:
    case ENOTDIR:
    case EACCES:
    case EPERM:
    case ENODEV:
    case ENXIO:
    case EINVAL:
    case EOPNOTSUPP:
    case ENOSYS:
    case ELOOP:
    case ENAMETOOLONG:
    case ESRCH:
    /* Of a file system that others serve, and do not now. */
    case ESTALE:
    case ENOTCONN:
    case ETIMEDOUT:
    case EHOSTDOWN:
    case EHOSTUNREACH:
        return true;
    default:
        return false;
    }
}

bool os_text_open(struct os_text *text, const char *path) {
    struct os_calm calm = os_calm_begin();
    do {
        text->descriptor = os_calls.open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    } while (text->descriptor < 0 && errno == EINTR);
    text->failed = text->descriptor < 0 && !os_is_answer(errno) ? errno : 0;
    os_calm_end(calm);
    return text->descriptor >= 0;
}

size_t os_text_read(struct os_text *text, char *buffer, size_t size) {
    struct os_calm calm = os_calm_begin();
    ssize_t got;
    do {
        got = os_calls.read(text->descriptor, buffer, size);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && !os_is_answer(errno))
        text->failed = errno;
    os_calm_end(calm);
    return got < 0 ? 0 : (size_t)got;
}

void os_text_close(struct os_text *text) {
    struct os_calm calm = os_calm_begin();
    /* Not repeated after EINTR: Linux has closed the descriptor then, and it may be another's. */
    os_calls.close(text->descriptor);
    os_calm_end(calm);
}
