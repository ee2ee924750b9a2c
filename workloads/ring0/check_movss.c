/* The shadow of MOV SS and POP SS: x86-debug section 7, S1 to S10. */
#include "case.h"

static void ss_in_memory(struct start *start)
{
	*(u64 *)DATA = start->ss;
}
#define SS_IN_EAX "mov %ss, %eax; "
#define LOAD "mov %eax, %ss; "
#define LOAD_M "mov (%rbx), %ss; "

CHECK(s1_exec, "S1", "no-execute-breakpoint", ANY | CORE, SS_IN_EAX LOAD "P; nop; nop", BP(X(0)));
CHECK(s1_after, "S1", "only-one-instruction", ANY, SS_IN_EAX LOAD "nop; P; nop; nop", BP(X(0)),
      WANT(DB(0, B0)));
CHECK(s1_on, "S1", "execute-on-mov-ss", ANY, SS_IN_EAX "P; " LOAD "nop; nop", BP(X(0)),
      WANT(DB(0, B0)));
CHECK(s1_mem, "S1", "from-memory", BOTH, LOAD_M "P; nop; nop", BP(X(0)), .before = ss_in_memory);
CHECK(s1_pop, "S1", "pop-ss", USER32 | KERNEL32, ".code32; push %ss; pop %ss; P; nop; nop",
      BP(X(0)));
CHECK(s1_other, "S1", "not-mov-ds", ANY, "mov %ds, %eax; mov %eax, %ds; P; nop; nop", BP(X(0)),
      WANT(DB(0, B0)));
CHECK(s1_store, "S1", "not-store-of-ss", ANY, "mov %ss, %eax; P; nop; nop", BP(X(0)),
      WANT(DB(0, B0)));
CHECK(s1_lss, "S1", "not-lss", BOTH,
      "mov %ss, 4(%rbx); mov %esp, (%rbx); lss (%rbx), %esp; P; nop; nop",
      BP(X(0)), WANT(DB(0, B0)));
CHECK(s1_fault, "S1", "not-after-a-fault", BOTH | CLEAR_FAULT_RF,
      "mov $0x77, %eax; mov %eax, %ss; nop; P; nop", BP(X(0)),
      WANT({ .used = 1, .vector = 13, .point = AT_ANY, .rf = 2 }, DB(0, B0)),
      .fault = to_first_point);
CHECK(s2_step, "S2", "no-step-after-mov-ss", ANY | STEP,
      SS_IN_EAX "P; " LOAD "nop; P; nop; P", WANT(DB(0, BS), DB(1, BS), DB(2, BS)));
CHECK(s2_step_mem, "S2", "no-step-after-mov-ss-from-memory", BOTH | STEP,
      LOAD_M "nop; P; nop; P", WANT(DB(0, BS), DB(1, BS)), .before = ss_in_memory);
CHECK(s2_step_pop, "S2", "no-step-after-pop-ss", USER32 | KERNEL32 | STEP,
      ".code32; push %ss; P; pop %ss; nop; P; nop; P", WANT(DB(0, BS), DB(1, BS), DB(2, BS)));
CHECK(s2_jump, "S2", "shadowed-jump-steps", ANY | STEP,
      SS_IN_EAX "P; " LOAD "jmp 1f; nop; 1: P; nop; P", WANT(DB(0, BS), DB(1, BS), DB(2, BS)));
CHECK(s2_popf, "S2", "shadowed-popf-sets-tf", ANY | CLEAR_TF,
      "pushfq; orl $0x100, (%rsp); " SS_IN_EAX LOAD "popfq; nop; P; nop", WANT(DB(0, BS)));
CHECK(s3_data, "S3", "data-hit-kept", BOTH, LOAD_M "nop; P; nop", BP(RW(0, 2)), WANT(DB(0, B0)),
      .before = ss_in_memory);
CHECK(s3_data_data, "S3", "data-hits-merged", BOTH, LOAD_M "mov %eax, 8(%rbx); P; nop",
      BP(RW(0, 2), W(8, 4)), WANT(DB(0, B0 | B1)), .before = ss_in_memory);
CHECK(s3_data_step, "S3", "data-hit-and-step", BOTH | STEP | CLEAR_TF, LOAD_M "nop; P; nop",
      BP(RW(0, 2)), WANT(DB(0, B0 | BS)), .before = ss_in_memory);
CHECK(s3_data_exec, "S3", "data-hit-and-next-execute", BOTH, LOAD_M "nop; P; nop; nop",
      BP(RW(0, 2), X(0)), WANT(DB(0, B0 | B1)), .before = ss_in_memory);
CHECK(s3_data_shadowed, "S3", "data-hit-shadowed-execute", BOTH, LOAD_M "P; nop; P; nop",
      BP(RW(0, 2), X(0)), WANT(DB(1, B0)), .before = ss_in_memory);
CHECK(s3_pop, "S3", "pop-ss-data-hit", USER32, ".code32; push %ss; P; pop %ss; nop; P; nop",
      BP(RWS(-4, 2)), WANT(DB(0, B0), DB(1, B0)));
CHECK(s4_two, "S4", "two-in-a-row", ANY, SS_IN_EAX LOAD "P; " LOAD "P; nop; nop",
      BP(X(0), X(1)), WANT(DB(1, B1)));
CHECK(s4_three, "S4", "three-in-a-row", ANY, SS_IN_EAX LOAD "P; " LOAD "P; " LOAD "P; nop; nop",
      BP(X(0), X(1), X(2)), WANT(DB(1, B1)));
CHECK(s4_step_two, "S4", "two-in-a-row-step", ANY | STEP,
      SS_IN_EAX "P; " LOAD LOAD "P; nop; P", WANT(DB(0, BS), DB(1, BS), DB(2, BS)));
CHECK(s4_step_three, "S4", "three-in-a-row-step", ANY | STEP,
      SS_IN_EAX "P; " LOAD LOAD "P; " LOAD "nop; P", WANT(DB(0, BS), DB(1, BS), DB(2, BS)));
CHECK(s5_ud, "S5", "hit-lost-by-ud", BOTH, LOAD_M "P; ud2; P; nop", BP(RW(0, 2)),
      WANT(EX(6, 0)), .before = ss_in_memory, .fault = to_last_point);
CHECK(s5_de, "S5", "hit-lost-by-de", BOTH, "xor %ecx, %ecx; " LOAD_M "P; div %ecx; P; nop",
      BP(RW(0, 2)), WANT(EX(0, 0)), .before = ss_in_memory, .fault = to_last_point);
CHECK(s5_pf, "S5", "hit-lost-by-pf", BOTH,
      "mov $0x40013000, %edx; " LOAD_M "P; mov %eax, (%rdx); P; nop", BP(RW(0, 2)),
      WANT(EX(14, 0)), .before = ss_in_memory, .fault = map_and_retry);
CHECK(s5_restart, "S5", "execute-again-after-fault", BOTH | CLEAR_FAULT_RF,
      "mov $0x40013000, %edx; " SS_IN_EAX LOAD "P; mov %eax, (%rdx); nop", BP(X(0)),
      WANT(EX(14, 0), DB(0, B0)), .before = ss_in_memory, .fault = map_and_retry);

/* S6: reported, for parts differ. */
#define KEPT(id, name_, modes, text, vector_, handler, ...) \
	CHECK(id, "S6", name_, modes, text, BP(RW(0, 2)), WANT(TRAP(vector_, 0)), \
	      OTHER(DBK(handler, B0), TRAP(vector_, 0)), .if_want = "the kept hit is lost", \
	      .if_other = "the kept hit comes at the handler's first instruction", \
	      .before = ss_in_memory)
KEPT(s6_int3, "hit-then-int3", BOTH, LOAD_M "int3; P; nop", 3, STUB(3));
KEPT(s6_int_n, "hit-then-int-n", BOTH, LOAD_M "int $0x41; P; nop", 0x41, STUB(0x41));
KEPT(s6_syscall, "hit-then-syscall", CPL3, LOAD_M "syscall; P; nop", SYSCALL_VECTOR,
     AT_SYSCALL_ENTRY);
CHECK(s6_icebp, "S6", "hit-then-icebp", BOTH, LOAD_M ".byte 0xf1; P; nop",
      BP(RW(0, 2)), WANT(DB(0, 0)), OTHER(DB(0, B0)), .if_want = "the kept hit is lost",
      .if_other = "the kept hit is reported with it",
      .before = ss_in_memory);
CHECK(s7_icebp, "S7", "step-mov-ss-icebp", BOTH | STEP,
      SS_IN_EAX "P; " LOAD ".byte 0xf1; P; nop; P", WANT(DB(0, BS), DB(1, 0), DB(2, BS)));
CHECK(s7_int3, "S7", "step-mov-ss-int3", BOTH | STEP, SS_IN_EAX "P; " LOAD "int3; P; nop; P",
      WANT(DB(0, BS), TRAP(3, 1), DB(2, BS)));
static void absent_target(struct start *start)
{
	start->rdx = WINDOW_PAGE(PAGE_ABSENT);
	ss_in_memory(start);
}
CHECK(s8_fetch, "S8", "hit-before-fetch-pf", BOTH, LOAD_M "P; jmp *%rdx", BP(RW(0, 2)),
      WANT(DB(AT_CODE_AREA((PAGE_ABSENT - PAGE_CODE) * 4096), B0),
	   EX(14, AT_CODE_AREA((PAGE_ABSENT - PAGE_CODE) * 4096))),
      .before = absent_target);
CHECK(s9_rep, "S9", "hit-then-rep", BOTH, "mov $3, %ecx; " LOAD_M "P; rep movsb; P; nop",
      BP(RW(0, 2)), WANT(DBM(0, B0)), .before = ss_in_memory);
CHECK(s9_rep_step, "S9", "hit-then-rep-step", BOTH | STEP,
      "mov $2, %ecx; P; " LOAD_M "P; rep movsb; P", BP(RW(0, 2)),
      WANT(DB(0, BS), DBM(1, B0 | BS), DB(2, BS)), .before = ss_in_memory);
CHECK(s9_rep_exec, "S9", "execute-on-shadowed-rep", BOTH,
      SS_IN_EAX "mov $3, %ecx; " LOAD "P; rep movsb; P; nop", BP(X(0)));
CHECK(s1_interrupt, "S1", "data-hit-of-next", BOTH, SS_IN_EAX LOAD "mov %eax, 8(%rbx); P; nop",
      BP(W(8, 4)), WANT(DB(0, B0)));
