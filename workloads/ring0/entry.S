/*
 * Into a case and out of it again.
 *
 * Each vector has a stub that makes one frame format (struct frame in ring0.h) and calls
 * handle_event(). run_case() IRETs into a case; leave_case is where it comes back, whatever
 * happened to it.
 */
#include "selectors.h"

	.text
	.code64

	.macro stub vector
	.balign 16
stub_\vector:
	.if (\vector == 8) || ((\vector >= 10) && (\vector <= 14)) || (\vector == 17) || (\vector == 21)
	.else
	pushq $0
	.endif
	pushq $\vector
	jmp common
	.endm

	.altmacro
	.macro stubs from, to
	.set v, \from
	.rept \to - \from + 1
	stub %v
	.set v, v + 1
	.endr
	.endm
	stubs 0, 31
	stubs 0x40, 0x4f
	stub 0xff

	.section .rodata
	.balign 8
	.globl stub_addresses
/* For vectors 0-31, 0x40-0x4f, 0xff. */
stub_addresses:
	.macro stub_address vector
	.quad stub_\vector
	.endm
	.set v, 0
	.rept 32
	stub_address %v
	.set v, v + 1
	.endr
	.set v, 0x40
	.rept 16
	stub_address %v
	.set v, v + 1
	.endr
	stub_address 0xff
	.noaltmacro

	.text
common:
	pushq %rax
	pushq %rcx
	pushq %rdx
	pushq %rbx
	pushq %rbp
	pushq %rsi
	pushq %rdi
	pushq %r8
	pushq %r9
	pushq %r10
	pushq %r11
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	pushfq
	popq %rsi
	cld
	movq %rsp, %rdi
	movq %rsp, %rbp
	andq $-16, %rsp
	call handle_event
	movq %rbp, %rsp
	cmpl $1, %eax
	je leave_case
	cmpl $2, %eax
	je return_by_sysret
	call pop_registers
	addq $16, %rsp
	iretq

/* With the frame above the return address. */
pop_registers:
	movq 14*8+8(%rsp), %rax
	movq 13*8+8(%rsp), %rcx
	movq 12*8+8(%rsp), %rdx
	movq 11*8+8(%rsp), %rbx
	movq 10*8+8(%rsp), %rbp
	movq 9*8+8(%rsp), %rsi
	movq 8*8+8(%rsp), %rdi
	movq 7*8+8(%rsp), %r8
	movq 6*8+8(%rsp), %r9
	movq 5*8+8(%rsp), %r10
	movq 4*8+8(%rsp), %r11
	movq 3*8+8(%rsp), %r12
	movq 2*8+8(%rsp), %r13
	movq 1*8+8(%rsp), %r14
	movq 0*8+8(%rsp), %r15
	ret $15*8

return_by_sysret:
	call pop_registers
	movq 16(%rsp), %rcx
	movq 32(%rsp), %r11
	movq 40(%rsp), %rsp
	.globl sysret_instruction
sysret_instruction:
	sysretq

/* SYSCALL: a frame as an exception would have left it. */
	.balign 16
	.globl syscall_entry
syscall_entry:
	nop
	movq %rsp, syscall_rsp
	movq $syscall_stack_top, %rsp
	pushq $USER_DS
	pushq syscall_rsp
	pushq %r11
	pushq $USER_CS
	pushq %rcx
	pushq $0
	pushq $SYSCALL_VECTOR
	jmp common

/* run_case(struct start *): the registers, then RIP, CS, RFLAGS, RSP, SS, DS, FS, GS. */
	.globl run_case
run_case:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %rsp, case_return
	movl 20*8(%rdi), %eax
	movw %ax, %ds
	movw %ax, %es
	pushq 19*8(%rdi)
	pushq 18*8(%rdi)
	pushq 17*8(%rdi)
	pushq 16*8(%rdi)
	pushq 15*8(%rdi)
	movq 21*8(%rdi), %rax
	testq %rax, %rax
	jz 1f
	movq %rax, %dr7
1:	movq 0*8(%rdi), %rax
	movq 1*8(%rdi), %rcx
	movq 2*8(%rdi), %rdx
	movq 3*8(%rdi), %rbx
	movq 4*8(%rdi), %rbp
	movq 5*8(%rdi), %rsi
	movq 7*8(%rdi), %r8
	movq 8*8(%rdi), %r9
	movq 9*8(%rdi), %r10
	movq 10*8(%rdi), %r11
	movq 11*8(%rdi), %r12
	movq 12*8(%rdi), %r13
	movq 13*8(%rdi), %r14
	movq 14*8(%rdi), %r15
	movq 6*8(%rdi), %rdi
	iretq

	.globl leave_case
leave_case:
	movl $KERNEL_DS, %eax
	movw %ax, %ss
	movq case_return, %rsp
	movw %ax, %ds
	movw %ax, %es
	xorl %eax, %eax
	movw %ax, %fs
	movw %ax, %gs
	cld
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

	.bss
	.balign 16
case_return:
	.skip 8
syscall_rsp:
	.skip 8
	.skip 8192
syscall_stack_top:
