/*
 * Checks as data: a piece of code, the debug registers it runs with, and every event that
 * must follow, in order.
 *
 * In the code, `P` marks a point; points are numbered from 0 and name the RIP of an event
 * and the address of an execute breakpoint. At the start RBX = DATA, RSI = SOURCE,
 * RDI = TARGET, RBP = DATA + 0x4000, RSP = STACK, all others are 0. The code ends by itself
 * with INT END_VECTOR. Case code for 32 and 16 bits is written behind `.code32`, `.code16`.
 */
#ifndef CASE_H
#define CASE_H

#include "ring0.h"

/* The only memory that cases touch: 64 KiB, seen again at WINDOW. */
extern u8 area[65536];
#define DATA ((u64)&area[0x1000])
#define SOURCE ((u64)&area[0x2000])
#define TARGET ((u64)&area[0x3000])
#define STACK ((u64)&area[0xf000])

/* Pages of the window. */
#define PAGE_ALIAS 0
#define PAGE_READ_ONLY 16
#define PAGE_SUPERVISOR 17
#define PAGE_BEFORE_ABSENT 18 /* area page 1; the next is absent */
#define PAGE_ABSENT 19
#define PAGE_CODE 32
#define PAGE_NO_EXECUTE 33 /* the second page of code_area */
#define WINDOW_PAGE(page) (WINDOW + (page) * 4096UL)

/* Where a case runs. */
#define CPL0 1u
#define CPL3 2u
#define USER32 4u   /* compatibility mode */
#define KERNEL32 8u /* compatibility mode at CPL 0 */
#define LDT32 16u   /* as USER32 in a segment whose base is the code less 0x100 */
#define LDT16 32u
#define BOTH (CPL0 | CPL3)
#define MODES 63u

/* How it runs. */
#define STEP 0x100u      /* starts with TF = 1 */
#define START_RF 0x200u  /* starts with RF = 1 */
#define DE 0x400u        /* CR4.DE = 1 */
#define KEEP 0x800u      /* the handler leaves DR6 alone, which starts as dr6_start */
#define NO_RF 0x1000u    /* the handler does not set RF at once: the breakpoint hits twice */
#define DOUBT 0x2000u    /* not settled: another answer is reported, and is no failure */
#define TCG_STOPS 0x4000u /* QEMU 7.2 without KVM aborts or crashes on it */
#define IOPL3 0x8000u
#define SYSRET_TF 0x10000u /* SYSRET goes back with TF set in R11 */
#define INTERRUPTS 0x20000u
#define KEEP_TF 0x40000u /* the image's TF is as it started in every event */
#define CLEAR_TF 0x80000u /* the #DB handler clears TF in the image */
#define SET_RF 0x100000u /* the handler sets RF in every image */
#define HALTS 0x200000u  /* the code may wait for an interrupt */
#define CORE 0x400000u   /* for every CPU, not only the first */
#define WITH_GD 0x800000u /* DR7.GD is set at the start */
#define CLEAR_MID_RF 0x1000000u /* the #DB handler clears RF where no execute bit is reported */
#define CLEAR_FAULT_RF 0x4000000u /* the handlers of faults clear RF */
#define SMP 0x8000000u /* needs the other CPUs */
#define LEGACY 0x10000000u /* leaves long mode; after all others */
#define OWN_DR7 0x2000000u /* the code writes debug registers itself */

enum base { BASE_NONE, BASE_DATA, BASE_STACK, BASE_POINT, BASE_ABSOLUTE, BASE_STUB };
enum kind { EXECUTE = 0, WRITE = 1, PORT = 2, ACCESS = 3 };

struct breakpoint {
	u8 base, kind, len, enable; /* enable: 0 local, 1 global, 2 both, 3 none */
	u64 at;
};
#define X(point) { .base = BASE_POINT, .kind = EXECUTE, .len = 1, .at = (point) }
#define XA(address) { .base = BASE_ABSOLUTE, .kind = EXECUTE, .len = 1, .at = (u64)(address) }
#define XS(vector) { .base = BASE_STUB, .kind = EXECUTE, .len = 1, .at = (vector) }
#define W(offset, size) { .base = BASE_DATA, .kind = WRITE, .len = (size), .at = (u64)(offset) }
#define RW(offset, size) { .base = BASE_DATA, .kind = ACCESS, .len = (size), .at = (u64)(offset) }
#define WS(offset, size) { .base = BASE_STACK, .kind = WRITE, .len = (size), .at = (u64)(offset) }
#define RWS(offset, size) \
	{ .base = BASE_STACK, .kind = ACCESS, .len = (size), .at = (u64)(offset) }
#define WA(address, size) \
	{ .base = BASE_ABSOLUTE, .kind = WRITE, .len = (size), .at = (u64)(address) }
#define RWA(address, size) \
	{ .base = BASE_ABSOLUTE, .kind = ACCESS, .len = (size), .at = (u64)(address) }
#define RWP(point, size) { .base = BASE_POINT, .kind = ACCESS, .len = (size), .at = (point) }
#define WP(point, size) { .base = BASE_POINT, .kind = WRITE, .len = (size), .at = (point) }
#define IO(port, size) { .base = BASE_ABSOLUTE, .kind = PORT, .len = (size), .at = (port) }
#define OFF(kind_, base_, at_, size) \
	{ .base = base_, .kind = kind_, .len = (size), .at = (u64)(at_), .enable = 3 }

#define B0 1u
#define B1 2u
#define B2 4u
#define B3 8u
#define BD 0x2000u
#define BS 0x4000u
#define BT 0x8000u

/* An event that must come. Points from STUB(v): the first instruction of v's handler. */
struct want {
	u8 used, vector, kernel;
	u8 rf; /* of the image: 0 clear, 1 set, 2 not looked at */
	u8 tf; /* 0 not looked at, 1 clear, 2 set */
	u8 check_error;
	u16 cs;
	int point;
	u32 dr6, error;
};
#define STUB(vector) (0x100 + (vector))
#define AT_SYSCALL_ENTRY 0x200
#define AT_CODE_AREA(offset) (0x10000 + (offset)) /* from the window's PAGE_CODE on */
#define AT_ANY 0x201
#define DB(point_, bits) { .used = 1, .vector = 1, .point = (point_), .dr6 = (bits) }
#define DBR(point_, bits) { .used = 1, .vector = 1, .point = (point_), .dr6 = (bits), .rf = 1 }
/* Between iterations of a REP: RF is looked at in checks of T3 only. */
#define DBM(point_, bits) { .used = 1, .vector = 1, .point = (point_), .dr6 = (bits), .rf = 2 }
/* General detect: whether RF is set in its image is told by a check of its own. */
#define DBG(point_, bits) DBM(point_, bits)
#define DBK(point_, bits) { .used = 1, .vector = 1, .point = (point_), .dr6 = (bits), .kernel = 1 }
#define DBT(point_, bits, tf_) \
	{ .used = 1, .vector = 1, .point = (point_), .dr6 = (bits), .tf = (tf_) }
#define DBC(point_, bits, cs_) \
	{ .used = 1, .vector = 1, .point = (point_), .dr6 = (bits), .cs = (cs_) }
/* A fault whose RF is looked at (T3), and others: one defect there, not one in each check. */
#define EXF(vector_, point_) { .used = 1, .vector = (vector_), .point = (point_), .rf = 1 }
#define EX(vector_, point_) { .used = 1, .vector = (vector_), .point = (point_), .rf = 2 }
#define EXE(vector_, point_, error_) \
	{ .used = 1, .vector = (vector_), .point = (point_), .rf = 2, .error = (error_), \
	  .check_error = 1 }
#define TRAP(vector_, point_) { .used = 1, .vector = (vector_), .point = (point_) }
#define TRAPT(vector_, point_, tf_) \
	{ .used = 1, .vector = (vector_), .point = (point_), .tf = (tf_) }

/* An event that came. */
struct event {
	u64 vector, error, rip, cs, rflags, rsp, ss, dr6, dr7, cr2, entry_flags, rcx;
};

#define MAX_WANTS 20
#define MAX_EVENTS 48

struct check {
	const char *rule, *name;
	const u8 *code;
	const u64 *points;
	u32 flags;
	struct breakpoint bp[4];
	struct want want[MAX_WANTS], other[6];
	const char *if_want, *if_other; /* for what is reported, not judged */
	u32 dr6_start;
	u8 ends_by_timer;                /* the code ends in a HLT */
	void (*before)(struct start *);  /* after the defaults are set */
	int (*fault)(struct frame *);    /* 1: go on from the frame */
	const char *(*after)(void);      /* a reason, or 0 */
	const char *(*run)(void);        /* instead of code */
	const char *(*skip)(void);       /* a reason, or 0 */
};

#define UNIQUE_SECTION __attribute__((section(".checks"), used))

asm(".macro P\n"
    "	.pushsection .points, \"a\"\n"
    "	.quad .Lpoint\\@\n"
    "	.popsection\n"
    ".Lpoint\\@:\n"
    ".endm\n");

#define CODE(id, text) \
	asm(".pushsection .points, \"a\"\n	.balign 8\n" #id "_points:\n	.popsection\n" \
	    ".pushsection .cases, \"ax\"\n	.balign 64\n" #id "_code:\n	.code64\n" text \
	    "\n	int $0x40\n	.code64\n	nop\n	.popsection\n" \
	    ".pushsection .points, \"a\"\n	.quad 0\n	.popsection\n"); \
	extern const u8 id##_code[]; \
	extern const u64 id##_points[]

#define CHECK(id, rule_, name_, flags_, text, ...) \
	CODE(id, text); \
	static const struct check id = { .rule = rule_, .name = name_, .flags = flags_, \
					 .code = id##_code, .points = id##_points, __VA_ARGS__ }; \
	static const struct check *const id##_entry UNIQUE_SECTION = &id

#define CUSTOM(id, rule_, name_, flags_, function) \
	static const struct check id = { .rule = rule_, .name = name_, .flags = flags_, \
					 .run = function }; \
	static const struct check *const id##_entry UNIQUE_SECTION = &id

#define BP(...) .bp = { __VA_ARGS__ }
#define WANT(...) .want = { __VA_ARGS__ }
#define OTHER(...) .other = { __VA_ARGS__ }
#define NOTHING .if_want = 0

/* tables.c */
extern u8 trap_stacks[MAX_CPUS][16384]; /* RSP0 */
#define TRAP_STACK ((u64)trap_stacks + sizeof trap_stacks[0])

/* case.c */
extern struct event events[MAX_EVENTS];
extern unsigned event_count;
extern u64 end_registers[15]; /* RAX, RCX, RDX, RBX, RBP, RSI, RDI, R8 ... at the end */
extern int ended;             /* the case came to its end */
extern volatile int timer_ran_out;
extern struct event timer_frame; /* what the timer interrupted */
u64 point_address(const struct check *check, int point, u32 mode);
extern u64 start_flags;       /* RFLAGS at the start */
u64 mode_selector(u32 mode);  /* CS */
void run_in_mode(const struct check *check, u32 mode);

/* report.c */
void run_check(const struct check *check, const char *prefix);
unsigned same_events(const struct check *check, const struct want *want, u32 mode);
void say(const char *verdict, const struct check *check, const char *prefix, const char *mode);
void put_events(const struct check *check, u32 mode);
int is_known_hazard(const struct check *check);
extern unsigned passed, failed, skipped;
const char *failure(const char *what, u64 expected, u64 got);

/* Ready-made fault(): on with the instruction at the last point, or the first. */
int to_last_point(struct frame *frame);
int to_first_point(struct frame *frame);
/* Ready-made fault(): makes the absent page of the window present, then again. */
int map_and_retry(struct frame *frame);

/* Indices of end_registers. */
enum { RAX, RCX, RDX, RBX, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };
#define ANY (CPL0 | CPL3 | USER32 | KERNEL32)
/* A function for .after: a register's value at the end. */
#define AFTER(name_, register_, value_) \
	static const char *name_(void) \
	{ \
		return end_registers[register_] == (value_) \
			       ? 0 \
			       : failure(#register_, value_, end_registers[register_]); \
	}

/* sweep.c: which bytes of an operand an instruction reads and writes. */
struct range {
	short from, to;
};
struct sweep {
	struct check check;
	u8 base;
	short from, to;
	struct range reads[5], writes[5];
};
void run_sweep(const struct sweep *sweep);
#define SWEEP_SECTION __attribute__((section(".checks"), used))
#define READS(...) .reads = { __VA_ARGS__ }
#define WRITES(...) .writes = { __VA_ARGS__ }
#define SWEEP(id, rule_, name_, flags_, base_, from_, to_, text, ...) \
	CODE(id, text); \
	static const struct sweep id = { \
		.check = { .rule = rule_, .name = name_, .flags = (flags_) | IS_SWEEP, \
			   .code = id##_code, .points = id##_points }, \
		.base = base_, .from = from_, .to = to_, __VA_ARGS__ }; \
	static const struct sweep *const id##_entry UNIQUE_SECTION = &id
#define IS_SWEEP 0x80000000u

#endif
