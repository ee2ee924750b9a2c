/* I/O breakpoints and branch steps: x86-debug rules X1, X3. Ports 0x80 to 0x8f are quiet. */
#include "case.h"

#define PORTS(id, name_, modes, text, breakpoints, ...) \
	CHECK(id, "X1", name_, (modes) | DE | IOPL3, text, breakpoints, __VA_ARGS__)
PORTS(x1_out, "out", BOTH | CORE, "out %al, $0x80; P; nop", BP(IO(0x80, 1)), WANT(DB(0, B0)));
PORTS(x1_in, "in", BOTH | USER32, "in $0x80, %al; P; nop", BP(IO(0x80, 1)), WANT(DB(0, B0)));
PORTS(x1_dx, "out-dx", BOTH, "mov $0x84, %edx; out %al, %dx; P; nop", BP(IO(0x84, 1)),
      WANT(DB(0, B0)));
PORTS(x1_other, "other-port", BOTH, "out %al, $0x81; P; nop", BP(IO(0x80, 1)), NOTHING);
PORTS(x1_in2, "two-bytes-over-len1", BOTH, "mov $0x83, %edx; in %dx, %ax; P; nop",
      BP(IO(0x84, 1)), WANT(DB(0, B0)));
PORTS(x1_in4, "four-bytes-over-len1", BOTH, "mov $0x81, %edx; in %dx, %eax; P; nop",
      BP(IO(0x84, 1)), WANT(DB(0, B0)));
PORTS(x1_in4_below, "four-bytes-below", BOTH, "mov $0x80, %edx; in %dx, %eax; P; nop",
      BP(IO(0x84, 1)), NOTHING);
PORTS(x1_len2, "len2-second-port", BOTH, "in $0x85, %al; P; nop", BP(IO(0x84, 2)),
      WANT(DB(0, B0)));
PORTS(x1_len4, "len4-last-port", BOTH, "in $0x87, %al; P; nop", BP(IO(0x84, 4)), WANT(DB(0, B0)));
PORTS(x1_len4_end, "len4-end", BOTH, "in $0x88, %al; P; nop", BP(IO(0x84, 4)), NOTHING);
PORTS(x1_upper, "upper-bits-of-dr", BOTH, "in $0x80, %al; P; nop", BP(IO(0x10080, 1)), NOTHING);
PORTS(x1_memory, "memory-is-not-io", BOTH, "mov %eax, (%rbx); mov (%rbx), %eax; nop",
      BP(IO(DATA, 4)), NOTHING);
PORTS(x1_two, "two-entries", BOTH, "mov $0x80, %edx; in %dx, %ax; P; nop",
      BP(IO(0x80, 1), IO(0x81, 1)), WANT(DB(0, B0 | B1)));
PORTS(x1_exec, "out-then-execute", BOTH, "out %al, $0x80; P; nop; nop", BP(IO(0x80, 1), X(0)),
      WANT(DB(0, B0 | B1)));
PORTS(x1_step, "out-and-step", BOTH | STEP | CLEAR_TF, "out %al, $0x80; P; nop", BP(IO(0x80, 1)),
      WANT(DB(0, B0 | BS)));
PORTS(x1_ins, "insb", BOTH, "mov $0x80, %edx; insb; P; nop", BP(IO(0x80, 1)), WANT(DB(0, B0)));
PORTS(x1_ins_memory, "insb-memory", BOTH, "mov $0x80, %edx; insb; P; nop",
      BP(W(0x2000, 1), IO(0x80, 1)), WANT(DB(0, B0 | B1)));
PORTS(x1_outs, "outsb", BOTH, "mov $0x80, %edx; outsb; P; nop", BP(IO(0x80, 1)),
      WANT(DB(0, B0)));
PORTS(x1_outs_memory, "outsb-memory", BOTH, "mov $0x80, %edx; outsb; P; nop",
      BP(RW(0x1000, 1), IO(0x80, 1)), WANT(DB(0, B0 | B1)));
PORTS(x1_rep_ins, "rep-insb-each-iteration", BOTH, "mov $0x80, %edx; mov $3, %ecx; P; rep insb; P; nop",
      BP(IO(0x80, 1)), WANT(DBM(0, B0), DBM(0, B0), DB(1, B0)));
PORTS(x1_rep_outs, "rep-outsb-each-iteration", BOTH,
      "mov $0x80, %edx; mov $2, %ecx; P; rep outsb; P; nop", BP(IO(0x80, 1)),
      WANT(DBM(0, B0), DB(1, B0)));
PORTS(x1_rep_zero, "rep-outsb-count-0", BOTH, "mov $0x80, %edx; xor %ecx, %ecx; rep outsb; P; nop",
      BP(IO(0x80, 1)), NOTHING);
PORTS(x1_off, "not-enabled", BOTH, "out %al, $0x80; nop", BP(OFF(PORT, BASE_ABSOLUTE, 0x80, 1)),
      NOTHING);
CHECK(x1_denied, "X1", "io-not-permitted", CPL3 | DE, "mov $0x3fd, %edx; P; in %dx, %al",
      BP(IO(0x3fd, 1)), WANT(EXE(13, 0, 0)));
CHECK(x1_no_de, "X1", "type-10-without-de", BOTH | IOPL3 | DOUBT, "in $0x80, %al; nop",
      BP(IO(0x80, 1)));
CHECK(x1_data, "X1,M12", "data-breakpoint-at-port-number", CPL0 | DE, "in $0x80, %al; nop",
      BP(RWA(0x80, 1)));

/* BTF. */
CODE(btf_probe, "mov $0x1d9, %ecx; mov $2, %eax; xor %edx, %edx; P; wrmsr; rdmsr\n"
     "mov %eax, %r8d; xor %eax, %eax; xor %edx, %edx; wrmsr");
static const char *no_btf(void)
{
	static const struct check probe = { .code = btf_probe_code, .points = btf_probe_points };
	u32 vendor = cpuid(0, 0).ebx;
	if (vendor != 0x756e6547 && vendor != 0x68747541)
		return "neither Intel nor AMD";
	run_in_mode(&probe, CPL0);
	if (event_count)
		return "IA32_DEBUGCTL is refused";
	return end_registers[R8] & 2 ? 0 : "IA32_DEBUGCTL.BTF cannot be set";
}
static void with_btf(struct start *start)
{
	write_msr(0x1d9, 2);
	(void)start;
}
static const char *btf_cleared(void)
{
	u64 left = read_msr(0x1d9);
	write_msr(0x1d9, 0);
	return left & 2 ? failure("IA32_DEBUGCTL", 0, left) : 0;
}
#define BRANCHES(id, name_, modes, text, ...) \
	CHECK(id, "X3", name_, (modes) | STEP, text, WANT(__VA_ARGS__), .before = with_btf, \
	      .after = btf_cleared, .skip = no_btf)
BRANCHES(x3_jmp, "taken-branch-only", BOTH | CLEAR_TF, "nop; nop; jmp 1f; nop; 1: P; nop; P; nop",
	 DB(0, BS));
BRANCHES(x3_cleared, "cleared-by-db", BOTH, "nop; jmp 1f; nop; 1: P; nop; P", DB(0, BS),
	 DB(1, BS));
BRANCHES(x3_not_taken, "branch-not-taken", BOTH | CLEAR_TF,
	 "cmp %eax, %eax; jne 1f; nop; 1: je 2f; nop; 2: P; nop", DB(0, BS));
BRANCHES(x3_call, "call", BOTH | CLEAR_TF, "nop; call 1f; nop; 1: P; nop", DB(0, BS));
BRANCHES(x3_ret, "ret", BOTH | CLEAR_TF, "lea 1f(%rip), %rax; push %rax; nop; ret; nop; 1: P; nop",
	 DB(0, BS));
CHECK(x3_data, "X3", "cleared-by-data-breakpoint", CPL0 | CPL3, "mov %eax, (%rbx); P; nop",
      BP(W(0, 4)), WANT(DB(0, B0)), .before = with_btf, .after = btf_cleared,
      .skip = no_btf);
BRANCHES(x3_iret, "iretq", BOTH | CLEAR_TF,
	 "mov %rsp, %rdx; mov %ss, %eax; push %rax; push %rdx; pushfq; mov %cs, %eax; push %rax\n"
	 "lea 1f(%rip), %rax; push %rax; orl $0x100, 16(%rsp); iretq; nop; 1: P; nop", DB(0, BS));
