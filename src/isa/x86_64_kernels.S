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

/* enum fault isa_copy_up(void *to, const void *from, size_t length) */
KERNEL(isa_copy_up)
	testb $1, %dil
	jz 1f
	cmpq $1, %rdx
	jb 9f
	movzbl (%rsi), %eax
	movb %al, (%rdi)
	leaq 1(%rsi), %rsi
	leaq 1(%rdi), %rdi
	decq %rdx
1:	testb $2, %dil
	jz 2f
	cmpq $2, %rdx
	jb 6f
	movzwl (%rsi), %eax
	movw %ax, (%rdi)
	leaq 2(%rsi), %rsi
	leaq 2(%rdi), %rdi
	subq $2, %rdx
2:	testb $4, %dil
	jz 3f
	cmpq $4, %rdx
	jb 6f
	movl (%rsi), %eax
	movl %eax, (%rdi)
	leaq 4(%rsi), %rsi
	leaq 4(%rdi), %rdi
	subq $4, %rdx
	/* Four words at a time. All are read before the first is stored: they may overlap. */
3:	subq $32, %rdx
	jb 5f
4:	movq (%rsi), %rax
	movq 8(%rsi), %rcx
	movq 16(%rsi), %r8
	movq 24(%rsi), %r9
	movq %rax, (%rdi)
	movq %rcx, 8(%rdi)
	movq %r8, 16(%rdi)
	movq %r9, 24(%rdi)
	addq $32, %rsi
	addq $32, %rdi
	subq $32, %rdx
	jae 4b
5:	addq $32, %rdx
6:	cmpq $8, %rdx
	jb 7f
	movq (%rsi), %rax
	movq %rax, (%rdi)
	addq $8, %rsi
	addq $8, %rdi
	subq $8, %rdx
	jmp 6b
7:	testb $4, %dl
	jz 8f
	movl (%rsi), %eax
	movl %eax, (%rdi)
	addq $4, %rsi
	addq $4, %rdi
8:	testb $2, %dl
	jz 8f
	movzwl (%rsi), %eax
	movw %ax, (%rdi)
	addq $2, %rsi
	addq $2, %rdi
8:	testb $1, %dl
	jz 9f
	movzbl (%rsi), %eax
	movb %al, (%rdi)
9:
END(isa_copy_up)

/* enum fault isa_copy_down(void *to, const void *from, size_t length): from the end to the start */
KERNEL(isa_copy_down)
	addq %rdx, %rdi
	addq %rdx, %rsi
	testb $1, %dil
	jz 1f
	cmpq $1, %rdx
	jb 9f
	movzbl -1(%rsi), %eax
	movb %al, -1(%rdi)
	decq %rsi
	decq %rdi
	decq %rdx
1:	testb $2, %dil
	jz 2f
	cmpq $2, %rdx
	jb 6f
	movzwl -2(%rsi), %eax
	movw %ax, -2(%rdi)
	subq $2, %rsi
	subq $2, %rdi
	subq $2, %rdx
2:	testb $4, %dil
	jz 3f
	cmpq $4, %rdx
	jb 6f
	movl -4(%rsi), %eax
	movl %eax, -4(%rdi)
	subq $4, %rsi
	subq $4, %rdi
	subq $4, %rdx
3:	subq $32, %rdx
	jb 5f
4:	movq -8(%rsi), %rax
	movq -16(%rsi), %rcx
	movq -24(%rsi), %r8
	movq -32(%rsi), %r9
	movq %rax, -8(%rdi)
	movq %rcx, -16(%rdi)
	movq %r8, -24(%rdi)
	movq %r9, -32(%rdi)
	subq $32, %rsi
	subq $32, %rdi
	subq $32, %rdx
	jae 4b
5:	addq $32, %rdx
6:	cmpq $8, %rdx
	jb 7f
	movq -8(%rsi), %rax
	movq %rax, -8(%rdi)
	subq $8, %rsi
	subq $8, %rdi
	subq $8, %rdx
	jmp 6b
7:	testb $4, %dl
	jz 8f
	movl -4(%rsi), %eax
	movl %eax, -4(%rdi)
	subq $4, %rsi
	subq $4, %rdi
8:	testb $2, %dl
	jz 8f
	movzwl -2(%rsi), %eax
	movw %ax, -2(%rdi)
	subq $2, %rsi
	subq $2, %rdi
8:	testb $1, %dl
	jz 9f
	movzbl -1(%rsi), %eax
	movb %al, -1(%rdi)
9:
END(isa_copy_down)

/* enum fault isa_fill(void *to, uint64_t pattern, size_t length): pattern is one byte eight times
   */
KERNEL(isa_fill)
	testb $1, %dil
	jz 1f
	cmpq $1, %rdx
	jb 9f
	movb %sil, (%rdi)
	incq %rdi
	decq %rdx
1:	testb $2, %dil
	jz 2f
	cmpq $2, %rdx
	jb 6f
	movw %si, (%rdi)
	addq $2, %rdi
	subq $2, %rdx
2:	testb $4, %dil
	jz 3f
	cmpq $4, %rdx
	jb 6f
	movl %esi, (%rdi)
	addq $4, %rdi
	subq $4, %rdx
3:	subq $32, %rdx
	jb 5f
4:	movq %rsi, (%rdi)
	movq %rsi, 8(%rdi)
	movq %rsi, 16(%rdi)
	movq %rsi, 24(%rdi)
	addq $32, %rdi
	subq $32, %rdx
	jae 4b
5:	addq $32, %rdx
6:	cmpq $8, %rdx
	jb 7f
	movq %rsi, (%rdi)
	addq $8, %rdi
	subq $8, %rdx
	jmp 6b
7:	testb $4, %dl
	jz 8f
	movl %esi, (%rdi)
	addq $4, %rdi
8:	testb $2, %dl
	jz 8f
	movw %si, (%rdi)
	addq $2, %rdi
8:	testb $1, %dl
	jz 9f
	movb %sil, (%rdi)
9:
END(isa_fill)

/* enum fault isa_stream_words(uint64_t *to, const void *from, size_t count) */
KERNEL(isa_stream_words)
	testq %rdx, %rdx
	jz 2f
1:	movq (%rsi), %rax
	movnti %rax, (%rdi)
	addq $8, %rsi
	addq $8, %rdi
	decq %rdx
	jnz 1b
2:
END(isa_stream_words)

/* enum fault isa_stream_fill(uint64_t *to, uint64_t value, size_t count) */
KERNEL(isa_stream_fill)
	testq %rdx, %rdx
	jz 2f
1:	movnti %rsi, (%rdi)
	addq $8, %rdi
	decq %rdx
	jnz 1b
2:
END(isa_stream_fill)

/*
 * Whole lines of 64 bytes at a 64-byte boundary, in vectors of 16, 32 and 64 bytes. Each vector is
 * aligned to its width, so that no word in it is torn. zmm16 needs no vzeroupper after it.
 *   _cached  ordinary stores
 *   _back    and clwb of each line behind them
 *   _behind  each line is claimed (prefetchw) some lines ahead, and written back some lines
 *            behind: a clwb that comes while the store before it still waits for its line holds up
 *            all stores after it, and a line that clwb has written back may have to be claimed anew
 *   _past    streaming stores
 *   _stream  streaming stores, and clwb of each line 2 KiB later: by then it has left the buffers
 *            in which the CPU combines such stores, and the write-back finds nothing to do unless
 *            the line was cached. CLWB is ordered behind older stores to its line (SDM vol. 2,
 *            CLWB).
 */
#define STREAM_LAG 2048
#define CLAIM_AHEAD 512
#define BACK_LAG 512
/* From so many bytes on, which no first cache holds. */
#define BACK_LAG_LONG (64 * 1024)
#define LONG_FROM (512 * 1024)

	.macro load_128
	movups (%rsi), %xmm0
	movups 16(%rsi), %xmm1
	movups 32(%rsi), %xmm2
	movups 48(%rsi), %xmm3
	.endm
	.macro spread_128
	movq %rsi, %xmm0
	punpcklqdq %xmm0, %xmm0
	movdqa %xmm0, %xmm1
	movdqa %xmm0, %xmm2
	movdqa %xmm0, %xmm3
	.endm
	.macro store_128
	movaps %xmm0, (%rdi)
	movaps %xmm1, 16(%rdi)
	movaps %xmm2, 32(%rdi)
	movaps %xmm3, 48(%rdi)
	.endm
	.macro stream_128
	movntdq %xmm0, (%rdi)
	movntdq %xmm1, 16(%rdi)
	movntdq %xmm2, 32(%rdi)
	movntdq %xmm3, 48(%rdi)
	.endm
	.macro leave_128
	.endm

	.macro load_256
	vmovdqu (%rsi), %ymm0
	vmovdqu 32(%rsi), %ymm1
	.endm
	.macro spread_256
	vmovq %rsi, %xmm0
	vpbroadcastq %xmm0, %ymm0
	vmovdqa %ymm0, %ymm1
	.endm
	.macro store_256
	vmovdqa %ymm0, (%rdi)
	vmovdqa %ymm1, 32(%rdi)
	.endm
	.macro stream_256
	vmovntdq %ymm0, (%rdi)
	vmovntdq %ymm1, 32(%rdi)
	.endm
	.macro leave_256
	vzeroupper
	.endm

	.macro load_512
	vmovdqu64 (%rsi), %zmm16
	.endm
	.macro spread_512
	vpbroadcastq %rsi, %zmm16
	.endm
	.macro store_512
	vmovdqa64 %zmm16, (%rdi)
	.endm
	.macro stream_512
	vmovntdq %zmm16, (%rdi)
	.endm
	.macro leave_512
	.endm

	.macro back
	clwb (%rdi)
	.endm
	.macro nothing
	.endm

	/* enum fault name(void *to, const void *from, size_t lines), lines > 0 */
	.macro copy_kernel name, load, store, then, leave
KERNEL(\name)
1:	\load
	\store
	\then
	addq $64, %rsi
	addq $64, %rdi
	decq %rdx
	jnz 1b
	\leave
END(\name)
	.endm

	/* enum fault name(void *to, uint64_t pattern, size_t lines), lines > 0 */
	.macro fill_kernel name, spread, store, then, leave
KERNEL(\name)
	\spread
1:	\store
	\then
	addq $64, %rdi
	decq %rdx
	jnz 1b
	\leave
END(\name)
	.endm

	/* r8: the first line that was not written back yet */
	.macro stream_kernel name, before, load, stream, leave, step
KERNEL(\name)
	\before
	movq %rdi, %r8
1:	\load
	\stream
	addq $\step, %rsi
	addq $64, %rdi
	leaq -STREAM_LAG(%rdi), %rax
	cmpq %r8, %rax
	jbe 2f
	clwb (%r8)
	addq $64, %r8
2:	decq %rdx
	jnz 1b
3:	clwb (%r8)
	addq $64, %r8
	cmpq %rdi, %r8
	jne 3b
	\leave
END(\name)
	.endm

	/* rcx: the first line that was not claimed yet; r8: ... not written back yet; r9: the end;
	   r10: how far behind a line is written back */
	.macro behind_kernel name, before, load, store, leave, step
KERNEL(\name)
	\before
	movq %rdi, %r8
	movq %rdi, %rcx
	shlq $6, %rdx
	movl $BACK_LAG, %r10d
	movl $BACK_LAG_LONG, %eax
	cmpq $LONG_FROM, %rdx
	cmovae %eax, %r10d
	leaq (%rdi,%rdx), %r9
	leaq CLAIM_AHEAD(%rdi), %rax
	cmpq %r9, %rax
	cmova %r9, %rax
1:	prefetchw (%rcx)
	addq $64, %rcx
	cmpq %rax, %rcx
	jne 1b
2:	cmpq %r9, %rcx
	je 3f
	prefetchw (%rcx)
	addq $64, %rcx
3:	\load
	\store
	addq $\step, %rsi
	addq $64, %rdi
	movq %rdi, %rax
	subq %r10, %rax
	cmpq %r8, %rax
	jbe 4f
	clwb (%r8)
	addq $64, %r8
4:	cmpq %r9, %rdi
	jne 2b
5:	clwb (%r8)
	addq $64, %r8
	cmpq %rdi, %r8
	jne 5b
	\leave
END(\name)
	.endm

	.irp bits, 128, 256, 512
	copy_kernel isa_copy_cached_\bits, load_\bits, store_\bits, nothing, leave_\bits
	copy_kernel isa_copy_back_\bits, load_\bits, store_\bits, back, leave_\bits
	fill_kernel isa_fill_cached_\bits, spread_\bits, store_\bits, nothing, leave_\bits
	fill_kernel isa_fill_back_\bits, spread_\bits, store_\bits, back, leave_\bits
	copy_kernel isa_copy_past_\bits, load_\bits, stream_\bits, nothing, leave_\bits
	fill_kernel isa_fill_past_\bits, spread_\bits, stream_\bits, nothing, leave_\bits
	behind_kernel isa_copy_behind_\bits, nothing, load_\bits, store_\bits, leave_\bits, 64
	behind_kernel isa_fill_behind_\bits, spread_\bits, nothing, store_\bits, leave_\bits, 0
	stream_kernel isa_copy_stream_\bits, nothing, load_\bits, stream_\bits, leave_\bits, 64
	stream_kernel isa_fill_stream_\bits, spread_\bits, nothing, stream_\bits, leave_\bits, 0
	.endr

/* enum fault isa_direct_words(uint64_t *to, const void *from, size_t count): single words up to a
   64-byte boundary, whole blocks, single words */
KERNEL(isa_direct_words)
1:	testq %rdx, %rdx
	jz 4f
	testb $63, %dil
	jz 2f
	movq (%rsi), %rax
	movdiri %rax, (%rdi)
	addq $8, %rsi
	addq $8, %rdi
	decq %rdx
	jmp 1b
2:	subq $8, %rdx
	jb 3f
	movdir64b (%rsi), %rdi
	addq $64, %rsi
	addq $64, %rdi
	jmp 2b
3:	addq $8, %rdx
	jz 4f
5:	movq (%rsi), %rax
	movdiri %rax, (%rdi)
	addq $8, %rsi
	addq $8, %rdi
	decq %rdx
	jnz 5b
4:
END(isa_direct_words)

/* enum fault isa_direct_fill_block(uint64_t *to, uint64_t value, size_t count, const uint64_t
   b[8]): b holds the value eight times */
KERNEL(isa_direct_fill_block)
1:	testq %rdx, %rdx
	jz 4f
	testb $63, %dil
	jz 2f
	movdiri %rsi, (%rdi)
	addq $8, %rdi
	decq %rdx
	jmp 1b
2:	subq $8, %rdx
	jb 3f
	movdir64b (%rcx), %rdi
	addq $64, %rdi
	jmp 2b
3:	addq $8, %rdx
	jz 4f
5:	movdiri %rsi, (%rdi)
	addq $8, %rdi
	decq %rdx
	jnz 5b
4:
END(isa_direct_fill_block)

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
	.pushsection nvrtl_landings, "a", @progbits
	.long isa_kernels_begin - ., isa_kernels_end - ., isa_kernels_pad - .
	.popsection

	.section .note.GNU-stack, "", @progbits
