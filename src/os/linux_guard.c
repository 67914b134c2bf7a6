/* SPDX-License-Identifier: BSD-2-Clause */
/* os/guard.h on Linux. */
#include "os/guard.h"

#include <errno.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/bits.h"
#include "os/calls.h"

static struct os_guarded guarded;

/* What the program had for SIGBUS when the guard came, and what is left of it: SA_RESETHAND is over
   after its first signal. Written before the guard stands and never again. */
static struct sigaction program;
static atomic_flag program_used = ATOMIC_FLAG_INIT;

#if defined(__x86_64__)
#define PC(context) ((context)->uc_mcontext.gregs[REG_RIP])
#define RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
#define PC(context) ((context)->uc_mcontext.pc)
#define RESULT(context) ((context)->uc_mcontext.regs[0])
#endif

static uintptr_t told_from(const int32_t *distance) {
    return (uintptr_t)distance + (uintptr_t)(intptr_t)*distance;
}

/* Where a single place in the code goes on; 0: it is none of them. */
static uintptr_t landing_of(uintptr_t pc) {
    for (const struct os_landing *at = guarded.landings; at != guarded.landings_end; at++) {
        if (pc >= told_from(&at->begin) && pc < told_from(&at->end))
            return told_from(&at->landing);
    }
    return 0;
}

/* Does it come of the interrupted instruction? Somebody may have sent it, or the kernel, to a
   process that wants to know early of a damaged page that nobody uses now. */
static bool is_fault(const siginfo_t *info) {
    return info->si_code > 0 && info->si_code != BUS_MCEERR_AO;
}

/* A kernel returns what kind of fault it was, and has no register for where. */
static _Thread_local volatile uintptr_t fault_address;

uintptr_t os_fault_address(void) {
    return fault_address;
}

/* Continues the guarded code at its landing pad, if that is what was interrupted. */
static bool leave_guarded(const siginfo_t *info, ucontext_t *context) {
#ifdef PC
    const uintptr_t pc = (uintptr_t)PC(context);
    const bool in_kernel = pc >= guarded.begin && pc < guarded.end;
    const uintptr_t landing = in_kernel ? guarded.pad : landing_of(pc);
    if (!is_fault(info) || landing == 0) /* any other SIGBUS is the program's */
        return false;
    if (in_kernel)
        RESULT(context) = info->si_code == BUS_MCEERR_AR ? FAULT_POISON : FAULT_BUS;
    PC(context) = (__typeof__(PC(context)))landing;
    fault_address = (uintptr_t)info->si_addr;
    return true;
#else
    (void)info, (void)context;
    return false;
#endif
}

/* Ends as a process without a handler ends: of the same instruction, met again, or of the same
   signal, sent again as it came. */
static void die(int number, siginfo_t *info) {
    const struct sigaction none = {.sa_handler = SIG_DFL};
    os_calls.sigaction(number, &none, NULL);
    if (is_fault(info))
        return;
    if (syscall(SYS_rt_tgsigqueueinfo, getpid(), syscall(SYS_gettid), number, info) != 0)
        raise(number);
}

/* Blocks what the program's handler would find blocked. The end of on_bus takes it back. */
static void block_as_program(const ucontext_t *context) {
    sigset_t mask, interrupted;
    sigemptyset(&interrupted);
    memcpy(&interrupted, &context->uc_sigmask, sizeof(uint64_t)); /* so much of it the kernel has */
    sigorset(&mask, &interrupted, &program.sa_mask);
    if ((program.sa_flags & SA_NODEFER) == 0)
        sigaddset(&mask, SIGBUS);
    sigprocmask(SIG_SETMASK, &mask, NULL);
}

static void on_bus(int number, siginfo_t *info, void *context) {
    if (leave_guarded(info, context))
        return;
    block_as_program(context);
    bool reset = (program.sa_flags & (int)SA_RESETHAND) != 0;
    bool over = reset && atomic_flag_test_and_set(&program_used);
    if ((program.sa_flags & SA_SIGINFO) != 0 && !over) {
        program.sa_sigaction(number, info, context);
        return;
    }
    /* An ignored signal is dropped when somebody sent it; the kernel does not let an instruction
       ignore its own. */
    if (program.sa_handler == SIG_IGN && !is_fault(info))
        return;
    if (program.sa_handler == SIG_DFL || program.sa_handler == SIG_IGN || over)
        die(number, info);
    else
        program.sa_handler(number);
}

void os_guard_start(const struct os_guarded *code) {
    int saved = errno;
    struct sigaction guard, before;
    if (guarded.begin == 0 && os_calls.sigaction(SIGBUS, NULL, &program) == 0) {
        guarded = *code;
        /* Its stack and its way to be interrupted are the program's handler's. Not its mask: a
           handler that came here while SIGBUS is blocked would be ended by a fault of its own. */
        guard = program;
        sigfillset(&guard.sa_mask);
        guard.sa_flags = (program.sa_flags & ~(int)SA_RESETHAND) | SA_SIGINFO;
        if ((program.sa_flags & SA_SIGINFO) == 0 &&
            (program.sa_handler == SIG_DFL || program.sa_handler == SIG_IGN))
            guard.sa_flags |= SA_ONSTACK;
        guard.sa_sigaction = on_bus;
        if (os_calls.sigaction(SIGBUS, &guard, &before) != 0)
            guarded.begin = 0;
        /* Another thread has set one since the question: it came later, and wins. */
        else if (before.sa_sigaction != program.sa_sigaction || before.sa_flags != program.sa_flags)
            os_calls.sigaction(SIGBUS, &before, NULL);
    }
    errno = saved;
}

bool os_guard_stands(void) {
    int saved = errno;
    struct sigaction now;
    bool stands = guarded.begin != 0 && os_calls.sigaction(SIGBUS, NULL, &now) == 0 &&
                  (now.sa_flags & SA_SIGINFO) != 0 && now.sa_sigaction == on_bus;
    errno = saved;
    return stands;
}

/* Blocks that nobody gets, root neither: a file system keeps a few for itself, and what is sparse
   needs some to find its data. ext4 keeps 2 % of all that it has, its own included (so up to 3 % of
   what it tells of), and 4,096 at most. */
static uint64_t kept(const struct statfs *system) {
    const uint64_t few = (64 << 10) / (uint64_t)system->f_bsize, share = system->f_blocks / 32;
    const uint64_t most = 4096;
    if (system->f_type != EXT4_SUPER_MAGIC)
        return few;
    return few + (share < most ? share : most);
}

bool os_is_full(const char *path, size_t at) {
    int saved = errno;
    struct statfs system;
    struct stat file;
    bool ends = os_calls.stat(path, &file) == 0 && (uint64_t)file.st_size <= at;
    bool full = !ends && os_calls.statfs(path, &system) == 0 && system.f_blocks != 0 &&
                (uint64_t)(geteuid() == 0 ? system.f_bfree : system.f_bavail) <= kept(&system);
    errno = saved;
    return full;
}
