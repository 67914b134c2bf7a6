/* SPDX-License-Identifier: BSD-2-Clause */
/* isa.h on x86-64: what the CPU has, and the way to the kernels in x86_64_kernels.S. Those need no
   compiler flags: only the choice made from CPUID says what may run. */
#include "isa/x86_64.h"

#include <stdatomic.h>

#include "base/bits.h"
#include "isa/isa.h"

/* CPUID bits: SDM vol. 2 CPUID; APM vol. 3 appendix E. */
#define LEAF_1_ECX_OSXSAVE (1u << 27)
#define LEAF_1_ECX_AVX (1u << 28)
#define LEAF_1_EDX_CLFLUSH (1u << 19)
#define LEAF_1_EDX_SSE2 (1u << 26)
#define LEAF_7_EBX_AVX2 (1u << 5)
#define LEAF_7_EBX_AVX512F (1u << 16)
#define LEAF_7_EBX_CLFLUSHOPT (1u << 23)
#define LEAF_7_EBX_CLWB (1u << 24)
#define LEAF_7_ECX_MOVDIRI (1u << 27)
#define LEAF_7_ECX_MOVDIR64B (1u << 28)
#define LEAF_80000008_EBX_CLZERO (1u << 0)

/* XCR0 bits: SDM vol. 1 ch. 13. */
#define XCR0_AVX 0x06u    /* xmm and ymm */
#define XCR0_AVX512 0xe6u /* and mask registers, upper halves of zmm0-15, zmm16-31 */

static uint32_t when(bool condition, uint32_t feature) {
    return condition ? feature : 0;
}

/* "GenuineIntel": Optimization Reference Manual, on persistent memory and stores past the cache.
   AMD's manuals say nothing of it, and Zen 5 was seen to keep such a line dirty in the cache. */
bool isa_decode_streams(const struct x86_64_raw *raw) {
    return raw->leaf_0.ebx == 0x756e6547 && raw->leaf_0.edx == 0x49656e69 &&
           raw->leaf_0.ecx == 0x6c65746e;
}

uint32_t isa_decode_features(const struct x86_64_raw *raw) {
    /* Above its highest leaf a CPU may answer with another leaf's values. */
    const struct x86_64_leaf none = {0};
    const struct x86_64_leaf *leaf_1 = raw->leaf_0.eax >= 1 ? &raw->leaf_1 : &none;
    const struct x86_64_leaf *leaf_7 = raw->leaf_0.eax >= 7 ? &raw->leaf_7 : &none;
    bool extended = raw->leaf_80000000.eax >= 0x80000008;
    const struct x86_64_leaf *leaf_80000008 = extended ? &raw->leaf_80000008 : &none;

    uint64_t state = leaf_1->ecx & LEAF_1_ECX_OSXSAVE ? raw->xcr0 : 0;
    bool avx = (leaf_1->ecx & LEAF_1_ECX_AVX) != 0 && (state & XCR0_AVX) == XCR0_AVX;
    bool avx512 = avx && (state & XCR0_AVX512) == XCR0_AVX512;
    return when(leaf_1->edx & LEAF_1_EDX_CLFLUSH, ISA_CLFLUSH) |
           when(leaf_7->ebx & LEAF_7_EBX_CLFLUSHOPT, ISA_CLFLUSHOPT) |
           when(leaf_7->ebx & LEAF_7_EBX_CLWB, ISA_CLWB) |
           when(leaf_1->edx & LEAF_1_EDX_SSE2, ISA_SSE2) |
           when(leaf_7->ecx & LEAF_7_ECX_MOVDIRI, ISA_MOVDIRI) |
           when(leaf_7->ecx & LEAF_7_ECX_MOVDIR64B, ISA_MOVDIR64B) |
           when(leaf_80000008->ebx & LEAF_80000008_EBX_CLZERO, ISA_CLZERO) |
           when(avx && (leaf_7->ebx & LEAF_7_EBX_AVX2), ISA_AVX2) |
           when(avx512 && (leaf_7->ebx & LEAF_7_EBX_AVX512F), ISA_AVX512F) |
           when(isa_decode_streams(raw) && (leaf_7->ebx & LEAF_7_EBX_CLWB), ISA_EVICTS);
}

uint32_t isa_decode_line_size(const struct x86_64_raw *raw) {
    bool told = raw->leaf_0.eax >= 1 && (raw->leaf_1.edx & LEAF_1_EDX_CLFLUSH);
    uint32_t size = told ? (raw->leaf_1.ebx >> 8 & 0xff) * 8 : 0;
    return size != 0 && is_aligned(size, size) ? size : 64;
}

static struct x86_64_leaf read_leaf(uint32_t number) {
    struct x86_64_leaf leaf;
    __asm__ volatile("cpuid"
                     : "=a"(leaf.eax), "=b"(leaf.ebx), "=c"(leaf.ecx), "=d"(leaf.edx)
                     : "a"(number), "c"(0));
    return leaf;
}

/* pre: OSXSAVE is set */
static uint64_t read_xcr0(void) {
    uint32_t low, high;
    __asm__ volatile(".byte 0x0f, 0x01, 0xd0" /* xgetbv */ : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

static struct x86_64_raw read_raw(void) {
    struct x86_64_raw raw = {
        .leaf_0 = read_leaf(0),
        .leaf_1 = read_leaf(1),
        .leaf_7 = read_leaf(7),
        .leaf_80000000 = read_leaf(0x80000000),
        .leaf_80000008 = read_leaf(0x80000008),
    };
    if (raw.leaf_0.eax >= 1 && (raw.leaf_1.ecx & LEAF_1_ECX_OSXSAVE))
        raw.xcr0 = read_xcr0();
    return raw;
}

/* CPUID traps to the hypervisor in a virtual machine, some 20 us a leaf, so it is asked once. Above
   the features lie the line size, never 0, and family and model. */
static uint64_t this_cpu(void) {
    static _Atomic uint64_t known;
    uint64_t cpu = atomic_load_explicit(&known, memory_order_relaxed);
    if (cpu == 0) {
        struct x86_64_raw raw = read_raw();
        uint64_t model = raw.leaf_0.eax >= 1 ? raw.leaf_1.eax >> 4 & 0xffffff : 0;
        cpu = model << 40 | (uint64_t)(isa_decode_line_size(&raw) / 8 & 0xff) << 32 |
              isa_decode_features(&raw);
        atomic_store_explicit(&known, cpu, memory_order_relaxed);
    }
    return cpu;
}

uint32_t isa_features(void) {
    return (uint32_t)this_cpu();
}

uint32_t isa_cpu(void) {
    return (uint32_t)(this_cpu() >> 40) << 4;
}

uint32_t isa_line_size(void) {
    return (uint32_t)(this_cpu() >> 32 & 0xff) * 8;
}

bool isa_streams_are_durable(void) {
    const struct x86_64_raw raw = {.leaf_0 = read_leaf(0)};
    return isa_decode_streams(&raw);
}

/* One instruction on each line from first to last; x86_64_kernels.S. */
typedef enum fault each_line(uintptr_t first, uintptr_t last, size_t line_size);
each_line isa_each_line_clflush, isa_each_line_clflushopt, isa_each_line_clwb;

enum fault isa_write_back(enum isa_flush how, const void *address, size_t length,
                          uint32_t line_size) {
    if (length == 0)
        return FAULT_NONE;
    uintptr_t mask = ~((uintptr_t)line_size - 1);
    uintptr_t first = (uintptr_t)address & mask;
    uintptr_t last = ((uintptr_t)address + (length - 1)) & mask;
    switch (how) {
    case ISA_FLUSH_NONE:
        break;
    case ISA_FLUSH_CLFLUSH:
        return isa_each_line_clflush(first, last, line_size);
    case ISA_FLUSH_CLFLUSHOPT:
        return isa_each_line_clflushopt(first, last, line_size);
    case ISA_FLUSH_CLWB:
        return isa_each_line_clwb(first, last, line_size);
    }
    return FAULT_NONE;
}

/* One for each of enum isa_vector, in that order; x86_64_kernels.S. */
#define EACH_VECTOR(name) name##_128, name##_256, name##_512

typedef enum fault copy_lines(void *to, const void *from, size_t count);
typedef enum fault fill_lines(void *to, uint64_t pattern, size_t count);
copy_lines EACH_VECTOR(isa_copy_cached), EACH_VECTOR(isa_copy_back), EACH_VECTOR(isa_copy_behind),
    EACH_VECTOR(isa_copy_stream), EACH_VECTOR(isa_copy_past);
fill_lines EACH_VECTOR(isa_fill_cached), EACH_VECTOR(isa_fill_back), EACH_VECTOR(isa_fill_behind),
    EACH_VECTOR(isa_fill_stream), EACH_VECTOR(isa_fill_past);

/* The call of the kernel for the vector, directly. */
#define BY_VECTOR(name, ...)                                                                       \
    (vector == ISA_VECTOR_512   ? name##_512(__VA_ARGS__)                                          \
     : vector == ISA_VECTOR_256 ? name##_256(__VA_ARGS__)                                          \
                                : name##_128(__VA_ARGS__))

enum fault isa_copy_lines(enum isa_lines how, enum isa_vector vector, void *destination,
                          const void *source, size_t count) {
    if (count == 0)
        return FAULT_NONE;
    switch (how) {
    case ISA_LINES_CACHED:
        break;
    case ISA_LINES_CACHED_BACK:
        return BY_VECTOR(isa_copy_back, destination, source, count);
    case ISA_LINES_CACHED_BEHIND:
        return BY_VECTOR(isa_copy_behind, destination, source, count);
    case ISA_LINES_STREAM_BACK:
        return BY_VECTOR(isa_copy_stream, destination, source, count);
    case ISA_LINES_STREAM:
        return BY_VECTOR(isa_copy_past, destination, source, count);
    }
    return BY_VECTOR(isa_copy_cached, destination, source, count);
}

enum fault isa_fill_lines(enum isa_lines how, enum isa_vector vector, void *destination,
                          uint64_t pattern, size_t count) {
    if (count == 0)
        return FAULT_NONE;
    switch (how) {
    case ISA_LINES_CACHED:
        break;
    case ISA_LINES_CACHED_BACK:
        return BY_VECTOR(isa_fill_back, destination, pattern, count);
    case ISA_LINES_CACHED_BEHIND:
        return BY_VECTOR(isa_fill_behind, destination, pattern, count);
    case ISA_LINES_STREAM_BACK:
        return BY_VECTOR(isa_fill_stream, destination, pattern, count);
    case ISA_LINES_STREAM:
        return BY_VECTOR(isa_fill_past, destination, pattern, count);
    }
    return BY_VECTOR(isa_fill_cached, destination, pattern, count);
}

/* The ends of the section, as the linker knows them: the kernels have a place there themselves. */
extern const struct os_landing landings_begin[] __asm__("__start_nvrtl_landings")
    __attribute__((visibility("hidden")));
extern const struct os_landing landings_end[] __asm__("__stop_nvrtl_landings")
    __attribute__((visibility("hidden")));

struct os_guarded isa_guarded(void) {
    return (struct os_guarded){.begin = (uintptr_t)isa_kernels_begin,
                               .end = (uintptr_t)isa_kernels_end,
                               .pad = (uintptr_t)isa_kernels_pad,
                               .landings = landings_begin,
                               .landings_end = landings_end};
}

void isa_fence(void) {
    __asm__ volatile("sfence" ::: "memory");
}

enum fault isa_fill_direct_block(void *to, const uint64_t block[8], size_t length);

enum fault isa_fill_direct(void *destination, uint64_t pattern, size_t length) {
    const _Alignas(64)
        uint64_t block[] = {pattern, pattern, pattern, pattern, pattern, pattern, pattern, pattern};
    return isa_fill_direct_block(destination, block, length);
}
