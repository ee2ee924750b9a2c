/* DR0 to DR7 as registers: x86-debug rules R1 to R7, D1 to D7. */
#include "case.h"

static u64 at_reset[MAX_CPUS][6];

/* Before anything writes them. */
void registers_at_reset(unsigned cpu)
{
	at_reset[cpu][0] = read_dr0();
	at_reset[cpu][1] = read_dr1();
	at_reset[cpu][2] = read_dr2();
	at_reset[cpu][3] = read_dr3();
	at_reset[cpu][4] = read_dr6();
	at_reset[cpu][5] = read_dr7();
}

static const char *reset_values(void)
{
	static const u64 expected[6] = { 0, 0, 0, 0, DR6_RESET, DR7_RESET };
	static const char *const names[6] = { "DR0", "DR1", "DR2", "DR3", "DR6", "DR7" };
	const u64 *got = at_reset[this_cpu()];
	for (unsigned i = 0; i < 6; i++)
		if (got[i] != expected[i])
			return failure(names[i], expected[i], got[i]);
	return 0;
}
/* As firmware left them on the first CPU, as INIT left them on the others. */
CUSTOM(r1_reset, "R1,R3,R4", "reset-values", CORE, reset_values);

static u64 dr6_writable(void)
{
	struct cpuid id = cpuid(7, 0);
	if (cpuid(0, 0).eax < 7)
		return 0xe00f;
	return 0xe00f | (id.ebx & 1 << 11 ? 0x10000 : 0) | (id.ecx & 1 << 24 ? 0x800 : 0);
}

static u64 dr7_writable(void)
{
	int rtm = cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ebx & 1 << 11);
	return 0xffff23ff | (rtm ? 0x800 : 0);
}

AFTER(any_value, R8, 0x8123456789abcdef)
#define HOLDS(n) \
	CHECK(r1_holds_##n, "R1", "dr" #n "-holds-any-value", CPL0 | CORE | OWN_DR7, \
	      "mov $0x8123456789abcdef, %rax; mov %rax, %dr" #n "; mov %dr" #n ", %r8", \
	      .after = any_value)
HOLDS(0);
HOLDS(1);
HOLDS(2);
HOLDS(3);

AFTER(independent, R8, 1 | 2 << 4 | 3 << 8 | 4 << 12)
CHECK(r1_four, "R1", "four-registers", CPL0 | OWN_DR7,
      "mov $1, %eax; mov %rax, %dr0; mov $2, %eax; mov %rax, %dr1\n"
      "mov $3, %eax; mov %rax, %dr2; mov $4, %eax; mov %rax, %dr3\n"
      "mov %dr0, %r8; mov %dr1, %rax; shl $4, %rax; or %rax, %r8\n"
      "mov %dr2, %rax; shl $8, %rax; or %rax, %r8\n"
      "mov %dr3, %rax; shl $12, %rax; or %rax, %r8",
      .after = independent);

#define WRITE_READ(n, value) \
	"mov $" #value ", %rax; mov %rax, %dr" #n "; mov %dr" #n ", %r8\n" \
	"mov $0xffff0ff0, %eax; mov %rax, %dr6; mov $0x400, %eax; mov %rax, %dr7"
static const char *dr6_ones(void)
{
	u64 expected = 0xffff0ff0 | dr6_writable();
	return end_registers[R8] == expected ? 0 : failure("DR6", expected, end_registers[R8]);
}
static const char *dr6_zeros(void)
{
	u64 expected = 0xffff0ff0 & ~dr6_writable();
	return end_registers[R8] == expected ? 0 : failure("DR6", expected, end_registers[R8]);
}
static const char *dr7_ones(void)
{
	u64 expected = 0x400 | (dr7_writable() & ~DR7_GD);
	return end_registers[R8] == expected ? 0 : failure("DR7", expected, end_registers[R8]);
}
AFTER(dr7_zeros, R8, 0x400)
CHECK(r3_ones, "R3,D5", "dr6-ones", CPL0 | OWN_DR7, WRITE_READ(6, 0xffffffff), .after = dr6_ones);
CHECK(r3_zeros, "R3,D5", "dr6-zeros", CPL0 | OWN_DR7, WRITE_READ(6, 0), .after = dr6_zeros);
/* All but GD, with types 11 and nothing at linear 0. */
CHECK(r4_ones, "R4,D5", "dr7-ones", CPL0 | OWN_DR7, WRITE_READ(7, 0xffffdfff), .after = dr7_ones);
CHECK(r4_zeros, "R4,D5", "dr7-zeros", CPL0 | OWN_DR7, WRITE_READ(7, 0), .after = dr7_zeros);

static const char *each_bit(u64 (*read)(void), void (*write)(u64), u64 fixed, u64 writable)
{
	for (unsigned bit = 0; bit < 32; bit++) {
		u64 value = 1UL << bit, got;
		if (value == DR7_GD && fixed == 0x400)
			continue;
		write(value);
		got = read();
		write(fixed);
		if (got != ((value & writable) | (fixed & ~writable)))
			return failure("register", (value & writable) | (fixed & ~writable), got);
	}
	return 0;
}
static const char *dr6_bits(void)
{
	return each_bit(read_dr6, write_dr6, 0xffff0ff0, dr6_writable());
}
static const char *dr7_bits(void)
{
	return each_bit(read_dr7, write_dr7, 0x400, dr7_writable());
}
CUSTOM(r3_bits, "R3", "dr6-each-bit", 0, dr6_bits);
CUSTOM(r4_bits, "R4", "dr7-each-bit", 0, dr7_bits);

/* Bits 63:32 of DR6 and DR7. */
#define UPPER(n, bit) \
	CHECK(d3_dr##n##_##bit, "D3", "dr" #n "-bit-" #bit, CPL0 | OWN_DR7, \
	      "mov $0x400, %eax; bts $" #bit ", %rax; P; mov %rax, %dr" #n, WANT(EXE(13, 0, 0)))
UPPER(6, 32);
UPPER(6, 63);
UPPER(7, 32);
UPPER(7, 47);
UPPER(7, 63);
AFTER(dr7_kept, R8, 0x400)
CHECK(d3_keeps, "D3", "fault-leaves-dr7", CPL0 | OWN_DR7,
      "mov $0x100000033, %rax; P; mov %rax, %dr7; P; mov %dr7, %r8", WANT(EXE(13, 0, 0)),
      .fault = to_last_point, .after = dr7_kept);

/* DR4 and DR5. */
static const char *dr4_is_dr6(void)
{
	return end_registers[R8] == (DR6_RESET | 5) ? 0
						    : failure("DR4", DR6_RESET | 5,
							      end_registers[R8]);
}
CHECK(r2_dr4, "R2", "dr4-is-dr6", CPL0 | OWN_DR7,
      "mov $0xffff0ff5, %eax; mov %rax, %dr6; .byte 0x41, 0x0f, 0x21, 0xe0\n"
      "mov $0xffff0ff0, %eax; .byte 0x0f, 0x23, 0xe0; mov %dr6, %r9",
      .after = dr4_is_dr6);
AFTER(dr5_written, R9, 0x700)
CHECK(r2_dr5, "R2", "dr5-is-dr7", CPL0 | OWN_DR7,
      "mov $0x700, %eax; .byte 0x0f, 0x23, 0xe8; mov %dr7, %r9; .byte 0x41, 0x0f, 0x21, 0xe8\n"
      "mov $0x400, %eax; mov %rax, %dr7",
      .after = dr5_written);
CHECK(r2_dr4_de, "R2,D2", "dr4-read-de", CPL0 | DE, "P; .byte 0x0f, 0x21, 0xe0",
      WANT(EX(6, 0)));
CHECK(r2_dr4w_de, "R2,D2", "dr4-write-de", CPL0 | DE,
      "mov $0xffff0ff0, %eax; P; .byte 0x0f, 0x23, 0xe0", WANT(EX(6, 0)));
CHECK(r2_dr5_de, "R2,D2", "dr5-read-de", CPL0 | DE, "P; .byte 0x0f, 0x21, 0xe8",
      WANT(EX(6, 0)));
CHECK(r2_dr5w_de, "R2,D2", "dr5-write-de", CPL0 | DE,
      "mov $0x400, %eax; P; .byte 0x0f, 0x23, 0xe8", WANT(EX(6, 0)));
CHECK(r2_dr4_user, "D3", "dr4-read-cpl3", CPL3, "P; .byte 0x0f, 0x21, 0xe0",
      WANT(EXE(13, 0, 0)));
CHECK(r2_dr4_user_de, "D2", "dr4-read-cpl3-de", CPL3 | DE, "P; .byte 0x0f, 0x21, 0xe0",
      WANT(EX(6, 0)));

/* Enabling. */
#define ENABLED(id, name_, how) \
	CHECK(id, "R5", name_, BOTH, "mov %eax, (%rbx); P; nop", \
	      .bp = { { .base = BASE_DATA, .kind = WRITE, .len = 4, .enable = how } }, \
	      WANT(DB(0, B0)))
ENABLED(r5_local, "local-enable", 0);
ENABLED(r5_global, "global-enable", 1);
ENABLED(r5_both, "both-enables", 2);
CHECK(r5_none, "R5", "no-enable", BOTH, "mov %eax, (%rbx); P; nop",
      BP(OFF(WRITE, BASE_DATA, 0, 4)));
CHECK(r5_none_x, "R5", "no-enable-execute", BOTH, "nop; P; nop",
      BP(OFF(EXECUTE, BASE_POINT, 0, 1)));
CHECK(r6_len8, "R6", "len8", ANY, "mov %eax, 7(%rbx); P; nop", BP(W(0, 8)), WANT(DB(0, B0)));
CHECK(r6_len8_outside, "R6", "len8-end", ANY, "mov %eax, 8(%rbx); P; nop", BP(W(0, 8)));

/* LE and GE change nothing: hits are exact without them, and they enable nothing. */
#define EXACT(id, name_, bits, ...) \
	CHECK(id, "R7", name_, CPL0 | OWN_DR7, \
	      "mov %rbx, %dr0; mov $" #bits ", %eax; mov %rax, %dr7; mov %eax, (%rbx); P\n" \
	      "mov $0x400, %eax; mov %rax, %dr7", __VA_ARGS__)
EXACT(r7_off, "le-ge-off", 0xd0401, WANT(DB(0, B0)));
EXACT(r7_le, "le", 0xd0501, WANT(DB(0, B0)));
EXACT(r7_ge, "ge", 0xd0602, WANT(DB(0, B0)));
EXACT(r7_only, "le-ge-enable-nothing", 0xd0700, NOTHING);

/* D1: encodings. */
AFTER(read_as_register, R8, 0x400)
CHECK(d1_mod0, "D1", "mod-ignored-read", CPL0,
      ".byte 0x0f, 0x21, 0x38; mov %rax, %r8", .after = read_as_register);
CHECK(d1_mod1, "D1", "mod-ignored-write", CPL0 | OWN_DR7,
      "mov $0x700, %eax; .byte 0x0f, 0x23, 0x78; mov %dr7, %r9\n"
      "mov $0x400, %eax; mov %rax, %dr7",
      .after = dr5_written);
CHECK(d1_prefix, "D1", "operand-size-prefix", CPL0 | OWN_DR7,
      "mov $0x8123456789abcdef, %rax; .byte 0x66; mov %rax, %dr0; .byte 0x66; mov %dr0, %r8",
      .after = any_value);
AFTER(low_half, R8, 0x89abcdef)
CHECK(d1_compat, "D1,R1", "32-bit-write-clears-upper-half", KERNEL32 | OWN_DR7,
      ".code32; mov $0x89abcdef, %eax; mov %eax, %dr0; ljmp $8, $1f; .code64\n"
      "1: mov %dr0, %r8\n",
      .before = 0, .after = low_half);
CHECK(d2_lock, "D2", "lock", BOTH, "P; .byte 0xf0, 0x0f, 0x21, 0xf0", WANT(EX(6, 0)));
CHECK(d2_dr8, "D2", "dr8", BOTH, "P; .byte 0x44, 0x0f, 0x21, 0xc0", WANT(EX(6, 0)));
CHECK(d2_dr15, "D2", "dr15-write", BOTH, "P; .byte 0x44, 0x0f, 0x23, 0xf8", WANT(EX(6, 0)));
CHECK(d3_read, "D3", "read-cpl3", CPL3 | USER32, "P; .byte 0x0f, 0x21, 0xf8",
      WANT(EXE(13, 0, 0)));
CHECK(d3_write, "D3", "write-cpl3", CPL3 | USER32, "P; .byte 0x0f, 0x23, 0xf8",
      WANT(EXE(13, 0, 0)));

/* D6, D7: at once, and while enabled. */
CHECK(d6_next, "D6", "next-instruction", CPL0 | OWN_DR7,
      "lea 1f(%rip), %rcx; mov %rcx, %dr0; mov $0x401, %eax; mov %rax, %dr7; P\n1: nop\n"
      "mov $0x400, %eax; mov %rax, %dr7",
      WANT(DB(0, B0)));
CHECK(d6_off, "D6", "off-at-once", CPL0 | OWN_DR7,
      "lea 1f(%rip), %rcx; mov %rcx, %dr0; mov $0x401, %eax; mov $0x400, %edx\n"
      "mov %rax, %dr7; mov %rdx, %dr7\n1: nop",
      NOTHING);
CHECK(d7_moved, "D7", "address-moved-while-enabled", CPL0 | OWN_DR7,
      "mov %rbx, %dr0; mov $0xd0401, %eax; mov %rax, %dr7; lea 64(%rbx), %rcx\n"
      "mov %rcx, %dr0; mov %eax, (%rbx); mov %eax, 64(%rbx); P; nop\n"
      "mov $0x400, %eax; mov %rax, %dr7",
      WANT(DB(0, B0)));

/* D4: general detect. */
AFTER(gd_cleared, R8, 0x400)
static const char *nothing_done(void)
{
	if (events[0].dr7 & DR7_GD)
		return failure("DR7 in the handler", 0x400, events[0].dr7);
	return end_registers[R8] == 0x55 ? 0 : failure("R8", 0x55, end_registers[R8]);
}
#define DETECT(id, name_, mode, text, ...) \
	CHECK(id, "D4,T8", name_, mode | WITH_GD, text, __VA_ARGS__)
DETECT(d4_read7, "gd-read-dr7", CPL0, "P; mov %dr7, %r8", WANT(DBG(0, BD)), .after = gd_cleared);
DETECT(d4_read0, "gd-read-dr0", CPL0, "P; mov %dr0, %rax", WANT(DBG(0, BD)));
DETECT(d4_read6, "gd-read-dr6", CPL0, "P; mov %dr6, %rax", WANT(DBG(0, BD)));
DETECT(d4_write0, "gd-write-dr0", CPL0, "P; mov %rax, %dr0", WANT(DBG(0, BD)));
DETECT(d4_write3, "gd-write-dr3", CPL0, "P; mov %rax, %dr3", WANT(DBG(0, BD)));
DETECT(d4_write6, "gd-write-dr6", CPL0, "mov $0xffff0ff0, %eax; P; mov %rax, %dr6",
       WANT(DBG(0, BD)));
DETECT(d4_write7, "gd-write-dr7", CPL0, "mov $0x400, %eax; P; mov %rax, %dr7", WANT(DBG(0, BD)));
DETECT(d4_dr4, "gd-dr4", CPL0, "P; .byte 0x0f, 0x21, 0xe0", WANT(DBG(0, BD)));
DETECT(d4_compat, "gd-in-compatibility-mode", KERNEL32, "P; .byte 0x0f, 0x21, 0xf8; nop",
       WANT(DBG(0, BD)));
DETECT(d4_not_done, "gd-is-a-fault", CPL0,
       "mov $0x55, %r8d; P; mov %dr7, %r8; mov $0x55, %r8d", WANT(DBG(0, BD)),
       .after = nothing_done);
DETECT(d4_once, "gd-cleared-by-delivery", CPL0, "P; mov %dr7, %r8; mov %dr6, %rax; mov %dr0, %rax",
       WANT(DBG(0, BD)), .after = gd_cleared);
DETECT(d4_none, "gd-no-access", BOTH, "nop; mov %eax, (%rbx); nop", NOTHING);
DETECT(d4_other_db, "gd-cleared-by-data-breakpoint", CPL0,
       "mov %eax, (%rbx); P; mov %dr7, %rax; P; nop", BP(W(0, 4)), WANT(DB(0, B0)));
DETECT(d4_before_reserved, "gd-before-reserved-bits", CPL0,
       "mov $0x100000000, %rax; P; mov %rax, %dr7", WANT(DBG(0, BD), EXE(13, 0, 0)));
DETECT(d4_after_ud, "ud-before-gd", CPL0 | DE, "P; .byte 0x0f, 0x21, 0xe0", WANT(EX(6, 0)));
DETECT(d4_dr8, "dr8-ud-before-gd", CPL0, "P; .byte 0x44, 0x0f, 0x21, 0xc0", WANT(EX(6, 0)));
DETECT(d4_cpl3, "cpl-before-gd", CPL3 | DOUBT, "P; mov %dr7, %rax", WANT(EXE(13, 0, 0)));
DETECT(d4_bp, "gd-with-execute-breakpoint", CPL0, "P; mov %dr7, %rax; nop", BP(X(0)),
       WANT(DB(0, B0)));
DETECT(d4_movss, "gd-not-shadowed", CPL0, "mov %ss, %ecx; mov %ecx, %ss; P; mov %dr7, %rax; nop",
       WANT(DBG(0, BD)));
CHECK(d4_rf, "D4,T3", "gd-rf", CPL0 | WITH_GD, "P; mov %dr7, %r8", WANT(DB(0, BD)),
      OTHER(DBR(0, BD)), .if_want = "RF is 0 in the image", .if_other = "RF is 1 in the image");
CHECK(d4_step, "D4", "gd-and-step", CPL0 | WITH_GD | STEP, "nop; P; mov %dr7, %rax; P; nop; P",
      WANT(DB(0, BS), DB(1, BS), DB(2, BS)));
CHECK(s10_gd, "S10", "gd-step-movss", CPL0 | WITH_GD | STEP | CLEAR_TF,
      "mov %ss, %ecx; P; nop; mov %ecx, %ss; P; mov %dr7, %rax; nop", WANT(DB(0, BS)));
