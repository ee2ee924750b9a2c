# Output on COM1 for 32-bit and 64-bit code: print (EDX), print_byte (AL). All but EAX
# and EDX is kept.
#ifdef LONG
#define REG(name) %r##name
#else
#define REG(name) %e##name
#endif

    .text
print_byte:
    push REG(dx)
    push REG(ax)
    mov $0x3fd, %dx
1:  in %dx, %al
    test $0x20, %al
    jz 1b
    pop REG(ax)
    mov $0x3f8, %dx
    out %al, %dx
    pop REG(dx)
    ret

# The string at EDX, up to its zero.
print:
    mov (REG(dx)), %al
    test %al, %al
    jz 1f
    call print_byte
    inc REG(dx)
    jmp print
1:  ret
