# A 64-bit image without a header: prints its command line; ends with 5.
#define LONG
    .code64
#include "serial.S"
    .globl _start
_start:
    cmp $0x2badb002, %rsi
    jne fail
    cmp $0, %rsp
    je fail
    mov 16(%rdi), %edx
    call print
    # SSE is enabled.
    movaps %xmm0, %xmm1
    mov $5, %eax
    out %eax, $0xf4
fail:
    ud2
    .section .note.GNU-stack, "", @progbits
