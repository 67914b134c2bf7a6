/* SPDX-License-Identifier: BSD-2-Clause */
/* Drains by several threads, with a wait that is held up, and 8 threads that store, flush, drain
   and free for all they are worth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>

#include "base/bits.h"
#include "child.h"
#include "seed.h"
#include "syncs.h"

#define PAGES 64

static _Alignas(4096) unsigned char memory[(PAGES + 1) * PAGE];
#define BASE ((uintptr_t)memory)

static uint64_t file_number = 100;

/* The first wait says that it has begun and goes on when it is told. */
static sem_t begun, go_on;
static atomic_flag held_up = ATOMIC_FLAG_INIT;

static void hold_up(void) {
    if (atomic_flag_test_and_set(&held_up))
        return;
    sem_post(&begun);
    while (sem_wait(&go_on) != 0)
        continue;
}

struct drainer {
    pthread_t thread;
    PVOID token;
    _Atomic pid_t id;
    _Atomic bool done;
    NTSTATUS status;
};

static void *drain(void *context) {
    struct drainer *drainer = context;
    drainer->id = gettid();
    drainer->status = RtlDrainNonVolatileFlush(drainer->token);
    drainer->done = true;
    return NULL;
}

static void start(struct drainer *drainer, PVOID token) {
    *drainer = (struct drainer){.token = token};
    assert_int_equal(pthread_create(&drainer->thread, NULL, drain, drainer), 0);
}

static NTSTATUS finish(struct drainer *drainer) {
    pthread_join(drainer->thread, NULL);
    return drainer->status;
}

static bool sleeps(pid_t thread) {
    char path[64], text[256] = "";
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)thread);
    int stat = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = stat < 0 ? 0 : read(stat, text, sizeof text - 1);
    close(stat);
    const char *name_end = got > 0 ? strrchr(text, ')') : NULL;
    return name_end != NULL && name_end[2] == 'S';
}

/* Until the thread waits for something, or has ended and so shows that it did not. */
static void await_wait(const struct drainer *drainer) {
    while (!drainer->done && (drainer->id == 0 || !sleeps(drainer->id)))
        sched_yield();
}

static PVOID one, two;

/* The waits of drains for others, and what those do meanwhile. */
static struct {
    _Atomic unsigned count;
    void (*meanwhile)(void);
} gathered;

bool __wrap_os_await_count(const _Atomic uint32_t *count, uint32_t until, uint64_t nanoseconds);
bool __wrap_os_await_count(const _Atomic uint32_t *count, uint32_t until, uint64_t nanoseconds) {
    (void)nanoseconds;
    gathered.count++;
    if (gathered.meanwhile != NULL)
        gathered.meanwhile();
    return atomic_load(count) == until;
}

/* A file with two tokens and a page flushed; the first drain of it is in the middle of its wait. */
static void begin_first_drain(struct drainer *first, int error) {
    ++file_number;
    syncs_reset(error);
    syncs.during = hold_up;
    sem_init(&begun, 0, 0);
    sem_init(&go_on, 0, 0);
    atomic_flag_clear(&held_up);
    one = syncs_get(file_number, BASE, PAGES * PAGE);
    two = syncs_get(file_number, BASE, PAGES * PAGE);
    assert_int_equal(flush_only(one, BASE, 1), STATUS_SUCCESS);
    start(first, one);
    while (sem_wait(&begun) != 0)
        continue;
}

static void end_tokens(void) {
    assert_int_equal(RtlFreeNonVolatileToken(one), STATUS_SUCCESS);
    assert_int_equal(RtlFreeNonVolatileToken(two), STATUS_SUCCESS);
}

/* A drain that finds its pages in flight waits, and gets the result of that wait. */
static void check_second_waits(int error, NTSTATUS first_status, NTSTATUS second_status,
                               unsigned waits) {
    struct drainer first, second;
    begin_first_drain(&first, error);
    start(&second, two);
    await_wait(&second);
    assert_false(second.done);
    sem_post(&go_on);
    assert_int_equal(finish(&first), first_status);
    assert_int_equal(finish(&second), second_status);
    assert_int_equal(syncs.count, waits);
    end_tokens();
}

static void test_second_waits(void **state) {
    (void)state;
    check_second_waits(0, STATUS_SUCCESS, STATUS_SUCCESS, 1);
    check_second_waits(EIO, STATUS_IO_DEVICE_ERROR, STATUS_IO_DEVICE_ERROR, 1);
    check_second_waits(ENOSPC, STATUS_DISK_FULL, STATUS_DISK_FULL, 1);
    check_second_waits(EBUSY, STATUS_DEVICE_BUSY, STATUS_SUCCESS, 2);
    check_second_waits(ENOMEM, STATUS_INSUFFICIENT_RESOURCES, STATUS_SUCCESS, 2);
}

#define JOINERS 3

/* In the middle of a wait a retry on another thread has made up for a failure of before. */
static void fail_and_make_up(void) {
    struct token_view view;
    hold_up();
    assert_true(token_find((uintptr_t)one, &view));
    struct token_file *file = token_file(&view);
    uint32_t failures = atomic_load(&file->kin->failures) + (1 << 8 | RESULT_IO_ERROR);
    atomic_store(&file->kin->failures, failures);
    atomic_store(&file->heard, failures);
}

/* Some flush and drain while another drains: of these one drains for all, and goes through the
   statuses of the others, in any order. What is flushed after it has begun is not its matter. */
static void check_joined(int error, void (*during)(void), const NTSTATUS statuses[JOINERS],
                         unsigned waits) {
    struct drainer first, joiners[JOINERS];
    unsigned left = 0;
    begin_first_drain(&first, 0);
    syncs.errors[1] = error;
    for (size_t i = 0; i < JOINERS; i++) {
        assert_int_equal(flush_only(one, BASE + (i + 1) * PAGE, 1), STATUS_SUCCESS);
        start(&joiners[i], i % 2 ? two : one);
        await_wait(&joiners[i]);
        assert_false(joiners[i].done);
    }
    atomic_flag_clear(&held_up);
    syncs.during = during;
    sem_post(&go_on);
    assert_int_equal(finish(&first), STATUS_SUCCESS);
    while (sem_wait(&begun) != 0)
        continue;
    assert_int_equal(flush_only(one, BASE + 9 * PAGE, 1), STATUS_SUCCESS);
    sem_post(&go_on);
    for (size_t i = 0; i < JOINERS; i++) {
        NTSTATUS status = finish(&joiners[i]);
        for (size_t j = 0; j < JOINERS; j++) {
            if (statuses[j] == status && (left >> j & 1) == 0) {
                left |= 1u << j;
                break;
            }
        }
        assert_int_equal(__builtin_popcount(left), i + 1);
    }
    assert_int_equal(syncs.count, waits);
    assert_int_equal(syncs_covered(BASE + 9 * PAGE, PAGE), waits > 2);
    for (size_t i = 0; i < JOINERS; i++)
        assert_true(syncs_covered(BASE + (i + 1) * PAGE, PAGE));
    end_tokens();
}

static void test_one_drains_for_all(void **state) {
    (void)state;
    static const NTSTATUS good[JOINERS] = {0};
    static const NTSTATUS failed[] = {STATUS_IO_DEVICE_ERROR, STATUS_IO_DEVICE_ERROR,
                                      STATUS_IO_DEVICE_ERROR};
    static const NTSTATUS busy[] = {STATUS_DEVICE_BUSY, STATUS_SUCCESS, STATUS_SUCCESS};
    check_joined(0, hold_up, good, 2);
    check_joined(EIO, hold_up, failed, 2);
    check_joined(EBUSY, hold_up, busy, 3);
    /* Though nobody has a failure to tell by then, what they flushed may be lost. */
    check_joined(0, fail_and_make_up, failed, 2);
}

static void come_back(void) {
    assert_int_equal(flush_only(one, BASE + 5 * PAGE, 1), STATUS_SUCCESS);
}

/* Who drains waits for those that the last drain let go, and what they flush is waited for too. */
static void test_gathers(void **state) {
    struct drainer first, second;
    (void)state;
    begin_first_drain(&first, 0);
    gathered.count = 0;
    assert_int_equal(flush_only(one, BASE + PAGE, 1), STATUS_SUCCESS);
    start(&second, two);
    await_wait(&second);
    assert_int_equal(gathered.count, 0);
    gathered.meanwhile = come_back;
    sem_post(&go_on);
    assert_int_equal(finish(&first), STATUS_SUCCESS);
    assert_int_equal(finish(&second), STATUS_SUCCESS);
    gathered.meanwhile = NULL;
    assert_int_equal(gathered.count, 1);
    assert_int_equal(syncs.count, 2);
    assert_true(syncs_covered(BASE + 5 * PAGE, PAGE));
    /* Alone again, no time is lost. */
    for (int i = 0; i < 3; i++)
        assert_int_equal(RtlDrainNonVolatileFlush(one), STATUS_SUCCESS);
    assert_int_equal(gathered.count, 1);
    end_tokens();
}

static void drain_again(void) {
    assert_int_equal(RtlDrainNonVolatileFlush(one), STATUS_DEVICE_BUSY);
}

/* As a signal handler in the middle of a drain, which nobody waits for then. */
static void test_turned_away(void **state) {
    (void)state;
    ++file_number;
    syncs_reset(0);
    syncs.during = drain_again;
    one = syncs_get(file_number, BASE, PAGES * PAGE);
    two = syncs_get(file_number, BASE, PAGES * PAGE);
    gathered.count = 0;
    assert_int_equal(flush_only(one, BASE, 1), STATUS_SUCCESS);
    for (int i = 0; i < 3; i++)
        assert_int_equal(RtlDrainNonVolatileFlush(one), STATUS_SUCCESS);
    assert_int_equal(syncs.count, 1);
    assert_int_equal(gathered.count, 0);
    end_tokens();
}

/* Nor does a file wait for those who drained the one that had its record before. */
static void test_another_file(void **state) {
    struct drainer first, others[2];
    (void)state;
    begin_first_drain(&first, 0);
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++) {
        start(&others[i], two);
        await_wait(&others[i]);
    }
    sem_post(&go_on);
    assert_int_equal(finish(&first), STATUS_SUCCESS);
    for (size_t i = 0; i < ARRAY_LENGTH(others); i++)
        assert_int_equal(finish(&others[i]), STATUS_SUCCESS);
    end_tokens();
    one = syncs_get(++file_number, BASE, PAGES * PAGE);
    two = syncs_get(file_number, BASE, PAGES * PAGE);
    gathered.count = 0;
    assert_int_equal(RtlDrainNonVolatileFlush(one), STATUS_SUCCESS);
    assert_int_equal(gathered.count, 0);
    end_tokens();
}

static NTSTATUS inside;

static void drain_one(void) {
    inside = RtlDrainNonVolatileFlush(one);
}

/* A handler that has interrupted a drain waits for no other thread's drain of another file, which
   may wait for the first: that would be for ever, and the child's alarm ends it. */
static void check_handler_does_not_wait(void) {
    struct drainer first;
    begin_first_drain(&first, 0);
    PVOID other = syncs_get(++file_number, BASE + PAGES * PAGE, PAGE);
    CHILD_NEED(RtlFlushNonVolatileMemory(other, (PVOID)(BASE + PAGES * PAGE), 1, 1) == 0);
    syncs.during = drain_one;
    CHILD_NEED(RtlDrainNonVolatileFlush(other) == STATUS_SUCCESS);
    CHILD_NEED(inside == STATUS_DEVICE_BUSY);
    syncs.during = NULL;
    sem_post(&go_on);
    CHILD_NEED(finish(&first) == STATUS_SUCCESS);
    CHILD_NEED(RtlDrainNonVolatileFlush(one) == STATUS_SUCCESS);
}

static void test_handler_does_not_wait(void **state) {
    (void)state;
    check_child(check_handler_does_not_wait, 0);
}

/* Everything else goes on meanwhile; what has to wait hangs, and the child's alarm ends it. */
static void check_others_go_on(void) {
    struct drainer first;
    begin_first_drain(&first, 0);
    PVOID stranger = syncs_get(++file_number, BASE + PAGES * PAGE, PAGE);
    PVOID third = syncs_get(file_number - 1, BASE, PAGE);
    CHILD_NEED(RtlFlushNonVolatileMemory(stranger, (PVOID)(BASE + PAGES * PAGE), 1, 0) == 0);
    CHILD_NEED(flush_only(two, BASE + PAGE, 1) == STATUS_SUCCESS);
    CHILD_NEED(flush_only(third, BASE, 1) == STATUS_SUCCESS);
    CHILD_NEED(RtlFreeNonVolatileToken(third) == STATUS_SUCCESS);
    CHILD_NEED(RtlFreeNonVolatileToken(stranger) == STATUS_SUCCESS);
    CHILD_NEED(RtlFreeNonVolatileToken(one) == STATUS_SUCCESS);
    CHILD_NEED(!first.done);
    sem_post(&go_on);
    NTSTATUS status = finish(&first);
    CHILD_NEED(status == STATUS_SUCCESS || status == STATUS_INVALID_PARAMETER);
    /* What was flushed in the middle of the wait is not covered by it. */
    unsigned before = 1;
    CHILD_NEED(RtlDrainNonVolatileFlush(two) == STATUS_SUCCESS);
    CHILD_NEED(syncs_done(before, BASE, PAGE) && syncs_done(before, BASE + PAGE, PAGE));
}

static void test_others_go_on(void **state) {
    (void)state;
    check_child(check_others_go_on, 0);
}

/* The child of a fork waits for no lock of a thread that it does not have; only, as the two share
   what the system tells of the file, until that thread of its parent was told. */
static void check_fork(void) {
    struct drainer first;
    begin_first_drain(&first, 0);
    pid_t child = fork();
    CHILD_NEED(child >= 0);
    if (child == 0) {
        alarm(CHILD_LIMIT_SECONDS / 2);
        syncs.during = NULL;
        CHILD_NEED(RtlDrainNonVolatileFlush(two) == STATUS_SUCCESS);
        CHILD_NEED(syncs_done(1, BASE, PAGE));
        CHILD_NEED(RtlFreeNonVolatileToken(one) == STATUS_SUCCESS);
        CHILD_NEED(syncs_get(3, BASE, PAGE) != NULL);
        _exit(0);
    }
    int status;
    CHILD_NEED(!first.done);
    sem_post(&go_on);
    CHILD_NEED(finish(&first) == STATUS_SUCCESS);
    CHILD_NEED(waitpid(child, &status, 0) == child && status == 0);
}

static void test_fork(void **state) {
    (void)state;
    check_child(check_fork, 0);
}

#define THREADS 8
#define OPERATIONS 4000

/* Each thread has a page of its own. stored counts its stores to it; synced is the newest that a
   successful wait has taken to the medium. A wait takes what is there when it begins. */
static struct { _Atomic uint64_t stored, synced; } pages[THREADS];
static PVOID common;
static _Atomic unsigned waits;

/* Every so many waits fail for now. */
static int storm_msync(void *address, size_t size, int flags) {
    uint64_t taken[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        taken[i] = pages[i].stored;
    if (flags == MS_ASYNC)
        return 0;
    unsigned wait = atomic_fetch_add(&waits, 1);
    if (wait % 8 == 3)
        sched_yield();
    if (wait % 16 >= 14) {
        errno = wait % 16 == 14 ? EBUSY : ENOMEM;
        return -1;
    }
    for (size_t i = 0; i < THREADS; i++) {
        if (!range_inside(BASE + i * PAGE, PAGE, (uintptr_t)address, size))
            continue;
        uint64_t old = pages[i].synced;
        while (old < taken[i] && !atomic_compare_exchange_weak(&pages[i].synced, &old, taken[i]))
            continue;
    }
    return 0;
}

struct stormer {
    pthread_t thread;
    size_t number;
    uint64_t seed;
    unsigned drained;
};

/* A drain by this thread: of the common token, of one of its own or of all. Success means that what
   it stored and flushed is there. */
static void drain_in_storm(struct stormer *stormer, PVOID own, uint64_t random) {
    PVOID tokens[] = {common, own, (PVOID)FLUSH_NV_MEMORY_DEFAULT_TOKEN};
    uint64_t stored = pages[stormer->number].stored;
    NTSTATUS status = RtlDrainNonVolatileFlush(tokens[random % 3]);
    if (status == STATUS_SUCCESS) {
        CHILD_NEED(pages[stormer->number].synced >= stored);
        stormer->drained++;
    } else {
        CHILD_NEED(status == STATUS_DEVICE_BUSY || status == STATUS_INSUFFICIENT_RESOURCES);
    }
}

static void *storm(void *context) {
    struct stormer *stormer = context;
    uintptr_t page = BASE + stormer->number * PAGE;
    for (unsigned i = 0; i < OPERATIONS; i++) {
        uint64_t random = random_next(&stormer->seed) >> 16;
        PVOID own = NULL;
        CHILD_NEED(RtlGetNonVolatileToken((PVOID)page, PAGE, &own) == STATUS_SUCCESS);
        /* Flushed through a token that is freed undrained now and then. */
        for (unsigned stores = 0; stores < random % 4; stores++) {
            pages[stormer->number].stored++;
            CHILD_NEED(flush_only(random >> stores & 4 ? own : common, page, 1) == STATUS_SUCCESS);
        }
        bool free_first = random >> 8 & 1;
        if (free_first)
            CHILD_NEED(RtlFreeNonVolatileToken(own) == STATUS_SUCCESS);
        drain_in_storm(stormer, free_first ? common : own, random >> 9);
        if (!free_first)
            CHILD_NEED(RtlFreeNonVolatileToken(own) == STATUS_SUCCESS);
    }
    return NULL;
}

static void check_storm(void) {
    struct stormer stormers[THREADS];
    uint64_t seed = seed_of_test();
    common = syncs_get(++file_number, BASE, PAGES * PAGE);
    os_calls.msync = storm_msync;
    for (size_t i = 0; i < THREADS; i++) {
        stormers[i] = (struct stormer){.number = i, .seed = random_next(&seed)};
        CHILD_NEED(pthread_create(&stormers[i].thread, NULL, storm, &stormers[i]) == 0);
    }
    unsigned drained = 0;
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(stormers[i].thread, NULL);
        drained += stormers[i].drained;
    }
    printf("%u drains of %u, %u waits\n", drained, THREADS * OPERATIONS, (unsigned)waits);
    CHILD_NEED(drained > THREADS * OPERATIONS / 2);
}

static void test_storm(void **state) {
    (void)state;
    check_child(check_storm, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_second_waits),
        cmocka_unit_test(test_one_drains_for_all),
        cmocka_unit_test(test_handler_does_not_wait),
        cmocka_unit_test(test_others_go_on),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_storm),
        cmocka_unit_test(test_gathers),
        cmocka_unit_test(test_turned_away),
        cmocka_unit_test(test_another_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
