/*
 * What a counting breakpoint counts: which accesses, at which distance, of
 * which width; under ENABLE, DISABLE and RESET; by whom; and for how long.
 */
#include "breakpoint.h"
#include "accesses.h"
#include <fcntl.h>

/* The watched word is bytes 64 to 67 of a buffer that has room on both sides. */
static volatile uint8_t bytes[128] __attribute__((aligned(64)));
static volatile uint8_t *const word = bytes + 64;

/* Runs one access under a W4 and an RW4 breakpoint on the word. */
static void print_access(const char *name, void (*access)(volatile void *), long offset)
{
	int writes = count_on_self(BP_W, word, 4);
	int both = count_on_self(BP_RW, word, 4);

	access(word + offset);
	printf("%-18s %+3ld: W %llu RW %llu\n", name, offset, read_count(writes), read_count(both));
	close(writes);
	close(both);
}

static void which_accesses(void)
{
	print_access("load4", load4, 0);
	print_access("store4", store4, 0);
	print_access("increment4", increment4, 0);
	print_access("lock increment4", locked_increment4, 0);
	print_access("exchange4", exchange4, 0);
	print_access("compare exchange4", compare_exchange4, 0);
	print_access("test4", test4, 0);
	print_access("rep stosb, 8", fill8, 0);
	print_access("rep stosb, 8", fill8, -6);
	print_access("load8", load8, -4);
}

static void which_distances(void)
{
	static void (*const stores[])(volatile void *) = { store1, store2, store4, store8, store16 };
	static const long widths[] = { 1, 2, 4, 8, 16 };

	for (int i = 0; i < 5; i++) {
		char name[16];

		snprintf(name, sizeof name, "store%ld", widths[i]);
		print_access(name, stores[i], -widths[i]);
		print_access(name, stores[i], 1 - widths[i]);
		print_access(name, stores[i], 3);
		print_access(name, stores[i], 4);
	}
}

/* One register for each legal length; single-byte stores walk over all of them. */
static void which_lengths(void)
{
	static const uint64_t lengths[] = { 1, 2, 4, 8 };
	int fds[4];

	for (int i = 0; i < 4; i++)
		fds[i] = count_on_self(BP_W, word, lengths[i]);
	for (long offset = -2; offset < 10; offset++)
		store1(word + offset);
	printf("lengths 1, 2, 4, 8:");
	for (int i = 0; i < 4; i++) {
		printf(" %llu", read_count(fds[i]));
		close(fds[i]);
	}
	printf("\n");
}

static void several_at_once(void)
{
	int low = count_on_self(BP_W, word, 8), high = count_on_self(BP_W, word + 8, 8);
	int same = count_on_self(BP_W, word, 8), code = count_on_self(BP_X, (const void *)store16, 8);

	store16(word);
	printf("one 16-byte store: low %llu, high %llu, low again %llu, its code %llu\n",
	       read_count(low), read_count(high), read_count(same), read_count(code));
	close(low);
	close(high);
	close(same);
	close(code);
}

static void execution(void)
{
	int start = count_on_self(BP_X, (const void *)increment4, 8);
	int inside = count_on_self(BP_X, (const char *)increment4 + 1, 8);
	int end = count_on_self(BP_X, increment4_done, 8);
	int reads = count_on_self(BP_RW, (const void *)increment4, 1);

	for (int i = 0; i < 5; i++)
		increment4(word);
	printf("5 calls: first instruction %llu, inside it %llu, second %llu\n", read_count(start),
	       read_count(inside), read_count(end));
	printf("fetches seen as reads: %llu\n", read_count(reads));
	close(start);
	close(inside);
	close(end);
	close(reads);
}

static void enable_disable_reset(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, word, 4);
	int fd;

	attr.disabled = 1;
	fd = open_self(&attr, NO_GROUP);
	store4(word);
	printf("opened disabled: %llu", read_count(fd));
	ioctl(fd, IOC_ENABLE, 0);
	store4(word);
	store4(word);
	printf(", enabled: %llu", read_count(fd));
	ioctl(fd, IOC_DISABLE, 0);
	store4(word);
	printf(", disabled: %llu", read_count(fd));
	ioctl(fd, IOC_ENABLE, 0);
	store4(word);
	printf(", enabled: %llu", read_count(fd));
	ioctl(fd, IOC_RESET, 0);
	printf(", reset: %llu", read_count(fd));
	store4(word);
	printf(", once more: %llu\n", read_count(fd));
	close(fd);
}

/* A read() into the word: how often depends on the kernel's copy routine, whether does not. */
static void by_whom(const char *name, int exclude_user, int exclude_kernel)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, word, 4);
	unsigned long long after_store;
	int ends[2], fd;

	if (pipe(ends) < 0 || write(ends[1], "abcd", 4) != 4)
		exit(1);
	attr.exclude_user = exclude_user ? 1 : 0;
	attr.exclude_kernel = exclude_kernel ? 1 : 0;
	fd = open_self(&attr, NO_GROUP);
	store4(word);
	after_store = read_count(fd);
	if (read(ends[0], (void *)word, 4) != 4)
		exit(1);
	printf("%s: own store %llu, read() %s\n", name, after_store,
	       read_count(fd) > after_store ? "counted" : "not counted");
	close(ends[0]);
	close(ends[1]);
	close(fd);
}

static void print_times(int fd, const char *when, uint64_t before[3])
{
	uint64_t now[3];

	if (read(fd, now, sizeof now) != (ssize_t)sizeof now)
		exit(1);
	printf("%s: count %llu, enabled %s, running %s\n", when, (unsigned long long)now[0],
	       now[1] == 0 ? "0" : now[1] > before[1] ? "grew" : "stands",
	       now[2] == now[1] ? "equal" : "other");
	memcpy(before, now, sizeof now);
}

static void times(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, word, 4);
	uint64_t before[3] = { 0, 0, 0 };
	int fd;

	attr.disabled = 1;
	attr.read_format = FORMAT_ENABLED | FORMAT_RUNNING;
	fd = open_self(&attr, NO_GROUP);
	store4(word);
	print_times(fd, "disabled", before);
	ioctl(fd, IOC_ENABLE, 0);
	store4(word);
	print_times(fd, "enabled", before);
	store4(word);
	print_times(fd, "later", before);
	ioctl(fd, IOC_DISABLE, 0);
	print_times(fd, "disabled again", before);
	store4(word);
	print_times(fd, "later", before);
	ioctl(fd, IOC_RESET, 0);
	print_times(fd, "reset", before);
	close(fd);
}

int main(void)
{
	require_breakpoints();
	which_accesses();
	which_distances();
	which_lengths();
	several_at_once();
	execution();
	enable_disable_reset();
	by_whom("everything", 0, 0);
	by_whom("exclude_kernel", 0, 1);
	by_whom("exclude_user", 1, 0);
	by_whom("both", 1, 1);
	times();
	return 0;
}
