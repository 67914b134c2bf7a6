/* SPDX-License-Identifier: BSD-2-Clause */
/* arena/: many threads at once, no room, memory that a program has trampled on, holders of locks
   that are gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "arena/arena.h"
#include "base/bits.h"

#define THREADS 8

static struct arena arena;
static int descriptor;

static int make(void **state) {
    (void)state;
    descriptor = arena_create(&arena);
    return descriptor < 0;
}

static int unmake(void **state) {
    (void)state;
    arena_unmap(&arena);
    return close(descriptor);
}

/* Runs body in THREADS threads at once; its argument is the number of each. */
static void in_threads(void *(*body)(void *)) {
    pthread_t threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, body, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
}

#define KEYS 5000
#define DEPTH 3

static arena_id ids[THREADS][KEYS];

/* Stacks in few chains: the hash decides, and there are enough of them. */
static void frames_of(uint32_t key, uint64_t frames[DEPTH]) {
    for (uint32_t i = 0; i < DEPTH; i++)
        frames[i] = ARENA_FRAME(1, key * (i + 1) + i);
}

static void *find_stacks(void *argument) {
    uint32_t me = (uint32_t)(uintptr_t)argument;
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t key = (i * 7 + me * (KEYS / THREADS)) % KEYS;
        uint64_t frames[DEPTH];
        frames_of(key, frames);
        ids[me][key] = arena_stack(&arena, frames, DEPTH);
    }
    return NULL;
}

/* Every thread got the same id for one key, and no other key has it. */
static void check_ids(size_t size) {
    static bool used[KEYS * THREADS * 8];
    memset(used, 0, sizeof used);
    uint64_t first = align_up(sizeof *arena.head, ARENA_GRAIN) / ARENA_GRAIN;
    for (uint32_t key = 0; key < KEYS; key++) {
        arena_id id = ids[0][key];
        uint64_t place = (id - first) * ARENA_GRAIN / size;
        for (uint32_t t = 1; t < THREADS; t++)
            assert_int_equal(ids[t][key], id);
        assert_true(id >= first && place < ARRAY_LENGTH(used));
        assert_false(used[place]);
        used[place] = true;
    }
}

static void test_stacks(void **state) {
    (void)state;
    in_threads(find_stacks);
    check_ids(ARENA_GRAIN);
    for (uint32_t key = 0; key < KEYS; key++) {
        uint64_t frames[DEPTH];
        frames_of(key, frames);
        const struct arena_stack *stack = arena_at(&arena, ids[0][key], sizeof *stack);
        assert_non_null(stack);
        assert_int_equal(stack->depth, DEPTH);
        assert_memory_equal(stack->frames, frames, sizeof frames);
        assert_int_equal(arena_stack(&arena, frames, DEPTH), ids[0][key]);
        assert_int_not_equal(arena_stack(&arena, frames, DEPTH - 1), ids[0][key]);
    }
}

static void *find_pages(void *argument) {
    uint32_t me = (uint32_t)(uintptr_t)argument;
    for (uint32_t i = 0; i < KEYS; i++) {
        uint32_t key = (i * 7 + me * (KEYS / THREADS)) % KEYS;
        ids[me][key] = arena_id_of(&arena, arena_page(&arena, key % 3, key / 3, true));
    }
    return NULL;
}

static void test_pages(void **state) {
    (void)state;
    assert_null(arena_page(&arena, 0, 0, false));
    in_threads(find_pages);
    check_ids(align_up(sizeof(struct model_page), ARENA_GRAIN));
    for (uint32_t key = 0; key < KEYS; key++) {
        const struct model_page *page = arena_page(&arena, key % 3, key / 3, false);
        assert_int_equal(arena_id_of(&arena, page), ids[0][key]);
        assert_true(page->file == key % 3 && page->index == key / 3);
    }
    assert_null(arena_page(&arena, 3, 0, false));
}

/* The pages of one file of 16 MiB: the table of pages has few pages of its own in use for them, and
   a record is as long as the run needs it. */
static void test_room_of_pages(void **state) {
    (void)state;
    const size_t ids_a_page = 4096 / sizeof arena.head->pages[0];
    size_t touched = 0, lengths[2];
    for (uint64_t i = 0; i < 4096; i++)
        (void)arena_page(&arena, 0, i, true);
    for (size_t b = 0; b < ARENA_PAGE_BUCKETS; b += ids_a_page) {
        bool any = false;
        for (size_t i = b; i < b + ids_a_page; i++)
            any = any || atomic_load(&arena.head->pages[i]) != 0;
        touched += any;
    }
    assert_in_range(touched, 1, 32);
    for (size_t i = 0; i < 2; i++) {
        arena.head->stores = i == 0 ? ARENA_STORES_HOOKS : ARENA_STORES_PAGES;
        arena_id page = arena_id_of(&arena, arena_page(&arena, 1, i, true));
        lengths[i] = arena_id_of(&arena, arena_new(&arena, 1)) - page;
    }
    assert_int_equal(lengths[0] * ARENA_GRAIN, sizeof(struct model_page));
    assert_int_equal(lengths[1] * ARENA_GRAIN, offsetof(struct model_page, content));
}

static void test_ids(void **state) {
    (void)state;
    void *record = arena_new(&arena, 100);
    arena_id id = arena_id_of(&arena, record);
    assert_ptr_equal(arena_at(&arena, id, 100), record);
    assert_int_equal(arena_id_of(&arena, NULL), 0);
    assert_null(arena_at(&arena, 0, 1));
    assert_null(arena_at(&arena, 1, 1)); /* inside the head */
    assert_null(arena_at(&arena, UINT32_MAX, 65));
    struct arena small = arena;
    small.size = align_up(sizeof *arena.head, ARENA_GRAIN) + 256;
    arena_id last = (arena_id)(small.size / ARENA_GRAIN) - 1;
    assert_non_null(arena_at(&small, last, ARENA_GRAIN));
    assert_null(arena_at(&small, last, ARENA_GRAIN + 1));
    assert_null(arena_at(&small, last + 1, 1));
}

static void test_no_room(void **state) {
    (void)state;
    struct arena small = arena;
    const uint64_t frames[] = {1, 2, 3};
    const struct arena_finding finding = {.kind = KIND_BAD_TOKEN};
    small.size = align_up(sizeof *arena.head, ARENA_GRAIN) + 4 * ARENA_GRAIN;
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(arena_stack(&small, &i, 1) != 0, 1);
    uint64_t used = atomic_load(&arena.head->used);
    assert_int_equal(arena_stack(&small, frames, 3), 0);
    assert_null(arena_page(&small, 0, 0, true));
    arena_report(&small, &finding);
    arena_ignore(&small, &arena.head->files[0], 0, 8);
    assert_int_equal(atomic_load(&arena.head->lost.memory), 4);
    assert_int_equal(atomic_load(&arena.head->used), used);
    for (uint64_t i = 0; i < 4; i++) /* what was there is still found */
        assert_int_equal(arena_stack(&small, &i, 1) != 0, 1);
}

/* Whatever "used" became, no record is given that is not one. */
static void test_trampled_head(void **state) {
    (void)state;
    const uint64_t values[] = {0,
                               1,
                               sizeof *arena.head - 64,
                               arena.size + 64,
                               UINT64_MAX,
                               UINT64_MAX - 63,
                               align_up(sizeof *arena.head, 64) + 1};
    for (size_t i = 0; i < ARRAY_LENGTH(values); i++) {
        atomic_store(&arena.head->used, values[i]);
        assert_null(arena_new(&arena, 64));
    }
    assert_null(arena_page(&arena, 0, 0, true));
}

/* Chains that lead out of the arena, or in a ring. */
static void test_trampled_chains(void **state) {
    (void)state;
    const struct arena_finding wish = {.kind = KIND_BAD_TOKEN, .file = 1};
    const arena_id bad[] = {1, 3, UINT32_MAX};
    struct arena_file *file = &arena.head->files[0];
    struct model_page *page = arena_page(&arena, 0, 0, true);
    const struct model_lines lines = arena_lines(&arena);
    struct model_actor actor = {.threads = arena.head->threads, .lines = &lines};
    model_store(page, &actor, 0, 8, false, MODEL_CACHED);
    arena_id id = arena_id_of(&arena, page);
    for (size_t b = 0; b < ARENA_STACK_BUCKETS; b++)
        atomic_store(&arena.head->stacks[b], id);
    for (size_t b = 0; b < ARENA_FINDING_BUCKETS; b++)
        atomic_store(&arena.head->findings[b], id);
    for (size_t b = 0; b < ARENA_PAGE_BUCKETS; b++)
        atomic_store(&arena.head->pages[b], id);
    atomic_store(&file->ignored, id);
    for (size_t i = 0; i <= ARRAY_LENGTH(bad); i++) {
        /* The first word is the link in some records, a lock in others. */
        uint32_t next = i < ARRAY_LENGTH(bad) ? bad[i] : id;
        const uint64_t frames[] = {i};
        memset(page, 0xff, 64);
        memcpy(page, &next, sizeof next);
        page->next = next;
        page->touched = 1;
        (void)arena_stack(&arena, frames, 1);
        (void)arena_page(&arena, 0, i + 1, false);
        arena_report(&arena, &wish);
        arena_ignore(&arena, file, 64, 8);
        atomic_store(&page->lock, 0);
        arena_judge(&arena, 0, 0, UINT64_MAX, &wish, ARENA_THREADS + 1);
    }
}

static uint64_t counted;
static _Atomic uint32_t lock_word;

static void *count_under_lock(void *argument) {
    uint32_t me = (uint32_t)(uintptr_t)argument + 1;
    for (int i = 0; i < 20000; i++) {
        arena_lock(&arena, &lock_word, me);
        counted++;
        arena_unlock(&lock_word);
    }
    return NULL;
}

static void *name_thread(void *argument) {
    arena.head->thread_ids[(uintptr_t)argument] = (uint32_t)syscall(SYS_gettid);
    return count_under_lock(argument);
}

static void test_locks(void **state) {
    (void)state;
    counted = 0;
    in_threads(name_thread);
    assert_int_equal(counted, THREADS * 20000);
    assert_int_equal(atomic_load(&arena.head->lost.locks), 0);
}

/* It holds the lock, and comes again. */
static void test_own_lock(void **state) {
    (void)state;
    arena_lock(&arena, &lock_word, 5);
    arena_lock(&arena, &lock_word, 5);
    assert_int_equal(atomic_load(&lock_word), 5);
    assert_int_equal(atomic_load(&arena.head->lost.locks), 0);
    arena_unlock(&lock_word);
}

static void *die_with_lock(void *argument) {
    (void)argument;
    arena.head->thread_ids[0] = (uint32_t)syscall(SYS_gettid);
    arena_lock(&arena, &lock_word, 1);
    return NULL;
}

/* Threads that ended, processes that were killed, holders that never were. */
static void test_locks_of_the_dead(void **state) {
    (void)state;
    pthread_t thread;
    arena.head->thread_ids[1] = (uint32_t)syscall(SYS_gettid);
    assert_int_equal(pthread_create(&thread, NULL, die_with_lock, NULL), 0);
    pthread_join(thread, NULL);
    arena_lock(&arena, &lock_word, 2);
    assert_int_equal(atomic_load(&lock_word), 2);
    assert_int_equal(atomic_load(&arena.head->lost.locks), 1);
    arena_unlock(&lock_word);

    pid_t child = fork();
    if (child == 0) {
        arena.head->thread_ids[0] = (uint32_t)syscall(SYS_gettid);
        arena_lock(&arena, &arena.head->lock, 1);
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    arena_lock(&arena, &arena.head->lock, 2);
    assert_int_equal(atomic_load(&arena.head->lost.locks), 2);
    arena_unlock(&arena.head->lock);

    atomic_store(&lock_word, UINT32_MAX);
    arena_lock(&arena, &lock_word, 2);
    assert_int_equal(atomic_load(&lock_word), 2);
    arena_unlock(&lock_word);
}

/* Atomic for the thread sanitizer, which does not know the system's barrier; and not at once, which
   would be right without a lock. */
static _Atomic uint32_t counts[200];

static void *count_on_page(void *argument) {
    uint32_t me = (uint32_t)(uintptr_t)argument + 1;
    arena.head->thread_ids[me - 1] = (uint32_t)syscall(SYS_gettid);
    for (uint64_t i = 0; i < 2000; i++) {
        _Atomic uint32_t *count = &counts[i / 10];
        struct model_page *page = arena_page(&arena, 0, i / 10, true);
        arena_lock_page(&arena, page, me);
        uint32_t before = atomic_load_explicit(count, memory_order_relaxed);
        atomic_store_explicit(count, before + 1, memory_order_relaxed);
        arena_unlock_page(&arena, page, me);
    }
    return NULL;
}

/* Pages that pass from the one thread that owns them to all. */
static void test_pages_of_threads(void **state) {
    (void)state;
    in_threads(count_on_page);
    for (uint64_t i = 0; i < 200; i++) {
        const struct model_page *page = arena_page(&arena, 0, i, false);
        assert_int_equal(atomic_load(&counts[i]), THREADS * 10);
        assert_int_equal(atomic_load(&page->lock), 0);
    }
    assert_int_equal(atomic_load(&arena.head->lost.locks), 0);
    for (uint32_t i = 0; i < THREADS; i++)
        assert_int_equal(atomic_load(&arena.head->threads[i].holds), 0);
}

static void test_page_owner(void **state) {
    (void)state;
    struct model_page *page = arena_page(&arena, 0, 1000, true);
    arena_lock_page(&arena, page, 1);
    assert_int_equal(atomic_load(&page->lock), 1);
    arena_unlock_page(&arena, page, 1);
    arena_lock_page(&arena, page, 1);
    assert_int_equal(atomic_load(&page->lock), 0);
    assert_int_equal(atomic_load(&arena.head->threads[0].holds), arena_id_of(&arena, page));
    arena_unlock_page(&arena, page, 1);
    assert_int_equal(atomic_load(&arena.head->threads[0].holds), 0);
    arena_lock_page(&arena, page, 2);
    assert_int_equal(atomic_load(&page->owner), ARENA_SEVERAL);
    assert_int_equal(atomic_load(&page->lock), 2);
    arena_unlock_page(&arena, page, 2);
    arena_lock_page(&arena, page, 1);
    assert_int_equal(atomic_load(&page->lock), 1);
    arena_unlock_page(&arena, page, 1);
    assert_int_equal(atomic_load(&arena.head->lost.locks), 0);
}

/* Who has lost many pages takes locks also for those that it still owns. */
static void test_owner_of_lost_pages(void **state) {
    (void)state;
    struct model_page *kept = arena_page(&arena, 0, 1100, true);
    arena_lock_page(&arena, kept, 1);
    arena_unlock_page(&arena, kept, 1);
    for (uint64_t i = 0; i < 64; i++) {
        struct model_page *page = arena_page(&arena, 0, 1200 + i, true);
        arena_lock_page(&arena, kept, 1);
        assert_int_equal(atomic_load(&kept->lock), 0);
        arena_unlock_page(&arena, kept, 1);
        for (uint32_t thread = 1; thread <= 2; thread++) {
            arena_lock_page(&arena, page, thread);
            arena_unlock_page(&arena, page, thread);
        }
    }
    assert_int_equal(atomic_load(&arena.head->threads[0].locks), ARENA_LOCKS_ALWAYS);
    arena_lock_page(&arena, kept, 1);
    assert_int_equal(atomic_load(&kept->lock), 1);
    assert_int_equal(atomic_load(&arena.head->threads[0].holds), 0);
    arena_unlock_page(&arena, kept, 1);
    assert_int_equal(atomic_load(&kept->lock), 0);
}

static void *die_with_page(void *argument) {
    (void)argument;
    struct model_page *page = arena_page(&arena, 0, 1001, true);
    arena.head->thread_ids[0] = (uint32_t)syscall(SYS_gettid);
    arena_lock_page(&arena, page, 1);
    arena_unlock_page(&arena, page, 1);
    arena_lock_page(&arena, page, 1);
    return NULL;
}

static void test_page_of_the_dead(void **state) {
    (void)state;
    pthread_t thread;
    arena.head->thread_ids[1] = (uint32_t)syscall(SYS_gettid);
    assert_int_equal(pthread_create(&thread, NULL, die_with_page, NULL), 0);
    pthread_join(thread, NULL);
    struct model_page *page = arena_page(&arena, 0, 1001, false);
    assert_int_equal(atomic_load(&page->lock), 0);
    arena_lock_page(&arena, page, 2);
    assert_int_equal(atomic_load(&page->lock), 2);
    assert_int_equal(atomic_load(&arena.head->lost.locks), 1);
    arena_unlock_page(&arena, page, 2);
}

static void test_mapping(void **state) {
    (void)state;
    struct arena other;
    atomic_store(&arena.head->lost.events, 77);
    assert_int_equal(arena_map(&other, descriptor), ARENA_MAPPED);
    assert_true(other.head != arena.head);
    assert_int_equal(atomic_load(&other.head->lost.events), 77);
    arena_unmap(&other);
    int no_arena = memfd_create("none", MFD_CLOEXEC);
    assert_int_equal(arena_map(&other, no_arena), ARENA_NOT_FOUND);
    assert_int_equal(ftruncate(no_arena, (off_t)ARENA_SIZE_MIN), 0);
    assert_int_equal(arena_map(&other, no_arena), ARENA_NOT_FOUND);
    close(no_arena);
    assert_int_equal(arena_map(&other, no_arena), ARENA_NOT_FOUND);
}

/* Bytes of memory that the arena's file has. */
static uint64_t memory_of(int file) {
    struct stat status;
    return fstat(file, &status) == 0 ? (uint64_t)status.st_blocks * 512 : UINT64_MAX;
}

/* A program that locks all of its memory is not made to lock the arena, which would take all that
   the machine has. The limit is for the case that it is. */
static void test_mapping_locked(void **state) {
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        const struct rlimit limit = {UINT64_C(2) << 30, UINT64_C(2) << 30};
        struct arena other;
        arena_unmap(&arena);
        if (setrlimit(RLIMIT_AS, &limit) != 0 || mlockall(MCL_FUTURE) != 0)
            _exit(2);
        uint64_t before = memory_of(descriptor);
        if (arena_map(&other, descriptor) != ARENA_MAPPED)
            _exit(2);
        _exit(memory_of(descriptor) == before ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 2)
        skip(); /* not allowed to lock as much, or run by what needs more address space */
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, unmake)
    const struct CMUnitTest tests[] = {
        TEST(test_stacks),
        TEST(test_pages),
        TEST(test_room_of_pages),
        TEST(test_ids),
        TEST(test_no_room),
        TEST(test_trampled_head),
        TEST(test_trampled_chains),
        TEST(test_locks),
        TEST(test_own_lock),
        TEST(test_locks_of_the_dead),
        TEST(test_pages_of_threads),
        TEST(test_page_owner),
        TEST(test_owner_of_lost_pages),
        TEST(test_page_of_the_dead),
        TEST(test_mapping),
        TEST(test_mapping_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
