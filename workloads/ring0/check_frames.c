/* What delivery does, and RF: x86-debug rules T1 to T9, P1 to P5. */
#include "case.h"

/* T1, T3: RF = 1 in the image of faults. */
#define FAULT(id, name_, modes, text, vector_) \
	CHECK(id, "T3", name_, modes, text, WANT(EXF(vector_, 0)))
FAULT(t3_ud, "rf-of-ud", ANY, "P; ud2", 6);
FAULT(t3_de, "rf-of-de", ANY, "xor %ecx, %ecx; P; div %ecx", 0);
FAULT(t3_gp, "rf-of-gp", BOTH, "bts $62, %rbx; P; mov %eax, (%rbx)", 13);
FAULT(t3_pf, "rf-of-pf", ANY, "mov $0x40013000, %edx; P; mov %eax, (%rdx)", 14);
FAULT(t3_ss, "rf-of-ss", BOTH, "bts $62, %rbp; P; mov (%rbp), %eax", 12);
FAULT(t3_np, "rf-of-np", ANY, "mov $0x17, %eax; P; mov %eax, %es", 11);
FAULT(t3_ac, "rf-of-ac", CPL3, "pushfq; orl $0x40000, (%rsp); popfq; P; mov %eax, 1(%rbx)", 17);
FAULT(t3_br, "rf-of-br", USER32 | KERNEL32,
      ".code32; movl $5, (%ebx); movl $6, 4(%ebx); P; .byte 0x62, 0x03", 5);
FAULT(t3_mf, "rf-of-mf", BOTH,
      "fninit; movw $0x37b, (%rbx); fldcw (%rbx); fld1; fldz; fdivrp; P; fwait", 16);
FAULT(t3_xm, "rf-of-xm", BOTH,
      "movl $0x1d80, (%rbx); ldmxcsr (%rbx); movl $1, 4(%rbx); xorps %xmm1, %xmm1\n"
      "movss 4(%rbx), %xmm0; P; divss %xmm1, %xmm0", 19);
static void to_absent(struct start *start)
{
	start->rdx = WINDOW_PAGE(PAGE_ABSENT);
	*(u64 *)DATA = WINDOW_PAGE(PAGE_ABSENT);
}
#define AT_ABSENT AT_CODE_AREA((PAGE_ABSENT - PAGE_CODE) * 4096)
CHECK(t3_fetch, "T3", "rf-of-fetch-fault", BOTH, "jmp *%rdx; P; nop", WANT(EXF(14, AT_ABSENT)),
      .before = to_absent);

/* RF = 0 in the image of traps and of the execute breakpoint itself. */
CHECK(t3_int3, "T3", "rf-of-int3", ANY, "int3; P; nop", WANT(TRAP(3, 0)));
CHECK(t3_int3_rf, "T3", "rf-of-int3-with-rf", ANY | START_RF, "int3; P; nop", WANT(TRAP(3, 0)));
CHECK(t3_int_n, "T3", "rf-of-int-n", ANY, "int $0x41; P; nop", WANT(TRAP(0x41, 0)));
CHECK(t3_int_n_rf, "T3", "rf-of-int-n-with-rf", ANY | START_RF, "int $0x41; P; nop",
      WANT(TRAP(0x41, 0)));
CHECK(t3_into, "T3", "rf-of-into", USER32 | KERNEL32,
      ".code32; mov $0x7f, %al; inc %al; into; P; nop", WANT(TRAP(4, 0)));
CHECK(t3_data_rf, "T3", "rf-after-data-trap-with-rf", ANY | START_RF,
      "mov %eax, (%rbx); P; nop; P; nop", BP(W(0, 4), X(0)), WANT(DB(0, B0 | B1)));
CHECK(t3_rf_used_up, "T4", "int3-uses-up-rf", ANY | START_RF, "int3; P; nop; nop", BP(X(0)),
      WANT(TRAP(3, 0), DB(0, B0)));
CHECK(t4_nop_rf, "T4", "rf-for-one-instruction", ANY, "nop; P; nop; P; nop", BP(X(0), X(1)),
      WANT(DB(0, B0), DB(1, B1)));
CHECK(t4_pause_rf, "T4", "pause-uses-up-rf", BOTH | START_RF, "pause; P; nop", BP(X(0)),
      WANT(DB(0, B0)));
CHECK(t4_fault_rf, "T4", "rf-through-a-fault", BOTH,
      "mov $0x40013000, %edx; P; mov %eax, (%rdx); P; nop", BP(X(0), X(1)),
      WANT(DB(0, B0), EX(14, 0), DB(1, B1)), .fault = map_and_retry);
CHECK(t4_fault_rf_end, "T4", "rf-after-a-fault-is-for-one", BOTH,
      "mov $0x40013000, %edx; P; mov %eax, (%rdx); P; nop", BP(X(1)),
      WANT(EX(14, 0), DB(1, B0)), .fault = map_and_retry);

/* T5: what loads RF. */
#define FRAME64(edit) \
	"mov %rsp, %rdx; mov %ss, %eax; push %rax; push %rdx; pushfq; " edit "\n" \
	"mov %cs, %eax; push %rax; lea 1f(%rip), %rax; push %rax\n"
CHECK(t5_iretq, "T5", "iretq-sets-rf", BOTH, FRAME64("orl $0x10000, (%rsp)") "iretq; 1: P; nop; nop",
      BP(X(0)));
CHECK(t5_iretq_0, "T5", "iretq-without-rf", BOTH, FRAME64("") "iretq; 1: P; nop; nop", BP(X(0)),
      WANT(DB(0, B0)));
CHECK(t5_iretq_one, "T5", "iretq-rf-for-one", BOTH,
      FRAME64("orl $0x10000, (%rsp)") "iretq; 1: P; nop; P; nop", BP(X(0), X(1)),
      WANT(DB(1, B1)));
CHECK(t5_iretd, "T5", "iretd-sets-rf", USER32,
      ".code32; pushf; orl $0x10000, (%esp); push %cs; push $1f; iret; 1: P; nop; nop", BP(X(0)));
CHECK(t5_iretd_kernel, "T5", "iretd-sets-rf-cpl0", KERNEL32,
      ".code32; pushf; orl $0x10000, (%esp); push %cs; push $1f; iret; 1: P; nop; nop", BP(X(0)));
CHECK(t3_iret_rf, "T3", "data-hit-of-iret-that-sets-rf", CPL3,
      FRAME64("orl $0x10000, (%rsp)") "P; iretq; 1: P; nop; nop",
      BP(RWS(-40, 8), X(1)), WANT(DB(0, B0), DBR(1, B0)));
CHECK(t5_popf, "T5", "popf-does-not-set-rf", BOTH,
      "pushfq; orl $0x10000, (%rsp); popfq; P; nop; nop", BP(X(0)), WANT(DB(0, B0)));
CHECK(t5_popf_compat, "T5", "popfd-does-not-set-rf", USER32 | KERNEL32,
      ".code32; pushf; orl $0x10000, (%esp); popf; P; nop; nop", BP(X(0)), WANT(DB(0, B0)));
AFTER(rf_not_pushed, R8, 0)
CHECK(t5_pushf, "T5", "pushf-stores-rf-0", BOTH | START_RF,
      "pushfq; pop %r8; and $0x10000, %r8d", .after = rf_not_pushed);
CHECK(t5_sysret, "T5", "sysret-does-not-set-rf", CPL3 | SET_RF, "syscall; P; nop; nop",
      BP(X(0)), WANT(TRAP(SYSCALL_VECTOR, 0), DB(0, B0)));
static const char *r11_without_rf(void)
{
	return events[0].rflags & FLAG_RF ? failure("R11.RF", 0, 1) : 0;
}
CHECK(t3_syscall, "T3", "r11-rf-0", CPL0 | CPL3 | START_RF, "syscall; P; nop",
      WANT(TRAP(SYSCALL_VECTOR, 0)), .after = r11_without_rf);

/* T2, T6: no error code, and the flags of the handler. */
static const char *handler_flags(void)
{
	u64 left = events[0].entry_flags & (FLAG_TF | FLAG_NT | FLAG_RF | FLAG_IF | 1UL << 17);
	return left ? failure("flags in the handler", 0, left) : 0;
}
CHECK(t6_flags, "T6", "handler-flags", BOTH | STEP | CLEAR_TF | KEEP_TF, "nop; P; nop",
      WANT(DB(0, BS)), .after = handler_flags);
CHECK(t6_nt, "T6", "handler-nt", CPL0, "pushfq; orl $0x4000, (%rsp); popfq; int3; P; nop",
      WANT(TRAP(3, 0)), .after = handler_flags);
static const char *frame_place(void)
{
	u64 expected = (STACK & ~15UL);
	return events[0].rsp == expected ? 0 : failure("RSP in the image", expected, events[0].rsp);
}
CHECK(t2_frame, "T2", "frame-without-error-code", BOTH, "nop; P; nop", BP(X(0)), WANT(DB(0, B0)),
      .after = frame_place);
CHECK(t1_if, "T6", "interrupt-flag-in-image", CPL0 | INTERRUPTS, "mov %eax, (%rbx); P; nop",
      BP(W(0, 4)), WANT(DB(0, B0)), .after = handler_flags);

/* T1: RIP of a trap is the next instruction to run. */
CHECK(t1_jmp, "T1", "data-then-jump-target", ANY, "jmp 2f; 1: P; nop; jmp 3f\n"
      "2: mov %eax, (%rbx); P; jmp 1b; 3: nop", BP(W(0, 4)), WANT(DB(1, B0)));
CHECK(t1_jmp_m, "T1", "jump-through-memory", CPL0 | CPL3,
      "lea 1f(%rip), %rax; mov %rax, (%rbx); P; jmp *(%rbx); nop; 1: P; nop", BP(RW(0, 8)),
      WANT(DB(0, B0), DB(1, B0)));
CHECK(t1_call, "T1", "call", BOTH, "call 1f; nop; 1: P; nop", BP(WS(-8, 8)), WANT(DB(0, B0)));
CHECK(t1_ret, "T1", "ret", CPL3, "lea 1f(%rip), %rax; mov %rax, (%rsp); P; ret; nop; 1: P; nop",
      BP(RWS(0, 8)), WANT(DB(0, B0), DB(1, B0)));

/* T7: B bits are replaced, BS and BD stay. */
CHECK(t7_replace, "T7", "b-bits-replaced", BOTH | KEEP | CORE, "nop; P; nop", BP(X(0)),
      WANT(DB(0, B0)), .dr6_start = B1 | B2 | B3);
CHECK(t7_replace_data, "T7", "b-bits-replaced-by-data-hit", BOTH | KEEP,
      "mov %eax, (%rbx); P; nop", BP(W(4, 4), W(0, 4)), WANT(DB(0, B1)), .dr6_start = B0 | B3);
CHECK(t7_bs, "T7", "bs-stays", BOTH | KEEP, "nop; P; nop", BP(X(0)), WANT(DB(0, B0 | BS)),
      .dr6_start = BS);
CHECK(t7_bd, "T7", "bd-stays", BOTH | KEEP, "nop; P; nop", BP(X(0)), WANT(DB(0, B0 | BD)),
      .dr6_start = BD);
CHECK(t7_bt, "T7", "bt-stays", BOTH | KEEP, "nop; P; nop", BP(X(0)), WANT(DB(0, B0 | BT)),
      .dr6_start = BT);
CHECK(t7_twice, "T7", "second-event-replaces", BOTH | KEEP,
      "mov %eax, (%rbx); P; mov %eax, 8(%rbx); P; nop", BP(W(0, 4), W(8, 4)),
      WANT(DB(0, B0), DB(1, B1)));
CHECK(t7_bs_then_b, "T7", "bs-of-a-step-stays", BOTH | KEEP | STEP | CLEAR_TF,
      "nop; P; mov %eax, (%rbx); P; nop", BP(W(0, 4)), WANT(DB(0, BS), DB(1, B0 | BS)));
CHECK(t7_step, "T7", "step-clears-b-bits", BOTH | KEEP | STEP | CLEAR_TF | DOUBT, "nop; P; nop",
      WANT(DB(0, BS)), .dr6_start = B0 | B1);
static const char *dr7_kept(void)
{
	u64 expected = 0x400 | 1 | 0xd0000;
	return events[0].dr7 == expected ? 0 : failure("DR7", expected, events[0].dr7);
}
CHECK(t8_dr7, "T8", "dr7-kept", BOTH, "mov %eax, (%rbx); P; nop", BP(W(0, 4)), WANT(DB(0, B0)),
      .after = dr7_kept);
CHECK(t9_bp, "T9", "int3-leaves-dr6", BOTH | KEEP, "int3; P; nop",
      .want = { { .used = 1, .vector = 3, .point = 0, .dr6 = B1 | BS } }, .dr6_start = B1 | BS);

/* Section 3 step 2, P3: a trap takes the next instruction's execute breakpoint with it. */
CHECK(p3_data, "P3,T1", "data-hit-then-execute", BOTH, "mov %eax, (%rbx); P; nop; nop",
      BP(W(0, 4), X(0)), WANT(DB(0, B0 | B1)));
CHECK(p3_data_again, "P3", "data-hit-then-execute-without-rf", BOTH | NO_RF,
      "mov %eax, (%rbx); P; nop; nop", BP(W(0, 4), X(0)), WANT(DB(0, B0 | B1), DB(0, B1)));
CHECK(p3_step, "P3", "step-then-execute", BOTH | STEP | CLEAR_TF, "nop; P; nop; nop", BP(X(0)),
      WANT(DB(0, BS | B0)));
CHECK(p3_branch, "P3", "call-push-then-execute-at-target", BOTH, "call 1f; nop; 1: P; nop",
      BP(WS(-8, 8), X(0)), WANT(DB(0, B0 | B1)));
CHECK(p4_own, "P4", "execute-and-data-of-one-instruction", BOTH, "P; mov %eax, (%rbx); P; nop",
      BP(X(0), W(0, 4)), WANT(DB(0, B0), DB(1, B1)));
CHECK(p4_three, "P4", "execute-fault-data", BOTH,
      "mov $0x40013000, %edx; P; mov %eax, (%rdx); P; nop",
      BP(X(0), WA(WINDOW_PAGE(PAGE_ABSENT), 4)), WANT(DB(0, B0), EX(14, 0), DB(1, B1)),
      .fault = map_and_retry);

/* P2: execute breakpoint before the faults of its instruction. */
#define BEFORE(id, name_, modes, text, vector_) \
	CHECK(id, "P2", name_, modes, text, BP(X(0)), WANT(DB(0, B0), EX(vector_, 0)))
BEFORE(p2_ud, "execute-before-ud", ANY, "nop; P; ud2", 6);
BEFORE(p2_de, "execute-before-de", ANY, "xor %ecx, %ecx; P; div %ecx", 0);
BEFORE(p2_pf, "execute-before-pf", BOTH, "mov $0x40013000, %edx; P; mov %eax, (%rdx)", 14);
BEFORE(p2_gp, "execute-before-gp", CPL3, "nop; P; hlt", 13);
BEFORE(p2_long, "execute-before-too-long", BOTH,
       "nop; P; .fill 15, 1, 0x66; nop", 13);
BEFORE(p2_mf, "execute-before-mf", BOTH,
       "fninit; movw $0x37b, (%rbx); fldcw (%rbx); fld1; fldz; fdivrp; P; fwait", 16);
static void at_absent(struct start *start)
{
	start->rip = WINDOW_PAGE(PAGE_ABSENT);
}
static void at_no_execute(struct start *start)
{
	start->rip = WINDOW_PAGE(PAGE_NO_EXECUTE);
}
#define FETCH(id, rule_, name_, from, page) \
	CHECK(id, rule_, name_, BOTH, "P; nop", BP(XA(WINDOW_PAGE(page))), \
	      WANT(DB(AT_CODE_AREA(((page) - PAGE_CODE) * 4096), B0), \
		   EX(14, AT_CODE_AREA(((page) - PAGE_CODE) * 4096))), \
	      .before = from)
FETCH(p2_absent, "P2", "execute-before-fetch-pf", at_absent, PAGE_ABSENT);
FETCH(p2_nx, "P2", "execute-before-nx", at_no_execute, PAGE_NO_EXECUTE);

/* P1: traps before the fetch fault at the target. */
CHECK(p1_step, "P1", "step-before-fetch-pf", BOTH | STEP | CLEAR_TF, "jmp *%rdx; P; nop",
      WANT(DB(AT_ABSENT, BS),
	   EX(14, AT_ABSENT)),
      .before = to_absent);
CHECK(p1_data, "P1", "data-before-fetch-pf", BOTH, "jmp *(%rbx); P; nop", BP(RW(0, 8)),
      WANT(DB(AT_ABSENT, B0),
	   EX(14, AT_ABSENT)),
      .before = to_absent);
CHECK(p1_call, "P1", "call-push-before-fetch-pf", BOTH | TCG_STOPS, "call *%rdx; P; nop", BP(WS(-8, 8)),
      WANT(DB(AT_ABSENT, B0),
	   EX(14, AT_ABSENT)),
      .before = to_absent);

/* P5: a pending #MF comes before the store. */
CHECK(p5_mf, "P5", "mf-before-store", BOTH,
      "fninit; movw $0x37b, (%rbx); fldcw (%rbx); fld1; fldz; fdivrp; P; fsts 64(%rbx); P; nop",
      BP(W(64, 4)), WANT(EX(16, 0)), .fault = to_last_point);

