/*
 * The three questions that perf's own breakpoint tests ask, in one program:
 * do overflows arrive as signals in the right order, does a sampling
 * breakpoint overflow once a period (with the samples in the ring buffer),
 * and are the registers accounted for exactly.
 */
#include "breakpoint.h"
#include "accesses.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

static volatile uint32_t watched;
static volatile uint32_t other_words[4];

static volatile int nr_first_handler, nr_second_handler;

/* Entered for `watched` and for the called function; is itself a breakpoint's address. */
static void first_handler(int signal)
{
	(void)signal;
	nr_first_handler++;
}

static void second_handler(int signal)
{
	(void)signal;
	nr_second_handler++;
}

static void handle(int signal, void (*handler)(int))
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_handler = handler;
	sigaction(signal, &action, NULL);
}

/* A breakpoint that overflows at each hit and tells so by `signal`. */
static int open_signalling(uint32_t bp_type, volatile const void *addr, uint64_t period, int signal)
{
	struct perf_event_attr attr = breakpoint_attr(bp_type, addr, bp_type == BP_X ? 8 : 4);
	int fd;

	attr.sample_period = period;
	attr.sample_type = SAMPLE_IP | SAMPLE_ADDR;
	attr.disabled = 1;
	attr.exclude_kernel = 1;
	fd = open_self(&attr, NO_GROUP);
	fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK | O_ASYNC);
	fcntl(fd, F_SETSIG, signal);
	fcntl(fd, F_SETOWN, getpid());
	return fd;
}

/*
 * One call: the breakpoint on the function signals, whose handler's first
 * instruction is a breakpoint too, with a second handler on top. Then the store
 * in the function, and one more store.
 */
static void signals_in_order(void)
{
	int on_function = open_signalling(BP_X, (const void *)increment4, 1, SIGIO);
	int on_handler = open_signalling(BP_X, (const void *)first_handler, 1, SIGUSR1);
	int on_word = open_signalling(BP_W, &watched, 1, SIGIO);

	handle(SIGIO, first_handler);
	handle(SIGUSR1, second_handler);
	ioctl(on_function, IOC_ENABLE, 0);
	ioctl(on_handler, IOC_ENABLE, 0);
	ioctl(on_word, IOC_ENABLE, 0);
	increment4(&watched);
	store4(&watched);
	ioctl(on_function, IOC_DISABLE, 0);
	ioctl(on_handler, IOC_DISABLE, 0);
	ioctl(on_word, IOC_DISABLE, 0);
	printf("signals: function %llu, handler %llu, word %llu\n", read_count(on_function),
	       read_count(on_handler), read_count(on_word));
	printf("signals: first handler %d times, second %d times\n", nr_first_handler,
	       nr_second_handler);
	close(on_function);
	close(on_handler);
	close(on_word);
}

struct sample {
	struct perf_event_header header;
	uint64_t ip;
	uint64_t addr;
};

static void print_samples(const struct perf_event_mmap_page *page)
{
	const char *data = (const char *)page + page->data_offset;
	uint64_t head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
	int nr_samples = 0, nr_at_function = 0;

	for (uint64_t at = 0; at < head; at += sizeof(struct sample)) {
		const struct sample *sample = (const struct sample *)(data + at);

		if (sample->header.type != RECORD_SAMPLE || sample->header.size != sizeof *sample) {
			printf("unexpected record: type %u, %u bytes\n", sample->header.type,
			       sample->header.size);
			return;
		}
		nr_samples++;
		nr_at_function += sample->ip == (uintptr_t)nothing && sample->addr == sample->ip;
	}
	printf("overflow: %d samples, %d of them at the function\n", nr_samples, nr_at_function);
}

/* A breakpoint on a function that overflows at each tenth of 60 calls. */
static void overflow_once_a_period(void)
{
	int fd = open_signalling(BP_X, (const void *)nothing, 10, SIGIO);
	size_t page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	void *page = mmap(NULL, 2 * page_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED) {
		printf("mmap failed: %s\n", errno_name(errno));
		exit(1);
	}
	nr_first_handler = 0;
	ioctl(fd, IOC_ENABLE, 0);
	for (int i = 0; i < 60; i++)
		nothing(NULL);
	ioctl(fd, IOC_DISABLE, 0);
	printf("overflow: %llu calls, %d signals\n", read_count(fd), nr_first_handler);
	print_samples(page);
	munmap(page, 2 * page_bytes);
	close(fd);
}

/* Takes registers until there are none; `share` turns the first one into another type. */
static void account(const char *name, uint32_t bp_type, int share)
{
	int fds[8], nr_open = 0;
	struct perf_event_attr attr = breakpoint_attr(bp_type, NULL, bp_type == BP_X ? 8 : 4);

	while (nr_open < 8) {
		attr.bp_addr = bp_type == BP_X ? (uintptr_t)store4
					       : (uintptr_t)&other_words[nr_open % 4];
		fds[nr_open] = perf_event_open(&attr, SELF, ANY_CPU, NO_GROUP, 0);
		if (fds[nr_open] < 0)
			break;
		nr_open++;
	}
	printf("%s: %d registers, then %s\n", name, nr_open, errno_name(errno));
	if (share && nr_open > 0) {
		struct perf_event_attr changed = attr;

		changed.bp_type = bp_type == BP_X ? BP_W : BP_X;
		changed.bp_addr = bp_type == BP_X ? (uintptr_t)&watched : (uintptr_t)store4;
		changed.bp_len = changed.bp_type == BP_X ? 8 : 4;
		printf("%s: first one changed: %s", name,
		       outcome(ioctl(fds[0], IOC_MODIFY_ATTRIBUTES, &changed)));
		printf(", one more: %s\n",
		       outcome(perf_event_open(&attr, SELF, ANY_CPU, NO_GROUP, 0)));
	}
	for (int i = 0; i < 4; i++)
		store4(&other_words[i]);
	printf("%s: counts", name);
	for (int i = 0; i < nr_open; i++) {
		printf(" %llu", read_count(fds[i]));
		close(fds[i]);
	}
	printf("\n");
}

int main(void)
{
	require_breakpoints();
	signals_in_order();
	overflow_once_a_period();
	account("watchpoints", BP_W, 0);
	account("breakpoints", BP_X, 0);
	account("watchpoints, one changed", BP_W, 1);
	account("breakpoints, one changed", BP_X, 1);
	return 0;
}
