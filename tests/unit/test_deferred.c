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

/* Few bytes of every length at every place, when their lines are remembered already. */
static void test_few_bytes_again(void **state) {
    (void)state;
    unsigned char bytes[LINE];
    write_later(0, 0);
    write_later(LINE, 0);
    for (size_t length = 1; length <= LINE; length++) {
        for (size_t at = 0; at < 16; at++) {
            memset(bytes, (int)(length * 16 + at), sizeof bytes);
            assert_int_equal(
                RtlWriteNonVolatileMemory(token, file.bytes + at, bytes, length, 0x101),
                STATUS_SUCCESS);
            assert_memory_equal(file.bytes + at, bytes, length);
            assert_int_equal(RtlFillNonVolatileMemory(token, file.bytes + at, length, 1, 0x101),
                             STATUS_SUCCESS);
        }
        /* From the region itself, and over it. */
        file.bytes[0] = (unsigned char)length;
        assert_int_equal(
            RtlWriteNonVolatileMemory(token, file.bytes + 1, file.bytes, length, 0x101),
            STATUS_SUCCESS);
        assert_int_equal(file.bytes[1], length);
    }
    assert_int_equal(count(0, LINES), 0);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    assert_int_equal(count(0, LINES), 2);
    assert_memory_equal(seen.durable, file.bytes, 2 * LINE);
}

/* More bytes than a line has, with every flag, by both tokens, while lines are remembered. */
static void test_many_bytes(void **state) {
    (void)state;
    static unsigned char bytes[20 * LINE];
    static const ULONG flags[] = {0, 1, 2, 3, 0x100, 0x101, 0x102, 0x103};
    memset(bytes, 7, sizeof bytes);
    for (size_t i = 0; i < 64; i++) {
        PVOID by = i % 2 ? token : other;
        ULONG flag = flags[i / 2 % 8];
        size_t length = i % 3 == 0 ? 100 : i % 3 == 1 ? 200 : sizeof bytes;
        write_later(i % 4 * LINE, (UCHAR)i);
        unsigned char *at = file.bytes + 5 * LINE + i % 5;
        assert_int_equal(RtlWriteNonVolatileMemory(by, at, bytes, length, flag), STATUS_SUCCESS);
        assert_memory_equal(at, bytes, length);
        assert_int_equal(RtlWriteNonVolatileMemory(by, at + 8, at, length, flag), STATUS_SUCCESS);
        assert_int_equal(RtlFillNonVolatileMemory(by, at, length, (UCHAR)i, flag), STATUS_SUCCESS);
        assert_int_equal(at[length - 1], i);
        assert_int_equal(RtlWriteNonVolatileMemory(by, at, bytes, length, flag | 8),
                         STATUS_INVALID_PARAMETER);
        assert_int_equal(
            RtlWriteNonVolatileMemory(by, file.bytes + 4 * PAGE - 8, bytes, length, flag),
            STATUS_INVALID_PARAMETER);
        assert_int_equal(RtlFillNonVolatileMemory((PVOID)1, at, length, 1, flag),
                         STATUS_INVALID_PARAMETER);
        assert_int_equal(RtlWriteNonVolatileMemory(by, at, NULL, length, flag),
                         STATUS_INVALID_PARAMETER);
    }
    assert_int_equal(RtlFlushNonVolatileMemory(other, file.bytes, file.size, 0), STATUS_SUCCESS);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    assert_memory_equal(seen.durable, file.bytes, 5 * LINE);
}

/* Lines of which another one is remembered in the place, or none, or only the first of two. */
static void test_remembered_in_part(void **state) {
    (void)state;
    const size_t places[] = {56, 32 * LINE, 33 * LINE + 60, 2 * LINE - 4, 31 * LINE + 62, 0};
    write_later(0, 1);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
        unsigned char *at = file.bytes + places[i];
        assert_int_equal(RtlWriteNonVolatileMemory(token, at, "remember me", 12, 0x101),
                         STATUS_SUCCESS);
        assert_int_equal(RtlWriteNonVolatileMemory(other, at, "remember me", 12, 0x101),
                         STATUS_SUCCESS);
        assert_int_equal(RtlWriteNonVolatileMemory((PVOID)1, at, "remember me", 12, 0x101),
                         STATUS_INVALID_PARAMETER);
        assert_int_equal(RtlFlushNonVolatileMemory(other, at, 12, 1), STATUS_SUCCESS);
    }
    /* A drain of few bytes finds lines that are remembered. */
    assert_int_equal(RtlWriteNonVolatileMemory(token, file.bytes + 8, "drain", 6, 1),
                     STATUS_SUCCESS);
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        assert_memory_equal(seen.durable + places[i], file.bytes + places[i], 12);
    write_later(0, 2);
    assert_int_equal(RtlFillNonVolatileMemory(token, file.bytes + 8, 6, 3, 1), STATUS_SUCCESS);
    assert_memory_equal(seen.durable, file.bytes, LINE);
}

static void test_ranges(void **state) {
    (void)state;
    const size_t whole = file.size;
    const NV_MEMORY_RANGE outside[] = {{file.bytes - 1, 1},
                                       {file.bytes + whole, 1},
                                       {file.bytes, whole + 1},
                                       {file.bytes, SIZE_MAX},
                                       {NULL, 1}};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++) {
        NV_MEMORY_RANGE ranges[] = {{file.bytes, 8}, {NULL, 0}, outside[i]};
        for (ULONG flags = 0; flags < 3; flags++)
            assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, ranges, 3, flags),
                             STATUS_INVALID_PARAMETER);
        assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, ranges, SIZE_MAX, 0),
                         STATUS_INVALID_PARAMETER);
        write_later(LINE, (UCHAR)(i + 1));
        assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, ranges, 2, 0), STATUS_SUCCESS);
        assert_int_equal(seen.durable[LINE], i + 1);
        assert_int_equal(RtlFlushNonVolatileMemoryRanges(other, ranges, 2, 1), STATUS_SUCCESS);
        assert_int_equal(RtlFlushNonVolatileMemoryRanges((PVOID)1, ranges, 2, 0),
                         STATUS_INVALID_PARAMETER);
    }
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, NULL, 2, 0), STATUS_INVALID_PARAMETER);
    assert_int_equal(RtlFlushNonVolatileMemoryRanges(token, NULL, 0, 0), STATUS_SUCCESS);
    assert_int_equal(NvRtlSetTokenOption((PVOID)1, NVRTL_OPTION_DEFER_FLUSH, 1),
                     STATUS_INVALID_PARAMETER);
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

/* Remembers a line whose page is then cut off. */
static void lose_page(void) {
    assert_int_equal(sigaction(SIGBUS, &guard, NULL), 0);
    if (!isa_choose(isa_features(), 64, NULL, NULL).lines)
        skip();
    write_later(2 * PAGE, 1);
    seen.cut = true;
    assert_int_equal(ftruncate(file.descriptor, (off_t)PAGE), 0);
}

static void test_no_page(void **state) {
    (void)state;
    lose_page();
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_IO_DEVICE_ERROR);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
}

/* A failure that a Free met is told by the next drain. */
static void test_no_page_at_free(void **state) {
    (void)state;
    lose_page();
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

static void write_few_later(PVOID with, size_t at, uint64_t value) {
    assert_int_equal(RtlWriteNonVolatileMemory(with, file.bytes + at, &value, 8, 0x101),
                     STATUS_SUCCESS);
}

static void write_behind(void) {
    write_few_later(token, 0, 7);         /* was written back, and is to be forgotten */
    write_few_later(token, 40 * LINE, 8); /* has a place that is free */
}

static void write_behind_next(void) {
    seen.on_write_back = write_behind;
}

/* The same with the short way of a Write. */
static void test_handler_writes(void **state) {
    (void)state;
    write_few_later(token, 0, 1);
    write_few_later(token, LINE, 2);
    seen.on_write_back = write_behind_next;
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    assert_null(seen.on_write_back);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    assert_memory_equal(seen.durable, file.bytes, 2 * LINE);
    assert_memory_equal(seen.durable + 40 * LINE, file.bytes + 40 * LINE, LINE);
}

/* What is remembered of one token is written back before another one's is remembered. */
static void test_two_tokens_write(void **state) {
    (void)state;
    assert_int_equal(NvRtlSetTokenOption(other, NVRTL_OPTION_DEFER_FLUSH, 1), STATUS_SUCCESS);
    write_few_later(token, 0, 1);
    write_few_later(other, LINE, 2);
    assert_int_equal(count(0, LINES), 1);
    RtlFreeNonVolatileToken(other);
    assert_int_equal(count(0, LINES), 2);
    write_few_later(token, 2 * LINE, 3);
    assert_int_equal(RtlDrainNonVolatileFlush(token), STATUS_SUCCESS);
    assert_memory_equal(seen.durable, file.bytes, 3 * LINE);
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
        TEST(test_once_a_line),
        TEST(test_few_bytes_again),
        TEST(test_remembered_in_part),
        TEST(test_ranges),
        TEST(test_many_bytes),
        TEST(test_every_drain),
        TEST(test_many_lines),
        TEST(test_two_tokens),
        TEST(test_free_writes_back),
        TEST(test_freed_by_another_thread),
        TEST(test_no_page),
        TEST(test_no_page_at_free),
        TEST(test_fork),
        TEST(test_handler),
        TEST(test_handler_writes),
        TEST(test_two_tokens_write),
        TEST(test_option),
    };
    if (start(NULL) != 0 || sigaction(SIGBUS, NULL, &guard) != 0)
        return 1;
    end(NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
