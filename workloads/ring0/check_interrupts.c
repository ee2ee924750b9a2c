/*
 * Interrupts beside #DB: x86-debug section 5, rules X6 and T3. A message of the local APIC to
 * its own CPU waits before the case starts, so that it comes when the case opens IF.
 */
#include "case.h"

#define ICR 0x300
#define IRR_OF_SPARE (0x200 + (SPARE_VECTOR >> 5 << 4))

static void send_to_self(struct start *start)
{
	(void)start;
	apic_write(0x310, 0);
	apic_write(ICR, 0x44000 | SPARE_VECTOR);
	for (unsigned tries = 0; tries < 100000; tries++) {
		if (apic_read(IRR_OF_SPARE) & 1u << (SPARE_VECTOR & 31))
			return;
		pause();
	}
}

#define WAITING(id, rule_, name_, flags_, text, ...) \
	CHECK(id, rule_, name_, CPL0 | (flags_), text "; cli", __VA_ARGS__, .before = send_to_self)
WAITING(prio_none, "PRIO", "interrupt-alone", 0, "sti; nop; P; nop", WANT(TRAP(SPARE_VECTOR, 0)));
WAITING(prio_execute, "PRIO", "interrupt-before-execute-breakpoint", 0, "sti; nop; P; nop; nop",
	BP(X(0)), WANT(TRAP(SPARE_VECTOR, 0), DB(0, B0)));
WAITING(prio_data, "PRIO", "data-hit-before-interrupt", 0, "sti; mov %eax, (%rbx); P; nop",
	BP(W(0, 4)), WANT(DB(0, B0), TRAP(SPARE_VECTOR, 0)));
WAITING(prio_merged, "PRIO,P3", "data-hit-with-execute-before-interrupt", 0,
	"sti; mov %eax, (%rbx); P; nop; nop", BP(W(0, 4), X(0)),
	WANT(DB(0, B0 | B1), { .used = 1, .vector = SPARE_VECTOR, .point = 0, .rf = 1 }));
WAITING(prio_handler, "PRIO", "execute-breakpoint-at-its-handler", 0, "sti; nop; P; nop",
	BP(XS(SPARE_VECTOR)), WANT(DBK(STUB(SPARE_VECTOR), B0), TRAP(SPARE_VECTOR, 0)));
WAITING(prio_pushes, "M12,X7", "frame-of-an-interrupt", TCG_STOPS, "sti; nop; P; nop",
	BP(WS(-40, 8)), WANT(DBK(STUB(SPARE_VECTOR), B0), TRAP(SPARE_VECTOR, 0),
			     DBK(STUB(END_VECTOR), B0)));
WAITING(x6_sti, "X6", "sti-does-not-delay-execute-breakpoint", DOUBT, "sti; P; nop; nop", BP(X(0)),
	WANT(DB(0, B0), { .used = 1, .vector = SPARE_VECTOR, .point = 0, .rf = 1 }));
WAITING(s1_interrupt, "S1", "interrupt-not-in-the-shadow", 0,
	"mov %ss, %ecx; sti; nop; P; mov %ecx, %ss; nop", WANT(TRAP(SPARE_VECTOR, 0)));
WAITING(t10_interrupt, "T10,PRIO", "step-before-interrupt", STEP | CLEAR_TF,
	"pushfq; P; nop; nop; sti; nop; P; nop", WANT(DB(0, BS), TRAP(SPARE_VECTOR, 1)));

/* An interrupt between iterations: RF is set in its image. */
CODE(long_rep, "sti; P; rep lodsb; P; nop; cli");
static void long_count(struct start *start)
{
	start->rsi = 0x100000;
	start->rcx = 28 << 20;
	timer_count = 200000;
}
static const char *interrupted_rep(void)
{
	static const struct check trial = { .flags = HALTS, .code = long_rep_code,
					    .points = long_rep_points, .before = long_count };
	run_in_mode(&trial, CPL0);
	if (event_count)
		return failure("events", 0, event_count);
	if (!timer_ran_out)
		return "the timer did not run out within the REP";
	if (timer_frame.rip != long_rep_points[0])
		return failure("RIP in the image", long_rep_points[0], timer_frame.rip);
	return timer_frame.rflags & FLAG_RF ? 0 : failure("RF in the image", 1, 0);
}
CUSTOM(t3_interrupted, "T3", "rf-of-interrupt-between-iterations", 0, interrupted_rep);
