/*
 * IOC_MODIFY_ATTRIBUTES: what may change under an open breakpoint, what may
 * not, and what a refused change leaves behind.
 */
#include "breakpoint.h"
#include "accesses.h"

static volatile uint32_t words[4];

static const char *modify(int fd, struct perf_event_attr *attr)
{
	return outcome(ioctl(fd, IOC_MODIFY_ATTRIBUTES, attr));
}

static void touch(void)
{
	for (int i = 0; i < 4; i++)
		store4(&words[i]);
	load4(&words[1]);
}

static void address_type_and_length(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, &words[0], 4);
	int fd = open_self(&attr, NO_GROUP);

	touch();
	printf("as opened: %llu\n", read_count(fd));
	attr.bp_addr = (uintptr_t)&words[1];
	printf("next word: %s,", modify(fd, &attr));
	touch();
	printf(" %llu\n", read_count(fd));
	attr.bp_type = BP_RW;
	printf("read and write: %s,", modify(fd, &attr));
	touch();
	printf(" %llu\n", read_count(fd));
	attr.bp_type = BP_X;
	attr.bp_len = 8;
	attr.bp_addr = (uintptr_t)store4;
	printf("execution: %s,", modify(fd, &attr));
	touch();
	printf(" %llu\n", read_count(fd));
	close(fd);
}

static void enabling_and_disabling(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, &words[0], 4);
	int fd = open_self(&attr, NO_GROUP);

	attr.disabled = 1;
	printf("disabled: %s,", modify(fd, &attr));
	touch();
	printf(" %llu\n", read_count(fd));
	attr.disabled = 0;
	printf("enabled: %s,", modify(fd, &attr));
	touch();
	printf(" %llu\n", read_count(fd));
	close(fd);
}

static void refused_changes(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, &words[0], 4), changed;
	int fd;

	attr.exclude_kernel = 1;
	fd = open_self(&attr, NO_GROUP);
#define WITH(name, assignment) \
	changed = attr; changed.assignment; printf("%s: %s\n", name, modify(fd, &changed))
	WITH("sample_period", sample_period = 2);
	WITH("pinned", pinned = 1);
	WITH("exclude_user", exclude_user = 1);
	WITH("read_format", read_format = FORMAT_ID);
	WITH("config", config = 1);
	WITH("inherit", inherit = 1);
	WITH("smaller size", size = 112);
	WITH("another type of event", type = PERF_TYPE_SOFTWARE);
	WITH("bad length", bp_len = 3);
	WITH("misaligned", bp_addr = attr.bp_addr + 1);
	WITH("kernel address", bp_addr = 0xffffffffffffff00);
#undef WITH
	printf("no attributes: %s\n", modify(fd, NULL));
	touch();
	printf("still counts: %llu\n", read_count(fd));
	close(fd);
}

/* No register is left, and yet each may be turned into another type. */
static void with_all_registers_taken(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, &words[0], 4), code;
	int fds[4];

	for (int i = 0; i < 4; i++)
		fds[i] = open_self(&attr, NO_GROUP);
	code = breakpoint_attr(BP_X, (const void *)store4, 8);
	printf("full: %s\n", modify(fds[3], &code));
	touch();
	for (int i = 0; i < 4; i++) {
		printf("%s%llu", i ? " " : "counts: ", read_count(fds[i]));
		close(fds[i]);
	}
	printf("\n");
}

int main(void)
{
	require_breakpoints();
	address_type_and_length();
	enabling_and_disabling();
	refused_changes();
	with_all_registers_taken();
	return 0;
}
