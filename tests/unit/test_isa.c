/* SPDX-License-Identifier: BSD-2-Clause */
/* isa/ on x86-64: decoding of recorded CPUs, the choice of instructions, and the kernels of the CPU
   that runs the test. A kernel that it lacks is never run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/bits.h"
#include "isa/isa.h"
#include "isa/x86_64.h"

static void test_features_def(void **state) {
    (void)state;
    uint32_t seen = 0;
#define FEATURE(name, bit, text, source)                                                           \
    assert_false(seen &ISA_##name);                                                                \
    seen |= ISA_##name;                                                                            \
    assert_true(sizeof(text) > 1 && sizeof(source) > 1);
#include "isa/features.def"
#undef FEATURE
}

#define LEAF_1_EDX_CLFLUSH_SSE2 0x04080000u
#define LEAF_1_ECX_AVX 0x10000000u
#define LEAF_1_ECX_OSXSAVE 0x08000000u
#define LEAF_7_EBX_AVX2 0x00000020u
#define LEAF_7_EBX_AVX512F 0x00010000u
#define LEAF_7_EBX_CLFLUSHOPT 0x00800000u
#define LEAF_7_EBX_CLWB 0x01000000u
#define LEAF_7_ECX_MOVDIRI_MOVDIR64B 0x18000000u

static const struct machine {
    const char *name;
    struct x86_64_raw raw;
    uint32_t features, line_size;
    bool streams; /* durable at the fence */
} machines[] = {
    {.name = "AMD EPYC family 1Ah model 2 (Zen 5), virtual, Linux",
     .raw = {.leaf_0 = {0x0000000d, 0x68747541, 0x444d4163, 0x69746e65},
             .leaf_1 = {0x00b00f21, 0xdafe0800, 0xfed83203, 0x178bfbff},
             .leaf_7 = {0x00000001, 0xf1bb03a9, 0x18005f42, 0x00000110},
             .leaf_80000000 = {0x80000021, 0x68747541, 0x444d4163, 0x69746e65},
             .leaf_80000008 = {0x00003030, 0x20000005, 0x00000000, 0x00000000},
             .xcr0 = 0xe7},
     .features = ISA_CLFLUSH | ISA_CLFLUSHOPT | ISA_CLWB | ISA_SSE2 | ISA_MOVDIRI | ISA_MOVDIR64B |
                 ISA_CLZERO | ISA_AVX2 | ISA_AVX512F,
     .line_size = 64},
    {.name = "Intel Xeon family 6 model CFh (Emerald Rapids), virtual, Linux",
     .raw = {.leaf_0 = {0x0000001c, 0x756e6547, 0x6c65746e, 0x49656e69},
             .leaf_1 = {0x000c06f2, 0x00020800, 0xfffa3203, 0x1f8bfbff},
             .leaf_7 = {0x00000002, 0xf1bf2ffb, 0x1a415f46, 0x20814010},
             .leaf_80000000 = {.eax = 0x80000021},
             .leaf_80000008 = {.eax = 0x00303930},
             .xcr0 = 0xe7},
     .features = ISA_CLFLUSH | ISA_CLFLUSHOPT | ISA_CLWB | ISA_SSE2 | ISA_MOVDIRI | ISA_MOVDIR64B |
                 ISA_AVX2 | ISA_AVX512F | ISA_EVICTS,
     .line_size = 64,
     .streams = true},
    {.name = "qemu64",
     .raw = {.leaf_0 = {.eax = 0x0d},
             .leaf_1 = {0x00000f61, 0x00000800, 0x80002001, 0x078bfbfd},
             .leaf_80000000 = {.eax = 0x8000000a},
             .leaf_80000008 = {.eax = 0x3028}},
     .features = ISA_CLFLUSH | ISA_SSE2,
     .line_size = 64},
    {.name = "valgrind: AVX2 and no instruction for persistent memory",
     .raw = {.leaf_0 = {.eax = 0x0d},
             .leaf_1 = {.ebx = 0x800,
                        .ecx = LEAF_1_ECX_AVX | LEAF_1_ECX_OSXSAVE,
                        .edx = LEAF_1_EDX_CLFLUSH_SSE2},
             .leaf_7 = {.ebx = LEAF_7_EBX_AVX2},
             .leaf_80000000 = {.eax = 0x80000008},
             .xcr0 = 0x7},
     .features = ISA_CLFLUSH | ISA_SSE2 | ISA_AVX2,
     .line_size = 64},
    {.name = "AVX-512 in CPUID, upper halves not saved by the system",
     .raw = {.leaf_0 = {.eax = 0x16},
             .leaf_1 = {.ebx = 0x800,
                        .ecx = LEAF_1_ECX_AVX | LEAF_1_ECX_OSXSAVE,
                        .edx = LEAF_1_EDX_CLFLUSH_SSE2},
             .leaf_7 = {.ebx = LEAF_7_EBX_AVX2 | LEAF_7_EBX_AVX512F | LEAF_7_EBX_CLWB},
             .xcr0 = 0x27},
     .features = ISA_CLFLUSH | ISA_SSE2 | ISA_AVX2 | ISA_CLWB,
     .line_size = 64},
    {.name = "AVX-512 state saved without that of AVX",
     .raw = {.leaf_0 = {.eax = 0x16},
             .leaf_1 = {.ebx = 0x800,
                        .ecx = LEAF_1_ECX_AVX | LEAF_1_ECX_OSXSAVE,
                        .edx = LEAF_1_EDX_CLFLUSH_SSE2},
             .leaf_7 = {.ebx = LEAF_7_EBX_AVX2 | LEAF_7_EBX_AVX512F},
             .xcr0 = 0xe3},
     .features = ISA_CLFLUSH | ISA_SSE2,
     .line_size = 64},
    {.name = "a system without XSAVE: no vector state at all, whatever XCR0 is said to be",
     .raw = {.leaf_0 = {.eax = 0x16},
             .leaf_1 = {.ebx = 0x800, .ecx = LEAF_1_ECX_AVX, .edx = LEAF_1_EDX_CLFLUSH_SSE2},
             .leaf_7 = {.ebx = LEAF_7_EBX_AVX2 | LEAF_7_EBX_AVX512F},
             .xcr0 = 0xe7},
     .features = ISA_CLFLUSH | ISA_SSE2,
     .line_size = 64},
    {.name = "AVX2 without AVX in CPUID",
     .raw = {.leaf_0 = {.eax = 0x16},
             .leaf_1 = {.ebx = 0x800, .ecx = LEAF_1_ECX_OSXSAVE, .edx = LEAF_1_EDX_CLFLUSH_SSE2},
             .leaf_7 = {.ebx = LEAF_7_EBX_AVX2 | LEAF_7_EBX_AVX512F},
             .xcr0 = 0xe7},
     .features = ISA_CLFLUSH | ISA_SSE2,
     .line_size = 64},
    {.name = "leaves above the highest: garbage counts for nothing",
     .raw = {.leaf_0 = {.eax = 4},
             .leaf_1 = {.ebx = 0x800, .edx = LEAF_1_EDX_CLFLUSH_SSE2},
             .leaf_7 = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX},
             .leaf_80000000 = {.eax = 0x80000007},
             .leaf_80000008 = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}},
     .features = ISA_CLFLUSH | ISA_SSE2,
     .line_size = 64},
    {.name = "no leaf but 0",
     .raw = {.leaf_1 = {UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}},
     .features = 0,
     .line_size = 64},
    {.name = "direct stores, 128-byte lines",
     .raw = {.leaf_0 = {0x16, 0x756e6547, 0x6c65746e, 0x49656e69},
             .leaf_1 = {.ebx = 0x1000, .edx = LEAF_1_EDX_CLFLUSH_SSE2},
             .leaf_7 = {.ebx = LEAF_7_EBX_CLFLUSHOPT, .ecx = LEAF_7_ECX_MOVDIRI_MOVDIR64B}},
     .features = ISA_CLFLUSH | ISA_CLFLUSHOPT | ISA_SSE2 | ISA_MOVDIRI | ISA_MOVDIR64B,
     .line_size = 128,
     .streams = true},
    {.name = "one direct store of the two; line size of 0",
     .raw = {.leaf_0 = {.eax = 0x16},
             .leaf_1 = {.edx = LEAF_1_EDX_CLFLUSH_SSE2},
             .leaf_7 = {.ecx = 0x08000000}},
     .features = ISA_CLFLUSH | ISA_SSE2 | ISA_MOVDIRI,
     .line_size = 64},
    {.name = "the other; line size that is no power of two",
     .raw = {.leaf_0 = {.eax = 0x16},
             .leaf_1 = {.ebx = 0x900, .edx = LEAF_1_EDX_CLFLUSH_SSE2},
             .leaf_7 = {.ecx = 0x10000000}},
     .features = ISA_CLFLUSH | ISA_SSE2 | ISA_MOVDIR64B,
     .line_size = 64},
    {.name = "no CLFLUSH: its line size is undefined",
     .raw = {.leaf_0 = {.eax = 0x16}, .leaf_1 = {.ebx = 0x400, .edx = 0x04000000}},
     .features = ISA_SSE2,
     .line_size = 64},
};

static void test_decode(void **state) {
    (void)state;
    for (size_t i = 0; i < ARRAY_LENGTH(machines); i++) {
        const struct machine *machine = &machines[i];
        if (isa_decode_features(&machine->raw) != machine->features ||
            isa_decode_line_size(&machine->raw) != machine->line_size ||
            isa_decode_streams(&machine->raw) != machine->streams)
            fail_msg("%s: features %#x, line size %u", machine->name,
                     isa_decode_features(&machine->raw), isa_decode_line_size(&machine->raw));
    }
}

/* What the kernel shows of this CPU. */
static bool cpuinfo_has(const char *flag) {
    static char flags[16384];
    if (flags[0] == '\0') {
        FILE *file = fopen("/proc/cpuinfo", "r");
        assert_non_null(file);
        while (fgets(flags, sizeof flags, file) != NULL && strncmp(flags, "flags", 5) != 0)
            continue;
        fclose(file);
    }
    char wanted[32];
    snprintf(wanted, sizeof wanted, " %s", flag);
    const char *found = strstr(flags, wanted);
    while (found != NULL && found[strlen(wanted)] != ' ' && found[strlen(wanted)] != '\n')
        found = strstr(found + 1, wanted);
    return found != NULL;
}

/* An emulator may show fewer features than the kernel, never one that is not there. */
static void test_this_cpu(void **state) {
    (void)state;
    static const struct {
        uint32_t feature;
        const char *flag;
    } flags[] = {
        {ISA_CLFLUSH, "clflush"}, {ISA_CLFLUSHOPT, "clflushopt"},
        {ISA_CLWB, "clwb"},       {ISA_SSE2, "sse2"},
        {ISA_MOVDIRI, "movdiri"}, {ISA_MOVDIR64B, "movdir64b"},
        {ISA_CLZERO, "clzero"},   {ISA_AVX2, "avx2"},
        {ISA_AVX512F, "avx512f"},
    };
    uint32_t features = isa_features();
    for (size_t i = 0; i < ARRAY_LENGTH(flags); i++) {
        if ((features & flags[i].feature) && !cpuinfo_has(flags[i].flag))
            fail_msg("%s is not in /proc/cpuinfo", flags[i].flag);
    }
    assert_true(features & ISA_SSE2);
    assert_int_equal(isa_features(), features);
    assert_true(isa_line_size() >= 16 && is_aligned(isa_line_size(), isa_line_size()));
}

/* The rule of isa_choose in other words: the named instruction if the CPU has it, else the best. */
static enum isa_flush expected_flush(uint32_t features, const char *setting) {
    const bool has[] = {
        [ISA_FLUSH_CLFLUSH] = features & ISA_CLFLUSH,
        [ISA_FLUSH_CLFLUSHOPT] = features & ISA_CLFLUSHOPT,
        [ISA_FLUSH_CLWB] = features & ISA_CLWB,
    };
    static const char *const names[] = {NULL, "clflush", "clflushopt", "clwb"};
    for (int how = ISA_FLUSH_CLWB; setting != NULL && how != ISA_FLUSH_NONE; how--) {
        if (has[how] && strcmp(setting, names[how]) == 0)
            return (enum isa_flush)how;
    }
    int best = ISA_FLUSH_CLWB;
    while (best != ISA_FLUSH_NONE && !has[best])
        best--;
    return (enum isa_flush)best;
}

static void test_choose(void **state) {
    (void)state;
    static const char *const flush[] = {NULL, "clwb", "clflushopt", "clflush", "", "CLWB", "clwb "};
    static const char *const stores[] = {NULL, "cached", "", "Cached", "cachedx"};
    for (uint32_t features = 0; features < 1u << 10; features++) {
        for (size_t i = 0; i < ARRAY_LENGTH(flush) * ARRAY_LENGTH(stores); i++) {
            const char *flush_setting = flush[i % ARRAY_LENGTH(flush)];
            size_t which = i / ARRAY_LENGTH(flush);
            struct isa_choice choice = isa_choose(features, 128, flush_setting, stores[which]);
            assert_int_equal(choice.flush, expected_flush(features, flush_setting));
            assert_int_equal(choice.stream, which != 1 && (features & ISA_SSE2));
            assert_int_equal(choice.line_size, 128);
            assert_false(choice.lines || choice.past || choice.direct || choice.claims);
        }
    }
}

/* Streaming stores are all that is done only where lines are of the kind that kernels know, and the
   vendor documents it; direct ones where nobody does. */
static void test_choose_past(void **state) {
    (void)state;
    static const char *const flush[] = {NULL, "clwb", "clflushopt"};
    for (uint32_t features = 0; features < 1u << 10; features++) {
        for (size_t i = 0; i < ARRAY_LENGTH(flush); i++) {
            struct isa_choice choice = isa_choose(features, 64, flush[i], NULL);
            struct isa_choice cached = isa_choose(features, 64, flush[i], "cached");
            bool lines = choice.flush == ISA_FLUSH_CLWB && (features & ISA_SSE2);
            assert_int_equal(choice.lines, lines);
            assert_int_equal(choice.past, lines && (features & ISA_EVICTS));
            bool direct = (features & ISA_MOVDIRI) && (features & ISA_MOVDIR64B);
            assert_int_equal(choice.direct, lines && direct && !(features & ISA_EVICTS));
            assert_int_equal(choice.claims, lines && (features & ISA_EVICTS));
            assert_int_equal(cached.lines, lines);
            assert_int_equal(cached.claims, choice.claims);
            assert_false(cached.past || cached.direct);
        }
    }
}

/* The write-back instructions fault where a load would, so pages without access tell which lines
   they touch. */
static sigjmp_buf fault_jump;
static char *volatile fault_address;

static void fault_handler(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)context;
    fault_address = (char *)info->si_addr;
    siglongjmp(fault_jump, 1);
}

static bool write_back_faults(enum isa_flush how, const char *address, size_t length) {
    if (sigsetjmp(fault_jump, 1) != 0)
        return true;
    isa_write_back(how, address, length, isa_line_size());
    isa_fence();
    return false;
}

/* page: accessible, between two pages that are not. */
static void check_write_back(enum isa_flush how, char *page, size_t size) {
    size_t line = isa_line_size();
    for (size_t i = 0; i < size; i++)
        page[i] = (char)i;
    for (size_t start = 0; start < 2 * line; start++) {
        assert_false(write_back_faults(how, page + start, 0));
        assert_false(write_back_faults(how, page + start, size - start));
        assert_false(write_back_faults(how, page, size - start));
        assert_true(write_back_faults(how, page + start, size - start + 1));
        assert_ptr_equal(fault_address, page + size);
        assert_true(write_back_faults(how, page - 1, start + 2));
        /* Which byte of the line the CPU names is its own affair. */
        assert_true(fault_address >= page - line && fault_address < page);
    }
    for (size_t i = 0; i < size; i++)
        assert_int_equal(page[i], (char)i);
    /* Nothing in a page without access is touched for a length of 0. */
    assert_false(write_back_faults(how, page - line, 0));
    assert_false(write_back_faults(how, NULL, 0));
    /* The last bytes of the address space are the system's: a fault says that they were tried. */
    assert_true(write_back_faults(how, (const char *)UINTPTR_MAX - 10, 11));
    assert_true(write_back_faults(how, (const char *)UINTPTR_MAX - 200, 201));
}

/* An emulated CPU may do nothing at all for these instructions, not even look at the address. */
static bool cpu_looks_at_addresses(const char *no_access) {
    if (sigsetjmp(fault_jump, 1) != 0)
        return true;
    __asm__ volatile("clflush (%0)" ::"r"(no_access));
    return false;
}

static void test_write_back(void **state) {
    (void)state;
    struct sigaction action = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO | SA_NODEFER};
    struct sigaction segv, bus;
    assert_int_equal(sigaction(SIGSEGV, &action, &segv), 0);
    assert_int_equal(sigaction(SIGBUS, &action, &bus), 0);

    size_t size = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = (char *)mmap(NULL, 3 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(pages, MAP_FAILED);
    assert_int_equal(mprotect(pages + size, size, PROT_READ | PROT_WRITE), 0);
    bool seen = (isa_features() & ISA_CLFLUSH) != 0 && cpu_looks_at_addresses(pages);
    if (seen)
        check_write_back(ISA_FLUSH_CLFLUSH, pages + size, size);
    if (seen && (isa_features() & ISA_CLFLUSHOPT))
        check_write_back(ISA_FLUSH_CLFLUSHOPT, pages + size, size);
    if (seen && (isa_features() & ISA_CLWB))
        check_write_back(ISA_FLUSH_CLWB, pages + size, size);
    assert_false(write_back_faults(ISA_FLUSH_NONE, pages, 3 * size));

    munmap(pages, 3 * size);
    sigaction(SIGSEGV, &segv, NULL);
    sigaction(SIGBUS, &bus, NULL);
    if (!seen) {
        print_message("this CPU shows by no fault which lines are written back\n");
        skip();
    }
}

#define WORDS 64
#define GUARD UINT64_C(0x5afe5afe5afe5afe)

/* words[first, first + count) hold what expected says, all others are untouched. */
static void check_words(const uint64_t *words, size_t first, size_t count, const void *expected) {
    isa_fence();
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t wanted = GUARD;
        if (i >= first && i < first + count)
            memcpy(&wanted, (const char *)expected + (i - first) * sizeof wanted, sizeof wanted);
        assert_int_equal(words[i], wanted);
    }
}

static void check_kernels(enum fault (*copy)(uint64_t *, const void *, size_t),
                          enum fault (*fill)(uint64_t *, uint64_t, size_t)) {
    _Alignas(64) uint64_t words[WORDS];
    char source[WORDS * sizeof(uint64_t) + 16];
    for (size_t i = 0; i < sizeof source; i++)
        source[i] = (char)(i * 37 + 1);
    uint64_t pattern[WORDS];
    for (size_t i = 0; i < WORDS; i++)
        pattern[i] = UINT64_C(0x0102030405060708);
    for (size_t first = 0; first < 10; first++) {
        for (size_t count = 0; count <= 40; count++) {
            const char *from = source + (first + count) % 16;
            for (size_t i = 0; i < WORDS; i++)
                words[i] = GUARD;
            copy(words + first, from, count);
            check_words(words, first, count, from);
            for (size_t i = 0; i < WORDS; i++)
                words[i] = GUARD;
            fill(words + first, pattern[0], count);
            check_words(words, first, count, pattern);
        }
    }
}

static void test_kernels(void **state) {
    (void)state;
    struct isa_choice choice = isa_choose(isa_features(), isa_line_size(), NULL, NULL);
    if (choice.stream)
        check_kernels(isa_stream_words, isa_stream_fill);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_features_def), cmocka_unit_test(test_decode),
        cmocka_unit_test(test_this_cpu),     cmocka_unit_test(test_choose),
        cmocka_unit_test(test_choose_past),  cmocka_unit_test(test_write_back),
        cmocka_unit_test(test_kernels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
