# A multiboot image: prints its command line, the string and the bytes of its only module
# and the name of the boot loader, and ends with the number of upper megabytes.
    .set MAGIC, 0x1badb002
    .set FLAGS, 3
    .section .multiboot, "a"
    .long MAGIC, FLAGS, -(MAGIC + FLAGS)

    .code32
#include "serial.S"
    .globl _start
_start:
    cmp $0x2badb002, %eax
    jne fail
    cmpl $0, zeros
    jne fail
    mov 16(%ebx), %edx
    call print
    mov $'|', %al
    call print_byte
    cmpl $1, 20(%ebx)
    jne fail
    mov 24(%ebx), %esi
    mov 8(%esi), %edx
    call print
    mov $'|', %al
    call print_byte
    mov (%esi), %ecx
1:  cmp 4(%esi), %ecx
    je 2f
    mov (%ecx), %al
    call print_byte
    inc %ecx
    jmp 1b
2:  mov $'|', %al
    call print_byte
    mov 64(%ebx), %edx
    call print
    mov 8(%ebx), %eax
    shr $10, %eax
    out %eax, $0xf4
fail:
    ud2

    .bss
zeros:
    .skip 65536
    .section .note.GNU-stack, "", @progbits
