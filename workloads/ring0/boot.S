/*
 * Entry: multiboot 1 (32-bit protected mode) or 64-bit long mode, then main().
 *
 * Multiboot: EAX = 0x2BADB002, EBX = information. Long mode: RSI and RDI hold the same,
 * memory below 4 GiB is mapped one to one. Both load this image's own tables. The multiboot
 * header is in multiboot.S, which only the image for multiboot loaders has.
 */
#include "selectors.h"

	.text
	.code32
	.globl start32
start32:
	cli
	cld
	movl %eax, %esi
	movl %ebx, %edi
	movl $boot_stack_top, %esp
	lgdt gdt_pointer
	ljmp $KERNEL_CS32, $1f
1:	call enter_long_mode
	ljmp $KERNEL_CS, $bsp64

/* From 32-bit protected mode without paging: PAE, page tables, EFER.LME and NXE, PG. */
	.globl enter_long_mode
enter_long_mode:
	movl $KERNEL_DS, %eax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	xorl %eax, %eax
	movw %ax, %fs
	movw %ax, %gs
	movl %cr4, %eax
	orl $0x620, %eax /* PAE, OSFXSR, OSXMMEXCPT */
	movl %eax, %cr4
	movl $pml4, %eax
	movl %eax, %cr3
	movl $0xC0000080, %ecx
	rdmsr
	orl $0x901, %eax /* SCE, LME, NXE */
	wrmsr
	movl %cr0, %eax
	andl $0x9FFAFFFB, %eax /* not CD, NW, WP, AM, EM */
	orl $0x80000023, %eax /* PG, NE, MP, PE */
	movl %eax, %cr0
	ret

	.code64
	.globl start64
start64:
	cli
	cld
	movq $boot_stack_top, %rsp
	movq $pml4, %rax
	movq %rax, %cr3
	lgdt gdt_pointer
	movq %cr4, %rax
	orq $0x620, %rax
	movq %rax, %cr4
	movl $0xC0000080, %ecx
	rdmsr
	orl $0x901, %eax
	wrmsr
	pushq $KERNEL_CS
	pushq $bsp64
	lretq

bsp64:
	movl %esi, %esi
	movl %edi, %edi
	movl $KERNEL_DS, %eax
	movw %ax, %ss
	movw %ax, %ds
	movw %ax, %es
	movq $boot_stack_top, %rsp
	xorl %ebp, %ebp
	call main
1:	cli
	hlt
	jmp 1b

/* The other CPUs: real mode at TRAMPOLINE, where this is copied. */
	.code16
	.globl trampoline
trampoline:
	cli
	cld
	xorw %ax, %ax
	movw %ax, %ds
	lgdtl TRAMPOLINE + trampoline_gdt - trampoline
	movl %cr0, %eax
	orl $1, %eax
	movl %eax, %cr0
	ljmpl $KERNEL_CS32, $ap32
	.balign 8
trampoline_gdt:
	.word GDT_LIMIT
	.long gdt
	.globl trampoline_end
trampoline_end:

	.code32
ap32:
	movl $KERNEL_DS, %eax
	movw %ax, %ss
	movw %ax, %ds
	movl $1, %eax
	lock xaddl %eax, cpu_tickets
	cmpl $MAX_CPUS, %eax
	jae 1f
	movl %eax, %ebp
	imull $CPU_STACK, %eax, %eax
	leal cpu_stacks + CPU_STACK(%eax), %esp
	call enter_long_mode
	ljmp $KERNEL_CS, $ap64
1:	cli
	hlt
	jmp 1b

	.code64
ap64:
	movl %ebp, %edi
	movl %esp, %esp
	xorl %ebp, %ebp
	call ap_main
1:	cli
	hlt
	jmp 1b

	.data
	.balign 8
	.globl gdt_pointer
gdt_pointer:
	.word GDT_LIMIT
	.quad gdt

	.balign 16
	.globl gdt
gdt:
	.quad 0
	.quad 0x00AF9B000000FFFF /* KERNEL_CS */
	.quad 0x00CF93000000FFFF /* KERNEL_DS */
	.quad 0x00CFFB000000FFFF /* USER_CS32 */
	.quad 0x00CFF3000000FFFF /* USER_DS */
	.quad 0x00AFFB000000FFFF /* USER_CS */
	.quad 0x00CF9B000000FFFF /* KERNEL_CS32 */
	.quad 0x008F9B000000FFFF /* KERNEL_CS16 */
	.quad 0, 0               /* LDT_SELECTOR */
	.quad 0x00AF9F000000FFFF /* KERNEL_CS_CONFORMING */
	.quad 0
	.quad 0, 0               /* CALL_GATE */
	.quad 0x00CFF3000000FFFF /* SPARE_DS: nothing else loads it */
	.quad 0
	.rept MAX_CPUS
	.quad 0, 0               /* TSS_SELECTOR ... */
	.endr
	.quad 0, 0               /* TASK_A, TASK_B */
gdt_end:
	.set GDT_LIMIT, gdt_end - gdt - 1

	.globl cpu_tickets
cpu_tickets:
	.long 1

/* 4 GiB one to one, in pages of 2 MiB that all privilege levels may write. */
	.balign 4096
	.globl pml4, page_directories
pml4:
	.quad pdpt + 7
	.fill 511, 8, 0
pdpt:
	.set i, 0
	.rept 4
	.quad page_directories + i * 4096 + 7
	.set i, i + 1
	.endr
	.fill 508, 8, 0
page_directories:
	.set i, 0
	.rept 2048
	.quad i * 0x200000 + 0xE7
	.set i, i + 1
	.endr

	.bss
	.balign 4096
	.skip 32768
	.globl boot_stack_top
boot_stack_top:
	.globl cpu_stacks
cpu_stacks:
	.skip MAX_CPUS * CPU_STACK
