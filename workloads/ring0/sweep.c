/*
 * Sweeps: an instruction is run once for each byte around its operand with that byte
 * watched, and the bytes that hit are compared with those of x86-debug section 9.
 */
#include "case.h"

#define MAX_SPAN 1200

static struct check trial;

static int in_ranges(const struct range *ranges, int byte)
{
	for (unsigned i = 0; i < 5; i++)
		if (byte >= ranges[i].from && byte < ranges[i].to)
			return 1;
	return 0;
}

/* -1: neither one hit nor none. */
static int hits(const struct sweep *sweep, u32 mode, int byte, u8 kind)
{
	trial = sweep->check;
	trial.bp[0] = (struct breakpoint){ .base = sweep->base, .kind = kind, .len = 1,
					   .at = (u64)(i64)byte };
	run_in_mode(&trial, mode);
	if (!ended || event_count > 1 ||
	    (event_count == 1 && (events[0].vector != 1 || events[0].dr6 != (DR6_RESET | B0))))
		return -1;
	return (int)event_count;
}

static void put_ranges(const u8 *bytes, int from, int to)
{
	int start = from;
	put("[");
	for (int byte = from; byte <= to; byte++) {
		if (byte < to && bytes[byte - from] == bytes[start - from])
			continue;
		if (bytes[start - from]) {
			put(" ");
			put_number(start);
			put("..");
			put_number(byte);
			put(bytes[start - from] == 0xff ? "(events)" : "");
		}
		start = byte;
	}
	put(" ]");
}

static int sweep_kind(const struct sweep *sweep, u32 mode, u8 kind, u8 *got, u8 *expected)
{
	int same = 1;
	for (int byte = sweep->from; byte < sweep->to; byte++) {
		int at = byte - sweep->from;
		got[at] = (u8)hits(sweep, mode, byte, kind);
		expected[at] = (u8)(in_ranges(sweep->writes, byte) ||
				    (kind == ACCESS && in_ranges(sweep->reads, byte)));
		same &= got[at] == expected[at];
	}
	return same;
}

static void sweep_in_mode(const struct sweep *sweep, u32 mode, const char *name)
{
	static u8 got[2][MAX_SPAN], expected[2][MAX_SPAN];
	int same_w = sweep_kind(sweep, mode, WRITE, got[0], expected[0]);
	int same_rw = sweep_kind(sweep, mode, ACCESS, got[1], expected[1]);
	int doubt = (sweep->check.flags & DOUBT) != 0;
	if (same_w && same_rw) {
		say("PASS", &sweep->check, "", name);
		put("\n");
		passed++;
		return;
	}
	say(doubt ? "INFO" : "FAIL", &sweep->check, "", name);
	failed += !doubt;
	put(": ");
	for (int i = 0; i < 2; i++) {
		if (i ? same_rw : same_w)
			continue;
		put(i && !same_w ? "; " : "");
		put(i ? "expected accessed " : "expected written ");
		put_ranges(expected[i], sweep->from, sweep->to);
		put(" got ");
		put_ranges(got[i], sweep->from, sweep->to);
	}
	put("\n");
}

void run_sweep(const struct sweep *sweep)
{
	const char *why = sweep->check.skip ? sweep->check.skip() : 0;
	static const char *const names[] = { "cpl0", "cpl3", "compat", "compat-cpl0", "ldt32",
					     "ldt16" };
	if (why) {
		say("SKIP", &sweep->check, "", "");
		put(": ");
		put(why);
		put("\n");
		skipped++;
		return;
	}
	for (unsigned i = 0; i < 6; i++)
		if (sweep->check.flags & 1u << i) {
			for (u64 *at = (u64 *)DATA; at < (u64 *)TARGET + 512; at++)
				*at = 0;
			sweep_in_mode(sweep, 1u << i, names[i]);
		}
}
