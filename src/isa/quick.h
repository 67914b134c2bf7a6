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

#define ISA_QUICK_MAX 64 /* bytes of a copy or a fill */

#if ISA_QUICK

/* Says that the instructions between 1: and 2: may be left for %l[left]. */
#define ISA_MAY_LEAVE                                                                              \
    "\n2:\n\t.pushsection nvrtl_landings, \"a\", @progbits\n\t"                                    \
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

/* Orders what isa_quick_back has started, as isa_fence does. */
static inline __attribute__((always_inline)) void isa_quick_fence(void) {
    __asm__ volatile("sfence" ::: "memory");
}

/* The words of a range, by 32 bytes where these lie at a multiple of 16. */
#define ISA_QUICK_WORDS(move)                                                                      \
    if (left_over >= 32) {                                                                         \
        if ((((uintptr_t)to + done) & 15) == 0) {                                                  \
            do {                                                                                   \
                move##32;                                                                          \
                done += 32;                                                                        \
                left_over -= 32;                                                                   \
            } while (left_over >= 32);                                                             \
        } else {                                                                                   \
            do {                                                                                   \
                move##16;                                                                          \
                done += 16;                                                                        \
                left_over -= 16;                                                                   \
            } while (left_over >= 32);                                                             \
        }                                                                                          \
    }                                                                                              \
    if (left_over & 16) {                                                                          \
        move##16;                                                                                  \
        done += 16;                                                                                \
    }                                                                                              \
    if (left_over & 8) {                                                                           \
        move##8;                                                                                   \
        done += 8;                                                                                 \
    }

/* Fewer bytes than a word: are there width bytes, as a bit of has says? */
#define ISA_QUICK_STEP(move, width, has)                                                           \
    if (((has) & (width)) != 0) {                                                                  \
        move##width;                                                                               \
        done += (width);                                                                           \
    }

/* The way to an 8-byte boundary that the range does not reach, perhaps. */
#define ISA_QUICK_HEAD(move)                                                                       \
    if (((uintptr_t)to & 1) != 0) {                                                                \
        move##1;                                                                                   \
        done = 1;                                                                                  \
    }                                                                                              \
    if ((((uintptr_t)to + done) & 2) != 0 && length - done >= 2) {                                 \
        move##2;                                                                                   \
        done += 2;                                                                                 \
    }                                                                                              \
    if ((((uintptr_t)to + done) & 4) != 0 && length - done >= 4) {                                 \
        move##4;                                                                                   \
        done += 4;                                                                                 \
    }

/* The way through a range, for a copy and for a fill: first to an 8-byte boundary, by the widths
   whose bits the address has, as long as so many bytes are left; then words; then the widths whose
   bits are left. move is a macro that stores so many bytes at to + done. */
#define ISA_QUICK_RANGE(move)                                                                      \
    size_t done = 0, left_over = length;                                                           \
    if ((((uintptr_t)to | length) & 7) == 0) {                                                     \
        ISA_QUICK_WORDS(move)                                                                      \
        return true;                                                                               \
    }                                                                                              \
    if (LIKELY(length >= 8)) {                                                                     \
        const size_t head = -(uintptr_t)to & 7;                                                    \
        left_over -= head;                                                                         \
        ISA_QUICK_STEP(move, 1, head)                                                              \
        ISA_QUICK_STEP(move, 2, head)                                                              \
        ISA_QUICK_STEP(move, 4, head)                                                              \
        if (left_over >= 8) {                                                                      \
            ISA_QUICK_WORDS(move)                                                                  \
        }                                                                                          \
    } else {                                                                                       \
        ISA_QUICK_HEAD(move)                                                                       \
        left_over -= done;                                                                         \
    }                                                                                              \
    ISA_QUICK_STEP(move, 4, left_over)                                                             \
    ISA_QUICK_STEP(move, 2, left_over)                                                             \
    if ((left_over & 1) != 0)                                                                      \
        move##1;                                                                                   \
    return true;                                                                                   \
    left:                                                                                          \
    return false

/* The most frequent cases, with few instructions and no register to be saved: 8, 16, 32 or 64 bytes
   at a multiple of their number. They lie in one page, so that either all is stored or nothing, and
   all is read before anything is stored. */
#define ISA_QUICK_WHOLE(move)                                                                      \
    if (((uintptr_t)to & (length - 1)) != 0)                                                       \
        return false;                                                                              \
    if (LIKELY(length == 8)) {                                                                     \
        move##8;                                                                                   \
        return true;                                                                               \
    }                                                                                              \
    if (LIKELY(length == 16)) {                                                                    \
        move##16;                                                                                  \
        return true;                                                                               \
    }                                                                                              \
    if (length == 32) {                                                                            \
        move##32;                                                                                  \
        return true;                                                                               \
    }                                                                                              \
    if (length == 64) {                                                                            \
        move##64;                                                                                  \
        return true;                                                                               \
    }                                                                                              \
    left:                                                                                          \
    return false

#define ISA_COPY(instructions, ...)                                                                \
    ISA_GUARDED(instructions, ISA_CLOBBERS(__VA_ARGS__), "r"(to), "r"(from), "r"(done))
#define ISA_CLOBBERS(...) __VA_ARGS__,
#define ISA_COPY1 ISA_COPY("movzbl (%1,%2), %%eax; movb %%al, (%0,%2)", "rax")
#define ISA_COPY2 ISA_COPY("movzwl (%1,%2), %%eax; movw %%ax, (%0,%2)", "rax")
#define ISA_COPY4 ISA_COPY("movl (%1,%2), %%eax; movl %%eax, (%0,%2)", "rax")
#define ISA_COPY8 ISA_COPY("movq (%1,%2), %%rax; movq %%rax, (%0,%2)", "rax")
/* The low words of vectors: as atomic as those of other registers, of which a call has few. */
#define ISA_COPY16                                                                                 \
    ISA_COPY("movq (%1,%2), %%xmm0; movq 8(%1,%2), %%xmm1; "                                       \
             "movq %%xmm0, (%0,%2); movq %%xmm1, 8(%0,%2)",                                        \
             "xmm0", "xmm1")
/* Vectors at a multiple of their width: no word in them is torn. */
#define ISA_COPY32                                                                                 \
    ISA_COPY("movups (%1,%2), %%xmm0; movups 16(%1,%2), %%xmm1; "                                  \
             "movaps %%xmm0, (%0,%2); movaps %%xmm1, 16(%0,%2)",                                   \
             "xmm0", "xmm1")

/* pre: length > 0; going up, from is read before it is overwritten */
static inline __attribute__((always_inline)) bool isa_quick_copy(char *to, const char *from,
                                                                 size_t length) {
    ISA_QUICK_RANGE(ISA_COPY);
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

/* A frequent case? Then all is stored, wherever the source lies; false leaves all open. pre:
   length > 0 */
static inline __attribute__((always_inline)) bool isa_quick_copy_whole(char *to, const char *from,
                                                                       size_t length) {
    ISA_QUICK_WHOLE(ISA_WHOLE);
}

#define ISA_FILL(instructions) ISA_GUARDED(instructions, ISA_NONE, "r"(to), "r"(pattern), "r"(done))
#define ISA_FILL1 ISA_FILL("movb %b1, (%0,%2)")
#define ISA_FILL2 ISA_FILL("movw %w1, (%0,%2)")
#define ISA_FILL4 ISA_FILL("movl %k1, (%0,%2)")
#define ISA_FILL8 ISA_FILL("movq %1, (%0,%2)")
#define ISA_FILL16 ISA_FILL("movq %1, (%0,%2); movq %1, 8(%0,%2)")
#define ISA_FILL32                                                                                 \
    ISA_FILL("movq %1, (%0,%2); movq %1, 8(%0,%2); movq %1, 16(%0,%2); movq %1, 24(%0,%2)")

/* pre: length > 0; pattern is one byte eight times */
static inline __attribute__((always_inline)) bool isa_quick_fill(char *to, uint64_t pattern,
                                                                 size_t length) {
    ISA_QUICK_RANGE(ISA_FILL);
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

/* As isa_quick_copy_whole. pre: length > 0; pattern is one byte eight times */
static inline __attribute__((always_inline)) bool isa_quick_fill_whole(char *to, uint64_t pattern,
                                                                       size_t length) {
    ISA_QUICK_WHOLE(ISA_EVEN);
}

#else

static inline void isa_quick_claim(uintptr_t address, uintptr_t last) {
    (void)address, (void)last;
}
static inline bool isa_quick_back(uintptr_t address, uintptr_t last) {
    (void)address, (void)last;
    return false;
}
static inline void isa_quick_fence(void) {}
static inline bool isa_quick_copy(char *to, const char *from, size_t length) {
    (void)to, (void)from, (void)length;
    return false;
}
static inline bool isa_quick_fill(char *to, uint64_t pattern, size_t length) {
    (void)to, (void)pattern, (void)length;
    return false;
}
static inline bool isa_quick_copy_whole(char *to, const char *from, size_t length) {
    (void)to, (void)from, (void)length;
    return false;
}
static inline bool isa_quick_fill_whole(char *to, uint64_t pattern, size_t length) {
    (void)to, (void)pattern, (void)length;
    return false;
}

#endif
#endif
