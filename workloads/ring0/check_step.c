/* Single-step: x86-debug section 6, T10. */
#include "case.h"

#define STEPS(id, name_, modes, text, ...) \
	CHECK(id, "T10", name_, (modes) | STEP | KEEP_TF, text, WANT(__VA_ARGS__))

STEPS(t10_nops, "each-instruction", ANY | CORE, "nop; P; nop; P; nop; P", DB(0, BS), DB(1, BS),
      DB(2, BS));
STEPS(t10_load_store, "loads-and-stores", ANY, "mov (%rbx), %eax; P; mov %eax, (%rbx); P",
      DB(0, BS), DB(1, BS));
STEPS(t10_taken, "jump-taken", ANY, "jmp 1f; nop; 1: P; nop; P", DB(0, BS), DB(1, BS));
STEPS(t10_jcc_not, "branch-not-taken", ANY, "cmp %eax, %eax; P; jne 1f; P; nop; P; 1: nop; P",
      DB(0, BS), DB(1, BS), DB(2, BS), DB(3, BS));
STEPS(t10_jcc, "branch-taken", ANY, "cmp %eax, %eax; P; je 1f; nop; 1: P; nop; P", DB(0, BS),
      DB(1, BS), DB(2, BS));
STEPS(t10_loop, "loop", ANY, "mov $2, %ecx; P; 1: loop 1b; P", DB(0, BS), DB(0, BS), DB(1, BS));
STEPS(t10_call, "call-ret", ANY, "call 1f; P; jmp 2f; 1: P; ret; 2: P; nop; P", DB(1, BS),
      DB(0, BS), DB(2, BS), DB(3, BS));
STEPS(t10_far, "far-return", BOTH,
      "mov %cs, %eax; P; push %rax; P; lea 1f(%rip), %rax; P; push %rax; P; lretq; nop; 1: P; nop; P",
      DB(0, BS), DB(1, BS), DB(2, BS), DB(3, BS), DB(4, BS), DB(5, BS));
STEPS(t10_string, "string-without-rep", ANY, "movsb; P; stosb; P; lodsb; P", DB(0, BS), DB(1, BS),
      DB(2, BS));
STEPS(t10_lock, "lock", ANY, "lock incl (%rbx); P; nop; P", DB(0, BS), DB(1, BS));
STEPS(t10_x87, "x87", BOTH, "fninit; P; fld1; P; fstps (%rbx); P", DB(0, BS), DB(1, BS),
      DB(2, BS));
STEPS(t10_sse, "vector", BOTH, "movups (%rbx), %xmm0; P; movups %xmm0, 16(%rbx); P", DB(0, BS),
      DB(1, BS));
STEPS(t10_enter, "enter-leave", BOTH, "enter $16, $0; P; leave; P", DB(0, BS), DB(1, BS));
STEPS(t10_cpuid, "cpuid", ANY, "xor %eax, %eax; P; cpuid; P; nop; P", DB(0, BS), DB(1, BS),
      DB(2, BS));
STEPS(t10_pushf, "pushf", ANY, "pushfq; P; nop; P", DB(0, BS), DB(1, BS));
STEPS(t10_rdtsc, "rdtsc", BOTH, "rdtsc; P; nop; P", DB(0, BS), DB(1, BS));
STEPS(t10_cr, "mov-cr-dr", CPL0,
      "mov %cr3, %rax; P; mov %rax, %cr3; P; mov %dr3, %rax; P; mov %rax, %dr3; P", DB(0, BS),
      DB(1, BS), DB(2, BS), DB(3, BS));
STEPS(t10_msr, "rdmsr", CPL0, "mov $0xc0000080, %ecx; P; rdmsr; P; wrmsr; P", DB(0, BS),
      DB(1, BS), DB(2, BS));
STEPS(t10_in, "in-out", CPL0, "mov $0x3fd, %edx; P; in %dx, %al; P; mov $0x80, %edx; P\n"
      "out %al, %dx; P", DB(0, BS), DB(1, BS), DB(2, BS), DB(3, BS));
STEPS(t10_tables, "descriptor-tables", CPL0,
      "sgdt (%rbx); P; lgdt (%rbx); P; sidt 16(%rbx); P; lidt 16(%rbx); P; sldt %eax; P\n"
      "lldt %ax; P; smsw %eax; P; lmsw %ax; P; clts; P; invlpg (%rbx); P; wbinvd; P",
      DB(0, BS), DB(1, BS), DB(2, BS), DB(3, BS), DB(4, BS), DB(5, BS), DB(6, BS), DB(7, BS),
      DB(8, BS), DB(9, BS), DB(10, BS));
STEPS(t10_sti, "sti-does-not-block", CPL0, "sti; P; nop; P; cli; P", DB(0, BS), DB(1, BS),
      DB(2, BS));
STEPS(t10_lss, "lss", BOTH, "mov %ss, 4(%rbx); P; mov %esp, (%rbx); P; lss (%rbx), %esp; P; nop; P",
      DB(0, BS), DB(1, BS), DB(2, BS), DB(3, BS));
STEPS(t10_mov_ds, "mov-ds-es-fs", ANY, "mov %ds, %eax; P; mov %eax, %ds; P; mov %eax, %es; P\n"
      "mov %eax, %fs; P; nop; P", DB(0, BS), DB(1, BS), DB(2, BS), DB(3, BS), DB(4, BS));
STEPS(t10_pop_fs, "push-pop-fs", BOTH, "push %fs; P; pop %fs; P; nop; P", DB(0, BS), DB(1, BS),
      DB(2, BS));

/* POPF and IRET: setting and clearing TF. */
#define POPF_SETS "pushfq; orl $0x100, (%rsp); popfq; "
CHECK(t10_popf_set, "T10", "popf-sets-tf", ANY | CLEAR_TF, POPF_SETS "P; nop; P; nop",
      WANT(DBT(1, BS, 2)));
CHECK(t10_popfw_set, "T10", "popfw-sets-tf", ANY | CLEAR_TF,
      "pushfw; orw $0x100, (%rsp); popfw; P; nop; P; nop", WANT(DBT(1, BS, 2)));
CHECK(t10_popf_clear, "T10", "popf-clears-tf", ANY,
      POPF_SETS "pushfq; P; andl $~0x100, (%rsp); P; popfq; P; nop; P; nop",
      WANT(DBT(0, BS, 2), DBT(1, BS, 2), DBT(2, BS, 1)));
CHECK(t10_popf_keep, "T10", "popf-keeps-tf", ANY | CLEAR_TF,
      "pushfq; orl $0x100, (%rsp); pushfq; orl $0x100, (%rsp); popfq; popfq; P; nop",
      WANT(DBT(0, BS, 2)));
AFTER(tf_pushed, R8, FLAG_TF)
CHECK(t10_pushf_tf, "T10", "pushf-stores-tf", BOTH | STEP, "pushfq; P; pop %r8; P; and $0x100, %r8d; P",
      WANT(DB(0, BS), DB(1, BS), DB(2, BS)), .after = tf_pushed);
#define FRAME64(edit) \
	"mov %rsp, %rdx; mov %ss, %eax; push %rax; push %rdx; pushfq; " edit "\n" \
	"mov %cs, %eax; push %rax; lea 1f(%rip), %rax; push %rax\n"
CHECK(t10_iret_set, "T10", "iretq-sets-tf", BOTH | CLEAR_TF | CORE,
      FRAME64("orl $0x100, (%rsp)") "iretq; nop; 1: P; nop; P; nop", WANT(DBT(1, BS, 2)));
#define FRAME_CLEAR \
	"mov %rsp, %rdx; mov %ss, %eax; push %rax; push %rdx; pushfq; mov %cs, %eax; push %rax\n" \
	"lea 1f(%rip), %rax; push %rax\n"
CHECK(t10_iret_clear, "T10", "iretq-clears-tf", BOTH,
      FRAME_CLEAR POPF_SETS "iretq; nop; 1: P; nop; nop", WANT(DBT(0, BS, 1)));
CHECK(t10_iret_clear_rf, "T10,T3", "iretq-clears-tf-sets-rf", BOTH,
      "mov %rsp, %rdx; mov %ss, %eax; push %rax; push %rdx; pushfq; orl $0x10000, (%rsp)\n"
      "mov %cs, %eax; push %rax; lea 1f(%rip), %rax; push %rax\n"
      POPF_SETS "iretq; nop; 1: P; nop; nop", WANT(DBR(0, BS)));
CHECK(t10_iret_keep, "T10", "iretq-keeps-tf", BOTH | CLEAR_TF,
      FRAME64("orl $0x100, (%rsp)") POPF_SETS "iretq; nop; 1: P; nop; nop",
      WANT(DBT(0, BS, 2)));
CHECK(t10_iretd, "T10", "iretd-sets-tf", USER32 | KERNEL32 | CLEAR_TF,
      ".code32; pushf; orl $0x100, (%esp); push %cs; push $1f; iret; nop; 1: P; nop; P; nop",
      WANT(DBT(1, BS, 2)));

/* From CPL 0 elsewhere. */
#define TO(selector, stack, flags) \
	"push $" #stack "; push %rsp; pushfq; orl $" #flags ", (%rsp); push $" #selector "\n" \
	"lea 1f(%rip), %rax; push %rax; iretq; nop; 1: P; nop; P; nop"
CHECK(t10_to_user, "T10", "iretq-to-cpl3-sets-tf", CPL0 | CLEAR_TF, TO(0x2b, 0x23, 0x100),
      WANT(DBC(1, BS, USER_CS)));
CHECK(t10_to_compat, "T10", "iretq-to-compat-sets-tf", CPL0 | CLEAR_TF, TO(0x1b, 0x23, 0x100),
      WANT(DBC(1, BS, USER_CS32)));
CHECK(t10_to_compat0, "T10", "iretq-to-compat-cpl0-sets-tf", CPL0 | CLEAR_TF,
      TO(0x30, 0x10, 0x100), WANT(DBC(1, BS, KERNEL_CS32)));
CHECK(t10_to_user_on, "T10", "iretq-to-cpl3-stepping-clears", CPL0,
      "push $0x23; push %rsp; pushfq; push $0x2b; lea 1f(%rip), %rax; push %rax\n" POPF_SETS
      "iretq; nop; 1: P; nop; nop", WANT(DBC(0, BS, USER_CS)));
CHECK(t5_to_user_rf, "T5", "iretq-to-cpl3-sets-rf", CPL0, TO(0x2b, 0x23, 0x10000), BP(X(0), X(1)),
      WANT(DBC(1, B1, USER_CS)));
CHECK(t5_to_compat_rf, "T5", "iretq-to-compat-sets-rf", CPL0, TO(0x1b, 0x23, 0x10000),
      BP(X(0), X(1)), WANT(DBC(1, B1, USER_CS32)));

/* Software interrupts: no BS for them. */
CHECK(t10_int3, "T10", "int3", ANY | STEP, "int3; P; nop; P; nop; P",
      WANT(TRAPT(3, 0, 2), DB(1, BS), DB(2, BS)));
CHECK(t10_int_n, "T10", "int-n", ANY | STEP, "int $0x41; P; nop; P",
      WANT(TRAPT(0x41, 0, 2), DB(1, BS)));
CHECK(t10_into, "T10", "into", USER32 | KERNEL32 | STEP,
      ".code32; mov $0x7f, %al; P; inc %al; P; into; P; nop; P",
      WANT(DB(0, BS), DB(1, BS), TRAPT(4, 2, 2), DB(3, BS)));
CHECK(t10_into_not, "T10", "into-not-taken", USER32 | KERNEL32 | STEP,
      ".code32; xor %eax, %eax; P; into; P; nop; P", WANT(DB(0, BS), DB(1, BS), DB(2, BS)));
CHECK(t10_icebp, "T10", "icebp", ANY | STEP, ".byte 0xf1; P; nop; P",
      WANT(DBT(0, 0, 2), DB(1, BS)));
CHECK(t10_fault, "T10", "fault-then-retry", BOTH | STEP,
      "mov $0x40013000, %edx; P; mov %eax, (%rdx); P; nop; P",
      WANT(DB(0, BS), { .used = 1, .vector = 14, .point = 0, .rf = 2, .tf = 2 }, DB(1, BS),
	   DB(2, BS)),
      .fault = map_and_retry);
CHECK(t10_ud, "T10", "fault-skipped", ANY | STEP, "ud2; P; nop; P",
      WANT({ .used = 1, .vector = 6, .point = AT_ANY, .rf = 2, .tf = 2 }, DB(1, BS)),
      .fault = to_first_point);

/* SYSCALL and SYSRET. */
CHECK(t10_syscall, "T10", "syscall-fmask-clears-tf", CPL3 | STEP | CLEAR_TF, "syscall; P; nop; P; nop",
      WANT(TRAPT(SYSCALL_VECTOR, 0, 2), DB(0, BS)));
CHECK(t10_syscall0, "T10", "syscall-at-cpl0-fmask-clears-tf", CPL0 | STEP | CLEAR_TF,
      "syscall; P; nop; P; nop", WANT(TRAPT(SYSCALL_VECTOR, 0, 2), DB(1, BS)));
static void fmask_without_tf(struct start *start)
{
	write_msr(0xc0000084, FLAG_IF | FLAG_DF);
	(void)start;
}
CHECK(t10_syscall_tf, "T10", "syscall-fmask-keeps-tf", CPL3 | STEP | CLEAR_TF,
      "syscall; P; nop; P; nop",
      WANT(DBK(AT_SYSCALL_ENTRY, BS), TRAPT(SYSCALL_VECTOR, 0, 2), DB(0, BS)),
      .before = fmask_without_tf);
CHECK(t10_sysret, "T10", "sysret-sets-tf", CPL3 | SYSRET_TF | CLEAR_TF, "syscall; P; nop; P; nop",
      WANT(TRAPT(SYSCALL_VECTOR, 0, 1), DBT(0, BS, 2)));
CHECK(x_on_syscall, "I3", "execute-on-syscall", CPL3, "P; syscall; P; nop", BP(X(0)),
      WANT(DB(0, B0), TRAP(SYSCALL_VECTOR, 1)));
CHECK(x_at_entry, "M1,M8", "execute-at-syscall-entry", CPL3, "syscall; P; nop",
      BP(XA(syscall_entry)), WANT(DBK(AT_SYSCALL_ENTRY, B0), TRAP(SYSCALL_VECTOR, 0)));

/* STI and HLT. */
CHECK(t10_hlt, "T10,X6", "sti-hlt", CPL0 | STEP | HALTS, "sti; P; hlt; P; nop; P; cli; P",
      WANT(DB(0, BS), DB(1, BS), DB(2, BS), DB(3, BS)));
CHECK(t10_hlt_data, "X6", "data-hit-before-hlt", CPL0 | INTERRUPTS | HALTS,
      "mov %eax, (%rbx); P; nop; nop", BP(W(0, 4)), WANT(DB(0, B0)));
CHECK(x6_hlt_x, "X6,I3", "execute-on-hlt", CPL0 | INTERRUPTS | HALTS, "nop; P; hlt; nop",
      BP(X(0)), WANT(DB(0, B0)), .ends_by_timer = 1);
CHECK(x6_sti_data, "X6", "sti-does-not-delay-data-hit", CPL0,
      "mov %eax, (%rbx); P; sti; P; nop; cli", BP(W(0, 4), X(0)), WANT(DB(0, B0 | B1)));
CHECK(x6_sti_x, "X6", "execute-behind-sti", CPL0, "sti; P; nop; cli", BP(X(0)),
      WANT(DB(0, B0)));

/* Data hit and step together. */
CHECK(t1_data_step, "T1", "data-and-step", BOTH | STEP | CLEAR_TF, "mov %eax, (%rbx); P; nop",
      BP(W(0, 4)), WANT(DB(0, B0 | BS)));
CHECK(t1_data_step_x, "T1,P3", "data-step-and-execute", BOTH | STEP | CLEAR_TF,
      "mov %eax, (%rbx); P; nop; nop", BP(W(0, 4), X(0)), WANT(DB(0, B0 | B1 | BS)));
CHECK(t1_step_on, "T1", "data-and-step-goes-on", BOTH | STEP, "mov %eax, (%rbx); P; nop; P",
      BP(W(0, 4)), WANT(DB(0, B0 | BS), DB(1, BS)));
