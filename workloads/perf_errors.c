/*
 * What perf_event_open refuses for breakpoints, and with which error: sizes of
 * the attributes, types, lengths, alignment, addresses, targets, and the full
 * register file before all of these.
 */
#include "breakpoint.h"
#include <limits.h>

static volatile uint64_t words[4] __attribute__((aligned(64)));
static volatile char *const bytes = (volatile char *)words;

/* End of the user's addresses with four-level page tables; with five they go on. */
static const uint64_t USER_END = 0x7ffffffff000;

static void print_open(const char *name, struct perf_event_attr *attr, int pid, int cpu,
		       unsigned long flags)
{
	int fd = perf_event_open(attr, pid, cpu, NO_GROUP, flags);

	printf("%s: %s\n", name, outcome(fd));
	if (fd >= 0)
		close(fd);
}

static void print_self(const char *name, struct perf_event_attr attr)
{
	print_open(name, &attr, SELF, ANY_CPU, 0);
}

/* Each type with each length; then the lengths that no type has. */
static void types_and_lengths(void)
{
	static const uint64_t lengths[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, UINT64_MAX };

	for (uint32_t bp_type = 0; bp_type <= 8; bp_type++) {
		printf("type %u:", bp_type);
		for (unsigned i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
			struct perf_event_attr attr = breakpoint_attr(bp_type, words, lengths[i]);
			int fd = perf_event_open(&attr, SELF, ANY_CPU, NO_GROUP, 0);

			printf(" %s", outcome(fd));
			if (fd >= 0)
				close(fd);
		}
		printf("\n");
	}
}

static void alignment(void)
{
	static const uint64_t lengths[] = { 1, 2, 4, 8 };

	for (int i = 0; i < 4; i++) {
		printf("length %llu at offsets 0 to 8:", (unsigned long long)lengths[i]);
		for (int offset = 0; offset <= 8; offset++) {
			struct perf_event_attr attr =
				breakpoint_attr(BP_W, bytes + offset, lengths[i]);
			int fd = perf_event_open(&attr, SELF, ANY_CPU, NO_GROUP, 0);

			printf(" %s", outcome(fd));
			if (fd >= 0)
				close(fd);
		}
		printf("\n");
	}
	print_self("execution at an odd address", breakpoint_attr(BP_X, bytes + 3, 8));
}

static void print_address(const char *name, uint64_t addr, uint64_t bp_len, int exclude_kernel)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, NULL, bp_len);

	attr.bp_addr = addr;
	attr.exclude_kernel = exclude_kernel ? 1 : 0;
	print_self(name, attr);
}

static void addresses(void)
{
	struct perf_event_attr last_byte = breakpoint_attr(BP_X, NULL, 8);

	print_address("address 0", 0, 8, 1);
	print_address("unmapped address", 0x10000, 8, 1);
	print_address("last user word", USER_END - 8, 8, 1);
	print_address("not canonical", 1ULL << 63, 8, 1);
	print_address("direct map", 0xffff888000000000, 8, 1);
	print_address("last word", UINT64_MAX - 7, 8, 1);
	last_byte.bp_addr = USER_END - 1;
	last_byte.exclude_kernel = 1;
	print_self("execution at the last user byte", last_byte);
}

static void print_size(uint32_t size)
{
	union {
		struct perf_event_attr attr;
		unsigned char room[8192];
	} big;
	int fd;

	memset(&big, 0, sizeof big);
	big.attr = breakpoint_attr(BP_W, words, 8);
	big.attr.size = size;
	fd = perf_event_open(&big.attr, SELF, ANY_CPU, NO_GROUP, 0);
	printf("attr.size %u: %s%s\n", size, outcome(fd),
	       big.attr.size != size ? ", size written back" : "");
	if (fd >= 0)
		close(fd);
}

static void attribute_sizes(void)
{
	static const uint32_t sizes[] = { 0, 1, 63, 64, 71, 72, 80, 128, 2048, 4096, 4097 };
	struct {
		struct perf_event_attr attr;
		unsigned char tail[1024];
	} longer;

	for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		print_size(sizes[i]);
	memset(&longer, 0, sizeof longer);
	longer.attr = breakpoint_attr(BP_W, words, 8);
	longer.attr.size = sizeof longer;
	longer.tail[1000] = 1;
	print_open("a tail that is not zero", &longer.attr, SELF, ANY_CPU, 0);
	print_open("no attributes", NULL, SELF, ANY_CPU, 0);
}

static void fields(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, words, 8), changed;

#define WITH(name, assignment) changed = attr; changed.assignment; print_self(name, changed)
	WITH("config", config = 12345);
	WITH("unknown sample_type", sample_type = 1ULL << 40);
	WITH("unknown read_format", read_format = 32);
	WITH("reserved bits", reserved_flags = 1);
	WITH("bit 63 of the period", sample_period = 1ULL << 63);
	WITH("sigtrap without remove_on_exec", sigtrap = 1);
	WITH("inherit_thread without inherit", inherit_thread = 1);
	WITH("precise_ip", precise_ip = 3);
	WITH("exclude_hv", exclude_hv = 1);
	WITH("exclusive", exclusive = 1);
	WITH("pinned", pinned = 1);
#undef WITH
	changed = attr;
	changed.remove_on_exec = 1;
	changed.enable_on_exec = 1;
	print_self("remove_on_exec with enable_on_exec", changed);
	changed = attr;
	changed.inherit = 1;
	changed.sample_type = SAMPLE_READ;
	print_self("inherit with a read block", changed);
	changed.sample_type = SAMPLE_READ | SAMPLE_TID;
	print_self("and with the task", changed);
	changed = attr;
	changed.sigtrap = 1;
	changed.remove_on_exec = 1;
	print_open("sigtrap on a cpu", &changed, ANY_TASK, 0, 0);
}

static void targets(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, words, 8);

	print_open("this task by its number", &attr, getpid(), ANY_CPU, 0);
	print_open("this task on cpu 0", &attr, SELF, 0, 0);
	print_open("cpu 0", &attr, ANY_TASK, 0, 0);
	print_open("no task and no cpu", &attr, ANY_TASK, ANY_CPU, 0);
	print_open("task -2", &attr, -2, ANY_CPU, 0);
	print_open("no such task", &attr, INT_MAX, ANY_CPU, 0);
	print_open("cpu -2", &attr, SELF, -2, 0);
	print_open("no such cpu", &attr, SELF, 100000, 0);
	print_open("close-on-exec", &attr, SELF, ANY_CPU, PERF_FLAG_FD_CLOEXEC);
	print_open("unknown flag", &attr, SELF, ANY_CPU, 1UL << 20);
}

/* With no register left, that is said before most of what else is wrong. */
static void full_before_wrong(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, words, 8);
	int fds[4];

	for (int i = 0; i < 4; i++)
		fds[i] = open_self(&attr, NO_GROUP);
	print_self("full: one more", attr);
	print_self("full: length 3", breakpoint_attr(BP_W, words, 3));
	print_self("full: misaligned", breakpoint_attr(BP_W, bytes + 1, 8));
	print_self("full: type 0", breakpoint_attr(BP_EMPTY, words, 8));
	print_self("full: type 1", breakpoint_attr(BP_R, words, 8));
	print_self("full: type 7", breakpoint_attr(BP_INVALID, words, 8));
	print_open("full: no such task", &attr, INT_MAX, ANY_CPU, 0);
	for (int i = 0; i < 4; i++)
		ioctl(fds[i], IOC_DISABLE, 0);
	print_self("full of disabled ones", attr);
	close(fds[2]);
	for (int i = 0; i < 100; i++)
		close(perf_event_open(&(struct perf_event_attr){ .type = PERF_TYPE_BREAKPOINT,
								 .size = 128,
								 .bp_type = BP_W,
								 .bp_len = 3 },
				      SELF, ANY_CPU, NO_GROUP, 0));
	print_self("one closed, after 100 refused", attr);
	for (int i = 0; i < 4; i++)
		close(i == 2 ? -1 : fds[i]);
}

int main(void)
{
	require_breakpoints();
	types_and_lengths();
	alignment();
	addresses();
	attribute_sizes();
	fields();
	targets();
	full_before_wrong();
	return 0;
}
