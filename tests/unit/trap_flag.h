/* SPDX-License-Identifier: BSD-2-Clause */
/* The CPU's trap flag: between the two the program gets SIGTRAP after each instruction, on x86-64.
   Below the red zone, which a leaf may use. */
#ifndef UNIT_TRAP_FLAG_H
#define UNIT_TRAP_FLAG_H

#if defined(__x86_64__)
static inline void steps_begin(void) {
    __asm__ volatile("subq $128, %%rsp; pushfq; orq $0x100, (%%rsp); popfq; addq $128, %%rsp" ::
                         : "memory", "cc");
}
static inline void steps_end(void) {
    __asm__ volatile("subq $128, %%rsp; pushfq; andq $~0x100, (%%rsp); popfq; addq $128, %%rsp" ::
                         : "memory", "cc");
}
#else
static inline void steps_begin(void) {}
static inline void steps_end(void) {}
#endif

#endif
