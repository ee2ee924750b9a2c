/*
 * The ring-0 conformance image: every check, a line for each, then the totals and the exit.
 *
 * Words of the command line: `list` names the checks; `only=TEXT` runs those whose name
 * contains TEXT or whose rule is TEXT, `skip=TEXT` all others, `hazards` also those that stop
 * QEMU; `one-cpu` leaves the other CPUs asleep, `cpus=N` waits until N have started;
 * `no-legacy` stays in long mode; `announce` prints the name of each check before it runs.
 */
#include "case.h"

extern const struct check *const checks_start[], *const checks_end[];
static char command_line[256];

static const char *argument(const char *name)
{
	for (const char *at = command_line; *at; at++)
		if ((at == command_line || at[-1] == ' ') && starts(at, name))
			return at + (contains(name, "=") ? 5 : 0);
	return 0;
}

static int selected(const struct check *check, const char *option)
{
	const char *given = argument(option);
	char word[64];
	unsigned length = 0;
	if (!given)
		return -1;
	while (given[length] && given[length] != ' ' && length < sizeof word - 1) {
		word[length] = given[length];
		length++;
	}
	word[length] = 0;
	return contains(check->name, word) || same(check->rule, word);
}

int is_known_hazard(const struct check *check)
{
	struct cpuid id = cpuid(0x40000000, 0);
	int tcg = id.ebx == 0x54474354 && id.ecx == 0x43544743; /* "TCGT", "CGTC" */
	return (check->flags & TCG_STOPS) && tcg && !argument("hazards");
}

static void take_command_line(const u8 *information)
{
	const char *text;
	if (!information || !(*(const u32 *)information & 4))
		return;
	text = (const char *)(u64)*(const u32 *)(information + 16);
	for (unsigned i = 0; text && text[i] && i < sizeof command_line - 1; i++)
		command_line[i] = text[i];
}

static void enable_extended_state(void)
{
	struct cpuid id = cpuid(1, 0);
	u64 mask = 3;
	if (!(id.ecx & 1u << 26))
		return;
	write_cr4(read_cr4() | 1UL << 18);
	if (id.ecx & 1u << 28)
		mask |= 4;
	asm volatile("xsetbv" : : "a"((u32)mask), "d"(0), "c"(0));
}

void processor_start(void)
{
	enable_extended_state();
	apic_start();
	/* WP, and AM: EFLAGS.AC is only ever set at CPL 3. */
	write_cr0(read_cr0() | 1UL << 16 | 1UL << 18);
}

static void leave(int status)
{
	/* The last characters are still on their way on some machines. */
	for (unsigned tries = 0; tries < 100000 && !(in8(0x3fd) & 0x40); tries++)
		pause();
	out32(0xf4, (u32)status);
	for (const char *at = "Shutdown"; *at; at++)
		out8(0x8900, (u8)*at);
	for (;;)
		asm volatile("cli; hlt");
}

void run_all(const char *prefix, u32 flags)
{
	for (const struct check *const *at = checks_start; at < checks_end; at++) {
		if (((*at)->flags & flags) != flags || ((*at)->flags & ~flags & (SMP | LEGACY)) || selected(*at, "only=") == 0 ||
		    selected(*at, "skip=") > 0)
			continue;
		if (argument("list")) {
			say("NAME", *at, "", "");
			put("\n");
			continue;
		}
		if (argument("announce"))
			say("#", *at, prefix, ""), put("\n");
		if ((*at)->flags & IS_SWEEP)
			run_sweep((const struct sweep *)*at);
		else
			run_check(*at, prefix);
	}
}

/* `cpus=N`: 0 if it is not given. */
static u32 promised_cpus(void)
{
	const char *at = argument("cpus=");
	u32 count = 0;
	for (; at && *at >= '0' && *at <= '9'; at++)
		count = count * 10 + (u32)(*at - '0');
	return count > MAX_CPUS ? MAX_CPUS : count;
}

void main(const u8 *information, u64 magic)
{
	registers_at_reset(0);
	console_start();
	if (magic == 0x2BADB002)
		take_command_line(information);
	tables_start();
	cpu_start(0);
	processor_start();
	run_all("", 0);
	if (!argument("list") && !argument("one-cpu"))
		smp_start(promised_cpus());
	smp_checks();
	if (!argument("no-legacy"))
		run_all("", LEGACY);
	put_number(passed), put(" passed, ");
	put_number(failed), put(" failed, ");
	put_number(skipped), put(" skipped\n");
	leave(failed ? 1 : 0);
}
