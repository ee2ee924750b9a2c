/*
 * Groups of breakpoints: every read format, alone and together, what an ioctl
 * does to one member and to all, and what becomes of the members when the
 * leader is closed.
 */
#include "breakpoint.h"
#include "accesses.h"

static volatile uint32_t words[3];

enum { NR_MEMBERS = 3, LARGEST_READ = 16 };

static void open_group(int fds[NR_MEMBERS], uint64_t read_format, int disabled)
{
	for (int i = 0; i < NR_MEMBERS; i++) {
		struct perf_event_attr attr = breakpoint_attr(BP_W, &words[i], 4);

		attr.read_format = read_format;
		attr.disabled = disabled && i == 0 ? 1 : 0;
		fds[i] = open_self(&attr, i == 0 ? NO_GROUP : fds[0]);
	}
}

static void close_group(const int fds[NR_MEMBERS])
{
	for (int i = 0; i < NR_MEMBERS; i++)
		close(fds[i]);
}

/* One store to the first word, two to the second, three to the third. */
static void touch(void)
{
	for (int i = 0; i < NR_MEMBERS; i++)
		for (int times = 0; times <= i; times++)
			store4(&words[i]);
}

static void print_counts(const char *name, const int fds[NR_MEMBERS])
{
	printf("%s:", name);
	for (int i = 0; i < NR_MEMBERS; i++)
		printf(" %llu", read_count(fds[i]));
	printf("\n");
}

static int print_time(const uint64_t *words_read, int at, const char *name)
{
	printf(" %s %s", name, words_read[at] ? "some" : "none");
	return at + 1;
}

static int print_member(const uint64_t *words_read, int at, uint64_t format)
{
	printf(" [%llu", (unsigned long long)words_read[at++]);
	if (format & FORMAT_ID)
		printf(" id=%llu", (unsigned long long)words_read[at++]);
	if (format & FORMAT_LOST)
		printf(" lost %llu", (unsigned long long)words_read[at++]);
	printf("]");
	return at;
}

/* Reads the middle member's fd in the given format and names every field. */
static void print_format(uint64_t format)
{
	uint64_t words_read[LARGEST_READ];
	int fds[NR_MEMBERS], nr_members = 1, at = 0;
	ssize_t got;

	open_group(fds, format, 0);
	touch();
	got = read(fds[1], words_read, sizeof words_read);
	printf("format %#04llx: %2ld bytes:", (unsigned long long)format, (long)got);
	if (format & FORMAT_GROUP) {
		nr_members = (int)words_read[at++];
		printf(" nr %d", nr_members);
	} else {
		printf(" %llu", (unsigned long long)words_read[at++]);
	}
	if (format & FORMAT_ENABLED)
		at = print_time(words_read, at, "enabled");
	if (format & FORMAT_RUNNING)
		at = print_time(words_read, at, "running");
	if (format & FORMAT_GROUP) {
		for (int i = 0; i < nr_members && i < NR_MEMBERS; i++)
			at = print_member(words_read, at, format);
	} else {
		if (format & FORMAT_ID)
			printf(" id=%llu", (unsigned long long)words_read[at++]);
		if (format & FORMAT_LOST)
			printf(" lost %llu", (unsigned long long)words_read[at++]);
	}
	printf("%s\n", at * 8 == got ? "" : " and more");
	close_group(fds);
}

static void short_and_bad_reads(void)
{
	int fds[NR_MEMBERS];
	char too_small[8];
	uint64_t enough[LARGEST_READ];

	open_group(fds, FORMAT_GROUP | FORMAT_ID, 0);
	printf("read of 8 bytes: %s\n", outcome(read(fds[0], too_small, sizeof too_small)));
	printf("read of 56 bytes: %ld\n", (long)read(fds[0], enough, 56));
	printf("write: %s, lseek: %s\n", outcome(write(fds[0], "x", 1)),
	       outcome(lseek(fds[0], 0, SEEK_SET)));
	printf("unknown ioctl: %s\n", outcome(ioctl(fds[0], _IO('$', 77), 0)));
	close_group(fds);
}

static void ids_differ(void)
{
	uint64_t ids[NR_MEMBERS];
	int fds[NR_MEMBERS];

	open_group(fds, 0, 0);
	for (int i = 0; i < NR_MEMBERS; i++)
		ioctl(fds[i], IOC_ID, &ids[i]);
	printf("ids: %s\n", ids[0] && ids[0] < ids[1] && ids[1] < ids[2] ? "rising" : "other");
	close_group(fds);
}

static void member_and_group_ioctls(void)
{
	int fds[NR_MEMBERS];

	open_group(fds, 0, 1);
	touch();
	print_counts("leader opened disabled", fds);
	ioctl(fds[0], IOC_ENABLE, 0);
	touch();
	print_counts("leader enabled", fds);
	ioctl(fds[1], IOC_DISABLE, 0);
	touch();
	print_counts("second disabled", fds);
	ioctl(fds[0], IOC_DISABLE, 0);
	touch();
	print_counts("leader disabled", fds);
	ioctl(fds[0], IOC_ENABLE, 0);
	touch();
	print_counts("leader enabled", fds);
	ioctl(fds[2], IOC_ENABLE, IOC_FLAG_GROUP);
	touch();
	print_counts("group enabled through the third", fds);
	ioctl(fds[1], IOC_DISABLE, IOC_FLAG_GROUP);
	touch();
	print_counts("group disabled through the second", fds);
	ioctl(fds[1], IOC_RESET, IOC_FLAG_GROUP);
	print_counts("group reset", fds);
	ioctl(fds[0], IOC_ENABLE, IOC_FLAG_GROUP);
	touch();
	print_counts("group enabled", fds);
	close_group(fds);
}

static void leader_closed(void)
{
	uint64_t words_read[LARGEST_READ];
	int fds[NR_MEMBERS];
	ssize_t got;

	open_group(fds, FORMAT_GROUP, 0);
	touch();
	close(fds[0]);
	touch();
	for (int i = 1; i < NR_MEMBERS; i++) {
		got = read(fds[i], words_read, sizeof words_read);
		printf("leader closed: %ld bytes, nr %llu, count %llu\n", (long)got,
		       (unsigned long long)words_read[0], (unsigned long long)words_read[1]);
		close(fds[i]);
	}
}

static void print_join(const char *name, struct perf_event_attr *attr, int pid, int cpu, int group)
{
	int fd = perf_event_open(attr, pid, cpu, group, 0);

	printf("joining %s: %s\n", name, outcome(fd));
	if (fd >= 0)
		close(fd);
}

static void refused_members(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, &words[0], 4);
	struct perf_event_attr pinned = attr, exclusive = attr, inherited = attr;
	int leader = open_self(&attr, NO_GROUP), member = open_self(&attr, leader);

	pinned.pinned = 1;
	exclusive.exclusive = 1;
	inherited.inherit = 1;
	print_join("a leader", &attr, SELF, ANY_CPU, leader);
	print_join("a member", &attr, SELF, ANY_CPU, member);
	print_join("from one cpu only", &attr, SELF, 0, leader);
	print_join("from no task", &attr, ANY_TASK, 0, leader);
	print_join("pinned", &pinned, SELF, ANY_CPU, leader);
	print_join("exclusive", &exclusive, SELF, ANY_CPU, leader);
	print_join("inherited", &inherited, SELF, ANY_CPU, leader);
	print_join("standard output", &attr, SELF, ANY_CPU, STDOUT_FILENO);
	print_join("no file", &attr, SELF, ANY_CPU, 1000);
	close(member);
	close(leader);
}

int main(void)
{
	require_breakpoints();
	for (uint64_t format = 0; format < 32; format++)
		print_format(format);
	short_and_bad_reads();
	ids_differ();
	member_and_group_ioctls();
	leader_closed();
	refused_members();
	return 0;
}
