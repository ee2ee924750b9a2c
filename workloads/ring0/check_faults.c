/* Faults and hits: x86-debug section 10, F1 to F6. */
#include "case.h"

static void rdx_absent(struct start *start)
{
	start->rdx = WINDOW_PAGE(PAGE_ABSENT);
}
static void stack_absent(struct start *start)
{
	start->rsp = WINDOW_PAGE(PAGE_ABSENT) + 8;
}
static void rdi_absent(struct start *start)
{
	start->rdi = WINDOW_PAGE(PAGE_ABSENT);
}
static void rdx_before_absent(struct start *start)
{
	start->rdx = WINDOW_PAGE(PAGE_ABSENT) - 4;
	start->rsp = STACK;
}
static void non_canonical(struct start *start)
{
	*(u64 *)DATA = 0x4000000000000000;
	start->rdx = 0x4000000000000000;
}
static void stack_of_non_canonical(struct start *start)
{
	*(u64 *)STACK = 0x4000000000000000;
	*(u64 *)(STACK + 8) = 0;
	(void)start;
}

/* F1: none of the hits of an instruction that faults, then or later. */
#define LOST(id, name_, modes, text, breakpoints, vector_, ...) \
	CHECK(id, "F1", name_, modes, text "; P; nop; nop", breakpoints, \
	      WANT(EX(vector_, 0)), .fault = to_last_point, __VA_ARGS__)
LOST(f1_push_m, "push-m", CPL3, "P; pushq (%rbx)", BP(RW(0, 8)), 14, .before = stack_absent);
LOST(f1_pop_m, "pop-m", BOTH, "P; popq (%rdx)", BP(RWS(0, 8)), 14, .before = rdx_absent);
LOST(f1_movs, "movs", BOTH, "P; movsl", BP(RW(0x1000, 4)), 14, .before = rdi_absent);
LOST(f1_rep_movs, "rep-movs", BOTH, "mov $2, %ecx; P; rep movsl", BP(RW(0x1000, 4)), 14,
     .before = rdi_absent);
LOST(f1_call_m, "call-m", CPL3, "P; call *(%rbx)", BP(RW(0, 8)), 14, .before = stack_absent);
LOST(f1_div, "divide-by-memory", BOTH, "P; divl (%rbx)", BP(RW(0, 4)), 0, .before = 0);
LOST(f1_jmp_m, "jmp-m-non-canonical", BOTH, "P; jmp *(%rbx)", BP(RW(0, 8)), 13,
     .before = non_canonical);
LOST(f1_ret, "ret-non-canonical", BOTH, "P; ret", BP(RWS(0, 8)), 13,
     .before = stack_of_non_canonical);
LOST(f1_iret, "iret-bad-cs", CPL3, "P; iretq", BP(RWS(8, 2)), 13, .before = stack_of_non_canonical);
LOST(f1_xm, "unmasked-xm", BOTH,
     "movl $0x1d80, (%rbx); ldmxcsr (%rbx); movl $1, 4(%rbx); xorps %xmm1, %xmm1\n"
     "movss 4(%rbx), %xmm0; P; divss 8(%rbx), %xmm0", BP(RW(8, 4)), 19, .before = 0);
LOST(f1_sse_align, "misaligned-vector", BOTH, "P; movaps 4(%rbx), %xmm0", BP(RW(4, 4)), 13,
     .before = 0);
LOST(f1_ac, "alignment-check", CPL3, "pushfq; orl $0x40000, (%rsp); popfq; P; mov %eax, 1(%rbx)",
     BP(W(1, 1)), 17, .before = 0);
LOST(f1_fxsave, "fxsave", BOTH, "P; fxsave -252(%rdx)", BP(WA(WINDOW_PAGE(PAGE_ABSENT) - 256, 8)),
     14, .before = rdx_before_absent);
LOST(f1_fnsave, "fnsave", BOTH, "P; fnsave -52(%rdx)", BP(WA(WINDOW_PAGE(PAGE_ABSENT) - 32, 8)), 14,
     .before = rdx_before_absent);
LOST(f1_enter, "enter", CPL3, "P; enter $16, $0", BP(WA(WINDOW_PAGE(PAGE_ABSENT) - 8, 8)), 14,
     .before = stack_absent);
LOST(f1_mov_gp, "mov-non-canonical", BOTH, "P; mov (%rdx), %rax", BP(RW(0, 4)), 13,
     .before = non_canonical);
LOST(f1_lgs, "bad-selector", BOTH, "movw $0x77, 4(%rbx); P; lgs (%rbx), %eax", BP(RW(0, 4)), 13,
     .before = 0);
CHECK(f1_pusha, "F1", "pusha", USER32, ".code32; mov $0x40014008, %esp; P; pusha; P; nop",
      BP(WA(WINDOW_PAGE(PAGE_ABSENT + 1), 4)), WANT(EX(14, 0)), .fault = to_last_point,
      .before = rdx_absent);

/* F2: reported when the instruction has been restarted. */
CHECK(f2_movs, "F2", "movs-retried", BOTH, "P; movsl; P; nop", BP(RW(0x1000, 4)),
      WANT(EX(14, 0), DB(1, B0)), .before = rdi_absent, .fault = map_and_retry);
CHECK(f2_store, "F2", "store-retried", BOTH, "P; mov %eax, (%rdx); P; nop",
      BP(WA(WINDOW_PAGE(PAGE_ABSENT), 4)), WANT(EX(14, 0), DB(1, B0)), .before = rdx_absent,
      .fault = map_and_retry);
CHECK(f2_exec, "F2", "execute-not-again", BOTH, "P; mov %eax, (%rdx); P; nop",
      BP(WA(WINDOW_PAGE(PAGE_ABSENT), 4), X(0)), WANT(DB(0, B1), EX(14, 0), DB(1, B0)),
      .before = rdx_absent, .fault = map_and_retry);

/* F3: a store that runs into an absent page does nothing. */
static const char *nothing_written(void)
{
	u32 written = *(u32 *)&area[0x1ffc];
	if (events[0].cr2 != WINDOW_PAGE(PAGE_ABSENT))
		return failure("CR2", WINDOW_PAGE(PAGE_ABSENT), events[0].cr2);
	return written ? failure("memory", 0, written) : 0;
}
CHECK(f3_split, "F3", "split-store", BOTH, "mov $-1, %rax; P; mov %rax, (%rdx); P; nop",
      BP(WA(WINDOW_PAGE(PAGE_ABSENT) - 4, 4)), WANT(EX(14, 0)), .before = rdx_before_absent,
      .fault = to_last_point, .after = nothing_written);
CHECK(f3_split_rmw, "F3", "split-increment", BOTH, "P; incq (%rdx); P; nop",
      BP(RWA(WINDOW_PAGE(PAGE_ABSENT) - 4, 4)), WANT(EX(14, 0)), .before = rdx_before_absent,
      .fault = to_last_point, .after = nothing_written);
CHECK(f3_split_sse, "F3", "split-vector-store", BOTH,
      "pcmpeqd %xmm0, %xmm0; P; movups %xmm0, (%rdx); P; nop",
      BP(WA(WINDOW_PAGE(PAGE_ABSENT) - 4, 4)), WANT(EX(14, 0)), .before = rdx_before_absent,
      .fault = to_last_point, .after = nothing_written);

/* F4: the load of a read-modify-write already asks for write permission. */
CHECK(f4_read_only, "F4", "increment-of-read-only-page", BOTH,
      "mov $0x40010000, %edx; P; incl (%rdx); P; nop", BP(RWA(WINDOW_PAGE(PAGE_READ_ONLY), 4)),
      WANT(EX(14, 0)), .fault = to_last_point);
CHECK(f4_write, "F4", "store-to-read-only-page", BOTH,
      "mov $0x40010000, %edx; P; mov %eax, (%rdx); P; nop",
      BP(RWA(WINDOW_PAGE(PAGE_READ_ONLY), 4)), WANT(EX(14, 0)), .fault = to_last_point);
CHECK(f4_user, "F4,M8", "user-access-to-supervisor-page", CPL3,
      "mov $0x40011000, %edx; P; mov (%rdx), %eax; P; nop",
      BP(RWA(WINDOW_PAGE(PAGE_SUPERVISOR), 4)), WANT(EXE(14, 0, 5)), .fault = to_last_point);

/* F5: BOUND is a fault. */
CHECK(f5_bound, "F5", "bound", USER32 | KERNEL32,
      ".code32; mov $9, %eax; P; .byte 0x62, 0x03; P; nop", BP(RW(0, 8)), WANT(EX(5, 0)),
      .fault = to_last_point);
CHECK(f5_bound_in, "F5", "bound-within", USER32 | KERNEL32,
      ".code32; xor %eax, %eax; P; .byte 0x62, 0x03; P; nop", BP(RW(4, 4)), WANT(DB(1, B0)));
CHECK(f6_np, "F6", "absent-segment", USER32, ".code32; mov $0x17, %eax; P; mov %eax, %es; P; nop",
      WANT(EXE(11, 0, 0x14)), .fault = to_last_point);
