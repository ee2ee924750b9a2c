/* The multiboot 1 header: without requests, for an ELF32 image. */
	.section .multiboot, "a"
	.balign 8
	.long 0x1BADB002
	.long 0
	.long -0x1BADB002
