/*
 * One memory access a function, written in assembly, so that neither the
 * compiler nor its options change what a breakpoint sees. The label NAME_done
 * is the address after the access: the saved instruction pointer of a data
 * breakpoint.
 */
#ifndef ACCESSES_H
#define ACCESSES_H

#include <stdint.h>

#define ACCESS(name, insn)                                      \
	__asm__(".text\n"                                       \
		".globl " #name "\n"                            \
		".type " #name ", @function\n"                  \
		#name ": " insn "\n"                            \
		#name "_done: ret\n"                            \
		".globl " #name "_done\n"                       \
		".size " #name ", . - " #name "\n");            \
	extern void name(volatile void *at);                    \
	extern const char name##_done[];

ACCESS(store1, "movb $1, (%rdi)")
ACCESS(store2, "movw $1, (%rdi)")
ACCESS(store4, "movl $1, (%rdi)")
ACCESS(store8, "movq $1, (%rdi)")
ACCESS(store16, "movups %xmm0, (%rdi)")
ACCESS(load4, "movl (%rdi), %eax")
ACCESS(load8, "movq (%rdi), %rax")
ACCESS(increment4, "incl (%rdi)")
ACCESS(locked_increment4, "lock incl (%rdi)")
ACCESS(exchange4, "xchgl %eax, (%rdi)")
ACCESS(compare_exchange4, "lock cmpxchgl %ecx, (%rdi)")
ACCESS(test4, "testl $1, (%rdi)")
ACCESS(nothing, "nop")

/* Eight one-byte stores by one repeated instruction. */
__asm__(".text\n"
	".globl fill8\n"
	".type fill8, @function\n"
	"fill8: movl $8, %ecx\n"
	"xorl %eax, %eax\n"
	"rep stosb\n"
	"ret\n"
	".size fill8, . - fill8\n");
extern void fill8(volatile void *at);

#endif
