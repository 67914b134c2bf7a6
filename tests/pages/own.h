/* SPDX-License-Identifier: BSD-2-Clause */
/* A flush by an instruction of the program itself, which every x86-64 has. */
#ifndef OWN_H
#define OWN_H

static inline void own_flush(volatile void *line) {
    __asm__ volatile("clflush %0\n\tsfence" : "+m"(*(volatile char *)line)::"memory");
}

/* One that has to be completed, and what completes it. */
static inline void own_begin_flush(volatile void *line) {
    __asm__ volatile("clflushopt %0" : "+m"(*(volatile char *)line)::"memory");
}
static inline void own_fence(void) {
    __asm__ volatile("sfence" ::: "memory");
}

#endif
