/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What touches the caller's memory on x86-64. A load or store here may meet a truncated file, a
 * full disk or a damaged page; the handler of os/guard.h then goes on at isa_kernels_pad, which
 * returns to the kernel's caller with the fault in eax. That works from every instruction because
 * of three rules, which hold for each function in this file:
 * - it is a leaf and never moves the stack pointer;
 * - it changes only registers that a call may change;
 * - it returns an enum fault in eax.
 * Each store of 1, 2, 4 or 8 bytes is aligned to its width, as in store/portable.c, which is the
 * meaning of the first three functions.
 */
#if defined(__CET__)
#include <cet.h>
#else
#define _CET_ENDBR
#endif

#define KERNEL(name) \
	.globl name; .hidden name; .type name, @function; .balign 16; name: .cfi_startproc; _CET_ENDBR
#define END(name) \
	xorl %eax, %eax; ret; .cfi_endproc; .size name, . - name

	.text
	.globl isa_kernels_begin, isa_kernels_end, isa_kernels_pad
	.hidden isa_kernels_begin, isa_kernels_end, isa_kernels_pad
	.balign 16
isa_kernels_begin:

#include "isa/x86_64_words.inc"
#include "isa/x86_64_lines.inc"
#include "isa/x86_64_direct.inc"

/* enum fault isa_each_line_...(uintptr_t first, uintptr_t last, size_t line_size): one instruction
   for each line; last may be the top of the address space, so the end is met by equality */
KERNEL(isa_each_line_clwb)
1:	clwb (%rdi)
	cmpq %rsi, %rdi
	je 2f
	addq %rdx, %rdi
	jmp 1b
2:
END(isa_each_line_clwb)

KERNEL(isa_each_line_clflushopt)
1:	clflushopt (%rdi)
	cmpq %rsi, %rdi
	je 2f
	addq %rdx, %rdi
	jmp 1b
2:
END(isa_each_line_clflushopt)

/* On AMD only mfence orders clflush, against earlier stores and against what follows (APM vol. 3
   CLFLUSH); sfence, which drains, does not. */
KERNEL(isa_each_line_clflush)
	mfence
1:	clflush (%rdi)
	cmpq %rsi, %rdi
	je 2f
	addq %rdx, %rdi
	jmp 1b
2:	mfence
END(isa_each_line_clflush)

/* enum fault isa_touch(void *at): makes a page dirty and changes nothing, whoever stores there */
KERNEL(isa_touch)
	lock orb $0, (%rdi)
END(isa_touch)

/* Where a kernel continues after a fault; eax was set. */
	.balign 16
isa_kernels_pad:
	.cfi_startproc
	_CET_ENDBR
	ret
	.cfi_endproc
isa_kernels_end:

/* All of it may be left, and all of ours that touches the caller's memory is told in one place: the
   verifier looks there to know these instructions from a program's own. */
	.pushsection nvrtl_landings, "aR", @progbits
	.balign 4
	.long isa_kernels_begin - ., isa_kernels_end - ., isa_kernels_pad - .
	.popsection

	.section .note.GNU-stack, "", @progbits
