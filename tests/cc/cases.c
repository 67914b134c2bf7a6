/* SPDX-License-Identifier: BSD-2-Clause */
/* One store, flush or fence of each class; test_cases.py knows what the runtime has to be told of
   each. The functions are not inlined, so that compilers see no more than one at a time. */
#include <cpuid.h>
#include <immintrin.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "stub.h"

#define CASE(name) static __attribute__((noinline)) void name(char *at)
#define NEEDS(features) __attribute__((target(features)))

static char memory[8192] __attribute__((aligned(4096)));

struct wide {
    long words[6];
};
struct packed {
    unsigned value : 24;
    unsigned rest : 8;
} __attribute__((packed));
struct run {
    unsigned long first : 32, second : 32, third : 32, fourth : 32, fifth : 32, sixth : 32;
};
typedef int vector32 __attribute__((vector_size(32)));
typedef int vector64 __attribute__((vector_size(64)));

static volatile int seven = 7;
static struct wide source = {{1, 2, 3, 4, 5, 6}};
static vector64 vector = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

/* What every compiler announces. */
CASE(integers) {
    *(char *)at = 1;
    *(short *)(at + 2) = 2;
    *(int *)(at + 4) = seven;
    *(long *)(at + 8) = 4;
    *(int *)(at + 16) += seven;
}
CASE(structure) {
    *(struct wide *)at = source;
}
CASE(cleared) {
    *(struct wide *)at = (struct wide){{0}};
}
CASE(bits) {
    ((struct packed *)at)->value = (unsigned)seven;
}
/* The words beside it stay as they are, but where the compiler stores them again. */
CASE(bit_run) {
    ((struct run *)at)->third = (unsigned)seven;
}
CASE(floats) {
    *(float *)at = (float)seven;
    *(double *)(at + 8) = seven;
}
CASE(branches) {
    if (seven > 3)
        *(int *)(at + 12) = 5;
    else
        *(int *)(at + 28) = 5;
    for (int i = 0; i < seven; i++)
        ((int *)at)[16 + i] = i;
}
CASE(atomics) {
    __atomic_fetch_add((int *)at, 1, __ATOMIC_SEQ_CST);
    __sync_synchronize();
}

/* What they skip, one or the other. */
CASE(long_double) {
    *(long double *)at = seven;
}
CASE(vector_16) {
    _mm_storeu_si128((__m128i *)(at + 1), _mm_set1_epi32(seven));
}
CASE(vector_32) {
    *(vector32 *)at = *(vector32 *)&vector + seven;
}
CASE(vector_64) {
    *(vector64 *)at = vector + seven;
}
CASE(halves) {
    __m128 value = _mm_set1_ps((float)seven);
    _mm_storel_pi((__m64 *)at, value);
    _mm_storeh_pi((__m64 *)(at + 8), value);
}
CASE(stream_4) {
    _mm_stream_si32((int *)at, seven);
}
CASE(stream_8) {
    _mm_stream_si64((long long *)at, seven);
}
CASE(stream_16) {
    _mm_stream_si128((__m128i *)at, _mm_set1_epi32(seven));
}
CASE(stream_ps) {
    _mm_stream_ps((float *)at, _mm_set1_ps((float)seven));
}
CASE(mask_bytes) {
    __m128i mask = _mm_setr_epi8(-1, -1, 0, 0, 0, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1);
    _mm_maskmoveu_si128(_mm_set1_epi8((char)seven), mask, at);
}
CASE(flushes) {
    _mm_clflush(at + 5);
    _mm_sfence();
    _mm_mfence();
}
NEEDS("clflushopt") CASE(flush_opt) {
    _mm_clflushopt(at + 64);
}
NEEDS("clwb") CASE(flush_clwb) {
    _mm_clwb(at + 128);
}
NEEDS("avx") CASE(avx_store) {
    _mm256_storeu_ps((float *)(at + 4), _mm256_set1_ps((float)seven));
}
NEEDS("avx") CASE(avx_stream) {
    _mm256_stream_si256((__m256i *)at, _mm256_set1_epi32(seven));
}
NEEDS("avx") CASE(avx_mask) {
    __m256i mask = _mm256_setr_epi32(0, -1, -1, 0, -1, 0, 0, -1);
    _mm256_maskstore_ps((float *)at, mask, _mm256_set1_ps((float)seven));
    _mm256_maskstore_pd((double *)(at + 64), mask, _mm256_set1_pd(seven));
}
NEEDS("avx2") CASE(avx_half) {
    _mm_storeu_si128((__m128i *)at, _mm256_extracti128_si256(_mm256_set1_epi32(seven), 1));
}
NEEDS("avx512f,avx512bw,avx512vl") CASE(wide_store) {
    _mm512_storeu_si512(at + 3, _mm512_set1_epi32(seven));
}
NEEDS("avx512f,avx512bw,avx512vl") CASE(wide_stream) {
    _mm512_stream_si512((__m512i *)at, _mm512_set1_epi32(seven));
}
NEEDS("avx512f,avx512bw,avx512vl") CASE(wide_mask) {
    _mm512_mask_storeu_epi32(at, (__mmask16)(seven | 0x8100), _mm512_set1_epi32(seven));
    _mm512_mask_storeu_epi8(at + 64, 0xf000000000000001 | (unsigned)seven << 8,
                            _mm512_set1_epi8((char)seven));
    _mm256_mask_storeu_epi64(at + 128, (__mmask8)(seven - 2), _mm256_set1_epi64x(seven));
    _mm_mask_storeu_epi64(at + 192, (__mmask8)(seven ^ 5), _mm_set1_epi64x(seven));
}
NEEDS("avx512f,avx512bw,avx512vl") CASE(wide_compress) {
    _mm512_mask_compressstoreu_epi32(at + 4, (__mmask16)(seven << 4), _mm512_set1_epi32(seven));
}
NEEDS("avx512f,avx512bw,avx512vl") CASE(wide_scatter) {
    __m512i indexes = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, -1);
    _mm512_mask_i32scatter_epi32(at + 8, (__mmask16)(seven | 0x8000), indexes,
                                 _mm512_set1_epi32(seven), 4);
    _mm512_i64scatter_epi64(at + 512, _mm512_setr_epi64(0, 16, 32, 48, 64, 80, 96, 112),
                            _mm512_set1_epi64(seven), 1);
}
NEEDS("avx512f,avx512bw,avx512vl") CASE(wide_narrow) {
    _mm512_mask_cvtepi32_storeu_epi8(at, (__mmask16)0xff0f, _mm512_set1_epi32(seven));
    _mm256_storeu_si256((__m256i *)(at + 32), _mm512_cvtepi32_epi16(_mm512_set1_epi32(seven)));
}
NEEDS("movdiri,movdir64b") CASE(direct) {
    _directstoreu_u32(at, (unsigned)seven);
    _directstoreu_u64(at + 8, (unsigned)seven);
    _movdir64b(at + 64, &vector);
}
CASE(clear_line) {
    __asm__ volatile("clzero" ::"a"(at + 17) : "memory");
}

/* Inline assembly. */
CASE(locked) {
    int *p = (int *)at, one = 1;
    long expected = 0;
    __asm__ volatile("lock; addl $1, %0" : "+m"(*p)::"memory", "cc");
    __asm__ volatile("lock\n\txaddl %0, %1" : "+r"(one), "+m"(*(int *)(at + 4))::"memory", "cc");
    __asm__ volatile("xchgq %0, %1" : "+r"(expected), "+m"(*(long *)(at + 8))::"memory");
    __asm__ volatile("lock cmpxchgq %2, %1"
                     : "+a"(expected), "+m"(*(long *)(at + 16))
                     : "r"(expected)
                     : "memory", "cc");
    __asm__ volatile("lock; addl $0, -4(%%rsp)" ::: "memory", "cc");
}
CASE(spelled) {
    __asm__ volatile(".byte 0x66; clflush %0" : "+m"(*(at + 64)));
    __asm__ volatile(".byte 0x66; xsaveopt %0" : "+m"(*(at + 128)));
    __asm__ volatile(".byte 0x66, 0x0f, 0xae, 0x30" ::"a"(at + 192) : "memory");
    __asm__ volatile(".byte 0x0f, 0xae, 0xf8" ::: "memory");
}
CASE(by_hand) {
    long value = seven;
    __asm__ volatile("movq %1, (%0)\n\tmovb $3, 8(%0)" ::"r"(at), "r"(value) : "memory");
    __asm__ volatile("# a comment; with what is none\n\tmovntiq %1, %0 # another"
                     : "=m"(*(long *)(at + 16))
                     : "r"(value)
                     : "memory");
    __asm__ volatile("movnti %1, (%0,%2,4)" ::"r"(at), "r"((int)value), "r"(value) : "memory");
}
CASE(strings) {
    char *to = at;
    long count = seven;
    const void *from = &source;
    __asm__ volatile("rep stosl" : "+D"(to), "+c"(count) : "a"(0) : "memory");
    to = at + 64;
    count = seven;
    __asm__ volatile("rep; movsb" : "+D"(to), "+S"(from), "+c"(count)::"memory");
    to = at + 128;
    count = 3;
    __asm__ volatile("std; rep stosq; cld" : "+D"(to), "+c"(count) : "a"(0) : "memory", "cc");
    to = at + 192;
    __asm__ volatile("stosw" : "+D"(to) : "a"(0) : "memory");
    to = at + 256;
    count = 0;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(count) : "a"(0) : "memory");
}
CASE(intel) {
    int value = seven;
    __asm__ volatile(".intel_syntax noprefix\n\t"
                     "mov DWORD PTR [%0+4], %k1\n\t"
                     "movnti [%0+rax*8], %k1; lock add QWORD PTR [%0+16], 5\n\t"
                     "clflush [%0]\n\t"
                     ".att_syntax prefix" ::"D"(at),
                     "b"(value), "a"(4L)
                     : "memory", "cc");
}

static void run(const char *name, int fits, void (*function)(char *)) {
    char line[64];
    snprintf(line, sizeof line, "%s:%s", name, fits ? "" : " not run");
    stub_say(line);
    if (fits)
        function(memory + 1024);
}

int main(void) {
    unsigned a = 0, b = 0, c = 0, d = 0, extended = 0;
    __get_cpuid_count(7, 0, &a, &b, &c, &d);
    int opt = (b & bit_CLFLUSHOPT) != 0, clwb = (b & bit_CLWB) != 0;
    int straight = (c & bit_MOVDIRI) != 0 && (c & bit_MOVDIR64B) != 0;
    if (__get_cpuid(0x80000008, &a, &extended, &c, &d) == 0)
        extended = 0;
    int avx = __builtin_cpu_supports("avx"), avx2 = __builtin_cpu_supports("avx2");
    int wide = __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    stub_watch(memory, sizeof memory);
#define RUN(name, fits) run(#name, fits, name)
    RUN(integers, 1);
    RUN(structure, 1);
    RUN(cleared, 1);
    RUN(bits, 1);
    RUN(bit_run, 1);
    RUN(floats, 1);
    RUN(branches, 1);
    RUN(atomics, 1);
    RUN(long_double, 1);
    RUN(vector_16, 1);
    RUN(vector_32, 1);
    RUN(vector_64, 1);
    RUN(halves, 1);
    RUN(stream_4, 1);
    RUN(stream_8, 1);
    RUN(stream_16, 1);
    RUN(stream_ps, 1);
    RUN(mask_bytes, 1);
    RUN(flushes, 1);
    RUN(flush_opt, opt);
    RUN(flush_clwb, clwb);
    RUN(avx_store, avx);
    RUN(avx_stream, avx);
    RUN(avx_mask, avx);
    RUN(avx_half, avx2);
    RUN(wide_store, wide);
    RUN(wide_stream, wide);
    RUN(wide_mask, wide);
    RUN(wide_compress, wide);
    RUN(wide_scatter, wide);
    RUN(wide_narrow, wide);
    RUN(direct, straight);
    RUN(clear_line, (extended & 1) != 0);
    RUN(locked, 1);
    RUN(spelled, opt && clwb);
    RUN(by_hand, 1);
    RUN(strings, 1);
    RUN(intel, 1);
    return 0;
}
