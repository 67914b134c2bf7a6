/* SPDX-License-Identifier: BSD-2-Clause */
/* Short copies and fills, and the write-back of a line, inside of the routine that needs them: what
   a call of a kernel takes is as much as they take. Each instruction that touches the caller's
   memory may be left at a SIGBUS like a kernel (os/guard.h), for a label of the function that holds
   it; then the routine begins again on the long way, which tells why. Nothing here changes what a
   store means: widths and order are those of isa_copy_up and isa_fill. */
#ifndef ISA_QUICK_H
#define ISA_QUICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bits.h"

#if defined(__x86_64__)
#define ISA_QUICK 1
#else
#define ISA_QUICK 0
#endif

/* Bytes of a copy or a fill: for more, wide vectors make up for the way to their kernels. */
#define ISA_QUICK_MAX 511

#if ISA_QUICK

/* Says that the instructions between 1: and 2: may be left for %l[left]. R: a linker that collects
   sections which nothing refers to keeps this one. */
#define ISA_MAY_LEAVE                                                                              \
    "\n2:\n\t.pushsection nvrtl_landings, \"aR\", @progbits; .balign 4\n\t"                        \
    ".long 1b - ., 2b - ., %l[left] - .\n\t.popsection"

/* false from the function that it stands in: there is no page. */
#define ISA_GUARDED(instructions, clobbers, ...)                                                   \
    __asm__ goto("1: " instructions ISA_MAY_LEAVE : : __VA_ARGS__ : clobbers "memory" : left)

#define ISA_NONE

/* Claims the lines of address and last for stores to come: that may go on while an earlier drain is
   waited for, which a store may not. Never faults. pre: as isa_quick_back */
static inline __attribute__((always_inline)) void isa_quick_claim(uintptr_t address,
                                                                  uintptr_t last) {
    __asm__ volatile("prefetchw (%0); prefetchw (%1)" ::"r"(address), "r"(last));
}

/* Starts the write-back of the lines that hold [address, last]. pre: clwb, lines of 64 bytes */
static inline __attribute__((always_inline)) bool isa_quick_back(uintptr_t address,
                                                                 uintptr_t last) {
    uintptr_t line = address & ~(uintptr_t)63;
    do {
        ISA_GUARDED("clwb (%0)", ISA_NONE, "r"(line));
        line += 64;
    } while (line <= last);
    return true;
left:
    return false;
}

/* The same of the line that holds one address. */
static inline __attribute__((always_inline)) bool isa_quick_back_line(const void *address) {
    ISA_GUARDED("clwb (%0)", ISA_NONE, "r"(address));
    return true;
left:
    return false;
}

/* Orders what isa_quick_back has started, as isa_fence does. */
static inline __attribute__((always_inline)) void isa_quick_fence(void) {
    __asm__ volatile("sfence" ::: "memory");
}

/* If r11 has the bit of width: so many bytes are moved at offset r10, which goes up. */
#define ISA_STEP(width, move)                                                                      \
    "testb $" #width ", %%r11b; jz 9f; " move "; addl $" #width ", %%r10d; 9: "

/* The way through 8 bytes and more, for a copy and for a fill. Vectors lie at a multiple of 16, so
   that no word in them is torn. All of it in assembly, since a compiler saves registers for it.
   0: to, 2: length; r11: first what the address lacks, then the bytes that are left. */
/* clang-format off */
#define ISA_STEPS(move1, move2, move4, move8, move16, move32, move64)                              \
    /* To an 8-byte boundary, and to a 16-byte one if the range is sure to reach it. */            \
    "movl %k0, %%r11d; negl %%r11d; xorl %%r10d, %%r10d; "                                         \
    ISA_STEP(1, move1)                                                                             \
    ISA_STEP(2, move2)                                                                             \
    ISA_STEP(4, move4)                                                                             \
    "testb $8, %%r11b; jz 3f; cmpl $16, %k2; jb 3f; " move8 "; addl $8, %%r10d; 3: "               \
    /* The rest, past the steps that it cannot have. */                                            \
    "movl %k2, %%r11d; subl %%r10d, %%r11d; cmpl $8, %%r11d; jb 4f; "                              \
    "cmpl $64, %%r11d; jb 9f; "                                                                    \
    "8: " move64 "; addl $64, %%r10d; subl $64, %%r11d; jz 7f; cmpl $64, %%r11d; jae 8b; 9: "      \
    ISA_STEP(32, move32)                                                                           \
    ISA_STEP(16, move16)                                                                           \
    ISA_STEP(8, move8)                                                                             \
    "4: testb $6, %%r11b; jz 5f; "                                                                 \
    ISA_STEP(4, move4)                                                                             \
    ISA_STEP(2, move2)                                                                             \
    "5: "                                                                                          \
    ISA_STEP(1, move1)                                                                             \
    "7: "
/* clang-format on */

/* Less than a word: by the widths whose bits the address has, as long as so many bytes are left. */
#define ISA_QUICK_LESS(move)                                                                       \
    size_t done = 0;                                                                               \
    while (done < length) {                                                                        \
        const uintptr_t at = (uintptr_t)to + done;                                                 \
        if ((at & 3) == 0 && length - done >= 4) {                                                 \
            move##4;                                                                               \
            done += 4;                                                                             \
        } else if ((at & 1) == 0 && length - done >= 2) {                                          \
            move##2;                                                                               \
            done += 2;                                                                             \
        } else {                                                                                   \
            move##1;                                                                               \
            done += 1;                                                                             \
        }                                                                                          \
    }

/* The most frequent cases, with few instructions and no register to be saved: 8, 16, 32 or 64 bytes
   at a multiple of their number. They lie in one line, so that either all is stored or nothing, and
   all is read before anything is stored. then(length): statements that leave the function, once for
   each case, because a jump to a common end takes as long as the stores. What is no such case goes
   on behind; a missing page goes to the label left. The function has to, length, and from or
   pattern. */
#define ISA_QUICK_WHOLE(move, then)                                                                \
    if (((uintptr_t)to & (length - 1)) == 0) {                                                     \
        if (UNLIKELY(length > 16)) {                                                               \
            if (LIKELY(length == 32)) {                                                            \
                move##32;                                                                          \
                then(32);                                                                          \
            }                                                                                      \
            if (LIKELY(length == 64)) {                                                            \
                move##64;                                                                          \
                then(64);                                                                          \
            }                                                                                      \
        } else if (UNLIKELY(length == 16)) {                                                       \
            move##16;                                                                              \
            then(16);                                                                              \
        } else if (LIKELY(length == 8)) {                                                          \
            move##8;                                                                               \
            then(8);                                                                               \
        }                                                                                          \
    }

/* Returns 0 of a type by an instruction of its own, which no compiler takes for that of another
   such return: each has a name. */
#define ISA_RETURN_0(type, name)                                                                   \
    do {                                                                                           \
        type zero;                                                                                 \
        __asm__ volatile("xorl %0, %0 # " #name : "=a"(zero));                                     \
        return zero;                                                                               \
    } while (0)

#define ISA_CLOBBERS(...) __VA_ARGS__,
#define ISA_COPY(instructions)                                                                     \
    ISA_GUARDED(instructions, ISA_CLOBBERS("rax"), "r"(to), "r"(from), "r"(done))
#define ISA_COPY1 ISA_COPY("movzbl (%1,%2), %%eax; movb %%al, (%0,%2)")
#define ISA_COPY2 ISA_COPY("movzwl (%1,%2), %%eax; movw %%ax, (%0,%2)")
#define ISA_COPY4 ISA_COPY("movl (%1,%2), %%eax; movl %%eax, (%0,%2)")

#define ISA_COPY_STEPS                                                                             \
    ISA_STEPS("movzbl (%1,%%r10), %%eax; movb %%al, (%0,%%r10)",                                   \
              "movzwl (%1,%%r10), %%eax; movw %%ax, (%0,%%r10)",                                   \
              "movl (%1,%%r10), %%eax; movl %%eax, (%0,%%r10)",                                    \
              "movq (%1,%%r10), %%rax; movq %%rax, (%0,%%r10)",                                    \
              "movups (%1,%%r10), %%xmm0; movaps %%xmm0, (%0,%%r10)",                              \
              "movups (%1,%%r10), %%xmm0; movups 16(%1,%%r10), %%xmm1; "                           \
              "movaps %%xmm0, (%0,%%r10); movaps %%xmm1, 16(%0,%%r10)",                            \
              "movups (%1,%%r10), %%xmm0; movups 16(%1,%%r10), %%xmm1; "                           \
              "movups 32(%1,%%r10), %%xmm2; movups 48(%1,%%r10), %%xmm3; "                         \
              "movaps %%xmm0, (%0,%%r10); movaps %%xmm1, 16(%0,%%r10); "                           \
              "movaps %%xmm2, 32(%0,%%r10); movaps %%xmm3, 48(%0,%%r10)")

/* pre: length is in [8, ISA_QUICK_MAX]; going up, from is read before it is overwritten */
static inline __attribute__((always_inline)) bool isa_quick_copy(char *to, const char *from,
                                                                 size_t length) {
    ISA_GUARDED(ISA_COPY_STEPS, ISA_CLOBBERS("rax", "r10", "r11", "xmm0", "xmm1", "xmm2", "xmm3"),
                "r"(to), "r"(from), "r"(length));
    return true;
left:
    return false;
}

/* pre: length is in [1, 7]; as above */
static inline __attribute__((always_inline)) bool isa_quick_copy_less(char *to, const char *from,
                                                                      size_t length) {
    ISA_QUICK_LESS(ISA_COPY)
    return true;
left:
    return false;
}

#define ISA_WHOLE(instructions, ...)                                                               \
    ISA_GUARDED(instructions, ISA_CLOBBERS(__VA_ARGS__), "r"(to), "r"(from))
#define ISA_WHOLE8 ISA_WHOLE("movq (%1), %%rax; movq %%rax, (%0)", "rax")
#define ISA_WHOLE16 ISA_WHOLE("movups (%1), %%xmm0; movaps %%xmm0, (%0)", "xmm0")
#define ISA_WHOLE32                                                                                \
    ISA_WHOLE("movups (%1), %%xmm0; movups 16(%1), %%xmm1; "                                       \
              "movaps %%xmm0, (%0); movaps %%xmm1, 16(%0)",                                        \
              "xmm0", "xmm1")
#define ISA_WHOLE64                                                                                \
    ISA_WHOLE("movups (%1), %%xmm0; movups 16(%1), %%xmm1; "                                       \
              "movups 32(%1), %%xmm2; movups 48(%1), %%xmm3; "                                     \
              "movaps %%xmm0, (%0); movaps %%xmm1, 16(%0); "                                       \
              "movaps %%xmm2, 32(%0); movaps %%xmm3, 48(%0)",                                      \
              "xmm0", "xmm1", "xmm2", "xmm3")

#define ISA_FILL(instructions) ISA_GUARDED(instructions, ISA_NONE, "r"(to), "r"(pattern), "r"(done))
#define ISA_FILL1 ISA_FILL("movb %b1, (%0,%2)")
#define ISA_FILL2 ISA_FILL("movw %w1, (%0,%2)")
#define ISA_FILL4 ISA_FILL("movl %k1, (%0,%2)")

#define ISA_FILL_STEPS                                                                             \
    "movq %1, %%xmm0; punpcklqdq %%xmm0, %%xmm0; " ISA_STEPS(                                      \
        "movb %b1, (%0,%%r10)", "movw %w1, (%0,%%r10)", "movl %k1, (%0,%%r10)",                    \
        "movq %1, (%0,%%r10)", "movaps %%xmm0, (%0,%%r10)",                                        \
        "movaps %%xmm0, (%0,%%r10); movaps %%xmm0, 16(%0,%%r10)",                                  \
        "movaps %%xmm0, (%0,%%r10); movaps %%xmm0, 16(%0,%%r10); "                                 \
        "movaps %%xmm0, 32(%0,%%r10); movaps %%xmm0, 48(%0,%%r10)")

/* pre: length is in [8, ISA_QUICK_MAX]; pattern is one byte eight times */
static inline __attribute__((always_inline)) bool isa_quick_fill(char *to, uint64_t pattern,
                                                                 size_t length) {
    ISA_GUARDED(ISA_FILL_STEPS, ISA_CLOBBERS("r10", "r11", "xmm0"), "r"(to), "r"(pattern),
                "r"(length));
    return true;
left:
    return false;
}

/* pre: length is in [1, 7]; as above */
static inline __attribute__((always_inline)) bool isa_quick_fill_less(char *to, uint64_t pattern,
                                                                      size_t length) {
    ISA_QUICK_LESS(ISA_FILL)
    return true;
left:
    return false;
}

#define ISA_EVEN(instructions, ...)                                                                \
    ISA_GUARDED(instructions, ISA_CLOBBERS(__VA_ARGS__), "r"(to), "r"(pattern))
#define ISA_EVEN8 ISA_GUARDED("movq %1, (%0)", ISA_NONE, "r"(to), "r"(pattern))
#define ISA_EVEN16 ISA_GUARDED("movq %1, (%0); movq %1, 8(%0)", ISA_NONE, "r"(to), "r"(pattern))
#define ISA_EVEN32                                                                                 \
    ISA_EVEN("movq %1, %%xmm0; punpcklqdq %%xmm0, %%xmm0; movaps %%xmm0, (%0); "                   \
             "movaps %%xmm0, 16(%0)",                                                              \
             "xmm0")
#define ISA_EVEN64                                                                                 \
    ISA_EVEN("movq %1, %%xmm0; punpcklqdq %%xmm0, %%xmm0; movaps %%xmm0, (%0); "                   \
             "movaps %%xmm0, 16(%0); movaps %%xmm0, 32(%0); movaps %%xmm0, 48(%0)",                \
             "xmm0")

#else

static inline void isa_quick_claim(uintptr_t address, uintptr_t last) {
    (void)address, (void)last;
}
static inline bool isa_quick_back(uintptr_t address, uintptr_t last) {
    (void)address, (void)last;
    return false;
}
static inline bool isa_quick_back_line(const void *address) {
    (void)address;
    return false;
}
static inline void isa_quick_fence(void) {}
static inline bool isa_quick_copy(char *to, const char *from, size_t length) {
    (void)to, (void)from, (void)length;
    return false;
}
static inline bool isa_quick_copy_less(char *to, const char *from, size_t length) {
    (void)to, (void)from, (void)length;
    return false;
}
static inline bool isa_quick_fill_less(char *to, uint64_t pattern, size_t length) {
    (void)to, (void)pattern, (void)length;
    return false;
}
static inline bool isa_quick_fill(char *to, uint64_t pattern, size_t length) {
    (void)to, (void)pattern, (void)length;
    return false;
}
/* Never reached; what it names is used. */
#define ISA_QUICK_WHOLE(move, then)                                                                \
    if (length == SIZE_MAX) {                                                                      \
        move##0;                                                                                   \
        then(0);                                                                                   \
    }                                                                                              \
    if (length == SIZE_MAX - 1)                                                                    \
    goto left
#define ISA_RETURN_0(type, name) return (type)0
#define ISA_WHOLE0 (void)from
#define ISA_EVEN0 (void)pattern

#endif
#endif
