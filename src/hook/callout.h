/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What nvrtl-cc's assembler step puts before an instruction that the compiler's own call-outs do
 * not announce, and what the runtime makes of it.
 *
 * Before such an instruction stand these ones (the brackets: where its kind needs them):
 *
 *     leaq   -152(%rsp), %rsp          past the red zone; room for three words
 *    [movq   %rdi, 8(%rsp)             the address goes in rdi,
 *     leaq   <operand>, %rdi           with 152 more where the operand counts from rsp]
 *    [movq   %rsi, 16(%rsp)            the mask or the count goes in rsi
 *     kmovw  %k1, %esi                 or vmovmskps, vpmovmskb, movq %rcx]
 *     movq   $<word>, (%rsp)           what the instruction does: CALLOUT_WORD
 *     call   *__nvrtl_callout@GOTPCREL(%rip)
 *    [movq   8(%rsp), %rdi]
 *    [movq   16(%rsp), %rsi]
 *     leaq   152(%rsp), %rsp
 *
 * None of them changes a flag, and the call goes past the lazy binding of the loader, which would
 * change r11 and the flags. __nvrtl_callout (callout.S, which a library has to export) keeps every
 * register, the flags, the vector and x87 state and errno, needs no thread-local storage and no
 * constructor, and may be called in signal handlers. It finds the word at 8(%rsp).
 *
 * callout.c and callout.S are compiled with -mgeneral-regs-only -fno-stack-protector, since they
 * run before the vector registers are saved and before the thread's own memory is there. Whoever
 * links them defines the two functions at the end of this header.
 */
#ifndef HOOK_CALLOUT_H
#define HOOK_CALLOUT_H

/* What the instruction does. The numbers are in programs that were built: never change one. */
#define CALLOUT_FLUSH 1 /* writes back the line of address; length is 0 */
#define CALLOUT_FENCE 2 /* drains; address and length are 0 */
/* A locked instruction, or xchg with memory: drains, and stores [address, +length). */
#define CALLOUT_LOCKED 3
#define CALLOUT_STREAM 4 /* a non-temporal store */
#define CALLOUT_DIRECT 5 /* movdiri, movdir64b */
#define CALLOUT_STORE 6  /* any other store */
#define CALLOUT_CLZERO 7 /* stores zeros over the line of address, which is aligned */

/* Which instruction it is, where that matters. */
#define CALLOUT_CLFLUSH 1 /* CALLOUT_FLUSH */
#define CALLOUT_CLFLUSHOPT 2
#define CALLOUT_CLWB 3
#define CALLOUT_SFENCE 1 /* CALLOUT_FENCE */
#define CALLOUT_MFENCE 2
/* CALLOUT_LOCKED: a compare-exchange, which stores or does not. */
#define CALLOUT_CONDITIONAL 1

/* How rdi and rsi tell what is touched; the runtime's functions see the outcome only. */
#define CALLOUT_NOWHERE 0 /* no address, or one that is not told (fs: or gs:) */
#define CALLOUT_WHOLE 1   /* [rdi, +length) */
/* By the length / unit lowest bits of rsi: the units from rdi whose bit is set; as many units from
   rdi as bits are set. */
#define CALLOUT_MASKED 2
#define CALLOUT_PACKED 3
/* rsi units: upwards from rdi, or downwards if the direction flag is set. */
#define CALLOUT_REPEATED 4
/* For each bit that is set in rsi one unit, at rdi + scale * the index; the indexes lie at 24(%rsp)
   and the frame is CALLOUT_SCATTER_FRAME bytes. detail is one less than there are bits; length =
   scale | CALLOUT_WIDE if the indexes have 8 bytes, not 4. */
#define CALLOUT_SCATTERED 5
#define CALLOUT_WIDE 16

/* unit: log2 of its bytes. length: bytes, up to 32767. */
#define CALLOUT_WORD(kind, detail, shape, unit, length)                                            \
    ((kind) | ((detail) << 4) | ((shape) << 8) | ((unit) << 12) | ((length) << 16))

#define CALLOUT_FRAME 152
#define CALLOUT_SCATTER_FRAME 216

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One instruction that is about to be executed, or one run of the bytes that it stores: a masked
   store arrives as several. The instruction drains, if it does, once. */
struct callout {
    uint32_t kind;     /* CALLOUT_FLUSH ... */
    uint32_t detail;   /* CALLOUT_CLFLUSH ..., or 0 */
    uintptr_t address; /* 0 with length 0: not told */
    size_t length;     /* bytes */
    const void *pc;    /* just before the instruction; the line of pc - 1 is its line */
    const void *stack; /* rsp at the instruction */
    const void *frame; /* rbp at the instruction */
};

/* Defined by the runtime. Is it worth saving the vector registers (some 100 ns) to be told of this?
   address and length span all that the instruction may touch (0 and 0 where it has none, SIZE_MAX
   bytes from 0 where that is not known). In a file that is compiled with -mgeneral-regs-only
   -fno-stack-protector; touches no thread-local variable, calls nothing outside of such files. */
bool hook_callout_concerns(uint32_t kind, uintptr_t address, size_t length);

/* Defined by the runtime. May use any register; keeps errno; the stack it runs on is the
   program's. */
void hook_callout(const struct callout *callout);

#endif
#endif
