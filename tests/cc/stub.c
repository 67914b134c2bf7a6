/* SPDX-License-Identifier: BSD-2-Clause */
/* A runtime for tests of nvrtl-cc: prints each call-out that touches what the program watches, and
   changes every register that a function may change. */
#include "stub.h"

#include <execinfo.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hook/callout.h"

bool stub_told __attribute__((visibility("hidden")));
int stub_unwind;
static uintptr_t watched;
static size_t watched_length;

void stub_say(const char *line) {
    (void)!write(STDOUT_FILENO, line, strlen(line));
    (void)!write(STDOUT_FILENO, "\n", 1);
}

void stub_watch(void *address, size_t length) {
    watched = (uintptr_t)address;
    watched_length = length;
    stub_told = true;
}

static bool is_watched(uintptr_t address, size_t length) {
    return stub_told && address < watched + watched_length && address + length >= watched &&
           address >= watched - 64;
}

static void say(const char *what, unsigned detail, uintptr_t address, size_t length) {
    char line[128];
    long offset = (long)(address - watched);
    int size = snprintf(line, sizeof line, "%s", what);
    if (detail != 0)
        size += snprintf(line + size, sizeof line - (size_t)size, "/%u", detail);
    if (address != 0)
        size += snprintf(line + size, sizeof line - (size_t)size, " %ld+%zu", offset, length);
    line[size] = '\n';
    (void)!write(STDOUT_FILENO, line, (size_t)size + 1);
}

/* What a runtime's code may do to the registers. */
static void spoil(void) {
    unsigned control = 0x1f80 | 0x8040;
    __asm__ volatile("fninit; fldpi; fldpi; ldmxcsr %0" ::"m"(control));
    __asm__ volatile("pcmpeqd %%xmm0, %%xmm0; movdqa %%xmm0, %%xmm1; movdqa %%xmm0, %%xmm7;"
                     "movdqa %%xmm0, %%xmm8; movdqa %%xmm0, %%xmm15" ::
                         : "xmm0", "xmm1", "xmm7", "xmm8", "xmm15");
    if (__builtin_cpu_supports("avx2"))
        __asm__ volatile("vpcmpeqd %%ymm0, %%ymm0, %%ymm0; vmovdqa %%ymm0, %%ymm1;"
                         "vmovdqa %%ymm0, %%ymm15; vzeroupper" ::
                             : "xmm0", "xmm1", "xmm15");
    if (__builtin_cpu_supports("avx512bw"))
        __asm__ volatile("vpternlogd $255, %%zmm0, %%zmm0, %%zmm0; vmovdqa64 %%zmm0, %%zmm5;"
                         "vmovdqa64 %%zmm0, %%zmm16; vmovdqa64 %%zmm0, %%zmm31;"
                         "kxnorq %%k0, %%k0, %%k0; kmovq %%k0, %%k1; kmovq %%k0, %%k7" ::
                             : "memory");
    __asm__ volatile("movq $-1, %%rax; movq %%rax, %%rcx; movq %%rax, %%rdx; movq %%rax, %%rsi;"
                     "movq %%rax, %%rdi; movq %%rax, %%r8; movq %%rax, %%r9; movq %%rax, %%r10;"
                     "movq %%rax, %%r11; addq $1, %%rax" ::
                         : "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "cc");
}

static void unwind(void) {
    void *frames[64];
    int count = backtrace(frames, 64);
    char **names = backtrace_symbols(frames, count);
    for (int i = 0; names != NULL && i < count; i++)
        if (strstr(names[i], "(main+") != NULL)
            stub_say("unwound to main");
}

void hook_callout(const struct callout *callout) {
    static const char *const kinds[] = {"?",      "flush",  "fence", "locked",
                                        "stream", "direct", "store", "clzero"};
    bool anywhere = callout->kind == CALLOUT_FENCE || callout->kind == CALLOUT_LOCKED;
    if (is_watched(callout->address, callout->length) ||
        (anywhere && stub_told && callout->address == 0)) {
        say(kinds[callout->kind & 7], callout->detail, callout->address, callout->length);
        if (stub_unwind)
            unwind();
    }
    spoil();
}

static void write_at(void *address, size_t length) {
    if (is_watched((uintptr_t)address, length))
        say("store", 0, (uintptr_t)address, length);
}

void __tsan_init(void);
void __tsan_init(void) {}
void __tsan_func_entry(void *caller);
void __tsan_func_entry(void *caller) {
    (void)caller;
}
void __tsan_func_exit(void);
void __tsan_func_exit(void) {}

#define ACCESS(name, size)                                                                         \
    void __tsan_read##name(void *address);                                                         \
    void __tsan_read##name(void *address) {                                                        \
        (void)address;                                                                             \
    }                                                                                              \
    void __tsan_write##name(void *address);                                                        \
    void __tsan_write##name(void *address) {                                                       \
        write_at(address, size);                                                                   \
    }                                                                                              \
    void __tsan_unaligned_read##name(void *address);                                               \
    void __tsan_unaligned_read##name(void *address) {                                              \
        (void)address;                                                                             \
    }                                                                                              \
    void __tsan_unaligned_write##name(void *address);                                              \
    void __tsan_unaligned_write##name(void *address) {                                             \
        write_at(address, size);                                                                   \
    }
ACCESS(1, 1)
ACCESS(2, 2)
ACCESS(4, 4)
ACCESS(8, 8)
ACCESS(16, 16)

void __tsan_read_range(void *address, size_t length);
void __tsan_read_range(void *address, size_t length) {
    (void)address;
    (void)length;
}
void __tsan_write_range(void *address, size_t length);
void __tsan_write_range(void *address, size_t length) {
    write_at(address, length);
}
void __tsan_vptr_update(void **address, void *value);
void __tsan_vptr_update(void **address, void *value) {
    (void)value;
    write_at(address, 8);
}
void __tsan_vptr_read(void **address);
void __tsan_vptr_read(void **address) {
    (void)address;
}
void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order) {
    __atomic_thread_fence(order);
    if (stub_told)
        stub_say("atomic fence");
}
int __tsan_atomic32_fetch_add(int *address, int value, int order);
int __tsan_atomic32_fetch_add(int *address, int value, int order) {
    (void)order;
    if (is_watched((uintptr_t)address, 4))
        say("atomic", 0, (uintptr_t)address, 4);
    return __atomic_fetch_add(address, value, __ATOMIC_SEQ_CST);
}

/* clang copies and clears structures by these. */
void *memcpy(void *restrict to, const void *restrict from, size_t length) {
    write_at(to, length);
    void *start = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length)::"memory");
    return start;
}
void *memset(void *to, int value, size_t length) {
    write_at(to, length);
    void *start = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(length) : "a"(value) : "memory");
    return start;
}
