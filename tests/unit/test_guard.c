/* SPDX-License-Identifier: BSD-2-Clause */
/* SIGBUS inside of the routines is a status; every other one is the program's, as if nvrtl were not
   there. Each case runs in a child, because dispositions belong to the process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nvrtl.h>

#include "os/calls.h"
#include "unit/cut_file.h"

/* Does an instruction that writes a line back fault where there is no page? As the vendors document
   it, it does; emulators leave it out. */
static bool write_back_faults = true;

static void child_write_back(void) {
#if defined(__x86_64__)
    int descriptor = memfd_create("nvrtl-test", MFD_CLOEXEC);
    char *view = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
    CHILD_NEED(view != MAP_FAILED);
    __builtin_ia32_clflush(view);
#else
    raise(SIGBUS);
#endif
}

static void child_flushes(const struct cut_file *file) {
    NV_MEMORY_RANGE ranges[] = {{file->view, 8}, {file->view + 3 * PAGE, 8}};
    CHILD_NEED(RtlFlushNonVolatileMemory(file->token, file->view, 2 * PAGE, 0) ==
               STATUS_IO_DEVICE_ERROR);
    CHILD_NEED(RtlFlushNonVolatileMemoryRanges(file->token, ranges, 2, 0) ==
               STATUS_IO_DEVICE_ERROR);
}

static void child_routines(void) {
    static const ULONG flags[] = {0, 1, 2, 3, 0x100, 0x101, 0x102, 0x103};
    struct cut_file file = make_cut_file();
    static char buffer[2 * PAGE];
    memset(buffer, 'x', sizeof buffer);
    for (size_t f = 0; f < sizeof flags / sizeof flags[0]; f++) {
        for (size_t odd = 0; odd < 9; odd++) {
            char *over = file.view + PAGE - 64 + odd; /* begins where there is a page */
            CHILD_NEED(RtlWriteNonVolatileMemory(file.token, over, buffer, 200, flags[f]) ==
                       STATUS_IO_DEVICE_ERROR);
            CHILD_NEED(RtlFillNonVolatileMemory(file.token, over, 200, 7, flags[f]) ==
                       STATUS_IO_DEVICE_ERROR);
            /* From the region into it, and down. */
            CHILD_NEED(RtlWriteNonVolatileMemory(file.token, over, over - 8, 200, flags[f]) ==
                       STATUS_IO_DEVICE_ERROR);
            /* The source may be the one without a page. */
            CHILD_NEED(RtlWriteNonVolatileMemory(file.token, file.view, file.view + 2 * PAGE + odd,
                                                 200, flags[f]) == STATUS_IO_DEVICE_ERROR);
        }
    }
    CHILD_NEED(NvRtlReadNonVolatileMemory(file.token, buffer, file.view + PAGE - 8, 16) ==
               STATUS_IO_DEVICE_ERROR);
    if (write_back_faults)
        child_flushes(&file);
    /* Not kept: what has a page goes on working, and so does all when the pages are back. */
    CHILD_NEED(RtlWriteNonVolatileMemory(file.token, file.view, "good", 4, 1) == STATUS_SUCCESS);
    CHILD_NEED(ftruncate(file.descriptor, PAGES * PAGE) == 0);
    CHILD_NEED(RtlWriteNonVolatileMemory(file.token, file.view + PAGE, "good", 4, 1) ==
               STATUS_SUCCESS);
    CHILD_NEED(NvRtlReadNonVolatileMemory(file.token, buffer, file.view + PAGE, 5) ==
               STATUS_SUCCESS);
    CHILD_NEED(memcmp(buffer, "good", 5) == 0);
    CHILD_NEED(memcmp(file.view, "good", 4) == 0);
}

static void test_routines(void **state) {
    (void)state;
    write_back_faults = child_result(child_write_back) == SIGBUS;
    print_message("a write-back faults: %s\n", write_back_faults ? "yes" : "no");
    check_child(child_routines, 0);
}

static uint32_t query_flags(void *token) {
    NvRtlTokenInfo info = {.structSize = sizeof info};
    CHILD_NEED(NvRtlQueryToken(token, &info) == STATUS_SUCCESS);
    return info.flags;
}

static void touch_outside(const struct cut_file *file) {
    *(volatile char *)(file->view + 2 * PAGE) = 1;
}

/* Without a handler the process dies as it always did. */
static void child_default(void) {
    struct cut_file file = make_cut_file();
    CHILD_NEED(query_flags(file.token) & NVRTL_TOKEN_GUARDED);
    touch_outside(&file);
}

static void child_default_sent(void) {
    (void)make_cut_file();
    kill(getpid(), SIGBUS);
}

static void child_ignored_sent(void) {
    signal(SIGBUS, SIG_IGN);
    (void)make_cut_file();
    kill(getpid(), SIGBUS);
    raise(SIGBUS);
}

/* As the kernel tells of a page that is damaged and not in use. Only the main thread may send it,
   to whichever thread does not block it. */
static void send_early(void) {
    siginfo_t info = {.si_signo = SIGBUS, .si_code = BUS_MCEERR_AO};
    CHILD_NEED(syscall(SYS_rt_sigqueueinfo, getpid(), SIGBUS, &info) == 0);
}

static void child_default_early(void) {
    (void)make_cut_file();
    send_early();
    _exit(1);
}

static void child_ignored_early(void) {
    signal(SIGBUS, SIG_IGN);
    struct cut_file file = make_cut_file();
    send_early();
    CHILD_NEED(query_flags(file.token) & NVRTL_TOKEN_GUARDED);
}

static void child_ignored_fault(void) {
    signal(SIGBUS, SIG_IGN);
    struct cut_file file = make_cut_file();
    touch_outside(&file);
}

static void test_default(void **state) {
    (void)state;
    check_child(child_default, SIGBUS);
    check_child(child_default_sent, SIGBUS);
    check_child(child_ignored_sent, 0);
    check_child(child_default_early, SIGBUS);
    check_child(child_ignored_early, 0);
    check_child(child_ignored_fault, SIGBUS);
}

static sigjmp_buf out;
static volatile sig_atomic_t handled;
static volatile bool on_own_stack, bus_blocked, usr1_blocked, saw_info;
static char alternate[64 << 10];

static void look_around(void) {
    sigset_t blocked;
    stack_t stack;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    sigaltstack(NULL, &stack);
    bus_blocked = sigismember(&blocked, SIGBUS);
    usr1_blocked = sigismember(&blocked, SIGUSR1);
    on_own_stack = (stack.ss_flags & SS_ONSTACK) != 0;
    handled = handled + 1;
}

static void on_bus(int number) {
    CHILD_NEED(number == SIGBUS);
    look_around();
    siglongjmp(out, 1);
}

static const char *expected_address;

static void on_bus_info(int number, siginfo_t *info, void *context) {
    CHILD_NEED(number == SIGBUS && context != NULL);
    saw_info = info->si_addr == expected_address && info->si_code == BUS_ADRERR;
    look_around();
    siglongjmp(out, 1);
}

static void set_handler(int flags, bool with_info) {
    struct sigaction action = {.sa_flags = flags};
    if (with_info) {
        action.sa_flags |= SA_SIGINFO;
        action.sa_sigaction = on_bus_info;
    } else {
        action.sa_handler = on_bus;
    }
    sigaddset(&action.sa_mask, SIGUSR1);
    CHILD_NEED(sigaction(SIGBUS, &action, NULL) == 0);
}

static void use_alternate_stack(void) {
    const stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    CHILD_NEED(sigaltstack(&stack, NULL) == 0);
}

static int variant; /* bit 0: SA_NODEFER, 1: SA_ONSTACK, 2: SA_SIGINFO */

static void fault_once(const struct cut_file *file) {
    if (sigsetjmp(out, 1) == 0)
        touch_outside(file);
}

/* The program's handler runs as it would alone, however it was installed. */
static void child_handler(void) {
    use_alternate_stack();
    set_handler((variant & 1 ? SA_NODEFER : 0) | (variant & 2 ? SA_ONSTACK : 0),
                (variant & 4) != 0);
    struct cut_file file = make_cut_file();
    expected_address = file.view + 2 * PAGE;
    CHILD_NEED(RtlFillNonVolatileMemory(file.token, file.view, 2 * PAGE, 1, 0) ==
               STATUS_IO_DEVICE_ERROR);
    CHILD_NEED(handled == 0);
    for (int round = 1; round <= 2; round++) {
        fault_once(&file);
        CHILD_NEED(handled == round);
    }
#ifndef __SANITIZE_THREAD__ /* which calls handlers itself, with masks of its own */
    CHILD_NEED(bus_blocked == ((variant & 1) == 0) && usr1_blocked);
#endif
    CHILD_NEED(on_own_stack == ((variant & 2) != 0));
    CHILD_NEED(saw_info == ((variant & 4) != 0));
}

static void test_handler(void **state) {
    (void)state;
    for (variant = 0; variant < 8; variant++)
        check_child(child_handler, 0);
}

/* SA_RESETHAND: the handler is there once, then the default is. */
static void child_once(void) {
    set_handler((int)SA_RESETHAND, false);
    struct cut_file file = make_cut_file();
    for (int round = 0; round < 2; round++) {
        CHILD_NEED(handled == round);
        CHILD_NEED(RtlFillNonVolatileMemory(file.token, file.view, 2 * PAGE, 1, 0) ==
                   STATUS_IO_DEVICE_ERROR);
        fault_once(&file);
    }
}

static void test_once(void **state) {
    (void)state;
    check_child(child_once, SIGBUS);
}

/* A handler that comes later wins, and the program can see that. */
static void child_later(void) {
    struct cut_file file = make_cut_file();
    struct sigaction ours, theirs = {.sa_handler = on_bus};
    CHILD_NEED(sigaction(SIGBUS, &theirs, &ours) == 0);
    CHILD_NEED((query_flags(file.token) & NVRTL_TOKEN_GUARDED) == 0);
    if (sigsetjmp(out, 1) == 0) {
        RtlFillNonVolatileMemory(file.token, file.view, 2 * PAGE, 1, 0);
        CHILD_NEED(!"the later handler was not called");
    }
    CHILD_NEED(handled == 1);
    CHILD_NEED(sigaction(SIGBUS, &ours, NULL) == 0);
    CHILD_NEED(query_flags(file.token) & NVRTL_TOKEN_GUARDED);
    CHILD_NEED(RtlFillNonVolatileMemory(file.token, file.view, 2 * PAGE, 1, 0) ==
               STATUS_IO_DEVICE_ERROR);
}

/* Another thread sets a handler while the first Get looks at what there is. */
static int sigaction_beside(int number, const struct sigaction *action, struct sigaction *old) {
    int result = sigaction(number, action, old);
    os_calls.sigaction = sigaction;
    signal(SIGBUS, on_bus);
    return result;
}

static void child_later_meanwhile(void) {
    os_calls.sigaction = sigaction_beside;
    struct cut_file file = make_cut_file();
    struct sigaction now;
    CHILD_NEED(sigaction(SIGBUS, NULL, &now) == 0 && now.sa_handler == on_bus);
    CHILD_NEED((query_flags(file.token) & NVRTL_TOKEN_GUARDED) == 0);
    fault_once(&file);
    CHILD_NEED(handled == 1);
}

static void child_without(void) {
    setenv("NVRTL_NO_SIGBUS", "1", 1);
    struct cut_file file = make_cut_file();
    CHILD_NEED((query_flags(file.token) & NVRTL_TOKEN_GUARDED) == 0);
    RtlFillNonVolatileMemory(file.token, file.view, 2 * PAGE, 1, 0);
}

static void test_later_and_without(void **state) {
    (void)state;
    check_child(child_later, 0);
    check_child(child_later_meanwhile, 0);
    check_child(child_without, SIGBUS);
}

/* The handler interrupts the thread sanitizer as well, which must not hear of it, nor of those who
   look. */
#define UNHEARD __attribute__((noinline, no_sanitize("thread")))

/* A signal that somebody sends while a routine copies is the program's. */
UNHEARD static void count_bus(int number) {
    (void)number;
    handled = handled + 1;
}

UNHEARD static int count_handled(void) {
    return handled;
}

static _Atomic bool stop_sending;
static pthread_t copier;

static void *send_signals(void *context) {
    (void)context;
    while (!stop_sending)
        pthread_kill(copier, SIGBUS);
    return NULL;
}

static void child_sent_meanwhile(void) {
    signal(SIGBUS, count_bus);
    struct cut_file file = open_cut_file();
    pthread_t sender;
    copier = pthread_self();
    CHILD_NEED(pthread_create(&sender, NULL, send_signals, NULL) == 0);
    for (int i = 0; i < 2000 || count_handled() < 100; i++)
        CHILD_NEED(RtlFillNonVolatileMemory(file.token, file.view, PAGES * PAGE, 1, 0) ==
                   STATUS_SUCCESS);
    stop_sending = true;
    pthread_join(sender, NULL);
}

static void *copy_on(void *context) {
    const struct cut_file *file = context;
    while (!stop_sending)
        CHILD_NEED(RtlFillNonVolatileMemory(file->token, file->view, PAGES * PAGE, 1, 0) ==
                   STATUS_SUCCESS);
    return NULL;
}

static void child_early_meanwhile(void) {
    signal(SIGBUS, count_bus);
    struct cut_file file = open_cut_file();
    sigset_t bus;
    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    CHILD_NEED(pthread_create(&copier, NULL, copy_on, &file) == 0);
    CHILD_NEED(pthread_sigmask(SIG_BLOCK, &bus, NULL) == 0);
    for (int i = 0; i < 2000 || count_handled() < 100; i++)
        send_early();
    stop_sending = true;
    pthread_join(copier, NULL);
}

static void test_sent_meanwhile(void **state) {
    (void)state;
    check_child(child_sent_meanwhile, 0);
    check_child(child_early_meanwhile, 0);
}

/* Many threads fault at once; each gets its own status. */
static void *fault_often(void *context) {
    const struct cut_file *file = context;
    for (int i = 0; i < 500; i++) {
        CHILD_NEED(RtlFillNonVolatileMemory(file->token, file->view + PAGE - 8, 16, 1, 0) ==
                   STATUS_IO_DEVICE_ERROR);
        CHILD_NEED(RtlFillNonVolatileMemory(file->token, file->view, 8, 1, 0) == STATUS_SUCCESS);
    }
    return NULL;
}

static void child_threads(void) {
    struct cut_file file = make_cut_file();
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        CHILD_NEED(pthread_create(&threads[i], NULL, fault_often, &file) == 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
}

/* The child of a fork is guarded like its parent. */
static void child_fork(void) {
    struct cut_file file = make_cut_file();
    pid_t child = fork();
    int status;
    if (child == 0) {
        fault_often(&file);
        _exit(0);
    }
    CHILD_NEED(waitpid(child, &status, 0) == child && status == 0);
}

static void test_threads_and_fork(void **state) {
    (void)state;
    check_child(child_threads, 0);
    check_child(child_fork, 0);
}

/* A page that the hardware says is damaged. */
static void child_poison(void) {
    struct cut_file file = open_cut_file();
    char buffer[16];
    file.view[PAGE] = 1;
    if (madvise(file.view + PAGE, PAGE, MADV_HWPOISON) != 0)
        _exit(CHILD_CANNOT);
    CHILD_NEED(NvRtlReadNonVolatileMemory(file.token, buffer, file.view + PAGE, 16) ==
               STATUS_DEVICE_DATA_ERROR);
    CHILD_NEED(RtlWriteNonVolatileMemory(file.token, file.view + PAGE - 8, "0123456789abcde", 16,
                                         0) == STATUS_DEVICE_DATA_ERROR);
    CHILD_NEED(RtlFillNonVolatileMemory(file.token, file.view + PAGE - 8, 16, 1, 3) ==
               STATUS_DEVICE_DATA_ERROR);
    CHILD_NEED(RtlFillNonVolatileMemory(file.token, file.view + PAGE, 2 * PAGE, 1, 2) ==
               STATUS_DEVICE_DATA_ERROR);
    CHILD_NEED(RtlWriteNonVolatileMemory(file.token, file.view, file.view + PAGE, 16, 0) ==
               STATUS_DEVICE_DATA_ERROR);
    /* What is not damaged works as before. */
    CHILD_NEED(RtlFillNonVolatileMemory(file.token, file.view, PAGE, 1, 1) == STATUS_SUCCESS);
    CHILD_NEED(RtlFillNonVolatileMemory(file.token, file.view + 2 * PAGE, PAGE, 1, 3) ==
               STATUS_SUCCESS);
}

/* Where NVRTL_TEST_POISON is set there is a way to do that, and nothing is skipped. */
static void test_poison(void **state) {
    (void)state;
    if (getenv("NVRTL_TEST_POISON") != NULL)
        assert_int_equal(child_result(child_poison), 0);
    check_child(child_poison, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routines),          cmocka_unit_test(test_default),
        cmocka_unit_test(test_handler),           cmocka_unit_test(test_once),
        cmocka_unit_test(test_later_and_without), cmocka_unit_test(test_sent_meanwhile),
        cmocka_unit_test(test_threads_and_fork),  cmocka_unit_test(test_poison),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
