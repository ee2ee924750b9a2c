/* Which accesses and instructions match: x86-debug rules M1 to M11. */
#include "case.h"

/* M1: the first byte, prefixes included. */
CHECK(m1_nop, "M1,T1", "execute", ANY | CORE, "nop; P; nop; P; nop", BP(X(0)), WANT(DB(0, B0)));
CHECK(m1_second, "M1", "second-byte", BOTH, ".byte 0xb8; P; .byte 1, 0, 0, 0; nop", BP(X(0)));
CHECK(m1_last, "M1", "last-byte", BOTH, ".byte 0xb8, 1, 0, 0; P; .byte 0; nop", BP(X(0)));
CHECK(m1_prefix, "M1", "prefix", ANY, "nop; P; .byte 0x66, 0x90; nop", BP(X(0)),
      WANT(DB(0, B0)));
CHECK(m1_opcode, "M1", "opcode-behind-prefix", ANY, "nop; .byte 0x66; P; .byte 0x90; nop",
      BP(X(0)));
CHECK(m1_rex, "M1", "opcode-behind-rex", BOTH, "nop; .byte 0x48; P; .byte 0x89, 0xc1; nop",
      BP(X(0)));
CHECK(m1_rex_first, "M1", "rex", BOTH, "nop; P; .byte 0x48, 0x89, 0xc1; nop", BP(X(0)),
      WANT(DB(0, B0)));
CHECK(m1_lock, "M1", "lock", BOTH, "P; .byte 0xf0, 0xff, 0x03; nop", BP(X(0)), WANT(DB(0, B0)));
CHECK(m1_lock_op, "M1", "opcode-behind-lock", BOTH, ".byte 0xf0; P; .byte 0xff, 0x03; nop",
      BP(X(0)));
CHECK(m1_rep, "M1", "rep-first", BOTH, "P; .byte 0xf3, 0x90; nop", BP(X(0)), WANT(DB(0, B0)));
CHECK(m1_two_page_first, "M1", "straddles-pages", BOTH,
      "jmp 1f; .balign 4096; .skip 4094; 1: P; .byte 0xb8, 1; P; .byte 0, 0, 0; nop", BP(X(0)),
      WANT(DB(0, B0)));
CHECK(m1_two_page_second, "M1", "straddles-pages-second-page", BOTH,
      "jmp 1f; .balign 4096; .skip 4094; 1: P; .byte 0xb8, 1; P; .byte 0, 0, 0; nop", BP(X(1)));
CHECK(m1_jump, "M1", "jumped-over", ANY, "jmp 1f; P; nop; 1: nop", BP(X(0)));
CHECK(m1_jump_to, "M1", "jump-to-breakpoint", ANY, "jmp 1f; nop; 1: P; nop", BP(X(0)),
      WANT(DB(0, B0)));
CHECK(m1_not_reached, "M9", "not-reached", ANY, "jmp 1f; P; mov %eax, (%rbx); 1: nop",
      BP(X(0), W(0, 4)));
CHECK(m1_loop, "M1,T4", "each-iteration-of-a-loop", ANY,
      "mov $3, %ecx; P; 1: dec %ecx; jnz 1b; nop", BP(X(0)),
      WANT(DB(0, B0), DB(0, B0), DB(0, B0)));
CHECK(m1_four, "M10", "four-on-one-instruction", BOTH, "nop; P; nop", BP(X(0), X(0), X(0), X(0)),
      WANT(DB(0, B0 | B1 | B2 | B3)));
CHECK(m1_each, "M1", "four-instructions", BOTH | CORE, "P; nop; P; nop; P; nop; P; nop",
      BP(X(3), X(1), X(2), X(0)), WANT(DB(0, B3), DB(1, B1), DB(2, B2), DB(3, B0)));
CHECK(m1_not_done, "M1,T1", "nothing-executed", BOTH,
      "P; mov %eax, (%rbx); P; nop", BP(X(0), W(0, 4)), WANT(DB(0, B0), DB(1, B1)));
CHECK(m1_last_first, "M1", "first-instruction", ANY, "P; nop; nop", BP(X(0)), WANT(DB(0, B0)));
CHECK(m1_len, "M1", "execute-len4", BOTH, ".balign 4; P; nop; nop; P; nop; nop; nop; nop",
      .bp = { { .base = BASE_POINT, .kind = EXECUTE, .len = 4, .at = 1 } }, WANT(DB(1, B0)),
      OTHER(DB(0, B0), DB(AT_ANY, B0), DB(1, B0), DB(AT_ANY, B0)),
      .if_want = "only the address itself", .if_other = "the low bits are ignored");

/* M2: RF. */
CHECK(m2_rf, "M2,T4", "rf-suppresses", ANY | START_RF, "P; nop; P; nop", BP(X(0)));
CHECK(m2_rf_one, "M2,T4", "rf-suppresses-one", ANY | START_RF, "P; nop; P; nop", BP(X(0), X(1)),
      WANT(DB(1, B1)));
CHECK(m2_rf_data, "M2", "rf-not-for-data", ANY | START_RF, "mov %eax, (%rbx); P; nop",
      BP(W(0, 4)), WANT(DB(0, B0)));
CHECK(m2_no_rf, "M2,T1", "again-without-rf", ANY | NO_RF, "nop; P; nop", BP(X(0)),
      WANT(DB(0, B0), DB(0, B0)));
static void count_of_3(struct start *start)
{
	start->rcx = 3;
}
CHECK(m2_jmp_self, "T4", "jump-to-itself", BOTH | START_RF,
      "P; 1: loop 1b; nop", BP(X(0)), .before = count_of_3, WANT(DB(0, B0), DB(0, B0)));

/* M3: the matrix of lengths, sizes and offsets. */
CODE(store1, "P; mov %al, (%rbx); P");
CODE(store2, "P; mov %ax, (%rbx); P");
CODE(store4, "P; mov %eax, (%rbx); P");
CODE(store8, "P; mov %rax, (%rbx); P");
CODE(load1, "P; mov (%rbx), %al; P");
CODE(load2, "P; mov (%rbx), %ax; P");
CODE(load4, "P; mov (%rbx), %eax; P");
CODE(load8, "P; mov (%rbx), %rax; P");
static const struct { const u8 *code; const u64 *points; int size, store; } accesses[] = {
	{ store1_code, store1_points, 1, 1 }, { store2_code, store2_points, 2, 1 },
	{ store4_code, store4_points, 4, 1 }, { store8_code, store8_points, 8, 1 },
	{ load1_code, load1_points, 1, 0 },   { load2_code, load2_points, 2, 0 },
	{ load4_code, load4_points, 4, 0 },   { load8_code, load8_points, 8, 0 },
};

static const char *one_overlap(unsigned access, int len, u8 kind, int offset, u32 mode)
{
	static struct check trial;
	int size = accesses[access].size;
	int hit = offset + len > 0 && offset < size && (accesses[access].store || kind == ACCESS);
	trial = (struct check){ .code = accesses[access].code, .points = accesses[access].points };
	trial.bp[0] = (struct breakpoint){ .base = BASE_DATA, .kind = kind, .len = (u8)len,
					   .at = (u64)(i64)offset };
	if (hit)
		trial.want[0] = (struct want)DB(1, B0);
	run_in_mode(&trial, mode);
	if (ended && same_events(&trial, trial.want, mode))
		return 0;
	return failure(accesses[access].store ? "hits of a store, offset, LEN"
					      : "hits of a load, offset, LEN",
		       (u64)hit << 16 | (u64)(offset & 255) << 8 | (u64)len,
		       (u64)event_count << 16 | (u64)size);
}

static const char *overlap(u32 mode)
{
	for (unsigned access = 0; access < 8; access++)
		for (int len = 1; len <= 8; len *= 2)
			for (u8 kind = WRITE; kind <= ACCESS; kind += ACCESS - WRITE)
				for (int offset = -16; offset <= 16; offset += len) {
					const char *why = one_overlap(access, len, kind, offset,
								      mode);
					if (why)
						return why;
				}
	return 0;
}
static const char *overlap_cpl0(void) { return overlap(CPL0); }
static const char *overlap_cpl3(void) { return overlap(CPL3); }
CUSTOM(m3_cpl0, "M3", "overlap-matrix/cpl0", 0, overlap_cpl0);
CUSTOM(m3_cpl3, "M3", "overlap-matrix/cpl3", 0, overlap_cpl3);
#define UNALIGNED(id, name_, at, access, len_, ...) \
	CHECK(id, "M3", name_, BOTH | CORE, "mov %eax, " #access "(%rbx); P; nop", \
	      BP(W(at, len_)), __VA_ARGS__)
UNALIGNED(m3_below, "ends-before", 8, 4, 4, NOTHING);
UNALIGNED(m3_first, "one-byte-into", 8, 5, 4, WANT(DB(0, B0)));
UNALIGNED(m3_last, "last-byte", 8, 11, 4, WANT(DB(0, B0)));
UNALIGNED(m3_above, "begins-after", 8, 12, 4, NOTHING);
CHECK(m3_mask2, "M3", "low-bit-of-len2-ignored", BOTH | DOUBT, "mov %al, (%rbx); P; nop",
      BP(W(1, 2)), WANT(DB(0, B0)));
CHECK(m3_masked, "M3", "low-bits-of-len4-ignored", BOTH | DOUBT, "mov %al, (%rbx); P; nop",
      BP(W(3, 4)), WANT(DB(0, B0)));
CHECK(m3_masked8, "M3", "low-bits-of-len8-ignored", BOTH | DOUBT, "mov %al, (%rbx); P; nop",
      BP(W(5, 8)), WANT(DB(0, B0)));
CHECK(m3_load_w, "M3", "load-of-write-breakpoint", ANY, "mov (%rbx), %eax; nop", BP(W(0, 4)));
CHECK(m3_load_rw, "M3,T1", "load-of-access-breakpoint", ANY | CORE, "mov (%rbx), %eax; P; nop",
      BP(RW(0, 4)), WANT(DB(0, B0)));

/* M4: split accesses. */
CHECK(m4_line_low, "M4", "line-split-low-half", BOTH, "mov %rax, 0x3c(%rbx); P; nop",
      BP(W(0x3c, 4)), WANT(DB(0, B0)));
CHECK(m4_line_high, "M4", "line-split-high-half", BOTH, "mov %rax, 0x3c(%rbx); P; nop",
      BP(W(0x40, 4)), WANT(DB(0, B0)));
CHECK(m4_page_low, "M4", "page-split-low-half", BOTH, "mov %rax, 0xffc(%rbx); P; nop",
      BP(W(0xffc, 4)), WANT(DB(0, B0)));
CHECK(m4_page_high, "M4", "page-split-high-half", BOTH, "mov %rax, 0xffc(%rbx); P; nop",
      BP(W(0x1000, 4)), WANT(DB(0, B0)));
CHECK(m4_page_last, "M4", "page-split-last-byte", BOTH, "mov %rax, 0xff9(%rbx); P; nop",
      BP(W(0x1000, 1)), WANT(DB(0, B0)));
CHECK(m4_page_read, "M4", "page-split-load", BOTH, "mov 0xfff(%rbx), %eax; P; nop",
      BP(RW(0x1002, 1)), WANT(DB(0, B0)));
CHECK(m4_page_both, "M4,M10", "page-split-both-halves", BOTH, "mov %rax, 0xffc(%rbx); P; nop",
      BP(W(0xffc, 4), W(0x1000, 4)), WANT(DB(0, B0 | B1)));
CHECK(m4_window, "M4", "page-split-in-the-window", BOTH,
      "mov $0x40001ffc, %edx; mov %rax, (%rdx); P; nop",
      BP(WA(WINDOW + 0x1ffc, 4), WA(WINDOW + 0x2000, 4)), WANT(DB(0, B0 | B1)));

/* M5: linear, not physical. */
CHECK(m5_alias, "M5", "alias-of-the-page", BOTH, "mov $0x40001000, %edx; mov %eax, (%rdx); nop",
      BP(W(0, 4)));
CHECK(m5_alias_hit, "M5", "alias-watched", BOTH,
      "mov $0x40001000, %edx; mov %eax, (%rbx); mov %eax, (%rdx); P; nop",
      BP(WA(WINDOW + 0x1000, 4)), WANT(DB(0, B0)));
CHECK(m5_addr32, "M5", "address-size-prefix", BOTH,
      "bts $40, %rbx; .byte 0x67; mov %eax, (%rbx); P; nop", BP(W(0, 4)), WANT(DB(0, B0)));
static void fs_base(struct start *start)
{
	write_msr(0xc0000100, DATA - 0x100);
	write_msr(0xc0000101, DATA - 0x200);
	(void)start;
}
CHECK(m5_fs, "M5", "fs-base", BOTH, "mov %eax, %fs:0x100; P; nop", BP(W(0, 4)), WANT(DB(0, B0)),
      .before = fs_base);
CHECK(m5_gs, "M5", "gs-base", BOTH, "mov %gs:0x200, %eax; P; nop", BP(RW(0, 4)),
      WANT(DB(0, B0)), .before = fs_base);
static void code_in_window(struct start *start)
{
	static const u8 code[] = { 0x90, 0x90, 0xcd, END_VECTOR };
	copy(code_area, code, sizeof code);
	start->rip = WINDOW_PAGE(PAGE_CODE);
}
CHECK(m5_x_alias, "M5", "execute-at-alias", BOTH, "P; nop", BP(XA(code_area + 1)),
      .before = code_in_window);
CHECK(m5_x_alias_hit, "M5", "execute-at-watched-alias", BOTH, "P; nop",
      BP(XA(WINDOW_PAGE(PAGE_CODE) + 1)), WANT(DB(AT_CODE_AREA(1), B0)),
      .before = code_in_window);
static void change_mapping(struct start *start)
{
	set_page(PAGE_ABSENT, (u64)&area[0x5000] | 7);
	start->rdx = WINDOW_PAGE(PAGE_ABSENT);
}
CHECK(m5_remapped, "M5", "page-of-its-own", BOTH, "mov %eax, (%rdx); P; nop",
      BP(WA(WINDOW_PAGE(PAGE_ABSENT), 4)), WANT(DB(0, B0)), .before = change_mapping);

/* M6: fetches are not data. */
CHECK(m6_rw_code, "M6", "access-breakpoint-on-code", ANY, "P; nop; P; nop", BP(RWP(0, 8)));
CHECK(m6_read_code, "M6", "code-read", BOTH, "lea 1f(%rip), %rdx; mov (%rdx), %al; P; 1: nop",
      BP(RWP(0, 1)), WANT(DB(0, B0)));
CHECK(m6_write_code, "M6", "code-written", BOTH,
      "lea 1f(%rip), %rdx; movb $0x90, (%rdx); P; nop; P; 1: nop", BP(WP(1, 1)),
      WANT(DB(0, B0)));
CHECK(m6_read_x, "M6", "execute-breakpoint-read", BOTH,
      "jmp 2f; 1: P; nop; 2: lea 1b(%rip), %rdx; mov (%rdx), %al; nop", BP(X(0)));
CHECK(m6_smc, "M6", "execute-breakpoint-written", BOTH,
      "lea 1f(%rip), %rdx; movb $0x90, (%rdx); nop; P; 1: nop", BP(X(0)), WANT(DB(0, B0)));

/* M7, M10: values, read-modify-write, several hits. */
CHECK(m7_same_value, "M7", "same-value", BOTH, "movl $0, (%rbx); P; nop", BP(W(0, 4)),
      WANT(DB(0, B0)));
CHECK(m7_inc_w, "M7", "inc-write", ANY, "incl (%rbx); P; nop", BP(W(0, 4)), WANT(DB(0, B0)));
CHECK(m7_inc_rw, "M7", "inc-access", ANY, "incl (%rbx); P; nop", BP(RW(0, 4)), WANT(DB(0, B0)));
CHECK(m7_lock, "M7", "lock-inc", BOTH, "lock incl (%rbx); P; nop", BP(RW(0, 4)),
      WANT(DB(0, B0)));
CHECK(m7_both, "M7,M10", "inc-both-kinds", BOTH, "incl (%rbx); P; nop", BP(W(0, 4), RW(0, 4)),
      WANT(DB(0, B0 | B1)));
CHECK(m10_four, "M10", "four-on-one-store", BOTH | CORE, "mov %rax, (%rbx); P; nop",
      BP(W(0, 1), RW(1, 1), W(4, 4), W(0, 8)), WANT(DB(0, B0 | B1 | B2 | B3)));
CHECK(m10_operands, "M10", "source-and-target", BOTH, "movsl; P; nop",
      BP(RW(0x1000, 4), W(0x2000, 4)), WANT(DB(0, B0 | B1)));
CHECK(m10_push_m, "M10", "push-of-memory", BOTH, "pushq (%rbx); P; nop",
      BP(RW(0, 8), WS(-8, 8)), WANT(DB(0, B0 | B1)));
CHECK(m10_one_of_two, "M10", "one-of-two", BOTH, "mov %eax, (%rbx); P; nop",
      BP(W(8, 4), W(0, 4)), WANT(DB(0, B1)));
CHECK(m10_twice, "M10", "two-stores", BOTH, "mov %eax, (%rbx); P; mov %eax, (%rbx); P; nop",
      BP(W(0, 4)), WANT(DB(0, B0), DB(1, B0)));

/* M8: supervisor code and user pages, and the other way round for reads by CPL 3. */
CHECK(m8_supervisor, "M8", "supervisor-page", CPL0,
      "mov $0x40011000, %edx; mov %eax, (%rdx); P; nop", BP(WA(WINDOW_PAGE(PAGE_SUPERVISOR), 4)),
      WANT(DB(0, B0)));

/* M9: no access, no hit. */
CHECK(m9_lea, "M9", "lea-nop-prefetch", BOTH,
      "lea (%rbx), %rax; nopl (%rbx); prefetcht0 (%rbx); prefetchnta (%rbx); nop",
      BP(RW(0, 8)));

/* M11: disabled entries that match; their bits are not judged. */
CHECK(m11_alone, "M11", "disabled-alone", BOTH, "mov %eax, (%rbx); nop",
      BP(OFF(WRITE, BASE_DATA, 0, 4)));
CHECK(m11_beside, "M11", "disabled-beside-enabled", BOTH, "mov %eax, (%rbx); P; nop",
      BP(OFF(WRITE, BASE_DATA, 0, 4), W(0, 4)), WANT(DB(0, B1)));
CODE(m11_code, "mov %eax, (%rbx); P; nop");
static const char *disabled_bits(void)
{
	static const struct check trial = { .code = m11_code_code, .points = m11_code_points,
					    BP(OFF(WRITE, BASE_DATA, 0, 4), W(0, 4)) };
	run_in_mode(&trial, CPL0);
	return event_count == 1 && (events[0].dr6 & 15) == 3 ? "the bit of a disabled entry is set"
							     : "only enabled entries set bits";
}
CUSTOM(m11_bits, "M11", "disabled-bit", DOUBT, disabled_bits);
