/* Bytes that integer and system instructions match: x86-debug section 9. */
#include "case.h"

#define BYTES(id, name_, modes, to_, text, ...) \
	SWEEP(id, "B", name_, modes, BASE_DATA, -4, to_, text, __VA_ARGS__)
#define PUSHED(id, name_, modes, from_, text, ...) \
	SWEEP(id, "B", name_, modes, BASE_STACK, from_, 8, text, __VA_ARGS__)
#define POPPED(id, name_, modes, to_, text, ...) \
	SWEEP(id, "B", name_, modes, BASE_STACK, 0, to_, text, __VA_ARGS__)
#define BOTH_WAYS(size) READS({ 0, size }), WRITES({ 0, size })

/* Integer operands. */
BYTES(b_add, "add", BOTH, 12, "addl %eax, (%rbx)", BOTH_WAYS(4));
BYTES(b_xchg, "xchg", BOTH, 12, "xchgl %eax, (%rbx)", BOTH_WAYS(4));
BYTES(b_cmp, "cmp", BOTH, 12, "cmpl %eax, (%rbx)", READS({ 0, 4 }));
BYTES(b_test, "test", BOTH, 12, "testb %al, (%rbx)", READS({ 0, 1 }));
BYTES(b_mul, "mul", BOTH, 12, "mulq (%rbx)", READS({ 0, 8 }));
BYTES(b_cmov, "cmov-false", BOTH, 12, "xor %eax, %eax; cmovnz (%rbx), %eax", READS({ 0, 4 }));
BYTES(b_setcc, "setcc", BOTH, 12, "setz (%rbx)", WRITES({ 0, 1 }));
BYTES(b_movzx, "movzx", BOTH, 12, "movzwl (%rbx), %eax", READS({ 0, 2 }));
BYTES(b_movnti, "movnti", BOTH, 12, "movnti %eax, (%rbx)", WRITES({ 0, 4 }));
BYTES(b_cmpxchg_f, "cmpxchg-fails", BOTH, 12, "mov $1, %eax; cmpxchgl %ecx, (%rbx)", BOTH_WAYS(4));
BYTES(b_cmpxchg_s, "cmpxchg-succeeds", BOTH, 12, "cmpxchgl %ecx, (%rbx)", BOTH_WAYS(4));
BYTES(b_lock_cmpxchg, "lock-cmpxchg-fails", BOTH, 12, "mov $1, %eax; lock cmpxchgl %ecx, (%rbx)",
      BOTH_WAYS(4));
BYTES(b_cmpxchg8b, "cmpxchg8b-fails", BOTH, 16, "mov $1, %eax; cmpxchg8b (%rbx)", BOTH_WAYS(8));
BYTES(b_shl0, "shl-by-0", BOTH, 12, "shll %cl, (%rbx)", BOTH_WAYS(4));
BYTES(b_shld0, "shld-by-0", BOTH, 12, "shldl %cl, %eax, (%rbx)", BOTH_WAYS(4));
BYTES(b_bts, "btr-already-clear", BOTH, 12, "btrl $1, (%rbx)", BOTH_WAYS(4));
BYTES(b_bt, "bt-immediate", BOTH, 12, "btl $1, (%rbx)", READS({ 0, 4 }));
BYTES(b_bt64, "bt-register-64", BOTH, 24, "mov $100, %eax; btq %rax, (%rbx)", READS({ 8, 16 }));
BYTES(b_bt32, "bt-register-32", BOTH, 24, "mov $35, %eax; btl %eax, (%rbx)", READS({ 4, 8 }));
BYTES(b_bt16, "bt-register-16-negative", BOTH, 8, "mov $-1, %eax; btw %ax, (%rbx)",
      READS({ -2, 0 }));
BYTES(b_bts64, "bts-register-64", BOTH, 24, "mov $70, %eax; btsq %rax, (%rbx)", READS({ 8, 16 }),
      WRITES({ 8, 16 }));
BYTES(b_none, "lea-nop-prefetch", BOTH, 68,
      "lea (%rbx), %rax; nopl (%rbx); prefetchnta (%rbx); prefetcht0 (%rbx); prefetcht2 (%rbx)",
      READS({ 0, 0 }));
BYTES(b_clflush, "clflush", BOTH, 68, "clflush 5(%rbx)", READS({ 5, 6 }));
BYTES(b_xlat, "xlat", BOTH, 12, "mov $3, %al; xlat", READS({ 3, 4 }));
SWEEP(b_movs, "B", "movs-source", BOTH, BASE_DATA, 0xffc, 0x100c, "movsl", READS({ 0x1000, 0x1004 }));
SWEEP(b_movs_to, "B", "movs-target", BOTH, BASE_DATA, 0x1ffc, 0x200c, "movsl",
      WRITES({ 0x2000, 0x2004 }));
SWEEP(b_cmps, "B", "cmps-target", BOTH, BASE_DATA, 0x1ffc, 0x200c, "cmpsq",
      READS({ 0x2000, 0x2008 }));
static void far_pointer(struct start *start)
{
	*(u64 *)DATA = start->rip + 2;
	*(u16 *)(DATA + 4) = (u16)start->cs;
}
static void far_pointer64(struct start *start)
{
	*(u64 *)DATA = start->rip + 3;
	*(u16 *)(DATA + 8) = (u16)start->cs;
}
static void near_pointer(struct start *start)
{
	*(u64 *)DATA = start->rip + 2;
}
static const char *no_far64(void)
{
	return cpuid(0, 0).ebx == 0x756e6547 ? 0 : "AMD has no far pointers of 10 bytes";
}
BYTES(b_jmp_m, "jmp-m", BOTH, 12, "jmp *(%rbx)", READS({ 0, 8 }), .check.before = near_pointer);
BYTES(b_call_m, "call-m", BOTH, 12, "call *(%rbx)", READS({ 0, 8 }), .check.before = near_pointer);
BYTES(b_ljmp, "far-jmp-m16:32", BOTH, 14, "ljmp *(%rbx)", READS({ 0, 6 }),
      .check.before = far_pointer);
BYTES(b_ljmp64, "far-jmp-m16:64", BOTH, 14, ".byte 0x48; ljmp *(%rbx)", READS({ 0, 10 }),
      .check.before = far_pointer64, .check.skip = no_far64);
BYTES(b_lcall, "far-call-m16:32", BOTH, 14, "lcall *(%rbx)", READS({ 0, 6 }),
      .check.before = far_pointer);
PUSHED(b_lcall_s, "far-call-m16:32-stack", BOTH, -16, "lcall *(%rbx)", WRITES({ -8, 0 }),
       .check.before = far_pointer);
PUSHED(b_lcall64_s, "far-call-m16:64-stack", CPL3, -24, ".byte 0x48; lcall *(%rbx)",
       WRITES({ -16, 0 }), .check.before = far_pointer64, .check.skip = no_far64);

/* Stack. */
PUSHED(b_push, "push", BOTH, -16, "push %rax", WRITES({ -8, 0 }));
PUSHED(b_push_imm, "push-immediate", BOTH, -16, "push $1", WRITES({ -8, 0 }));
PUSHED(b_pushw, "push-16", BOTH, -8, "pushw %ax", WRITES({ -2, 0 }));
PUSHED(b_pushf, "pushf", BOTH, -16, "pushfq", WRITES({ -8, 0 }));
PUSHED(b_push_fs, "push-fs", BOTH, -16, "push %fs", WRITES({ -8, 0 }));
PUSHED(b_push_fs16, "push-fs-16", CPL3, -16, ".byte 0x66; push %fs", WRITES({ -2, 0 }));
PUSHED(b_push_fs32, "push-fs-32", USER32 | KERNEL32, -8, ".code32; push %fs", WRITES({ -4, -2 }));
PUSHED(b_push32, "push-32", USER32, -16, ".code32; push %eax", WRITES({ -4, 0 }));
PUSHED(b_call, "call", BOTH, -16, "call 1f; 1:", WRITES({ -8, 0 }));
PUSHED(b_enter, "enter", CPL3, -48, "enter $16, $0", WRITES({ -8, 0 }));
PUSHED(b_enter1, "enter-level-1", CPL3, -48, "enter $16, $1", WRITES({ -16, 0 }));
PUSHED(b_pusha, "pusha", USER32, -40, ".code32; pusha", WRITES({ -32, 0 }));
POPPED(b_pop, "pop", BOTH, 16, "pop %rax", READS({ 0, 8 }));
POPPED(b_pop_fs, "pop-fs", BOTH, 16, "pop %fs", READS({ 0, 2 }));
POPPED(b_pop_fs32, "pop-fs-32", USER32, 16, ".code32; pop %fs", READS({ 0, 2 }));
POPPED(b_popa, "popa", USER32, 40, ".code32; popa", READS({ 0, 32 }));
static void flags_on_stack(struct start *start)
{
	*(u64 *)STACK = 2;
	(void)start;
}
static void return_on_stack(struct start *start)
{
	*(u64 *)STACK = start->rip + 1;
	*(u64 *)(STACK + 8) = start->cs;
}
static void return32_on_stack(struct start *start)
{
	*(u64 *)STACK = (start->rip + 1) | start->cs << 32;
	*(u64 *)(STACK + 8) = 2;
}
static void return64_on_stack(struct start *start)
{
	u64 *at = (u64 *)STACK;
	at[0] = start->rip + 2;
	at[1] = start->cs;
	at[2] = 2;
	at[3] = STACK - 0x400;
	at[4] = start->ss;
}
static void iretd_on_stack(struct start *start)
{
	u32 *at = (u32 *)STACK;
	at[0] = (u32)start->rip + 1;
	at[1] = (u32)start->cs;
	at[2] = 2;
	at[3] = (u32)STACK - 0x400;
	at[4] = (u32)start->ss;
}
POPPED(b_popf, "popf", BOTH, 16, "popfq", READS({ 0, 8 }), .check.before = flags_on_stack);
POPPED(b_ret, "ret", BOTH, 16, "ret", READS({ 0, 8 }), .check.before = return_on_stack);
POPPED(b_ret32, "ret-32", USER32, 16, ".code32; ret", READS({ 0, 4 }), .check.before = return_on_stack);
POPPED(b_retf, "retf-32", CPL3, 24, "lretl", READS({ 0, 6 }), .check.before = return32_on_stack);
POPPED(b_retfq, "retf-64", CPL3, 24, "lretq", READS({ 0, 10 }), .check.before = return64_on_stack);
POPPED(b_iretq, "iretq", BOTH, 48, "iretq", READS({ 0, 10 }, { 16, 34 }),
       .check.before = return64_on_stack);
POPPED(b_iretd, "iretd", BOTH, 32, "iretl", READS({ 0, 6 }, { 8, 18 }),
       .check.before = iretd_on_stack);
POPPED(b_iretd32, "iretd-32", USER32, 24, ".code32; iret", READS({ 0, 6 }, { 8, 12 }),
       .check.before = iretd_on_stack);
static void frame_pointer(struct start *start)
{
	start->rbp = DATA;
}
BYTES(b_leave, "leave", CPL3, 16, "leave", READS({ 0, 8 }), .check.before = frame_pointer);

/* Segments and system instructions. */
BYTES(b_mov_fs, "mov-to-fs", BOTH, 12, "mov (%rbx), %fs", READS({ 0, 2 }));
BYTES(b_mov_from_fs, "mov-from-fs", BOTH, 12, "mov %fs, (%rbx)", WRITES({ 0, 2 }));
BYTES(b_lfs, "lfs", BOTH, 12, "lfs (%rbx), %eax", READS({ 0, 6 }));
BYTES(b_lfs16, "lfs-16", BOTH, 12, "lfs (%rbx), %ax", READS({ 0, 4 }));
BYTES(b_lar, "lar", BOTH, 12, "lar (%rbx), %eax", READS({ 0, 2 }));
BYTES(b_verr, "verr", BOTH, 12, "verr (%rbx)", READS({ 0, 2 }));
static void clear_word(struct start *start)
{
	*(u64 *)DATA = 0;
	(void)start;
}
BYTES(b_arpl, "arpl-no-change", USER32, 12, ".code32; .byte 0x63, 0x03", READS({ 0, 2 }));
BYTES(b_arpl_set, "arpl-changes", USER32, 12, ".code32; mov $3, %eax; .byte 0x63, 0x03", BOTH_WAYS(2),
      .check.before = clear_word);
BYTES(b_bound, "bound", USER32, 16, ".code32; xor %eax, %eax; .byte 0x62, 0x03", READS({ 0, 8 }));
BYTES(b_sgdt, "sgdt", CPL0, 20, "sgdt (%rbx)", WRITES({ 0, 10 }));
BYTES(b_sidt, "sidt", CPL0, 20, "sidt (%rbx)", WRITES({ 0, 10 }));
BYTES(b_sldt, "sldt", CPL0, 12, "sldt (%rbx)", WRITES({ 0, 2 }));
BYTES(b_str, "str", CPL0, 12, "str (%rbx)", WRITES({ 0, 2 }));
BYTES(b_smsw, "smsw", CPL0, 12, "smsw (%rbx)", WRITES({ 0, 2 }));
static void tables_in_data(struct start *start)
{
	asm volatile("sgdt (%0)" : : "r"(DATA) : "memory");
	(void)start;
}
static void idt_in_data(struct start *start)
{
	asm volatile("sidt (%0)" : : "r"(DATA) : "memory");
	(void)start;
}
static void ldt_in_data(struct start *start)
{
	*(u64 *)DATA = LDT_SELECTOR;
	(void)start;
}
static void tr_in_data(struct start *start)
{
	unsigned cpu = this_cpu();
	*(u64 *)DATA = TSS_SELECTOR + cpu * 16;
	gdt[TSS_SELECTOR / 8 + cpu * 2] &= ~(2UL << 40); /* no longer busy */
	(void)start;
}
static void msw_in_data(struct start *start)
{
	*(u64 *)DATA = read_cr0() & 0xffff;
	(void)start;
}
BYTES(b_lgdt, "lgdt", CPL0, 20, "lgdt (%rbx)", READS({ 0, 10 }), .check.before = tables_in_data);
BYTES(b_lidt, "lidt", CPL0, 20, "lidt (%rbx)", READS({ 0, 10 }), .check.before = idt_in_data);
BYTES(b_lldt, "lldt", CPL0, 12, "lldt (%rbx)", READS({ 0, 2 }), .check.before = ldt_in_data);
BYTES(b_ltr, "ltr", CPL0, 12, "ltr (%rbx)", READS({ 0, 2 }), .check.before = tr_in_data);
BYTES(b_lmsw, "lmsw", CPL0, 12, "lmsw (%rbx)", READS({ 0, 2 }), .check.before = msw_in_data);
BYTES(b_invlpg, "invlpg", CPL0, 12, "invlpg (%rbx)", READS({ 0, 0 }));
