/*
 * A boot sector for machines without a multiboot loader: reads the flat image behind it
 * from the first disk to 1 MiB, and enters it as a multiboot loader would.
 *
 * The image begins in sector 8; sector 1 holds the command line.
 */
	.code16
	.globl _start
_start:
	cli
	cld
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $0x7c00, %sp
	movb %dl, drive
	inb $0x92, %al
	orb $2, %al
	outb %al, $0x92

	movw $0x7e00, buffer
	movw $0, buffer + 2
	movw $1, count
	movl $1, sector
	call read

	movl $0x100000, %edi
	movl $8, sector
next_chunk:
	movw $0, buffer
	movw $0x1000, buffer + 2
	movw $64, count
	call read
	pushl %edi
	call to_32_bits
	.code32
	movl $0x10000, %esi
	movl $64 * 512 / 4, %ecx
	rep movsl
	call to_16_bits
	.code16
	addl $4, %esp
	addl $64, sector
	subw $1, chunks
	jnz next_chunk

	call to_32_bits
	.code32
	movl $information, %ebx
	movl $0x2BADB002, %eax
entry_instruction:
	movl $0, %ecx /* the entry point is patched in */
	jmp *%ecx

/* Unreal 32-bit mode and back; the return address is 16 bits. */
	.code16
to_32_bits:
	cli
	popw %bp
	movzwl %bp, %ebp
	lgdt gdt_pointer
	movl %cr0, %eax
	orb $1, %al
	movl %eax, %cr0
	ljmpw $8, $1f
	.code32
1:	movl $0x10, %eax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	jmp *%ebp
to_16_bits:
	popl %ebp
	ljmpw $0x18, $1f
	.code16
1:	movl %cr0, %eax
	andb $0xfe, %al
	movl %eax, %cr0
	ljmpw $0, $1f
1:	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	jmp *%bp

read:
	pushl %edi
	movw $packet, %si
	movb $0x42, %ah
	movb drive, %dl
	int $0x13
	popl %edi
	jc failed
	ret
failed:
	hlt
	jmp failed

	.balign 4
gdt:
	.quad 0
	.quad 0x00CF9B000000FFFF
	.quad 0x00CF93000000FFFF
	.quad 0x00009B000000FFFF
gdt_pointer:
	.word 31
	.long gdt
drive:	.byte 0
	.balign 4
packet:	.byte 16, 0
count:	.word 0
buffer:	.word 0, 0
sector:	.quad 0
information:
	.long 5, 0, 0, 0, 0x7e00

	.org 500
	.globl chunks
chunks:	.word 0
	.long entry_instruction + 1 /* where the entry point goes */
	.org 510
	.word 0xaa55
