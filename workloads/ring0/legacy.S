/*
 * switch_tasks(): leaves long mode for 32-bit protected mode without paging, runs legacy_code
 * or switches to task B and back by far jumps to their task state segments, and returns to
 * long mode. Any exception but #DB ends the excursion. What happened is in task_log (check_task.c).
 */
#include "selectors.h"

#define LOG_COUNT 0
#define LOG_EIP 4
#define LOG_EFLAGS 8
#define LOG_DR6 12
#define LOG_DR7_HANDLER 16
#define LOG_DR7_B 20
#define LOG_REACHED_B 24
#define LOG_BACK 28
#define LOG_VECTOR 32
#define LOG_DR7_START 36
#define LOG_WANTED 40

	.text
	.code64
	.globl switch_tasks
switch_tasks:
	pushq %rbx
	pushq %rbp
	pushq %r12
	pushq %r13
	pushq %r14
	pushq %r15
	movq %cr0, %rax
	pushq %rax
	movq %rsp, saved_stack
	sidt saved_idt
	str saved_tr
	pushq $KERNEL_CS32
	pushq $leave_long_mode
	lretq

	.code32
leave_long_mode:
	movl $KERNEL_DS, %eax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movl $legacy_stack_top, %esp
	movl %cr0, %eax
	andl $0x7fffffff, %eax
	movl %eax, %cr0
	movl $0xC0000080, %ecx
	rdmsr
	andl $~0x100, %eax
	wrmsr
	lidt legacy_idt_pointer
	xorl %eax, %eax
	lldt %ax
	movl $TASK_A, %eax
	ltr %ax
	movl task_log + LOG_DR7_START, %eax
	movl %eax, %dr7
	cmpl $0, task_log + LOG_WANTED
	jne legacy_code
	ljmp $TASK_B, $0
	movl $1, task_log + LOG_BACK
end_of_excursion:
	movl $0x400, %eax
	movl %eax, %dr7
	movl $legacy_stack_top, %esp
	call enter_long_mode
	ljmp $KERNEL_CS, $1f
	.code64
1:	movq saved_stack, %rsp
	lidt saved_idt
	movzwl saved_tr, %eax
	andl $~7, %eax
	/* Busy since it was loaded first. */
	andl $~0x200, gdt + 4(%rax)
	ltr %ax
	movl $LDT_SELECTOR, %eax
	lldt %ax
	popq %rax
	movq %rax, %cr0
	popq %r15
	popq %r14
	popq %r13
	popq %r12
	popq %rbp
	popq %rbx
	ret

/* Run instead of the switch if LOG_WANTED is set. DR0 to DR3 are set to watch its points. */
	.code32
	.globl legacy_point_0, legacy_point_1, legacy_point_2, legacy_point_3, legacy_point_4
	.globl legacy_point_5, legacy_point_6
legacy_code:
	nop
legacy_point_0:
	nop
	movb %al, area + 0x1007
legacy_point_1:
	pushfl
	orl $0x100, (%esp)
	popfl
	nop
legacy_point_2:
	movl $3, %ecx
	movl $area + 0x3000, %edi
legacy_point_3:
	rep stosb
	pushfl
	orl $0x10000, (%esp)
	pushl %cs
	pushl $legacy_point_5
	iretl
legacy_point_5:
	movl %ss, %eax
	movl %eax, %ss
legacy_point_6:
	nop
	.byte 0xf1
legacy_point_4:
	movl $1, task_log + LOG_BACK
	jmp end_of_excursion

	.globl task_b_entry
task_b_entry:
	movl $1, task_log + LOG_REACHED_B
	movl %dr7, %eax
	movl %eax, task_log + LOG_DR7_B
	ljmp $TASK_A, $0
	jmp task_b_entry

legacy_debug:
	pushl %eax
	pushl %ebx
	movl task_log + LOG_COUNT, %ebx
	cmpl $LEGACY_EVENTS, %ebx
	jae end_of_excursion
	shll $4, %ebx
	movl 8(%esp), %eax
	movl %eax, legacy_events(%ebx)
	movl 16(%esp), %eax
	movl %eax, legacy_events + 4(%ebx)
	movl %dr6, %eax
	movl %eax, legacy_events + 8(%ebx)
	/* On with RF where an execute breakpoint was met, and without TF. */
	testl $9, %eax
	jz 1f
	orl $0x10000, 16(%esp)
1:	andl $~0x100, 16(%esp)
	popl %ebx
	incl task_log + LOG_COUNT
	movl 4(%esp), %eax
	movl %eax, task_log + LOG_EIP
	movl 12(%esp), %eax
	movl %eax, task_log + LOG_EFLAGS
	movl %dr6, %eax
	movl %eax, task_log + LOG_DR6
	movl $0xffff0ff0, %eax
	movl %eax, %dr6
	movl %dr7, %eax
	movl %eax, task_log + LOG_DR7_HANDLER
	popl %eax
	iretl

	.altmacro
	.macro legacy_stub vector
legacy_stub_\vector:
	movl $\vector, task_log + LOG_VECTOR
	jmp end_of_excursion
	.endm
	.set v, 0
	.rept 32
	legacy_stub %v
	.set v, v + 1
	.endr

	.section .rodata
	.balign 4
	.globl legacy_handlers
legacy_handlers:
	.macro legacy_address vector
	.if \vector == 1
	.long legacy_debug
	.else
	.long legacy_stub_\vector
	.endif
	.endm
	.set v, 0
	.rept 32
	legacy_address %v
	.set v, v + 1
	.endr
	.noaltmacro

	.data
	.balign 8
legacy_idt_pointer:
	.word 32 * 8 - 1
	.long legacy_idt

	.bss
	.balign 16
	.globl legacy_idt, legacy_events, task_log, task_b_stack_top
legacy_idt:
	.skip 32 * 8
saved_stack:
	.skip 8
saved_idt:
	.skip 16
saved_tr:
	.skip 8
task_log:
	.skip 64
legacy_events:
	.skip LEGACY_EVENTS * 16
	.skip 4096
legacy_stack_top:
	.skip 4096
task_b_stack_top:
