/* Bytes that x87, vector and state instructions match: x86-debug section 9. */
#include "case.h"

#define BYTES(id, name_, modes, to_, text, ...) \
	SWEEP(id, "B", name_, modes, BASE_DATA, -4, to_, text, __VA_ARGS__)

BYTES(b_fld, "fld-m80", BOTH, 20, "fninit; fldt (%rbx)", READS({ 0, 10 }));
BYTES(b_fstp, "fstp-m80", BOTH, 20, "fninit; fld1; fstpt (%rbx)", WRITES({ 0, 10 }));
BYTES(b_fstpl, "fstp-m64", BOTH, 20, "fninit; fld1; fstpl (%rbx)", WRITES({ 0, 8 }));
BYTES(b_fist, "fistp-m16", BOTH, 20, "fninit; fld1; fistps (%rbx)", WRITES({ 0, 2 }));
BYTES(b_fnstcw, "fnstcw", BOTH, 12, "fnstcw (%rbx)", WRITES({ 0, 2 }));
BYTES(b_fnstenv, "fnstenv", BOTH, 36, "fnstenv (%rbx)", WRITES({ 0, 28 }));
static void x87_image(struct start *start)
{
	*(u32 *)DATA = 0x37f;
	*(u32 *)(DATA + 8) = 0xffff;
	(void)start;
}
BYTES(b_fldcw, "fldcw", BOTH, 12, "fldcw (%rbx)", READS({ 0, 2 }), .check.before = x87_image);
BYTES(b_fldenv, "fldenv", BOTH, 36, "fldenv (%rbx)", READS({ 0, 28 }), .check.before = x87_image);
BYTES(b_fnsave, "fnsave", BOTH, 116, "fnsave (%rbx)", WRITES({ 0, 108 }));
BYTES(b_frstor, "frstor", BOTH, 116, "frstor (%rbx)", READS({ 0, 108 }),
      .check.before = x87_image);

static void fx_image(struct start *start)
{
	*(u64 *)DATA = 0x37f;
	*(u32 *)(DATA + 24) = 0x1f80;
	(void)start;
}
BYTES(b_ldmxcsr, "ldmxcsr", BOTH, 32, "ldmxcsr 24(%rbx)", READS({ 24, 28 }),
      .check.before = fx_image);
BYTES(b_stmxcsr, "stmxcsr", BOTH, 12, "stmxcsr (%rbx)", WRITES({ 0, 4 }));
BYTES(b_fxsave, "fxsave", CPL0, 520, "fxsave (%rbx)", WRITES({ 0, 416 }));
BYTES(b_fxsave64, "fxsave64", CPL0, 520, "fxsave64 (%rbx)", WRITES({ 0, 416 }));
BYTES(b_fxrstor, "fxrstor", CPL0, 520, "fxrstor (%rbx)", READS({ 0, 28 }, { 32, 416 }),
      .check.before = fx_image);

/* Vector operands. */
BYTES(b_movups, "movups-load", BOTH, 24, "movups (%rbx), %xmm0", READS({ 0, 16 }));
BYTES(b_movups_w, "movups-store", BOTH, 24, "movups %xmm0, (%rbx)", WRITES({ 0, 16 }));
BYTES(b_movss, "movss", BOTH, 24, "movss (%rbx), %xmm0", READS({ 0, 4 }));
BYTES(b_movhps, "movhps-store", BOTH, 24, "movhps %xmm0, (%rbx)", WRITES({ 0, 8 }));
BYTES(b_movntps, "movntps", BOTH, 24, "movntps %xmm0, (%rbx)", WRITES({ 0, 16 }));
BYTES(b_addps, "addps", BOTH, 24, "xorps %xmm0, %xmm0; addps (%rbx), %xmm0", READS({ 0, 16 }));
SWEEP(b_maskmov, "B", "maskmovdqu-mask-0", BOTH, BASE_DATA, 0x1ffc, 0x2018,
      "pxor %xmm1, %xmm1; maskmovdqu %xmm1, %xmm0", WRITES({ 0x2000, 0x2010 }));
static const char *no_cx16(void)
{
	return cpuid(1, 0).ecx & 1 << 13 ? 0 : "no CMPXCHG16B";
}
BYTES(b_cx16, "cmpxchg16b-fails", BOTH, 24, "mov $1, %eax; cmpxchg16b (%rbx)", READS({ 0, 16 }),
      WRITES({ 0, 16 }), .check.skip = no_cx16);

static const char *no_avx(void)
{
	return (cpuid(1, 0).ecx & 0x18000000) == 0x18000000 ? 0 : "no AVX";
}
static const char *no_xsave(void)
{
	return cpuid(1, 0).ecx & 1 << 27 ? 0 : "no XSAVE";
}
static void lanes_1_3(struct start *start)
{
	*(u64 *)SOURCE = 0x80000000UL << 32;
	*(u64 *)(SOURCE + 8) = 0x80000000UL << 32;
	(void)start;
}
BYTES(b_vmovups, "vmovups-256", BOTH, 40, "vmovups (%rbx), %ymm0", READS({ 0, 32 }),
      .check.skip = no_avx);
BYTES(b_vmask, "vmaskmovps-load", BOTH, 40,
      "vmovups (%rsi), %ymm1; vmaskmovps (%rbx), %ymm1, %ymm0", READS({ 4, 8 }, { 12, 16 }),
      .check.before = lanes_1_3, .check.skip = no_avx);
BYTES(b_vmask_w, "vmaskmovps-store", BOTH, 40,
      "vmovups (%rsi), %ymm1; vmaskmovps %ymm0, %ymm1, (%rbx)", WRITES({ 4, 8 }, { 12, 16 }),
      .check.before = lanes_1_3, .check.skip = no_avx);

#define STATE(id, name_, mask, text, ...) \
	BYTES(id, name_, CPL0, 840, "mov $" #mask ", %eax; xor %edx, %edx; " text, __VA_ARGS__)
STATE(b_xsave0, "xsave-nothing", 0, "xsave (%rbx)", WRITES({ 512, 520 }), .check.skip = no_xsave);
STATE(b_xsave1, "xsave-x87", 1, "xsave (%rbx)", WRITES({ 0, 24 }, { 32, 160 }, { 512, 520 }),
      .check.skip = no_xsave);
STATE(b_xsave2, "xsave-sse", 2, "xsave (%rbx)", WRITES({ 24, 32 }, { 160, 416 }, { 512, 520 }),
      .check.skip = no_xsave);
STATE(b_xsave4, "xsave-avx", 4, "xsave (%rbx)", WRITES({ 24, 32 }, { 512, 520 }, { 576, 832 }),
      .check.skip = no_avx);
static void header_x87(struct start *start)
{
	fx_image(start);
	for (u64 *at = (u64 *)(DATA + 512); at < (u64 *)(DATA + 576); at++)
		*at = 0;
	*(u64 *)(DATA + 512) = 1;
}
static void header_none(struct start *start)
{
	header_x87(start);
	*(u64 *)(DATA + 512) = 0;
}
static void header_sse(struct start *start)
{
	header_x87(start);
	*(u64 *)(DATA + 512) = 2;
}
STATE(b_xrstor1, "xrstor-x87", 1, "xrstor (%rbx)", READS({ 0, 24 }, { 32, 160 }, { 512, 536 }),
      .check.before = header_x87, .check.skip = no_xsave);
STATE(b_xrstor2, "xrstor-sse", 2, "xrstor (%rbx)", READS({ 24, 28 }, { 160, 416 }, { 512, 536 }),
      .check.before = header_sse, .check.skip = no_xsave);
STATE(b_xrstor_none, "xrstor-initial", 3, "xrstor (%rbx)", READS({ 24, 28 }, { 512, 536 }),
      .check.before = header_none, .check.skip = no_xsave);

/* Gathers: one trap with the bits of all elements, and before the fault of a later one. */
static const char *no_avx2(void)
{
	return !no_avx() && cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ebx & 1 << 5) ? 0 : "no AVX2";
}
static void indices(struct start *start)
{
	static const u32 at[4] = { 0, 4, 8, 12 };
	copy((void *)SOURCE, at, sizeof at);
	for (unsigned i = 0; i < 4; i++)
		*(u32 *)(SOURCE + 16 + 4 * i) = i == 2 ? 0 : 0x80000000; /* the third is off */
	start->rdx = DATA;
}
#define GATHER \
	"vmovups (%rsi), %xmm1; vmovups 16(%rsi), %xmm2; P; vgatherdps %xmm2, (%rdx,%xmm1,1), %xmm0\n" \
	"P; nop"
#define GATHERS(id, rule_, name_, ...) \
	CHECK(id, rule_, name_, BOTH, GATHER, __VA_ARGS__, .skip = no_avx2)
GATHERS(g_merged, "B", "gather-merges", BP(RW(0, 4), RW(4, 4), RW(12, 4)),
	WANT(DB(1, B0 | B1 | B2)), .before = indices);
GATHERS(g_masked, "B", "gather-element-off", BP(RW(8, 4)), .before = indices);
static void absent_element(struct start *start)
{
	indices(start);
	*(u32 *)(SOURCE + 4) = 0x1000;
	start->rdx = WINDOW_PAGE(PAGE_BEFORE_ABSENT);
}
GATHERS(g_fault, "G1", "gather-hit-before-fault", BP(RWA(WINDOW_PAGE(PAGE_BEFORE_ABSENT), 4)),
	WANT(DBM(0, B0), EX(14, 0)), .before = absent_element, .fault = to_last_point);
