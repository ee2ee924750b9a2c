# A multiboot image that starts all other processors: each adds 1 to a word at 0x7000 in
# real mode and halts. Ends with the word when it is the number in the command line's
# last character.
    .set MAGIC, 0x1badb002
    .section .multiboot, "a"
    .long MAGIC, 0, -MAGIC

    .text
    .code32
    .globl _start
_start:
    movl $0, 0x7000
    mov $trampoline, %esi
    mov $0x8000, %edi
    mov $trampoline_end - trampoline, %ecx
    rep movsb
    # The last character of the command line.
    mov 16(%ebx), %edx
1:  inc %edx
    cmpb $0, (%edx)
    jne 1b
    movzbl -1(%edx), %ebp
    sub $'0', %ebp
    # The local APIC: enabled; INIT and start-up at page 8, to all but self.
    mov $0xfee00000, %ebx
    movl $0x1ff, 0xf0(%ebx)
    movl $0x000c4500, 0x300(%ebx)
    movl $0x000c4608, 0x300(%ebx)
2:  pause
    cmp 0x7000, %ebp
    jne 2b
    mov %ebp, %eax
    out %eax, $0xf4
    ud2

    .code16
trampoline:
    xor %ax, %ax
    mov %ax, %ds
    lock incl 0x7000
1:  hlt
    jmp 1b
trampoline_end:
    .section .note.GNU-stack, "", @progbits
