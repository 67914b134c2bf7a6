/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * void registers_around(const struct registers *before, struct registers *after, void *to):
 * fills every register from before, executes instructions that are call-outs, and keeps what the
 * registers hold then in after. struct registers of registers.c: 16 general registers (rsp's place
 * holds the flags), then mxcsr and x87's state in 64 bytes, 32 vectors and 8 masks. The red zone
 * below rsp is filled and compared: r15 of after is 0 if it was kept.
 */
	.text
	.globl registers_around
	.type registers_around, @function
registers_around:
	.cfi_startproc
	pushq %rbp
	pushq %rbx
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushq %rdi
	pushq %rsi
	pushq %rdx
	.irp offset, 8,16,24,32,40,48,56,64,72,80,88,96,104,112,120,128
	movq $0x5a5a0000+\offset, -\offset(%rsp)
	.endr
	movl wide(%rip), %eax
	testl %eax, %eax
	jz 1f
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	vmovdqu64 192+\n*64(%rdi), %zmm\n
	.endr
	.irp n, 0,1,2,3,4,5,6,7
	kmovq 2240+\n*8(%rdi), %k\n
	.endr
	jmp 2f
1:	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	movdqu 192+\n*64(%rdi), %xmm\n
	.endr
2:	ldmxcsr 128(%rdi)
	fninit
	fldl 136(%rdi)
	fldl 144(%rdi)
	movq %rsp, saved(%rip)
	leaq -128(%rsp), %rsp
	pushq 56(%rdi)
	popfq
	leaq 128(%rsp), %rsp
	movq 0(%rdi), %rax
	movq 8(%rdi), %rbx
	movq 16(%rdi), %rcx
	movq 24(%rdi), %rdx
	movq 32(%rdi), %rsi
	movq 48(%rdi), %rbp
	movq 64(%rdi), %r8
	movq 72(%rdi), %r9
	movq 80(%rdi), %r10
	movq 88(%rdi), %r11
	movq 96(%rdi), %r12
	movq 104(%rdi), %r13
	movq 112(%rdi), %r14
	movq 120(%rdi), %r15
	movq 40(%rdi), %rdi
	/* r14 points to where stores go. */
	movnti %rax, (%r14)
	movdqu %xmm3, 16(%r14)
	clflush 64(%r14)
	sfence
	mfence
	lock
	xchgq %rax, 128(%r14)
	xchgq %rax, 128(%r14)
	movnti %rdx, -8(%rsp)
	maskmovdqu %xmm2, %xmm3
	movq %rdi, 24(%r14)
	movq %rax, kept(%rip)
	movq 8(%rsp), %rax /* after */
	movq %rbx, 8(%rax)
	movq %rcx, 16(%rax)
	movq %rdx, 24(%rax)
	movq %rsi, 32(%rax)
	movq %rdi, 40(%rax)
	movq %rbp, 48(%rax)
	movq %r8, 64(%rax)
	movq %r9, 72(%rax)
	movq %r10, 80(%rax)
	movq %r11, 88(%rax)
	movq %r12, 96(%rax)
	movq %r13, 104(%rax)
	movq %r14, 112(%rax)
	movq kept(%rip), %rdi
	movq %rdi, 0(%rax)
	leaq -128(%rsp), %rsp
	pushfq
	popq %rdi
	leaq 128(%rsp), %rsp
	movq %rdi, 56(%rax)
	cld
	stmxcsr 128(%rax)
	fstpl 144(%rax)
	fstpl 136(%rax)
	movl wide(%rip), %edi
	testl %edi, %edi
	jz 1f
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	vmovdqu64 %zmm\n, 192+\n*64(%rax)
	.endr
	.irp n, 0,1,2,3,4,5,6,7
	kmovq %k\n, 2240+\n*8(%rax)
	.endr
	vzeroupper
	jmp 2f
1:	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
	movdqu %xmm\n, 192+\n*64(%rax)
	.endr
2:	xorl %edi, %edi
	cmpq %rsp, saved(%rip)
	je 3f
	incl %edi
3:	.irp offset, 16,24,32,40,48,56,64,72,80,88,96,104,112,120,128
	cmpq $0x5a5a0000+\offset, -\offset(%rsp)
	je 3f
	incl %edi
3:
	.endr
	movq %rdi, 120(%rax)
	popq %rdx
	popq %rsi
	popq %rdi
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbx
	popq %rbp
	ret
	.cfi_endproc
	.size registers_around, . - registers_around

	.bss
	.balign 8
kept:	.zero 8
saved:	.zero 8
	.globl wide
wide:	.zero 4
	.section .note.GNU-stack, "", @progbits
