/* The other CPUs: started by INIT and SIPI; each has debug registers of its own. */
#include "case.h"

extern const u8 trampoline[], trampoline_end[];
volatile u32 cpus_ready = 1;

/* What a CPU that runs no case was interrupted by. */
static volatile struct { u32 count; u64 vector, dr6, rip; } other[MAX_CPUS];
static void (*volatile work[MAX_CPUS])(void);
static volatile u32 stage;

/* An event on a CPU that runs no case. */
int other_cpu_event(struct frame *frame)
{
	unsigned cpu = this_cpu();
	other[cpu].count++;
	other[cpu].vector = frame->vector;
	other[cpu].rip = frame->rip;
	if (frame->vector != 1 || other[cpu].count > 100) {
		put("FATAL: vector "), put_number((i64)frame->vector), put(" outside a case\n");
		for (;;)
			asm volatile("cli; hlt");
	}
	other[cpu].dr6 = read_dr6();
	write_dr6(DR6_RESET);
	frame->rflags |= FLAG_RF;
	return 0;
}

void ap_main(unsigned cpu)
{
	registers_at_reset(cpu);
	cpu_start(cpu);
	processor_start();
	__atomic_add_fetch(&cpus_ready, 1, __ATOMIC_SEQ_CST);
	for (;;) {
		while (!work[cpu])
			pause();
		work[cpu]();
		work[cpu] = 0;
	}
}

/* Waits until it is so, or for so long that it never will be. */
#define WAIT_UNTIL(condition) \
	({ \
		u64 tries_ = 0; \
		while (!(condition) && tries_++ < 2000000000UL) \
			pause(); \
		(condition); \
	})

static void wait_a_little(void)
{
	for (unsigned i = 0; i < 2000; i++)
		in8(0x80);
}

/* Starts all others. Waits for as many as the command line promises, if it does. */
void smp_start(u32 promised)
{
	u32 seen = 0;
	copy((void *)TRAMPOLINE, trampoline, (u64)(trampoline_end - trampoline));
	apic_write(0x310, 0);
	apic_write(0x300, 0xc4500);
	wait_a_little();
	for (unsigned i = 0; i < 2; i++) {
		apic_write(0x310, 0);
		apic_write(0x300, 0xc4600 | TRAMPOLINE >> 12);
		wait_a_little();
	}
	if (promised) {
		WAIT_UNTIL(cpus_ready >= promised);
		return;
	}
	/* Their number is known when no further one comes. */
	for (unsigned quiet = 0; quiet < 20; quiet++) {
		wait_a_little();
		if (cpus_ready != seen)
			quiet = 0;
		seen = cpus_ready;
	}
}

static const char *on_cpu(unsigned cpu, void (*function)(void))
{
	work[cpu] = function;
	return WAIT_UNTIL(!work[cpu]) ? 0 : "the CPU does not answer";
}

static void core_checks(void)
{
	char prefix[8] = "cpu0:";
	unsigned cpu = this_cpu();
	if (cpu >= 10) {
		prefix[3] = (char)('0' + cpu / 10);
		prefix[4] = (char)('0' + cpu % 10);
		prefix[5] = ':';
	} else {
		prefix[3] = (char)('0' + cpu);
	}
	run_all(prefix, CORE);
}

void smp_checks(void)
{
	for (unsigned cpu = 1; cpu < cpus_ready; cpu++) {
		const char *why = on_cpu(cpu, core_checks);
		if (!why)
			continue;
		put("FAIL SMP core-checks/cpu"), put_number(cpu), put(": ");
		put(why), put("\n");
		failed++;
		return;
	}
	run_all("", SMP);
}

static const char *one_cpu(void)
{
	return cpus_ready > 1 ? 0 : "one CPU";
}
#define CPUS(id, name_, function) \
	static const struct check id = { .rule = "R1,SMP", .name = name_, .flags = SMP, \
					 .run = function, .skip = one_cpu }; \
	static const struct check *const id##_entry UNIQUE_SECTION = &id

/* CPU 1 watches a store to DATA, and stores when it is told to. */
static void watch_then_store(void)
{
	other[1].count = 0;
	write_dr0(DATA);
	write_dr7(0xd0401);
	stage = 1;
	WAIT_UNTIL(stage == 2);
	*(volatile u32 *)DATA = 1;
	write_dr7(DR7_RESET);
}

static void store_only(void)
{
	other[1].count = 0;
	*(volatile u32 *)DATA = 1;
}

CODE(smp_store, "mov %eax, (%rbx); P; nop");
static const char *armed_on_1_stored_on_0(void)
{
	static const struct check trial = { .code = smp_store_code, .points = smp_store_points };
	const char *why = 0;
	stage = 0;
	work[1] = watch_then_store;
	if (!WAIT_UNTIL(stage == 1))
		return "CPU 1 does not answer";
	run_in_mode(&trial, CPL0);
	if (event_count)
		why = failure("hits on CPU 0", 0, event_count);
	else if (other[1].count)
		why = failure("hits on CPU 1", 0, other[1].count);
	stage = 2;
	if (!WAIT_UNTIL(!work[1]))
		return "CPU 1 does not answer";
	if (!why && other[1].count != 1)
		why = failure("hits on CPU 1 by its own store", 1, other[1].count);
	if (!why && other[1].dr6 != (DR6_RESET | B0))
		why = failure("DR6 of CPU 1", DR6_RESET | B0, other[1].dr6);
	return why;
}
CPUS(smp_1_0, "armed-on-cpu1-stored-on-cpu0", armed_on_1_stored_on_0);

static const char *armed_on_0_stored_on_1(void)
{
	u32 before = other[0].count;
	const char *why;
	write_dr0(DATA);
	write_dr7(0xd0401);
	why = on_cpu(1, store_only);
	write_dr7(DR7_RESET);
	if (!why && other[0].count != before)
		why = failure("hits on CPU 0", before, other[0].count);
	if (!why && other[1].count)
		why = failure("hits on CPU 1", 0, other[1].count);
	return why;
}
CPUS(smp_0_1, "armed-on-cpu0-stored-on-cpu1", armed_on_0_stored_on_1);

CODE(smp_execute, "nop; P; nop; nop");
static void watch_execute(void)
{
	other[1].count = 0;
	write_dr0(smp_execute_points[0]);
	write_dr7(0x401);
	stage = 1;
	WAIT_UNTIL(stage == 2);
	write_dr7(DR7_RESET);
}
static const char *execute_armed_on_1(void)
{
	static const struct check trial = { .code = smp_execute_code,
					    .points = smp_execute_points };
	stage = 0;
	work[1] = watch_execute;
	if (!WAIT_UNTIL(stage == 1))
		return "CPU 1 does not answer";
	run_in_mode(&trial, CPL0);
	stage = 2;
	if (!WAIT_UNTIL(!work[1]))
		return "CPU 1 does not answer";
	if (event_count)
		return failure("hits on CPU 0", 0, event_count);
	return other[1].count ? failure("hits on CPU 1", 0, other[1].count) : 0;
}
CPUS(smp_execute_check, "execute-armed-on-cpu1", execute_armed_on_1);

static volatile u64 dr0_of_1;
static void read_own(void)
{
	dr0_of_1 = read_dr0();
}
static void write_own(void)
{
	write_dr0(0x1111);
	write_dr3(0x3333);
}
static const char *registers_apart(void)
{
	const char *why;
	write_dr0(0x2222);
	write_dr3(0x4444);
	why = on_cpu(1, write_own);
	if (!why && (read_dr0() != 0x2222 || read_dr3() != 0x4444))
		why = failure("DR0 of CPU 0", 0x2222, read_dr0());
	write_dr0(0x5555);
	if (!why)
		why = on_cpu(1, read_own);
	return why || dr0_of_1 == 0x1111 ? why : failure("DR0 of CPU 1", 0x1111, dr0_of_1);
}
CPUS(smp_apart, "registers-of-each-cpu", registers_apart);
