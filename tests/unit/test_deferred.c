/* SPDX-License-Identifier: BSD-2-Clause */
/* NVRTL_OPTION_DEFER_FLUSH: a line that is flushed many times is written back once, before the
   thread's drain is over and never behind it; whatever token it drains, whoever frees, forks, or
   interrupts. The linker puts the functions below around those that write back and fence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>

#include "flush/flush.h"
#include "view.h"

#define LINE ((size_t)64)
#define LINES (4 * PAGE / LINE)

static struct view file;
static PVOID token, other;

static struct {
    unsigned write_backs[LINES], fences;
    unsigned char durable[4 * PAGE], started[4 * PAGE];
    bool cut;                    /* the file is, and cannot be looked at */
    void (*on_write_back)(void); /* called once, in the middle of one */
} seen;

enum fault __real_isa_write_back(enum isa_flush how, const void *address, size_t length,
                                 uint32_t line);
enum fault __wrap_isa_write_back(enum isa_flush how, const void *address, size_t length,
                                 uint32_t line);
void __real_isa_fence(void);
void __wrap_isa_fence(void);

enum fault __wrap_isa_write_back(enum isa_flush how, const void *address, size_t length,
                                 uint32_t line) {
    void (*act)(void) = seen.on_write_back;
    seen.on_write_back = NULL;
    if (act != NULL)
        act();
    for (size_t at = 0; length != 0 && at < length + LINE; at += LINE) {
        uintptr_t first = ((uintptr_t)address + at) & ~(LINE - 1);
        size_t offset = first - (uintptr_t)file.bytes;
        if (first > (uintptr_t)address + length - 1 || offset >= file.size)
            break;
        seen.write_backs[offset / LINE]++;
        if (!seen.cut)
            memcpy(seen.started + offset, file.bytes + offset, LINE);
    }
    return __real_isa_write_back(how, address, length, line);
}

void __wrap_isa_fence(void) {
    seen.fences++;
    memcpy(seen.durable, seen.started, sizeof seen.durable);
    __real_isa_fence();
}

static unsigned count(size_t first, size_t end) {
    unsigned sum = 0;
    for (size_t i = first; i < end; i++)
        sum += seen.write_backs[i];
    return sum;
}

static int start(void **state) {
    (void)state;
    memset(&flush_later_lines, 0, sizeof flush_later_lines);
    if (!view_open(&file, MEMORY_FOLDER, 4 * PAGE) ||
        RtlGetNonVolatileToken(file.bytes, file.size, &token) != STATUS_SUCCESS ||
        RtlGetNonVolatileToken(file.bytes, file.size, &other) != STATUS_SUCCESS ||
        NvRtlSetTokenOption(token, NVRTL_OPTION_DEFER_FLUSH, 1) != STATUS_SUCCESS)
        return -1;
    memset(&seen, 0, sizeof seen);
    return 0;
}

static int end(void **state) {
    (void)state;
    RtlFreeNonVolatileToken(token);
    RtlFreeNonVolatileToken(other);
    view_close(&file);
    return 0;
}

static void write_later(size_t at, UCHAR value) {
    assert_int_equal(RtlFillNonVolatileMemory(token, file.bytes + at, 8, value, 0x101),
                     STATUS_SUCCESS);
}

static void test_once_a_line(void **state) {
    (void)state;
    for (unsigned i = 0; i < 64; i++)
        write_later(i % 16 * LINE + i / 16 * 8, (UCHAR)(i + 1));
    assert_int_equal(count(0, LINES), 0);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    for (size_t line = 0; line < 16; line++)
        assert_int_equal(seen.write_backs[line], 1);
    assert_int_equal(count(0, LINES), 16);
    assert_memory_equal(seen.durable, file.bytes, 16 * LINE);
    /* Nothing is left for a second one. */
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    assert_int_equal(count(0, LINES), 16);
}

/* Each is a drain: what was remembered before it is durable behind it. */
static void drain_by(unsigned way) {
    NV_MEMORY_RANGE range = {file.bytes + 3 * PAGE, 8};
    PVOID by = way % 2 ? token : other;
    switch (way / 2) {
    case 0:
        assert_int_equal(RtlDrainNonVolatileFlush(by), 0);
        break;
    case 1:
        assert_int_equal(RtlFlushNonVolatileMemory(by, range.BaseAddress, 8, 0), 0);
        break;
    case 2:
        assert_int_equal(RtlFlushNonVolatileMemoryRanges(by, &range, 1, 0), 0);
        break;
    case 3:
        assert_int_equal(RtlWriteNonVolatileMemory(by, range.BaseAddress, "x", 1, 1), 0);
        break;
    case 4:
        assert_int_equal(RtlFillNonVolatileMemory(by, range.BaseAddress, 1, 1, 3), 0);
        break;
    case 5:
        assert_int_equal(RtlFlushNonVolatileMemory(by, range.BaseAddress, 0, 0), 0);
        break;
    default:
        assert_int_equal(RtlDrainNonVolatileFlush(EACH), 0);
    }
}

static void test_every_drain(void **state) {
    (void)state;
    for (unsigned way = 0; way < 14; way++) {
        write_later(way * LINE, (UCHAR)(way + 1));
        assert_int_equal(seen.write_backs[way], 0);
        drain_by(way);
        assert_int_equal(seen.write_backs[way], 1);
        assert_memory_equal(seen.durable + way * LINE, file.bytes + way * LINE, LINE);
    }
}

/* More lines than places, and ranges too long to remember. */
static void test_many_lines(void **state) {
    (void)state;
    for (size_t line = 0; line < LINES; line++)
        write_later(line * LINE, 7);
    assert_int_equal(RtlFlushNonVolatileMemory(token, file.bytes, 3 * PAGE, 1), STATUS_SUCCESS);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    assert_memory_equal(seen.durable, file.bytes, file.size);
}

/* Another token's lines go first; without the option all goes as ever. */
static void test_two_tokens(void **state) {
    (void)state;
    assert_int_equal(NvRtlSetTokenOption(other, NVRTL_OPTION_DEFER_FLUSH, 1), STATUS_SUCCESS);
    write_later(0, 1);
    assert_int_equal(RtlFillNonVolatileMemory(other, file.bytes + LINE, 8, 2, 0x101), 0);
    assert_int_equal(seen.write_backs[0], 1);
    assert_int_equal(seen.write_backs[1], 0);
    assert_int_equal(NvRtlSetTokenOption(other, NVRTL_OPTION_DEFER_FLUSH, 0), STATUS_SUCCESS);
    assert_int_equal(RtlFlushNonVolatileMemory(other, file.bytes + 2 * LINE, 8, 0), 0);
    assert_memory_equal(seen.durable, file.bytes, 2 * LINE);
}

static void test_free_writes_back(void **state) {
    (void)state;
    write_later(0, 1);
    assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
    assert_int_equal(seen.write_backs[0], 1);
    assert_int_equal(RtlDrainNonVolatileFlush(other), STATUS_SUCCESS);
    assert_memory_equal(seen.durable, file.bytes, LINE);
}

static void *free_it(void *context) {
    return (void *)(intptr_t)RtlFreeNonVolatileToken(context);
}

/* Nobody else may write these lines back, and nothing may be called durable. */
static void test_freed_by_another_thread(void **state) {
    pthread_t thread;
    (void)state;
    write_later(0, 1);
    assert_int_equal(pthread_create(&thread, NULL, free_it, token), 0);
    pthread_join(thread, NULL);
    assert_int_equal(RtlDrainNonVolatileFlush(other), STATUS_INVALID_PARAMETER);
    assert_int_equal(seen.write_backs[0], 0);
    assert_int_equal(RtlDrainNonVolatileFlush(other), STATUS_SUCCESS);
}

/* The handler that the library has put in place; cmocka puts its own before each test. */
static struct sigaction guard;

static void test_no_page(void **state) {
    (void)state;
    assert_int_equal(sigaction(SIGBUS, &guard, NULL), 0);
    if (!isa_choose(isa_features(), 64, NULL, NULL).lines)
        skip();
    write_later(2 * PAGE, 1);
    seen.cut = true;
    assert_int_equal(ftruncate(file.descriptor, (off_t)PAGE), 0);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_IO_DEVICE_ERROR);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
}

/* A failure that a Free met is told by the next drain. */
static void test_no_page_at_free(void **state) {
    (void)state;
    assert_int_equal(sigaction(SIGBUS, &guard, NULL), 0);
    if (!isa_choose(isa_features(), 64, NULL, NULL).lines)
        skip();
    write_later(2 * PAGE, 1);
    seen.cut = true;
    assert_int_equal(ftruncate(file.descriptor, (off_t)PAGE), 0);
    assert_int_equal(RtlFreeNonVolatileToken(token), STATUS_SUCCESS);
    assert_int_equal(RtlDrainNonVolatileFlush(other), STATUS_IO_DEVICE_ERROR);
}

static void test_fork(void **state) {
    (void)state;
    write_later(0, 1);
    pid_t child = fork();
    if (child == 0) {
        bool good = RtlDrainNonVolatileFlush(token) == STATUS_SUCCESS && seen.write_backs[0] == 1;
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(seen.write_backs[0], 0);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    assert_int_equal(seen.write_backs[0], 1);
}

static bool handled;

/* As a signal handler does in the middle of a drain: what it flushes is durable behind its own. */
static void flush_in_handler(void) {
    write_later(40 * LINE, 9);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    handled = memcmp(seen.durable + 40 * LINE, file.bytes + 40 * LINE, LINE) == 0 &&
              memcmp(seen.durable, file.bytes, LINE) == 0;
}

static void flush_only(void) {
    write_later(40 * LINE, 9);
}

static void test_handler(void **state) {
    (void)state;
    write_later(0, 1);
    write_later(LINE, 2);
    seen.on_write_back = flush_in_handler;
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    assert_true(handled);
    assert_memory_equal(seen.durable, file.bytes, 2 * LINE);
    /* And what it leaves to others is not lost. */
    write_later(0, 3);
    seen.on_write_back = flush_only;
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    assert_memory_equal(seen.durable + 40 * LINE, file.bytes + 40 * LINE, LINE);
}

static void test_option(void **state) {
    NvRtlTokenInfo info = {.structSize = sizeof info};
    (void)state;
    assert_int_equal(NvRtlQueryToken(token, &info), STATUS_SUCCESS);
    assert_int_equal(info.flags & NVRTL_TOKEN_DEFERS, NVRTL_TOKEN_DEFERS);
    assert_int_equal(NvRtlSetTokenOption(token, NVRTL_OPTION_DEFER_FLUSH, 0), STATUS_SUCCESS);
    assert_int_equal(NvRtlQueryToken(token, &info), STATUS_SUCCESS);
    assert_int_equal(info.flags & NVRTL_TOKEN_DEFERS, 0);
    assert_int_equal(NvRtlSetTokenOption(token, 0, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(NvRtlSetTokenOption(token, 2, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(NvRtlSetTokenOption(token, NVRTL_OPTION_DEFER_FLUSH, 2),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(NvRtlSetTokenOption(NULL, NVRTL_OPTION_DEFER_FLUSH, 1),
                     STATUS_INVALID_PARAMETER);
    assert_int_equal(NvRtlSetTokenOption(EACH, NVRTL_OPTION_DEFER_FLUSH, 1),
                     STATUS_INVALID_PARAMETER);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, end)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_once_a_line), TEST(test_every_drain),      TEST(test_many_lines),
        TEST(test_two_tokens),  TEST(test_free_writes_back), TEST(test_freed_by_another_thread),
        TEST(test_no_page),     TEST(test_no_page_at_free),  TEST(test_fork),
        TEST(test_handler),     TEST(test_option),
    };
    if (start(NULL) != 0 || sigaction(SIGBUS, NULL, &guard) != 0)
        return 1;
    end(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
