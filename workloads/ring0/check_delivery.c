/* Accesses of event delivery and to system structures: x86-debug rules M12, X7, X9. */
#include "case.h"

/* The frame of an interrupt is pushed: the hit comes at the handler's first instruction. */
#define PUSHED3(id, name_, offset) \
	CHECK(id, "M12,X7", "cpl3-pushes-" name_, CPL3 | TCG_STOPS, "int3; P; nop", \
	      BP(WA(TRAP_STACK - (offset), 8)), \
	      WANT(DBK(STUB(3), B0), TRAP(3, 0), DBK(STUB(END_VECTOR), B0)))
PUSHED3(m12_ss, "ss", 8);
PUSHED3(m12_rsp, "rsp", 16);
PUSHED3(m12_rflags, "rflags", 24);
PUSHED3(m12_cs, "cs", 32);
PUSHED3(m12_rip, "rip", 40);
#define PUSHED0(id, name_, offset) \
	CHECK(id, "M12,X7", "cpl0-pushes-" name_, CPL0 | KERNEL32 | TCG_STOPS, "int3; P; nop", \
	      BP(WS(-(offset), 8)), \
	      WANT(DBK(STUB(3), B0), TRAP(3, 0), DBK(STUB(END_VECTOR), B0)))
PUSHED0(m12_ss0, "ss", 8);
PUSHED0(m12_rip0, "rip", 40);
CHECK(m12_compat, "M12,X7", "compat-pushes-rip", USER32 | TCG_STOPS, "int3; P; nop", BP(WA(TRAP_STACK - 40, 8)),
      WANT(DBK(STUB(3), B0), TRAP(3, 0), DBK(STUB(END_VECTOR), B0)));
CHECK(m12_error, "M12,X9", "error-code-of-gp", CPL3 | TCG_STOPS, "P; hlt", BP(WA(TRAP_STACK - 48, 8)),
      WANT(DBK(STUB(13), B0), EX(13, 0)));
CHECK(m12_ud, "M12,X9", "frame-of-ud", CPL3 | TCG_STOPS, "P; ud2", BP(WA(TRAP_STACK - 40, 8)),
      WANT(DBK(STUB(6), B0), EX(6, 0)));
CHECK(m12_pf, "M12,X9", "frame-of-pf-no-double-fault", CPL3 | TCG_STOPS,
      "mov $0x40013000, %edx; P; mov %eax, (%rdx); P; nop", BP(WA(TRAP_STACK - 40, 8)),
      WANT(DBK(STUB(14), B0), EX(14, 0), DBK(STUB(END_VECTOR), B0)), .fault = map_and_retry);
CHECK(m12_read, "M12", "pushes-are-not-reads", CPL3 | TCG_STOPS, "int3; P; nop",
      BP(XA(0), WA(TRAP_STACK - 8, 1), WA(TRAP_STACK - 1, 1)),
      WANT(DBK(STUB(3), B1 | B2), TRAP(3, 0), DBK(STUB(END_VECTOR), B1 | B2)));
CHECK(m12_db, "M12,X9", "frame-of-db-itself", CPL3 | STEP | CLEAR_TF | TCG_STOPS, "nop; P; nop",
      BP(WA(TRAP_STACK - 40, 8)),
      WANT(DBK(STUB(1), BS | B0), DB(0, 0), DBK(STUB(END_VECTOR), B0)));
CHECK(m12_exec, "M12,P3", "frame-and-execute-at-handler", CPL3 | TCG_STOPS, "int3; P; nop",
      BP(WA(TRAP_STACK - 40, 8), XS(3)),
      WANT(DBK(STUB(3), B0 | B1), TRAP(3, 0), DBK(STUB(END_VECTOR), B0)));
CHECK(m12_handler, "M1", "execute-at-handler", ANY, "int3; P; nop", BP(XS(3)),
      WANT(DBK(STUB(3), B0), TRAP(3, 0)));
CHECK(m12_fault_handler, "M1", "execute-at-fault-handler", ANY, "P; ud2; P; nop", BP(XS(6)),
      WANT(DBK(STUB(6), B0), EX(6, 0)), .fault = to_last_point);
CHECK(m12_handler_rf, "M1,T6", "execute-at-handler-with-rf", BOTH | START_RF, "int3; P; nop",
      BP(XS(3)), WANT(DBK(STUB(3), B0), TRAP(3, 0)));
CHECK(m12_iret, "M12", "iretq-reads-frame", CPL0,
      "lea -0x100(%rsp), %rdx; push $0x10; push %rdx; pushfq; push $8; lea 1f(%rip), %rax; push %rax; P\n"
      "iretq; nop; 1: P; nop", BP(RWS(-40, 8)), WANT(DB(0, B0), DB(1, B0)));

/* Tables in memory: not settled (U8). */
#define TABLE(id, name_, modes, text, address, size, ...) \
	CHECK(id, "M12", name_, (modes) | DOUBT, text, BP(RWA(address, size)), WANT(__VA_ARGS__))
TABLE(m12_idt, "idt-read", BOTH | TCG_STOPS, "int $0x41; P; nop", &idt[2 * 0x41], 8, DBK(STUB(0x41), B0),
      TRAP(0x41, 0));
TABLE(m12_idt_high, "idt-read-high-half", BOTH | TCG_STOPS, "int $0x41; P; nop", &idt[2 * 0x41 + 1], 8,
      DBK(STUB(0x41), B0), TRAP(0x41, 0));
TABLE(m12_gdt, "gdt-read-mov-sreg", ANY, "mov $0x73, %eax; mov %eax, %fs; P; nop", &gdt[14], 8,
      DB(0, B0));
TABLE(m12_gdt_lar, "gdt-read-lar", BOTH, "mov $0x73, %eax; lar %eax, %ecx; P; nop", &gdt[14], 8,
      DB(0, B0));
TABLE(m12_ldt, "ldt-read-mov-sreg", ANY, "mov $0x0f, %eax; mov %eax, %fs; P; nop", &ldt[1], 8,
      DB(0, B0));
TABLE(m12_tss, "tss-read-rsp0", CPL3 | TCG_STOPS, "int3; P; nop", &tss[0][4], 4, DBK(STUB(3), B0), TRAP(3, 0),
      DBK(STUB(END_VECTOR), B0));
TABLE(m12_iopb, "io-bitmap-read", CPL3, "in $0x80, %al; P; nop", &tss[0][104 + 16], 2, DB(0, B0));
static void not_accessed(struct start *start)
{
	ldt[1] &= ~(1UL << 40);
	(void)start;
}
CHECK(m12_accessed, "M12", "accessed-bit-written", BOTH | DOUBT,
      "mov $0x0f, %eax; mov %eax, %fs; P; nop", BP(WA(&ldt[1], 8)), WANT(DB(0, B0)),
      .before = not_accessed);
CHECK(m12_gdt_w, "M12", "gdt-read-is-no-write", ANY, "mov $0x73, %eax; mov %eax, %fs; P; nop",
      BP(WA(&gdt[14], 8)), NOTHING);

/* Page walks never match: neither reads nor accessed and dirty bits. */
static void clean_page(struct start *start)
{
	set_page(PAGE_ABSENT, (u64)&area[0x5000] | 7);
	start->rdx = WINDOW_PAGE(PAGE_ABSENT);
}
CHECK(m12_walk, "M12", "page-walk", BOTH, "mov (%rdx), %eax; mov %eax, (%rdx); nop",
      BP(RWA(&window_pages[PAGE_ABSENT], 8)), .before = clean_page);
CHECK(m12_walk_far, "M12", "page-walk-upper-levels", BOTH, "mov (%rdx), %eax; mov %eax, (%rdx); nop",
      BP(RWA((u64)page_directories + 8 * (WINDOW >> 21), 8)), .before = clean_page);
CHECK(x8_syscall, "X8", "syscall-touches-no-memory", CPL3, "syscall; P; nop",
      BP(RWS(-8, 8), RWS(-16, 8), RWS(0, 8)), WANT(TRAP(SYSCALL_VECTOR, 0)));
