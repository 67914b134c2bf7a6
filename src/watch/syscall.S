/* SPDX-License-Identifier: BSD-2-Clause */
/* syscall(2) by the name that libc has for it. A call may give the thread another stack, or return
   twice: so nothing of this is on the stack when it is made. */
#if defined(__x86_64__)
#define SYS_SECCOMP 317
#define SYS_MSYNC 26
#define SYS_FSYNC 74
#define SYS_FDATASYNC 75

/* A wait, by the function of this library that tells of it: int is its result, and long the
   caller's. */
.macro wait number, function
    cmpq $\number, %rdi
    jne 2f
    movq %rsi, %rdi
    movq %rdx, %rsi
    movl %ecx, %edx
    subq $8, %rsp
    .cfi_adjust_cfa_offset 8
    call \function
    cltq
    addq $8, %rsp
    .cfi_adjust_cfa_offset -8
    ret
2:
.endm

    .text
    .globl syscall
    .type syscall, @function
syscall:
    .cfi_startproc
    wait SYS_MSYNC, watch_msync
    wait SYS_FSYNC, watch_fsync
    wait SYS_FDATASYNC, watch_fdatasync
    cmpq $SYS_SECCOMP, %rdi
    je 1f
    movq watch_syscall(%rip), %rax
    testq %rax, %rax
    je 1f
    jmp *%rax
1:
    .irp register, rdi, rsi, rdx, rcx, r8, r9, rax
    pushq %\register
    .cfi_adjust_cfa_offset 8
    .endr
    call watch_find_syscall
    movq %rax, (%rsp)
    .irp register, rax, r9, r8, rcx, rdx, rsi, rdi
    popq %\register
    .cfi_adjust_cfa_offset -8
    .endr
    jmp *%rax
    .cfi_endproc
    .size syscall, . - syscall
#endif
    .section .note.GNU-stack, "", @progbits
