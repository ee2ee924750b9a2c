/*
 * Outside long mode: the T bit of a 32-bit task state segment (x86-debug rule X2), and the
 * main rules once more without paging. Runs after all others.
 */
#include "case.h"

/* As legacy.S fills it. */
extern volatile struct {
	u32 count, eip, eflags, dr6, dr7_handler, dr7_b, reached_b, back, vector, dr7_start, wanted;
} task_log;
extern u64 legacy_idt[32];
extern const u32 legacy_handlers[32];
extern const u8 task_b_entry[], task_b_stack_top[];
static u32 task_a[32] __attribute__((aligned(128)));
static u32 task_b[32] __attribute__((aligned(128)));

static u64 task_descriptor(const void *at)
{
	u64 base = (u64)at;
	return 103 | (base & 0xffffff) << 16 | 0x89UL << 40 | (base >> 24 & 0xff) << 56;
}

/* All entries enabled both ways, with LE and GE, where nothing happens. */
#define ALL_ENABLED 0xdddd07ffU

static void prepare(int trap)
{
	for (unsigned vector = 0; vector < 32; vector++)
		legacy_idt[vector] = (legacy_handlers[vector] & 0xffff) |
				     (u64)KERNEL_CS32 << 16 | 0x8eUL << 40 |
				     (u64)(legacy_handlers[vector] >> 16) << 48;
	for (unsigned i = 0; i < 32; i++)
		task_a[i] = task_b[i] = 0;
	task_b[8] = (u32)(u64)task_b_entry;
	task_b[9] = 2;
	task_b[14] = (u32)(u64)task_b_stack_top;
	task_b[18] = task_b[20] = task_b[21] = task_b[22] = task_b[23] = KERNEL_DS;
	task_b[19] = KERNEL_CS32;
	task_b[25] = (trap ? 1 : 0) | 104 << 16;
	task_a[25] = 104 << 16;
	gdt[TASK_A / 8] = task_descriptor(task_a);
	gdt[TASK_B / 8] = task_descriptor(task_b);
	write_dr6(DR6_RESET);
}

static void excursion(int trap)
{
	prepare(trap);
	task_log = (typeof(task_log)){ .vector = 0xff, .dr7_start = ALL_ENABLED };
	write_dr0(0x3000);
	write_dr1(0x3000);
	write_dr2(0x3000);
	write_dr3(0x3000);
	switch_tasks();
}

static const char *came_back(void)
{
	if (task_log.vector != 0xff)
		return failure("exception", 0xff, task_log.vector);
	return task_log.back ? 0 : "task A did not go on";
}

static const char *task_trap(void)
{
	const char *why;
	excursion(1);
	why = came_back();
	if (!why && task_log.count != 1)
		why = failure("#DB", 1, task_log.count);
	if (!why && task_log.dr6 != (DR6_RESET | BT))
		why = failure("DR6", DR6_RESET | BT, task_log.dr6);
	if (!why && task_log.eip != (u32)(u64)task_b_entry)
		why = failure("EIP in the image", (u64)task_b_entry, task_log.eip);
	return why;
}

static const char *no_task_trap(void)
{
	const char *why;
	excursion(0);
	why = came_back();
	return why || !task_log.count ? why : failure("#DB", 0, task_log.count);
}

static const char *local_cleared(void)
{
	const char *why;
	u32 expected = ALL_ENABLED & ~0x155U;
	excursion(0);
	why = came_back();
	if (!why && !task_log.reached_b)
		why = "task B did not run";
	return why || task_log.dr7_b == expected ? why : failure("DR7", expected, task_log.dr7_b);
}

#define TASKS(id, name_, function) CUSTOM(id, "X2", name_, LEGACY, function)
TASKS(x2_none, "no-trap-without-t", no_task_trap);
TASKS(x2_local, "l-and-le-cleared", local_cleared);
TASKS(x2_trap, "t-bit-trap", task_trap);

/* legacy_code's points, in order. */
extern const u8 legacy_point_0[], legacy_point_1[], legacy_point_2[], legacy_point_3[],
	legacy_point_4[], legacy_point_5[], legacy_point_6[];
extern volatile struct { u32 eip, eflags, dr6, unused; } legacy_events[LEGACY_EVENTS];

/* What must happen, with B0 and B3 at points 0 and 6, B1 on 8 bytes, B2 on the second of REP. */
static const struct { const u8 *at; u32 dr6, rf; } legacy_wants[] = {
	{ legacy_point_0, B0, 0 },
	{ legacy_point_1, B1, 0 },
	{ legacy_point_2, BS, 0 },
	{ legacy_point_3, B2, FLAG_RF },
	{ legacy_point_4, 0, 0 },
};
#define LEGACY_WANTS (sizeof legacy_wants / sizeof *legacy_wants)

static const char *legacy_run(void)
{
	prepare(0);
	task_log = (typeof(task_log)){ .vector = 0xff, .wanted = 1,
				       .dr7_start = 0x400 | 0xaa | 1 << 20 | 2 << 22 | 1 << 24 };
	write_dr0((u64)legacy_point_0);
	write_dr1(DATA);
	write_dr2(TARGET + 1);
	write_dr3((u64)legacy_point_6);
	switch_tasks();
	return came_back();
}

static const char *legacy_event(unsigned index)
{
	const char *why = legacy_run();
	if (index >= task_log.count)
		return why ? why : failure("#DB", LEGACY_WANTS, task_log.count);
	if (legacy_events[index].eip != (u32)(u64)legacy_wants[index].at)
		return failure("EIP in the image", (u64)legacy_wants[index].at,
			       legacy_events[index].eip);
	if (legacy_events[index].dr6 != (DR6_RESET | legacy_wants[index].dr6))
		return failure("DR6", DR6_RESET | legacy_wants[index].dr6,
			       legacy_events[index].dr6);
	if ((legacy_events[index].eflags & FLAG_RF) != legacy_wants[index].rf)
		return failure("RF in the image", legacy_wants[index].rf,
			       legacy_events[index].eflags & FLAG_RF);
	return 0;
}
static const char *legacy_execute(void) { return legacy_event(0); }
static const char *legacy_data(void) { return legacy_event(1); }
static const char *legacy_step(void) { return legacy_event(2); }
static const char *legacy_rep(void) { return legacy_event(3); }
static const char *legacy_icebp(void) { return legacy_event(4); }
static const char *legacy_shadow(void)
{
	legacy_run();
	for (unsigned i = 0; i < task_log.count; i++)
		if (legacy_events[i].eip == (u32)(u64)legacy_point_6)
			return "the shadowed instruction's breakpoint was met";
	return task_log.count + 1 >= LEGACY_WANTS ? 0 : failure("#DB", LEGACY_WANTS, task_log.count);
}
CUSTOM(legacy_m1, "M1", "execute/protected-mode", LEGACY, legacy_execute);
CUSTOM(legacy_r6, "R6", "len8/protected-mode", LEGACY, legacy_data);
CUSTOM(legacy_t10, "T10", "popf-sets-tf/protected-mode", LEGACY, legacy_step);
CUSTOM(legacy_r8, "R8.2,T3", "rep-stosb/protected-mode", LEGACY, legacy_rep);
CUSTOM(legacy_i1, "I1", "icebp/protected-mode", LEGACY, legacy_icebp);
CUSTOM(legacy_s1, "S1", "no-execute-breakpoint/protected-mode", LEGACY, legacy_shadow);
