/*
 * The ring buffer itself: what happens when it is full, who is woken when, the
 * control page, and which mappings are refused.
 */
#include "ring_buffer.h"
#include "accesses.h"
#include <poll.h>

static volatile uint64_t word __attribute__((aligned(8)));

/* Each store to the word makes a 16-byte record: a header and the ip. */
static struct perf_event_attr sampling_attr(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, &word, 8);

	attr.sample_period = 1;
	attr.sample_type = SAMPLE_IP;
	return attr;
}

/* 255 samples fit into a page that nobody empties. */
static void lost_records(void)
{
	struct perf_event_attr attr = sampling_attr();
	uint64_t count_and_lost[2];
	struct record record;
	struct ring ring;
	int fd;

	attr.read_format = FORMAT_LOST;
	fd = open_self(&attr, NO_GROUP);
	ring = map_ring(fd, PROT_READ | PROT_WRITE);
	for (int i = 0; i < 300; i++)
		store8(&word);
	if (read(fd, count_and_lost, sizeof count_and_lost) != (ssize_t)sizeof count_and_lost)
		exit(1);
	printf("300 stores: head %llu, count %llu, lost %llu\n",
	       (unsigned long long)ring_head(&ring), (unsigned long long)count_and_lost[0],
	       (unsigned long long)count_and_lost[1]);
	printf("samples read: %d\n", drain(&ring));
	store8(&word);
	while (next_record(&ring, &record))
		printf("then type %u, %u bytes, second word %s\n", record.header.type,
		       record.header.size,
		       record.header.type != RECORD_LOST ? "-"
		       : record.words[1] == count_and_lost[1] ? "the lost ones"
							      : "another number");
	unmap_ring(&ring);
	ring = map_ring(fd, PROT_READ);
	for (int i = 0; i < 300; i++)
		store8(&word);
	printf("overwritten: head %llu\n", (unsigned long long)ring_head(&ring));
	unmap_ring(&ring);
	close(fd);
}

static void control_page(void)
{
	struct perf_event_attr attr = sampling_attr();
	int fd = open_self(&attr, NO_GROUP);
	struct ring ring = map_ring(fd, PROT_READ | PROT_WRITE);
	const struct perf_event_mmap_page *page = ring.page;

	printf("page: version %u, compat %u, lock %s, index %u, data at %llu, %llu bytes\n",
	       page->version, page->compat_version, page->lock % 2 ? "odd" : "even", page->index,
	       (unsigned long long)page->data_offset, (unsigned long long)page->data_size);
	unmap_ring(&ring);
	close(fd);
}

static void wakeups(void)
{
	struct perf_event_attr attr = sampling_attr();
	struct pollfd poller = { .events = POLLIN };
	struct ring ring;
	int nr_ready;

	attr.wakeup_events = 3;
	poller.fd = open_self(&attr, NO_GROUP);
	nr_ready = poll(&poller, 1, 0);
	printf("poll: without a buffer %d/%#x,", nr_ready, (unsigned)poller.revents);
	ring = map_ring(poller.fd, PROT_READ | PROT_WRITE);
	printf(" with one");
	for (int hit = 0; hit <= 7; hit++) {
		nr_ready = poll(&poller, 1, 0);
		printf(" %d/%#x", nr_ready, (unsigned)poller.revents);
		store8(&word);
	}
	printf("\n");
	unmap_ring(&ring);
	close(poller.fd);
}

static void refused_mappings(void)
{
	struct perf_event_attr attr = sampling_attr();
	int fd = open_self(&attr, NO_GROUP);
	const struct {
		const char *name;
		size_t pages;
		int flags;
		long offset;
	} cases[] = {
		{ "one page", 1, MAP_SHARED, 0 },	 { "1 + 2", 3, MAP_SHARED, 0 },
		{ "1 + 3", 4, MAP_SHARED, 0 },		 { "private", 2, MAP_PRIVATE, 0 },
		{ "at an offset", 2, MAP_SHARED, 4096 },
	};

	for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		void *at = mmap(NULL, cases[i].pages * PAGE_BYTES, PROT_READ | PROT_WRITE,
				cases[i].flags, fd, cases[i].offset);

		printf("mmap %s: %s\n", cases[i].name, outcome(at == MAP_FAILED ? -1 : 0));
		if (at != MAP_FAILED)
			munmap(at, cases[i].pages * PAGE_BYTES);
	}
	close(fd);
}

int main(void)
{
	require_breakpoints();
	lost_records();
	control_page();
	wakeups();
	refused_mappings();
	return 0;
}
