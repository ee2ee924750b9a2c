/* ICEBP, INT3, INT n, INTO: x86-debug section 11, I1 to I3. */
#include "case.h"

#define ICEBP ".byte 0xf1; "
CHECK(i1_icebp, "I1,T9", "icebp", ANY | CORE, ICEBP "P; nop", WANT(DB(0, 0)));
CHECK(i1_dr6, "I1,T9", "icebp-leaves-dr6", BOTH | KEEP, ICEBP "P; nop",
      WANT(DB(0, B2 | BS)), .dr6_start = B2 | BS);
CHECK(i1_rf, "I1,T3", "icebp-rf", BOTH | START_RF, ICEBP "P; nop", WANT(DB(0, 0)));
CHECK(i1_next, "I1", "icebp-does-not-merge-next-execute", BOTH | NO_RF,
      ICEBP "P; nop; nop", BP(X(0)), WANT(DB(0, 0), DB(0, B0)));
CHECK(i1_prefixes, "I1", "icebp-prefixes", BOTH,
      ".byte 0x66, 0xf1; P; .byte 0xf3, 0xf1; P; .byte 0x48, 0xf1; P; .byte 0x2e, 0x67, 0xf1; P; nop",
      WANT(DB(0, 0), DB(1, 0), DB(2, 0), DB(3, 0)));
CHECK(i1_lock, "I1", "icebp-lock", BOTH, "P; .byte 0xf0, 0xf1", WANT(EX(6, 0)));
CHECK(i3_icebp, "I3", "execute-on-icebp", BOTH, "P; " ICEBP "P; nop", BP(X(0)),
      WANT(DB(0, B0), DB(1, 0)));
CHECK(i1_gd, "I1,T8", "icebp-and-gd", CPL0 | WITH_GD, ICEBP "P; nop",
      WANT(DB(0, 0), DBG(AT_ANY, BD)), OTHER(DB(0, 0)), .if_want = "DR7.GD stays set",
      .if_other = "DR7.GD is cleared");
CHECK(i1_data_before, "I1", "data-hit-then-icebp", BOTH,
      "mov %eax, (%rbx); P; " ICEBP "P; nop", BP(W(0, 4)), WANT(DB(0, B0), DB(1, 0)));

CHECK(i2_cpl3, "I2", "int-1-checks-dpl", CPL3 | USER32, "P; int $1", WANT(EXE(13, 0, 0x0a)));
CHECK(i2_cpl0, "I2,T9", "int-1", CPL0 | KERNEL32, ".byte 0xcd, 1; P; nop", WANT(DB(0, 0)));
CHECK(i2_dr6, "I2,T9", "int-1-leaves-dr6", CPL0 | KEEP, ".byte 0xcd, 1; P; nop",
      WANT(DB(0, B1 | BS)), .dr6_start = B1 | BS);
CHECK(i2_gd, "I2,T8", "int-1-leaves-gd", CPL0 | WITH_GD, ".byte 0xcd, 1; P; nop",
      WANT(DB(0, 0), DBG(AT_ANY, BD)));
CHECK(i2_next, "I2", "int-1-then-execute", CPL0 | NO_RF, ".byte 0xcd, 1; P; nop; nop", BP(X(0)),
      WANT(DB(0, 0), DB(0, B0)));
CHECK(i2_cd3, "I2", "cd-03", ANY, ".byte 0xcd, 3; P; nop", WANT(TRAP(3, 0)));
CHECK(i2_cc, "I2", "cc-prefixes", BOTH, ".fill 14, 1, 0x66; int3; P; nop", WANT(TRAP(3, 0)));
CHECK(i2_cd4, "I2", "cd-04-without-of", ANY, "xor %eax, %eax; .byte 0xcd, 4; P; nop",
      WANT(TRAP(4, 0)));
CHECK(i2_dpl, "I2", "int-n-checks-dpl", CPL3 | USER32, "P; int $0x42", WANT(EXE(13, 0, 0x212)));
CHECK(i2_ce, "I2", "into-in-64-bit-mode", BOTH, "P; .byte 0xce", WANT(EX(6, 0)));
CHECK(f5_into, "F5", "into-not-taken", USER32, ".code32; xor %eax, %eax; into; P; nop", BP(X(0)),
      WANT(DB(0, B0)));
#define ON(id, name_, modes, text, ...) \
	CHECK(id, "I3", name_, modes, "nop; P; " text "; P; nop", BP(X(0)), WANT(__VA_ARGS__))
ON(i3_int3, "execute-on-int3", ANY, "int3", DB(0, B0), TRAP(3, 1));
ON(i3_int_n, "execute-on-int-n", ANY, "int $0x41", DB(0, B0), TRAP(0x41, 1));
ON(i3_cpuid, "execute-on-cpuid", BOTH, "cpuid", DB(0, B0));
ON(i3_pause, "execute-on-pause", BOTH, "pause", DB(0, B0));
CHECK(i3_rdmsr, "I3", "execute-on-rdmsr", CPL0, "mov $0xc0000080, %ecx; P; rdmsr; nop", BP(X(0)),
      WANT(DB(0, B0)));
ON(i3_in, "execute-on-in", CPL0, "in $0x80, %al", DB(0, B0));
CHECK(i3_data_int3, "T1,I3", "data-hit-then-int3", ANY, "mov %eax, (%rbx); P; int3; P; nop",
      BP(W(0, 4)), WANT(DB(0, B0), TRAP(3, 1)));
