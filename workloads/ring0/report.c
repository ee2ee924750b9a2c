/* Compares the events of a case with what must come, and prints the result. */
#include "case.h"

unsigned passed, failed, skipped;
static struct { const char *what; u64 expected, got; } reason;

static int same_event(const struct check *check, const struct event *event,
		      const struct want *want, u32 mode)
{
	u64 disabled = 0;
	u64 selector = want->kernel ? (u64)KERNEL_CS : mode_selector(mode);
	for (unsigned i = 0; i < 4; i++)
		if (check->bp[i].base && check->bp[i].enable == 3)
			disabled |= 1UL << i;
	if (event->vector != want->vector ||
	    (want->point != AT_ANY && event->rip != point_address(check, want->point, mode)))
		return 0;
	if (want->point >= 0x100 && want->point < AT_ANY)
		selector = KERNEL_CS;
	if (want->cs)
		selector = want->cs;
	if ((event->vector != SYSCALL_VECTOR && event->cs != selector) ||
	    (want->rf < 2 && !(event->rflags & FLAG_RF) != !want->rf))
		return 0;
	if (event->dr6 != ~0UL && (event->dr6 & ~disabled) != (DR6_RESET | want->dr6))
		return 0;
	if (want->check_error && event->error != want->error)
		return 0;
	if (want->tf && !(event->rflags & FLAG_TF) != (want->tf == 1))
		return 0;
	if ((check->flags & KEEP_TF) && want->point < 0x100 &&
	    ((event->rflags ^ start_flags) & FLAG_TF))
		return 0;
	return 1;
}

unsigned same_events(const struct check *check, const struct want *want, u32 mode)
{
	unsigned count = 0;
	while (count < MAX_WANTS && want[count].used) {
		if (count == event_count || !same_event(check, &events[count], &want[count], mode))
			return 0;
		count++;
	}
	return count == event_count;
}

const char *failure(const char *what, u64 expected, u64 got)
{
	reason.what = what;
	reason.expected = expected;
	reason.got = got;
	return what;
}

static void put_flag_names(u64 dr6)
{
	static const struct { u32 bit; const char *name; } names[] = {
		{ B0, " B0" }, { B1, " B1" }, { B2, " B2" }, { B3, " B3" },
		{ BD, " BD" }, { BS, " BS" }, { BT, " BT" } };
	for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
		if (dr6 & names[i].bit)
			put(names[i].name);
}

static void put_vector(u64 vector)
{
	static const char *const names[] = { "#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD",
					     "#NM", "#DF", "9", "#TS", "#NP", "#SS", "#GP",
					     "#PF", "15", "#MF", "#AC", "#MC", "#XM" };
	if (vector < sizeof names / sizeof *names)
		put(names[vector]);
	else if (vector == SYSCALL_VECTOR)
		put("SYSCALL");
	else
		put("INT "), put_hex(vector);
}

static void put_place(const struct check *check, u64 rip, u32 mode)
{
	for (unsigned i = 0; check->points && check->points[i]; i++)
		if (point_address(check, i, mode) == rip) {
			put(" P"), put_number(i);
			return;
		}
	for (unsigned vector = 0; vector < 0x50; vector++)
		if (stub_address(vector) == rip && (vector < 32 || vector >= 0x40)) {
			put(" handler of "), put_vector(vector);
			return;
		}
	if (rip == (u64)syscall_entry) {
		put(" SYSCALL entry");
		return;
	}
	put(" code"), put_char(rip < point_address(check, 0, mode) ? '-' : '+');
	put_hex(rip < point_address(check, 0, mode) ? point_address(check, 0, mode) - rip
						    : rip - point_address(check, 0, mode));
}

void put_events(const struct check *check, u32 mode)
{
	put("[");
	for (unsigned i = 0; i < event_count; i++) {
		const struct event *event = &events[i];
		put(i ? "; " : "");
		put_vector(event->vector);
		put_place(check, event->rip, mode);
		if (event->vector == 1)
			put_flag_names(event->dr6);
		if (event->vector != 1 && event->vector < 32 && event->error)
			put(" error "), put_hex(event->error);
		if (event->dr6 != ~0UL && (event->dr6 & ~0xe00fUL) != DR6_RESET)
			put(" DR6 "), put_hex(event->dr6);
		else if (event->vector != 1 && event->dr6 != ~0UL && event->dr6 != DR6_RESET)
			put(" DR6"), put_flag_names(event->dr6);
		put(event->rflags & FLAG_RF ? " RF" : "");
		put(event->rflags & FLAG_TF ? " TF" : "");
	}
	put(event_count == MAX_EVENTS ? "; ...]" : "]");
	put(timer_ran_out ? " until the timer" : "");
}

static void put_wants(const struct check *check, const struct want *want, u32 mode)
{
	put("[");
	for (unsigned i = 0; i < MAX_WANTS && want[i].used; i++) {
		put(i ? "; " : "");
		put_vector(want[i].vector);
		if (want[i].point != AT_ANY)
			put_place(check, point_address(check, want[i].point, mode), mode);
		put_flag_names(want[i].dr6);
		if (want[i].check_error && want[i].error)
			put(" error "), put_hex(want[i].error);
		put(want[i].rf == 1 ? " RF" : "");
		put(want[i].tf == 2 || ((check->flags & KEEP_TF) && want[i].point < 0x100 &&
				       (check->flags & STEP)) ? " TF" : "");
	}
	put("]");
}

/* The start of a result line. */
void say(const char *verdict, const struct check *check, const char *prefix, const char *mode)
{
	put(verdict);
	put(" ");
	put(check->rule);
	put(" ");
	put(prefix);
	put(check->name);
	if (*mode)
		put("/"), put(mode);
}

static const char *mode_name(u32 mode)
{
	switch (mode) {
	case CPL0: return "cpl0";
	case CPL3: return "cpl3";
	case USER32: return "compat";
	case KERNEL32: return "compat-cpl0";
	case LDT32: return "ldt32";
	case LDT16: return "ldt16";
	default: return "";
	}
}

static void put_failure(const struct check *check, const char *prefix, u32 mode, const char *why)
{
	say(check->flags & DOUBT ? "INFO" : "FAIL", check, prefix, mode_name(mode));
	if (!(check->flags & DOUBT))
		failed++;
	if (why && why == reason.what) {
		put(": expected "), put(why), put(" "), put_hex(reason.expected);
		put(" got "), put_hex(reason.got);
	} else if (why) {
		put(": "), put(why);
	} else {
		put(": expected "), put_wants(check, check->want, mode), put(" got ");
		put_events(check, mode);
		put(ended || event_count == MAX_EVENTS ? "" : " and no end");
	}
	put("\n");
}

static void report_alternatives(const struct check *check, const char *prefix, u32 mode)
{
	say("INFO", check, prefix, mode_name(mode));
	put(": ");
	if (same_events(check, check->want, mode))
		put(check->if_want);
	else if (same_events(check, check->other, mode))
		put(check->if_other);
	else
		put("got "), put_events(check, mode);
	put("\n");
}

/* By its own INT, or by a fault or a timer that the check is about. */
static int came_to_its_end(const struct check *check)
{
	if (timer_ran_out)
		return check->ends_by_timer;
	return ended ||
	       (event_count && !check->fault && events[event_count - 1].vector != 1);
}

static void judge(const struct check *check, const char *prefix, u32 mode)
{
	const char *why = 0;
	reason.what = 0;
	if (check->if_want) {
		report_alternatives(check, prefix, mode);
		return;
	}
	if (!same_events(check, check->want, mode) || !came_to_its_end(check))
		put_failure(check, prefix, mode, 0);
	else if (check->after && (why = check->after()))
		put_failure(check, prefix, mode, why);
	else {
		say("PASS", check, prefix, mode_name(mode));
		put("\n");
		passed++;
	}
}

static void skip(const struct check *check, const char *prefix, const char *why)
{
	say("SKIP", check, prefix, "");
	put(": ");
	put(why);
	put("\n");
	skipped++;
}

void run_check(const struct check *check, const char *prefix)
{
	const char *why = check->skip ? check->skip() : 0;
	if (!why && is_known_hazard(check))
		why = "QEMU without KVM dies of it";
	if (why) {
		skip(check, prefix, why);
		return;
	}
	if (check->run) {
		reason.what = 0;
		why = check->run();
		if (why) {
			put_failure(check, prefix, 0, why);
			return;
		}
		say("PASS", check, prefix, "");
		put("\n");
		passed++;
		return;
	}
	for (u32 mode = 1; mode < MODES; mode <<= 1)
		if (check->flags & mode) {
			for (u64 *at = (u64 *)DATA; at < (u64 *)TARGET + 512; at++)
				*at = 0;
			window_reset();
			run_in_mode(check, mode);
			judge(check, prefix, mode);
		}
}
