/* Runs a case and logs its events. */
#include "case.h"

u8 area[65536] __attribute__((aligned(65536)));
struct event events[MAX_EVENTS];
unsigned event_count;
u64 end_registers[15];
int ended;
volatile int timer_ran_out;
struct event timer_frame;

static const struct check *running;
static u32 running_mode;
static u64 code_base;      /* CS base of the running mode */
u64 start_flags;
static volatile unsigned running_cpu;
static unsigned deliveries; /* of this case, counted or not */
static volatile int cleaning;

int other_cpu_event(struct frame *frame);

u64 mode_selector(u32 mode)
{
	switch (mode) {
	case CPL0: return KERNEL_CS;
	case CPL3: return USER_CS;
	case USER32: return USER_CS32;
	case KERNEL32: return KERNEL_CS32;
	case LDT32: return LDT_CODE32;
	default: return LDT_CODE16;
	}
}

static int mode_is_kernel(u32 mode)
{
	return mode == CPL0 || mode == KERNEL32;
}

u64 point_address(const struct check *check, int point, u32 mode)
{
	u64 base = mode & (LDT32 | LDT16) ? (u64)check->code - 0x100 : 0;
	if (point < 0 || point >= 0x1000)
		return WINDOW_PAGE(PAGE_CODE) + (u64)(i64)(point - AT_CODE_AREA(0));
	if (point == AT_SYSCALL_ENTRY)
		return (u64)syscall_entry;
	if (point >= 0x100)
		return stub_address((unsigned)point - 0x100);
	return check->points[point] - base;
}

static u64 breakpoint_address(const struct check *check, const struct breakpoint *bp)
{
	switch (bp->base) {
	case BASE_DATA: return DATA + bp->at;
	case BASE_STACK: return STACK + bp->at;
	case BASE_STUB: return stub_address((unsigned)bp->at);
	case BASE_POINT: return point_address(check, bp->at, CPL0);
	default: return bp->at;
	}
}

static u64 set_breakpoints(const struct check *check)
{
	static const u8 codes[9] = { [1] = 0, [2] = 1, [4] = 3, [8] = 2 };
	u64 dr7 = DR7_RESET | (check->flags & WITH_GD ? DR7_GD : 0);
	u64 address[4] = { 0 };
	for (unsigned i = 0; i < 4; i++) {
		const struct breakpoint *bp = &check->bp[i];
		if (!bp->base)
			continue;
		address[i] = breakpoint_address(check, bp);
		dr7 |= (u64)(bp->kind | codes[bp->len] << 2) << (16 + 4 * i);
		dr7 |= (bp->enable == 0 ? 1UL : bp->enable == 1 ? 2UL : bp->enable == 2 ? 3UL : 0)
		       << 2 * i;
	}
	write_dr0(address[0]);
	write_dr1(address[1]);
	write_dr2(address[2]);
	write_dr3(address[3]);
	return dr7;
}

/* Whether an execute breakpoint is here; with a length the low bits may be ignored. */
static int executes_here(u64 linear, u64 dr7)
{
	static const u8 ignored[4] = { 0, 1, 7, 3 };
	u64 address[4] = { read_dr0(), read_dr1(), read_dr2(), read_dr3() };
	for (unsigned i = 0; i < 4; i++)
		if (!((address[i] ^ linear) & ~(u64)ignored[dr7 >> (18 + 4 * i) & 3]) && (dr7 >> 2 * i & 3) && !(dr7 >> (16 + 4 * i) & 3))
			return 1;
	return 0;
}

int to_last_point(struct frame *frame)
{
	unsigned last = 0;
	while (running->points[last + 1])
		last++;
	frame->rip = point_address(running, last, running_mode);
	frame->rflags &= ~FLAG_RF;
	return 1;
}

int to_first_point(struct frame *frame)
{
	frame->rip = point_address(running, 0, running_mode);
	frame->rflags &= ~FLAG_RF;
	return 1;
}

int map_and_retry(struct frame *frame)
{
	if (frame->vector != 14)
		return 0;
	set_page(PAGE_ABSENT, (u64)&area[0x4000] | 7);
	return 1;
}

/* What the handler does to RF and TF in the image. */
static void edit_flags(struct frame *frame, u64 dr7)
{
	u64 base = frame->cs == LDT_CODE32 || frame->cs == LDT_CODE16 ? code_base : 0;
	int again = event_count > 1 && events[event_count - 2].rip == frame->rip;
	int executes = frame->vector == 1 && executes_here(frame->rip + base, dr7);
	if (executes && (again || !(running->flags & NO_RF)) &&
	    !(running->flags & CLEAR_MID_RF && events[event_count - 1].dr6 == (DR6_RESET | B0)))
		frame->rflags |= FLAG_RF;
	else if (frame->vector == 1 && (running->flags & CLEAR_MID_RF))
		frame->rflags &= ~FLAG_RF;
	if (running->flags & SET_RF)
		frame->rflags |= FLAG_RF;
	if ((running->flags & CLEAR_FAULT_RF) && frame->vector != 1)
		frame->rflags &= ~FLAG_RF;
	if ((running->flags & CLEAR_TF) && frame->vector == 1)
		frame->rflags &= ~FLAG_TF;
}

/* 0: back to where it happened, 1: the case is over, 2: back by SYSRET. */
static int after_event(struct frame *frame)
{
	switch (frame->vector) {
	case SPARE_VECTOR:
		apic_write(0xb0, 0); /* EOI: it may have been an interrupt */
		return 0;
	case 1: case 3: case 4:
		return 0;
	case SYSCALL_VECTOR:
		if (running->flags & SYSRET_TF)
			frame->rflags |= FLAG_TF;
		if (!mode_is_kernel(running_mode))
			return 2;
		frame->cs = KERNEL_CS;
		frame->ss = KERNEL_DS;
		return 0;
	default:
		return !(running->fault && running->fault(frame));
	}
}

static void take_registers(const struct frame *frame)
{
	const u64 from[15] = { frame->rax, frame->rcx, frame->rdx, frame->rbx, frame->rbp,
			       frame->rsi, frame->rdi, frame->r8, frame->r9, frame->r10,
			       frame->r11, frame->r12, frame->r13, frame->r14, frame->r15 };
	for (unsigned i = 0; i < 15; i++)
		end_registers[i] = from[i];
}

int handle_event(struct frame *frame, u64 entry_flags)
{
	struct event *event;
	u64 dr7;
	int answer;

	if (this_cpu() != running_cpu || !running)
		return other_cpu_event(frame);
	if (++deliveries > 4 * MAX_EVENTS) {
		put("FATAL: exceptions without end\n");
		out32(0xf4, 1);
	}
	if (frame->vector == TIMER_VECTOR) {
		timer_stop();
		timer_frame = (struct event){ .rip = frame->rip, .rflags = frame->rflags };
	}
	if (frame->vector == END_VECTOR || frame->vector == TIMER_VECTOR ||
	    event_count == MAX_EVENTS) {
		take_registers(frame);
		ended = frame->vector == END_VECTOR;
		timer_ran_out = frame->vector == TIMER_VECTOR;
		return 1;
	}
	if (cleaning)
		return 0;
	event = &events[event_count++];
	*event = (struct event){ frame->vector, frame->error, frame->rip, frame->cs,
				 frame->rflags, frame->rsp, frame->ss, ~0UL, ~0UL, read_cr2(),
				 entry_flags, frame->rcx };
	if ((running->flags & WITH_GD) && frame->vector != 1) {
		take_registers(frame);
		return after_event(frame);
	}
	dr7 = read_dr7();
	event->dr7 = dr7;
	write_dr7(DR7_RESET);
	event->dr6 = read_dr6();
	if (!(running->flags & KEEP))
		write_dr6(DR6_RESET);
	answer = after_event(frame);
	take_registers(frame);
	edit_flags(frame, dr7);
	write_dr7(dr7);
	return answer;
}

static void start_registers(struct start *start, const struct check *check, u32 mode)
{
	int kernel = mode_is_kernel(mode);
	*start = (struct start){ .rbx = DATA, .rsi = SOURCE, .rdi = TARGET, .rbp = DATA + 0x4000,
				 .rsp = STACK, .rip = (u64)check->code };
	start->cs = mode_selector(mode);
	start->ss = start->ds = kernel ? KERNEL_DS : USER_DS;
	start->rflags = 2 | (check->flags & STEP ? FLAG_TF : 0) |
			(check->flags & START_RF ? FLAG_RF : 0) |
			(check->flags & IOPL3 ? FLAG_IOPL3 : 0) |
			(check->flags & INTERRUPTS ? FLAG_IF : 0);
	if (mode & (LDT32 | LDT16)) {
		code_base = (u64)check->code - 0x100;
		set_ldt_code(code_base);
		start->rip = 0x100;
	}
}

/* Runs the code once; the log is in events[]. */
void run_in_mode(const struct check *check, u32 mode)
{
	struct start start;
	u64 cr4 = read_cr4();

	start_registers(&start, check, mode);
	event_count = 0;
	deliveries = 0;
	ended = 0;
	timer_ran_out = 0;
	running_cpu = this_cpu();
	running_mode = mode;
	start_flags = start.rflags;
	write_dr7(DR7_RESET);
	write_dr6(DR6_RESET & ~0xfUL);
	write_dr6(check->flags & KEEP ? DR6_RESET | check->dr6_start : DR6_RESET);
	write_cr4(check->flags & DE ? cr4 | CR4_DE : cr4 & ~CR4_DE);
	start.dr7 = set_breakpoints(check);
	running = check;
	write_msr(0xc0000084, FLAG_TF | FLAG_IF | FLAG_DF | FLAG_NT);
	if (check->before)
		check->before(&start);
	if (check->flags & HALTS)
		timer_start();
	run_case(&start);
	if (check->flags & HALTS)
		timer_stop();
	cleaning = 1; /* DR7.GD may still be set */
	write_dr7(DR7_RESET);
	cleaning = 0;
	running = 0;
	write_cr4(cr4);
}
