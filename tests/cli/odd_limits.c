/* SPDX-License-Identifier: BSD-2-Clause */
/* The cases of odd.c that are about limits: memory, stacks, system calls, many of everything. */
#include "odd.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* limit NAME VALUE before|after MEMORY: sets a limit, then works, then takes so much memory. */
int odd_limit(const char *path, char **arguments) {
    static const struct {
        const char *name;
        __rlimit_resource_t resource;
    } names[] = {{"nofile", RLIMIT_NOFILE},
                 {"as", RLIMIT_AS},
                 {"fsize", RLIMIT_FSIZE},
                 {"stack", RLIMIT_STACK}};
    size_t which = 0, memory = strtoul(arguments[3], NULL, 10) << 20;
    while (strcmp(names[which].name, arguments[0]) != 0)
        which++;
    rlim_t value = strtoul(arguments[1], NULL, 10);
    const struct rlimit limit = {value, value};
    int before = strcmp(arguments[2], "before") == 0;
    if (before)
        odd_need(setrlimit(names[which].resource, &limit) == 0, "setrlimit");
    NvRtlMapping mapping = odd_map(path);
    if (!before)
        odd_need(setrlimit(names[which].resource, &limit) == 0, "setrlimit");
    char *taken = memory != 0 ? malloc(memory) : NULL;
    odd_work(&mapping, 0);
    odd_forget(&mapping, 64);
    NvRtlUnmapFile(&mapping);
    printf("limited, memory: %s\n", memory == 0 || taken != NULL ? "yes" : "no");
    free(taken);
    return 0;
}

static void *work_of_thread(void *mapping) {
    odd_work(mapping, 0);
    return NULL;
}

int odd_small_stack(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    pthread_attr_t attributes;
    pthread_t thread;
    (void)arguments;
    pthread_attr_init(&attributes);
    odd_need(pthread_attr_setstacksize(&attributes, (size_t)sysconf(_SC_THREAD_STACK_MIN)) == 0,
             "pthread_attr_setstacksize");
    odd_need(pthread_create(&thread, &attributes, work_of_thread, &mapping) == 0, "pthread_create");
    pthread_join(thread, NULL);
    pthread_attr_destroy(&attributes);
    NvRtlUnmapFile(&mapping);
    puts("small stack");
    return 0;
}

static NvRtlMapping signal_mapping;
static uint32_t signal_flags;

static void write_in_handler(int signal_number) {
    (void)signal_number;
    RtlWriteNonVolatileMemory(signal_mapping.token, signal_mapping.base, "handler", 8,
                              signal_flags);
}

/* small-signal-stack SIZE FLAGS: a stack for signals of SIZE bytes beyond what the CPU's registers
   take; below it a page that must not be touched. */
int odd_small_signal_stack(const char *path, char **arguments) {
    size_t size = strtoul(arguments[0], NULL, 10) + getauxval(AT_MINSIGSTKSZ);
    size_t page = (size_t)sysconf(_SC_PAGESIZE), whole = (size + page - 1) / page * page;
    char *memory =
        mmap(NULL, whole + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    odd_need(memory != MAP_FAILED && mprotect(memory, page, PROT_NONE) == 0, "mmap");
    stack_t stack = {.ss_sp = memory + page, .ss_size = size};
    struct sigaction action = {.sa_handler = write_in_handler, .sa_flags = SA_ONSTACK};
    signal_mapping = odd_map(path);
    signal_flags = (uint32_t)strtoul(arguments[1], NULL, 10);
    odd_need(sigaltstack(&stack, NULL) == 0 && sigaction(SIGUSR1, &action, NULL) == 0,
             "sigaltstack");
    odd_work(&signal_mapping, 0); /* the loader binds functions at their first call */
    raise(SIGUSR1);
    NvRtlUnmapFile(&signal_mapping);
    puts("small signal stack");
    return 0;
}

/* What a program that locks itself in leaves itself: memory, threads, files, its end. */
static const int plain_calls[] = {
    SYS_read,
    SYS_write,
    SYS_close,
    SYS_mmap,
    SYS_munmap,
    SYS_mprotect,
    SYS_madvise,
    SYS_brk,
    SYS_msync,
    SYS_futex,
    SYS_exit,
    SYS_exit_group,
    SYS_rt_sigreturn,
    SYS_rt_sigaction,
    SYS_rt_sigprocmask,
    SYS_clone3,
    SYS_clone,
    SYS_set_robust_list,
    SYS_rseq,
    SYS_newfstatat,
    SYS_fstat,
    SYS_ftruncate,
    SYS_sched_getaffinity,
    SYS_gettid,
};

/* filter kill|refuse: from the second token on, any other call kills the process, or fails. */
int odd_filter(const char *path, char **arguments) {
    struct sock_filter filter[64];
    unsigned short length = 0;
    size_t count = sizeof plain_calls / sizeof plain_calls[0];
    NvRtlMapping mapping = odd_map(path);
    pthread_t thread;
    filter[length++] =
        (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < count; i++)
        filter[length++] = (struct sock_filter)BPF_JUMP(
            BPF_JMP | BPF_JEQ | BPF_K, (unsigned)plain_calls[i], (unsigned char)(count - i), 0);
    filter[length++] = (struct sock_filter)BPF_STMT(
        BPF_RET | BPF_K,
        strcmp(arguments[0], "kill") == 0 ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EPERM);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {.len = length, .filter = filter};
    int by_number = strstr(path, "number") != NULL;
    odd_need(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                 (by_number ? syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0
                            : prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0),
             "seccomp");
    odd_work(&mapping, 0);
    /* A flush of what is flushed already, and of what is no longer there. */
    RtlFlushNonVolatileMemory(mapping.token, mapping.base, 8, 0);
    odd_need(pthread_create(&thread, NULL, work_of_thread, &mapping) == 0, "pthread_create");
    pthread_join(thread, NULL);
    odd_forget(&mapping, 128);
    NvRtlUnmapFile(&mapping);
    puts("filtered");
    return 0;
}

/* The processor's trap flag makes every instruction a signal. */
static void trap_each(int on) {
    if (on)
        __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq" ::: "memory", "cc");
    else
        __asm__ volatile("pushfq; andq $~0x100, (%%rsp); popfq" ::: "memory", "cc");
}

static sigjmp_buf step_out;
static volatile long steps, last_step;

static void leave_at_last_step(int signal_number) {
    (void)signal_number;
    if (++steps == last_step)
        siglongjmp(step_out, 1);
}

static void *write_beside(void *mapping) {
    odd_work(mapping, 256);
    return NULL;
}

static void write_on_another_thread(NvRtlMapping *mapping) {
    pthread_t other;
    odd_need(pthread_create(&other, NULL, write_beside, mapping) == 0, "pthread_create");
    pthread_join(other, NULL);
}

/* step cold|warm STRIDE own|other: leaves a Write by siglongjmp after 1 instruction, after 1 +
   STRIDE and so on, until the Write is complete before that. Each time this thread and another then
   write to the same page, in that order or the other. warm: the same Write was made before. */
int odd_step(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    volatile long stride = strtol(arguments[1], NULL, 10);
    volatile int stepping = strcmp(arguments[0], "cold") == 0, complete = 0;
    int own_first = strcmp(arguments[2], "own") == 0;
    struct sigaction action = {.sa_handler = leave_at_last_step};
    odd_need(sigaction(SIGTRAP, &action, NULL) == 0, "sigaction");
    odd_work(&mapping, 192); /* the loader binds functions at their first call */
    last_step = 1;
    while (!complete) {
        steps = 0;
        if (sigsetjmp(step_out, 1) == 0) {
            trap_each(stepping);
            RtlWriteNonVolatileMemory(mapping.token, mapping.base, "stepped", 8, 0);
            trap_each(0);
            complete = stepping;
        }
        if (stepping)
            last_step += stride;
        stepping = 1;
        if (own_first)
            odd_work(&mapping, 128);
        write_on_another_thread(&mapping);
        odd_work(&mapping, 128);
    }
    odd_work(&mapping, 0);
    odd_forget(&mapping, 4096);
    NvRtlUnmapFile(&mapping);
    puts("stepped");
    return 0;
}

/* threads N ROUNDS: N threads at a time begin, work and end; the last thread forgets. */
int odd_threads(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    long count = strtol(arguments[0], NULL, 10), rounds = strtol(arguments[1], NULL, 10);
    pthread_t threads[64];
    for (long round = 0; round < rounds; round++) {
        for (long i = 0; i < count && i < 64; i++)
            odd_need(pthread_create(&threads[i], NULL, work_of_thread, &mapping) == 0,
                     "pthread_create");
        for (long i = 0; i < count && i < 64; i++)
            pthread_join(threads[i], NULL);
    }
    odd_work(&mapping, 0);
    odd_forget(&mapping, 4096);
    NvRtlUnmapFile(&mapping);
    puts("threads");
    return 0;
}

/* many-tokens N same|parts up|down: one token of all, N of the whole or of parts of it; ends the
   one of all first, then the others as they were made or the other way round. */
int odd_many_tokens(const char *path, char **arguments) {
    size_t count = strtoul(arguments[0], NULL, 10), made = 0;
    int same = strcmp(arguments[1], "same") == 0, up = strcmp(arguments[2], "up") == 0;
    void **tokens = calloc(count, sizeof *tokens);
    NvRtlMapping mapping;
    odd_need(tokens != NULL && NvRtlMapFile(path, 0, count * 16, NVRTL_MAP_CREATE, 0600,
                                            &mapping) == STATUS_SUCCESS,
             "calloc, or map");
    odd_work(&mapping, 0);
    odd_forget(&mapping, 8);
    /* Every other word: what the token of all leaves when it ends is in as many pieces. */
    for (; made < count; made++) {
        char *at = (char *)mapping.base + (same ? 0 : made * 16);
        if (RtlGetNonVolatileToken(at, same ? mapping.size : 8, &tokens[made]) != STATUS_SUCCESS)
            break;
    }
    RtlFreeNonVolatileToken(mapping.token);
    for (size_t i = 0; i < made; i++)
        RtlFreeNonVolatileToken(tokens[up ? i : made - 1 - i]);
    free(tokens);
    printf("%zu tokens\n", made);
    return 0;
}

/* many-ranges N: N flushed ranges in one call, N ignored stores of every other byte. */
int odd_many_ranges(const char *path, char **arguments) {
    NvRtlMapping mapping = odd_map(path);
    size_t count = strtoul(arguments[0], NULL, 10);
    NV_MEMORY_RANGE *ranges = calloc(count, sizeof *ranges);
    odd_need(ranges != NULL, "calloc");
    for (size_t i = 0; i < count; i++)
        ranges[i] = (NV_MEMORY_RANGE){(char *)mapping.base + i * 2 % ODD_SIZE, 1};
    RtlFillNonVolatileMemory(mapping.token, mapping.base, ODD_SIZE, 1, 0);
    RtlFlushNonVolatileMemoryRanges(mapping.token, ranges, count, 0);
    RtlFillNonVolatileMemory(mapping.token, mapping.base, ODD_SIZE, 2, 0);
    for (size_t i = 0; i < count; i++)
        NvRtlVerifierIgnore(mapping.token, ranges[i].BaseAddress, 1);
    NvRtlUnmapFile(&mapping);
    free(ranges);
    printf("%zu ranges\n", count);
    return 0;
}
