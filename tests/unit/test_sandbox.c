/* SPDX-License-Identifier: BSD-2-Clause */
/* Images meet checkers that misbehave in every way, and each verdict is of its own image alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/sandbox.h"
#include "unit/sandbox_orders.h"

#define BASE UINT64_C(0x3f0000000000)
#define SIZE (64u << 10)

static const int go_on;
static char user_file[] = "/tmp/nvrtl-test-user-XXXXXX";

static struct sandbox_options options_with(uint32_t workers) {
    static struct sandbox_region regions[2];
    regions[0] = (struct sandbox_region){user_file, BASE, SIZE};
    regions[1] = (struct sandbox_region){"/nowhere/second", 0, 3 * 4096 + 5};
    return (struct sandbox_options){.judge = SANDBOX_OBJECT,
                                    .check = NVRTL_TEST_CHECKER,
                                    .regions = regions,
                                    .region_count = 2,
                                    .workers = workers,
                                    .timeout = 300,
                                    .memory = 64 << 20};
}

static struct sandbox *make(const struct sandbox_options *options) {
    static uint8_t bytes[SIZE];
    struct sandbox *sandbox = sandbox_new(options);
    assert_non_null(sandbox);
    for (size_t i = 16; i < SIZE; i++)
        bytes[i] = (uint8_t)(i % 251);
    sandbox_set(sandbox, 0, 0, bytes, SIZE);
    return sandbox;
}

static void order(struct sandbox *sandbox, uint64_t what) {
    assert_true(sandbox_image(sandbox, 0, 0));
    assert_true(sandbox_patch(sandbox, 0, 0, &what, sizeof what));
}

static void expect(const struct sandbox *sandbox, size_t image, enum sandbox_outcome outcome,
                   int status) {
    struct sandbox_verdict verdict = sandbox_verdict(sandbox, image);
    if (verdict.outcome == SANDBOX_UNUSABLE)
        print_message("%s\n", sandbox_problem(sandbox));
    assert_int_equal(verdict.outcome, outcome);
    assert_int_equal(verdict.status, status);
}

/* Between any two there is one that would see what is left of the first. */
static void run_all(const struct sandbox_options *options) {
    static const struct {
        enum order order;
        enum sandbox_outcome outcome;
        int status;
    } orders[] = {{ORDER_REFUSE, SANDBOX_REFUSED, 7},  {ORDER_CRASH, SANDBOX_KILLED, SIGABRT},
                  {ORDER_EXIT, SANDBOX_EXITED, 3},     {ORDER_SCRIBBLE, SANDBOX_FINE, 0},
                  {ORDER_HANG, SANDBOX_HUNG, 0},       {ORDER_SCRIBBLE_BY_READ, SANDBOX_FINE, 0},
                  {ORDER_WRITE_FILE, SANDBOX_FINE, 0}, {ORDER_ALLOCATE, SANDBOX_FINE, 0},
                  {ORDER_PLACE, SANDBOX_FINE, 0}};
    const size_t count = sizeof orders / sizeof orders[0];
    struct sandbox *sandbox = make(options);
    for (unsigned round = 0; round < 2; round++) {
        for (size_t i = 0; i < count; i++) {
            order(sandbox, orders[i].order);
            for (unsigned n = 0; n < 3; n++)
                order(sandbox, ORDER_NOTHING);
        }
        assert_true(sandbox_run(sandbox, SANDBOX_ALL, &go_on));
        assert_int_equal(sandbox_count(sandbox), 4 * count);
        for (size_t i = 0; i < count; i++) {
            expect(sandbox, 4 * i, orders[i].outcome, orders[i].status);
            for (unsigned n = 1; n <= 3; n++)
                expect(sandbox, 4 * i + n, SANDBOX_FINE, 0);
        }
    }
    sandbox_end(sandbox);
}

static void verdicts_are_of_their_images(void **state) {
    (void)state;
    for (uint32_t workers = 1; workers <= 4; workers *= 2) {
        const struct sandbox_options options = options_with(workers);
        run_all(&options);
    }
}

static void processes_can_be_fresh(void **state) {
    (void)state;
    struct sandbox_options options = options_with(2);
    options.respawn = 3;
    run_all(&options);
    options.isolate = true;
    run_all(&options);
}

/* Written unseen: by a process that the checker started. In isolation all is compared. */
static void children_are_taken_back(void **state) {
    (void)state;
    struct sandbox_options options = options_with(1);
    options.isolate = true;
    struct sandbox *sandbox = make(&options);
    order(sandbox, ORDER_SCRIBBLE_IN_CHILD);
    order(sandbox, ORDER_NOTHING);
    assert_true(sandbox_run(sandbox, SANDBOX_ALL, &go_on));
    expect(sandbox, 0, SANDBOX_FINE, 0);
    expect(sandbox, 1, SANDBOX_FINE, 0);
    sandbox_end(sandbox);
}

/* Without it now and then is looked, and then after each image. */
static void children_are_noticed_later(void **state) {
    (void)state;
    const struct sandbox_options options = options_with(1);
    struct sandbox *sandbox = make(&options);
    for (unsigned round = 0; round < 4100 / SANDBOX_IMAGES + 1; round++) {
        for (unsigned i = 0; i < SANDBOX_IMAGES; i++)
            order(sandbox, round + i == 0 ? ORDER_SCRIBBLE_IN_CHILD : ORDER_NOTHING);
        assert_true(sandbox_run(sandbox, SANDBOX_ALL, &go_on));
    }
    for (unsigned i = 0; i < 4; i++)
        order(sandbox, i % 2 == 0 ? ORDER_SCRIBBLE_IN_CHILD : ORDER_NOTHING);
    assert_true(sandbox_run(sandbox, SANDBOX_ALL, &go_on));
    for (unsigned i = 0; i < 4; i++)
        expect(sandbox, i, SANDBOX_FINE, 0);
    sandbox_end(sandbox);
}

static void the_base_moves(void **state) {
    (void)state;
    const struct sandbox_options options = options_with(2);
    const uint64_t refuse = ORDER_REFUSE, nothing = ORDER_NOTHING;
    struct sandbox *sandbox = make(&options);
    for (unsigned round = 0; round < 5; round++) {
        sandbox_set(sandbox, 0, 0, &refuse, sizeof refuse);
        for (unsigned i = 0; i < 8; i++)
            assert_true(sandbox_image(sandbox, 0, 0));
        assert_true(sandbox_run(sandbox, SANDBOX_ALL, &go_on));
        for (unsigned i = 0; i < 8; i++)
            expect(sandbox, i, SANDBOX_REFUSED, 7);
        sandbox_set(sandbox, 0, 0, &nothing, sizeof nothing);
        assert_true(sandbox_image(sandbox, 0, 0));
        assert_true(sandbox_run(sandbox, SANDBOX_ALL, &go_on));
        expect(sandbox, 0, SANDBOX_FINE, 0);
    }
    sandbox_end(sandbox);
}

static void marks_are_told(void **state) {
    (void)state;
    const struct sandbox_options options = options_with(1);
    const uint64_t marks = ORDER_MARKS;
    struct sandbox *sandbox = make(&options);
    for (uint64_t id = 10; id <= 40; id += 10) {
        assert_true(sandbox_mark(sandbox, false, id));
        assert_true(sandbox_mark(sandbox, true, id));
    }
    assert_true(sandbox_image(sandbox, 3, 2));
    assert_true(sandbox_patch(sandbox, 0, 0, &marks, sizeof marks));
    assert_true(sandbox_image(sandbox, 4, 2));
    assert_true(sandbox_patch(sandbox, 0, 0, &marks, sizeof marks));
    assert_true(sandbox_run(sandbox, SANDBOX_ALL, &go_on));
    expect(sandbox, 0, SANDBOX_FINE, 0);
    expect(sandbox, 1, SANDBOX_REFUSED, 1);
    sandbox_end(sandbox);
}

static void fresh_processes_are_heard(void **state) {
    (void)state;
    const struct sandbox_options options = options_with(1);
    char said[8] = "";
    int output = memfd_create("output", MFD_CLOEXEC);
    struct sandbox *sandbox = make(&options);
    order(sandbox, ORDER_SAY);
    order(sandbox, ORDER_CRASH);
    assert_true(sandbox_run_again(sandbox, 0, output, &go_on));
    assert_true(sandbox_run_again(sandbox, 1, output, &go_on));
    expect(sandbox, 0, SANDBOX_REFUSED, 5);
    expect(sandbox, 1, SANDBOX_KILLED, SIGABRT);
    assert_int_equal(pread(output, said, sizeof said, 0), 4);
    assert_memory_equal(said, "said", 4);
    close(output);
    sandbox_end(sandbox);
}

static void touched_pages_are_known(void **state) {
    (void)state;
    const struct sandbox_options options = options_with(1);
    struct sandbox *sandbox = make(&options);
    order(sandbox, ORDER_TOUCH);
    assert_true(sandbox_run(sandbox, SANDBOX_TRACED, &go_on));
    expect(sandbox, 0, SANDBOX_FINE, 0);
    const uint64_t *touched = sandbox_touched(sandbox, 1);
    if (touched == NULL)
        skip();
    assert_int_equal(touched[0], 2);
    sandbox_end(sandbox);
}

static void a_bad_object_is_told(void **state) {
    (void)state;
    struct sandbox_options options = options_with(2);
    options.check = "/nowhere/checker.so";
    struct sandbox *sandbox = make(&options);
    order(sandbox, ORDER_NOTHING);
    assert_true(sandbox_run(sandbox, SANDBOX_ALL, &go_on));
    assert_int_equal(sandbox_verdict(sandbox, 0).outcome, SANDBOX_UNUSABLE);
    assert_non_null(strstr(sandbox_problem(sandbox), "/nowhere/checker.so"));
    sandbox_end(sandbox);
}

static void full_batches_say_so(void **state) {
    (void)state;
    const struct sandbox_options options = options_with(2);
    const uint64_t nothing = ORDER_NOTHING;
    struct sandbox *sandbox = make(&options);
    for (unsigned i = 0; i < SANDBOX_IMAGES; i++)
        order(sandbox, ORDER_NOTHING);
    assert_false(sandbox_image(sandbox, 0, 0));
    assert_true(sandbox_run(sandbox, SANDBOX_ALL, &go_on));
    for (unsigned i = 0; i < SANDBOX_IMAGES; i++)
        expect(sandbox, i, SANDBOX_FINE, 0);
    order(sandbox, ORDER_REFUSE);
    assert_true(sandbox_image(sandbox, 0, 0));
    while (sandbox_patch(sandbox, 0, 0, &nothing, sizeof nothing)) {
    }
    assert_int_equal(sandbox_count(sandbox), 1);
    assert_true(sandbox_run(sandbox, SANDBOX_ALL, &go_on));
    expect(sandbox, 0, SANDBOX_REFUSED, 7);
    sandbox_end(sandbox);
}

/* Commands see the files; one that replaces its file, or leaves others, does no harm. */
static void commands_judge(void **state) {
    (void)state;
    struct sandbox_options options = options_with(2);
    options.judge = SANDBOX_COMMAND;
    options.timeout = 5000;
    options.check =
        "set -- {}; test -f \"$2\" || exit 8\n"
        "order=$(od -An -tu8 -N8 \"$1\" | tr -d ' ')\n"
        "case $order in\n"
        "0) test \"$(ls \"${1%/*}\" | wc -l)\" = 2 && test $(wc -c <\"$1\") = 65536;;\n"
        "1) exit 7;;\n"
        "2) kill -ABRT $$;;\n"
        "5) echo x >\"$1.new\"; mv \"$1.new\" \"$1\"; mkdir \"${1%/*}/more\"; : >\"$2\";;\n"
        "10) test \"$NVRTL_BEGUN,$NVRTL_ACKED\" = 10,;;\n"
        "esac";
    struct sandbox *sandbox = make(&options);
    const uint64_t marks = ORDER_MARKS;
    assert_true(sandbox_mark(sandbox, false, 10));
    for (unsigned i = 0; i < 3; i++) {
        order(sandbox, ORDER_REFUSE);
        order(sandbox, ORDER_CRASH);
        order(sandbox, ORDER_SCRIBBLE);
        order(sandbox, ORDER_NOTHING);
        assert_true(sandbox_image(sandbox, 1, 0));
        assert_true(sandbox_patch(sandbox, 0, 0, &marks, sizeof marks));
    }
    assert_true(sandbox_run(sandbox, SANDBOX_ALL, &go_on));
    for (unsigned i = 0; i < 15; i += 5) {
        expect(sandbox, i, SANDBOX_REFUSED, 7);
        expect(sandbox, i + 1, SANDBOX_KILLED, SIGABRT);
        expect(sandbox, i + 2, SANDBOX_FINE, 0);
        expect(sandbox, i + 3, SANDBOX_FINE, 0);
        expect(sandbox, i + 4, SANDBOX_FINE, 0);
    }
    sandbox_end(sandbox);
}

/* A program that ends with an error has recovered as well as it can; a signal is a failure. */
static void programs_judge(void **state) {
    (void)state;
    static char script[] = "test \"$1\" != \"$2\" || exit 1\n"
                           "grep -q xyzzy \"$1\" && kill -SEGV $$; exit 1";
    char *const program[] = {"sh", "-c", script, "sh", user_file, "/nowhere/third", NULL};
    struct sandbox_options options = options_with(1);
    options.judge = SANDBOX_PROGRAM;
    options.timeout = 5000;
    options.program = program;
    struct sandbox *sandbox = make(&options);
    order(sandbox, ORDER_NOTHING);
    assert_true(sandbox_image(sandbox, 0, 0));
    assert_true(sandbox_patch(sandbox, 0, 64, "xyzzy", 5));
    assert_true(sandbox_run(sandbox, SANDBOX_ALL, &go_on));
    expect(sandbox, 0, SANDBOX_FINE, 1);
    expect(sandbox, 1, SANDBOX_KILLED, SIGSEGV);
    sandbox_end(sandbox);
}

static int make_user_file(void **state) {
    (void)state;
    int file = mkstemp(user_file);
    return file < 0 ? -1 : close(file);
}

static int remove_user_file(void **state) {
    (void)state;
    return unlink(user_file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts_are_of_their_images),
        cmocka_unit_test(processes_can_be_fresh),
        cmocka_unit_test(children_are_taken_back),
        cmocka_unit_test(children_are_noticed_later),
        cmocka_unit_test(the_base_moves),
        cmocka_unit_test(marks_are_told),
        cmocka_unit_test(fresh_processes_are_heard),
        cmocka_unit_test(touched_pages_are_known),
        cmocka_unit_test(a_bad_object_is_told),
        cmocka_unit_test(full_batches_say_so),
        cmocka_unit_test(commands_judge),
        cmocka_unit_test(programs_judge),
    };
    return cmocka_run_group_tests(tests, make_user_file, remove_user_file);
}
