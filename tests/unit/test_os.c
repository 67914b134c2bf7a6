/* SPDX-License-Identifier: BSD-2-Clause */
/* os/ on Linux: what each errno of the system becomes, the lock that knows its owner, and that
   errno and thread cancellation are left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bits.h"
#include "os/calls.h"
#include "os/os.h"

/* No function may change it. */
#define ERRNO_BEFORE 12345

static struct os_calls real_calls;

static int save_calls(void **state) {
    (void)state;
    real_calls = os_calls;
    errno = ERRNO_BEFORE;
    return 0;
}

static int restore_calls(void **state) {
    (void)state;
    os_calls = real_calls;
    return 0;
}

static void test_page_size(void **state) {
    (void)state;
    size_t size = os_page_size();
    assert_int_equal(errno, ERRNO_BEFORE);
    assert_true(size >= 4096 && is_aligned(size, size));
    assert_int_equal(size, sysconf(_SC_PAGESIZE));
}

/* An msync that fails as it is told. */
static struct {
    int error;         /* of MS_SYNC; 0: success */
    int async_error;   /* of MS_ASYNC */
    int interruptions; /* EINTR so many times before that */
    int calls;
    void *address;
    size_t size;
} fake;

static int fake_msync(void *address, size_t size, int flags) {
    fake.calls++;
    if (fake.interruptions > 0) {
        fake.interruptions--;
        errno = EINTR;
        return -1;
    }
    assert_true(flags == MS_SYNC || flags == MS_ASYNC);
    fake.address = address;
    fake.size = size;
    errno = flags == MS_SYNC ? fake.error : fake.async_error;
    return errno == 0 ? 0 : -1;
}

static void test_sync_errors(void **state) {
    (void)state;
    static const struct {
        int error, async_error;
        enum result result;
    } cases[] = {
        {0, 0, RESULT_OK},
        {EIO, 0, RESULT_IO_ERROR},
        {ENOSPC, 0, RESULT_NO_SPACE},
        {EDQUOT, 0, RESULT_NO_SPACE},
        {EBUSY, 0, RESULT_BUSY},
        {ENOMEM, ENOMEM, RESULT_INVALID},
        {ENOMEM, 0, RESULT_NO_MEMORY},
        {ENOMEM, EIO, RESULT_NO_MEMORY},
        {EINVAL, 0, RESULT_IO_ERROR},
        {EAGAIN, 0, RESULT_IO_ERROR},
        {EROFS, 0, RESULT_IO_ERROR},
        {ENODEV, 0, RESULT_IO_ERROR},
        {ESTALE, 0, RESULT_IO_ERROR},
        {EREMOTEIO, 0, RESULT_IO_ERROR},
    };
    os_calls.msync = fake_msync;
    for (size_t i = 0; i < ARRAY_LENGTH(cases) * 2; i++) {
        size_t which = i / 2;
        fake.error = cases[which].error;
        fake.async_error = cases[which].async_error;
        fake.interruptions = i % 2 ? 3 : 0;
        errno = ERRNO_BEFORE;
        assert_int_equal(os_sync_view(&fake, 8192), cases[which].result);
        assert_int_equal(errno, ERRNO_BEFORE);
        assert_int_equal(fake.interruptions, 0);
        assert_ptr_equal(fake.address, &fake);
        assert_int_equal(fake.size, 8192);
    }
}

/* Every other errno is a failed write-back: nothing unknown counts as success. */
static void test_sync_unknown_errors(void **state) {
    (void)state;
    os_calls.msync = fake_msync;
    fake.interruptions = 0;
    for (int error = 1; error < 200; error++) {
        if (error == EINTR || error == ENOSPC || error == EDQUOT || error == EBUSY ||
            error == ENOMEM)
            continue;
        fake.error = error;
        assert_int_equal(os_sync_view(&fake, 4096), RESULT_IO_ERROR);
    }
}

static void test_sync_real(void **state) {
    (void)state;
    size_t page = os_page_size();
    char path[] = "/tmp/nvrtl-test-os-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(ftruncate(file, (off_t)(3 * page)), 0);
    char *view = (char *)mmap(NULL, 3 * page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    assert_ptr_not_equal(view, MAP_FAILED);
    close(file);
    memset(view, 1, 3 * page);
    errno = ERRNO_BEFORE;
    assert_int_equal(os_sync_view(view, 3 * page), RESULT_OK);
    assert_int_equal(munmap(view + page, page), 0);
    assert_int_equal(os_sync_view(view, 3 * page), RESULT_INVALID);
    assert_int_equal(os_sync_view(view + page, page), RESULT_INVALID);
    assert_int_equal(os_sync_view(view, page), RESULT_OK);
    assert_int_equal(errno, ERRNO_BEFORE);
    munmap(view, page);
    munmap(view + 2 * page, page);
}

static void test_setting(void **state) {
    (void)state;
    assert_int_equal(setenv("NVRTL_TEST_OS", "value", 1), 0);
    assert_string_equal(os_setting("NVRTL_TEST_OS"), "value");
    assert_int_equal(unsetenv("NVRTL_TEST_OS"), 0);
    assert_null(os_setting("NVRTL_TEST_OS"));
    assert_int_equal(errno, ERRNO_BEFORE);
}

static void *thread_id(void *context) {
    *(uint32_t *)context = os_thread_id();
    return NULL;
}

static void test_thread_id(void **state) {
    (void)state;
    uint32_t mine = os_thread_id(), other;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, thread_id, &other), 0);
    pthread_join(thread, NULL);
    assert_int_not_equal(mine, 0);
    assert_int_not_equal(other, 0);
    assert_int_not_equal(mine, other);
    assert_int_equal(os_thread_id(), mine);
    /* The child of a fork is another thread. */
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(os_thread_id() == mine);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

#define LOCK_WAITS (UINT32_C(1) << 31)
#define THREADS 8
#define TURNS 20000

static struct {
    struct os_lock lock;
    unsigned turns; /* guarded by lock */
    bool refused;   /* guarded by lock */
} shared;

static void *take_turns(void *context) {
    (void)context;
    for (int i = 0; i < TURNS; i++) {
        if (!os_lock(&shared.lock)) {
            shared.refused = true;
            return NULL;
        }
        if (os_lock(&shared.lock))
            shared.refused = true;
        shared.turns++;
        os_unlock(&shared.lock);
    }
    return NULL;
}

static void test_lock_excludes(void **state) {
    (void)state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, take_turns, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(shared.turns, THREADS * TURNS);
    assert_false(shared.refused);
    assert_int_equal(atomic_load(&shared.lock.owner), 0);
}

static void test_lock_knows_owner(void **state) {
    (void)state;
    struct os_lock lock = {0};
    assert_true(os_lock(&lock));
    assert_int_equal(atomic_load(&lock.owner), os_thread_id());
    assert_false(os_lock(&lock));
    assert_false(os_lock(&lock));
    os_unlock(&lock);
    assert_int_equal(atomic_load(&lock.owner), 0);
    assert_true(os_lock(&lock));
    os_unlock(&lock);
    assert_int_equal(errno, ERRNO_BEFORE);
}

struct waiter {
    struct os_lock *lock;
    bool got;
};

static void *wait_for_lock(void *context) {
    struct waiter *waiter = (struct waiter *)context;
    errno = ERRNO_BEFORE;
    waiter->got = os_lock(waiter->lock);
    if (waiter->got && errno == ERRNO_BEFORE)
        os_unlock(waiter->lock);
    return NULL;
}

static void ignore_signal(int signal) {
    (void)signal;
}

/* A thread that waits is woken by unlock and not before, signals or not; its own waiting does not
   make the owner a stranger. */
static void test_lock_wakes(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler = ignore_signal}, before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    struct os_lock lock = {0};
    struct waiter waiters[3] = {{&lock, false}, {&lock, false}, {&lock, false}};
    pthread_t threads[ARRAY_LENGTH(waiters)];
    assert_true(os_lock(&lock));
    for (size_t i = 0; i < ARRAY_LENGTH(waiters); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, wait_for_lock, &waiters[i]), 0);
    while (!(atomic_load(&lock.owner) & LOCK_WAITS))
        sched_yield();
    assert_false(os_lock(&lock));
    for (size_t i = 0; i < ARRAY_LENGTH(waiters); i++)
        assert_int_equal(pthread_kill(threads[i], SIGUSR1), 0);
    assert_int_equal(atomic_load(&lock.owner), os_thread_id() | LOCK_WAITS);
    os_unlock(&lock);
    for (size_t i = 0; i < ARRAY_LENGTH(waiters); i++) {
        pthread_join(threads[i], NULL);
        assert_true(waiters[i].got);
    }
    assert_int_equal(atomic_load(&lock.owner), 0);
    sigaction(SIGUSR1, &before, NULL);
}

static struct os_lock handler_lock;
static volatile sig_atomic_t handler_got;

static void lock_in_handler(int signal) {
    (void)signal;
    handler_got = os_lock(&handler_lock);
    if (handler_got)
        os_unlock(&handler_lock);
}

static void test_lock_in_handler(void **state) {
    (void)state;
    struct sigaction action = {.sa_handler = lock_in_handler}, before;
    assert_int_equal(sigaction(SIGUSR1, &action, &before), 0);
    assert_true(os_lock(&handler_lock));
    handler_got = 1;
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(handler_got, 0);
    assert_int_equal(atomic_load(&handler_lock.owner), os_thread_id());
    os_unlock(&handler_lock);
    assert_int_equal(raise(SIGUSR1), 0);
    assert_int_equal(handler_got, 1);
    assert_int_equal(atomic_load(&handler_lock.owner), 0);
    sigaction(SIGUSR1, &before, NULL);
}

static char fork_order[8];

static void fork_prepare(void) {
    strcat(fork_order, "f");
}
static void fork_parent(void) {
    strcat(fork_order, "p");
}
static void fork_child(void) {
    strcat(fork_order, "c");
}

static void test_at_fork(void **state) {
    (void)state;
    assert_true(os_at_fork(fork_prepare, fork_parent, fork_child));
    assert_true(os_at_fork(NULL, NULL, NULL));
    assert_int_equal(errno, ERRNO_BEFORE);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(strcmp(fork_order, "fc") != 0);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_string_equal(fork_order, "fp");
}

static void test_load(void **state) {
    (void)state;
    const char *reason = NULL;
    assert_null(os_load("/nowhere/libnothing.so", "symbol", &reason));
    assert_non_null(strstr(reason, "/nowhere/libnothing.so"));
    reason = NULL;
    assert_null(os_load("libc.so.6", "nvrtl_no_such_symbol", &reason));
    assert_non_null(strstr(reason, "nvrtl_no_such_symbol"));
    assert_non_null(os_load("libc.so.6", "getpid", &reason));
    assert_int_equal(errno, ERRNO_BEFORE);
}

/* Calls of open and read that are interrupted first, and tell how they were made. */
static int interrupted, open_flags;

static int interrupted_open(const char *path, int flags, ...) {
    open_flags = flags;
    if (interrupted-- > 0) {
        errno = EINTR;
        return -1;
    }
    return real_calls.open(path, flags);
}

static ssize_t interrupted_read(int descriptor, void *buffer, size_t size) {
    if (interrupted-- > 0) {
        errno = EINTR;
        return -1;
    }
    return real_calls.read(descriptor, buffer, size);
}

static ssize_t failing_read(int descriptor, void *buffer, size_t size) {
    (void)descriptor, (void)buffer, (void)size;
    errno = EIO;
    return -1;
}

static int close_calls;

static int interrupted_close(int descriptor) {
    close_calls++;
    real_calls.close(descriptor);
    errno = EINTR;
    return -1;
}

static void test_text(void **state) {
    (void)state;
    char path[] = "/tmp/nvrtl-test-os-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "0123456789", 10), 10);
    assert_int_equal(close(file), 0);
    errno = ERRNO_BEFORE;

    os_calls.open = interrupted_open;
    os_calls.read = interrupted_read;
    os_calls.close = interrupted_close;
    struct os_text text;
    char buffer[16];
    interrupted = 2;
    assert_true(os_text_open(&text, path));
    assert_int_equal(open_flags & (O_CLOEXEC | O_ACCMODE), O_CLOEXEC | O_RDONLY);
    interrupted = 2;
    assert_int_equal(os_text_read(&text, buffer, 4), 4);
    assert_memory_equal(buffer, "0123", 4);
    assert_int_equal(os_text_read(&text, buffer, sizeof buffer), 6);
    assert_memory_equal(buffer, "456789", 6);
    assert_int_equal(os_text_read(&text, buffer, sizeof buffer), 0);
    os_calls.read = failing_read;
    assert_int_equal(os_text_read(&text, buffer, sizeof buffer), 0);
    os_text_close(&text);
    assert_int_equal(close_calls, 1);
    assert_int_equal(fcntl(text.descriptor, F_GETFD), -1);
    assert_int_equal(unlink(path), 0);

    errno = ERRNO_BEFORE;
    interrupted = 0;
    assert_false(os_text_open(&text, path));
    assert_int_equal(errno, ERRNO_BEFORE);
}

static bool text_errno_kept(void) {
    struct os_text text;
    char buffer[16];
    errno = ERRNO_BEFORE;
    os_calls.read = failing_read;
    os_calls.close = interrupted_close;
    if (!os_text_open(&text, "/proc/self/maps"))
        return false;
    os_text_read(&text, buffer, sizeof buffer);
    os_text_close(&text);
    return errno == ERRNO_BEFORE;
}

static void test_text_keeps_errno(void **state) {
    (void)state;
    assert_true(text_errno_kept());
}

/* A thread with a cancellation pending goes through all of it, and can still be cancelled then. It
   is not: the address sanitizer does not understand the unwinding. */
static void *run_cancelled(void *context) {
    struct os_text text;
    char byte;
    void *page = mmap(NULL, os_page_size(), PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_cancel(pthread_self());
    os_sync_view(page, os_page_size());
    if (os_text_open(&text, "/proc/self/maps")) {
        os_text_read(&text, &byte, 1);
        os_text_close(&text);
    }
    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, (int *)context);
    munmap(page, os_page_size());
    return NULL;
}

static void test_no_cancellation(void **state) {
    (void)state;
    int cancel_state = -1;
    void *end;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, run_cancelled, &cancel_state), 0);
    pthread_join(thread, &end);
    assert_null(end);
    assert_int_equal(cancel_state, PTHREAD_CANCEL_ENABLE);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, save_calls, restore_calls)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_page_size),
        TEST(test_sync_errors),
        TEST(test_sync_real),
        TEST(test_setting),
        TEST(test_thread_id),
        TEST(test_lock_excludes),
        TEST(test_lock_knows_owner),
        TEST(test_lock_wakes),
        TEST(test_lock_in_handler),
        TEST(test_at_fork),
        TEST(test_load),
        TEST(test_text),
        TEST(test_text_keeps_errno),
        TEST(test_no_cancellation),
        TEST(test_sync_unknown_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
