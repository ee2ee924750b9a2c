/* Compatibility mode, segments with a base: x86-debug rules M1, M4, M5. */
#include "case.h"

CHECK(m5_cs_base, "M1,M5", "execute-with-cs-base", LDT32 | TCG_STOPS, "nop; P; nop; P; nop", BP(X(0)),
      WANT(DB(0, B0)));
CHECK(m5_cs_base_data, "M5,T1", "data-in-code-with-cs-base", LDT32, "mov %eax, (%rbx); P; nop",
      BP(W(0, 4)), WANT(DB(0, B0)));
CHECK(m5_cs_base_step, "T10", "step-with-cs-base", LDT32 | LDT16 | STEP, "nop; P; nop; P",
      WANT(DB(0, BS), DB(1, BS)));
CHECK(m5_cs16, "M1,M5", "execute-in-16-bit-code", LDT16 | TCG_STOPS, ".code16; nop; P; nop; P; nop", BP(X(0)),
      WANT(DB(0, B0)));
CHECK(m5_cs16_data, "M5", "data-in-16-bit-code", LDT16,
      ".code16; .byte 0x67; mov %ax, (%ebx); P; nop", BP(W(0, 2)), WANT(DB(0, B0)));
CHECK(m5_cs_offset, "M1", "rip-is-not-linear", LDT32, "nop; nop; nop", BP(XA(0x101)));
CHECK(m5_ldt_data, "M5", "data-segment-with-base", USER32 | KERNEL32,
      ".code32; mov $0x0f, %ecx; mov %ecx, %es; mov %eax, %es:0x1000; P; nop", BP(W(0, 4)),
      WANT(DB(0, B0)));
CHECK(m5_ldt_fs, "M5", "fs-with-base", USER32 | KERNEL32,
      ".code32; mov $0x0f, %ecx; mov %ecx, %fs; mov %fs:0x1004, %eax; P; nop", BP(RW(4, 4)),
      WANT(DB(0, B0)));
CHECK(m5_limit, "M5,F1", "beyond-the-limit", USER32,
      ".code32; mov $0x27, %ecx; mov %ecx, %es; P; mov %eax, %es:0x1000; P; nop", BP(W(0, 4)),
      WANT(EXE(13, 0, 0)), .fault = to_last_point);
CHECK(m5_limit_split, "M5,F1", "across-the-limit", USER32,
      ".code32; mov $0x27, %ecx; mov %ecx, %es; P; mov %eax, %es:0xfe; P; nop",
      BP(WA(&area[0xfe], 2)), WANT(EXE(13, 0, 0)), .fault = to_last_point);
CHECK(m4_wrap_base, "M4", "base-plus-offset-wraps", USER32 | KERNEL32,
      ".code32; mov $0x2f, %ecx; mov %ecx, %es; mov %eax, %es:area + 0x2000; P; nop", BP(W(0, 4)),
      WANT(DB(0, B0)));
CHECK(m4_wrap_index, "M4", "index-wraps", USER32 | KERNEL32,
      ".code32; mov $-16, %ecx; mov %eax, area + 0x1010(%ecx); P; nop", BP(W(0, 4)),
      WANT(DB(0, B0)));
CHECK(m4_wrap64, "M4", "no-wrap-in-64-bit-mode", BOTH,
      "mov $-16, %rcx; mov %eax, area + 0x1010(%rcx); P; nop", BP(W(0, 4)), WANT(DB(0, B0)));
CHECK(r6_compat, "R6", "len8-from-ldt-code", LDT32, "mov %al, 7(%rbx); P; nop", BP(W(0, 8)),
      WANT(DB(0, B0)));
CHECK(t10_to_64, "T10,T1", "push-pop-in-compatibility-mode", USER32 | KERNEL32 | STEP,
      ".code32; push %cs; P; pop %eax; P; nop; P", WANT(DB(0, BS), DB(1, BS), DB(2, BS)));
CHECK(m1_far, "M1", "far-jump-to-64-bit-mode", KERNEL32,
      ".code32; ljmp $8, $1f; nop; .code64; 1: P; nop; nop", BP(X(0)),
      WANT(DBC(0, B0, KERNEL_CS)));
CHECK(t10_far64, "T10", "far-jump-to-64-bit-mode-steps", KERNEL32 | STEP | CLEAR_TF,
      ".code32; ljmp $8, $1f; nop; .code64; 1: P; nop; nop", WANT(DBC(0, BS, KERNEL_CS)));
CHECK(m1_far_user, "M1", "far-jump-to-user-64-bit-mode", USER32,
      ".code32; ljmp $0x2b, $1f; nop; .code64; 1: P; nop; nop", BP(X(0)),
      WANT(DBC(0, B0, USER_CS)));
