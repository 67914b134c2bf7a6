/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * __nvrtl_callout: keeps everything, and asks callout.c. The first half runs on general registers
 * alone, so that a store to memory that nobody watches costs no saving of vectors.
 */
#include "hook/callout.h"

#if defined(__CET__)
#include <cet.h>
#else
#define _CET_ENDBR
#endif

/* Of the state that XSAVE knows, what C code may change: x87, SSE, AVX and AVX-512. */
#define STATE_MASK 0xe7
#define STATE_SIZE 2688 /* bytes: the standard form up to the end of AVX-512's; 64-aligned */

	.text
	.globl __nvrtl_callout
	.type __nvrtl_callout, @function
	.balign 16
__nvrtl_callout:
	.cfi_startproc
	_CET_ENDBR
	pushq %rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	movq %rsp, %rbp
	.cfi_def_cfa_register %rbp
	/* struct registers of callout.c, from its end. */
	pushfq
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	cld
	movq %rsp, %rdi
	andq $-64, %rsp
	pushq %rdi /* and 8 bytes more, for the alignment of the call */
	pushq %rdi
	call callout_wanted
	testl %eax, %eax
	jz 9f
	popq %rdi
	subq $STATE_SIZE, %rsp
	andq $-64, %rsp
	cmpl $2, %eax
	movl $STATE_MASK, %eax
	je 2f
	ja 3f
	/* 1: before XSAVE */
	fxsave64 (%rsp)
	call callout_deliver
	fxrstor64 (%rsp)
	jmp 8f
	/* 2: XSAVE; 3: XSAVEC. The header's bytes that they do not write have to be zero. */
2:	call .Lclear
	xsave64 (%rsp)
	jmp 4f
3:	call .Lclear
	xsavec64 (%rsp)
4:	call callout_deliver
	movl $STATE_MASK, %eax
	xorl %edx, %edx
	xrstor64 (%rsp)
8:
9:	leaq -80(%rbp), %rsp
	popq %r11
	popq %r10
	popq %r9
	popq %r8
	popq %rdi
	popq %rsi
	popq %rdx
	popq %rcx
	popq %rax
	popfq
	popq %rbp
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size __nvrtl_callout, . - __nvrtl_callout

/* Clears the header of the area that begins above the return address, and edx. */
	.type .Lclear, @function
.Lclear:
	xorl %edx, %edx
	movq %rdx, 520(%rsp)
	movq %rdx, 528(%rsp)
	movq %rdx, 536(%rsp)
	movq %rdx, 544(%rsp)
	movq %rdx, 552(%rsp)
	movq %rdx, 560(%rsp)
	movq %rdx, 568(%rsp)
	movq %rdx, 576(%rsp)
	ret

	.section .note.GNU-stack, "", @progbits
