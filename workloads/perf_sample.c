/*
 * Sampling breakpoints: the fields of the records in the ring buffer, and at
 * which hits a period makes one.
 */
#include "ring_buffer.h"
#include "accesses.h"

static volatile uint64_t word __attribute__((aligned(8)));

static struct perf_event_attr sampling_attr(uint32_t bp_type, volatile const void *addr,
					    uint64_t period, uint64_t sample_type)
{
	struct perf_event_attr attr = breakpoint_attr(bp_type, addr, 8);

	attr.sample_period = period;
	attr.sample_type = sample_type;
	return attr;
}

static const char *same(uint64_t a, uint64_t b)
{
	return a == b ? "equal" : "other";
}

/* Two samples with every fixed field, in the order in which the ABI has them. */
static void every_field(void)
{
	struct perf_event_attr attr = sampling_attr(
		BP_W, &word, 1,
		SAMPLE_IP | SAMPLE_TID | SAMPLE_TIME | SAMPLE_ADDR | SAMPLE_ID | SAMPLE_STREAM_ID |
			SAMPLE_CPU | SAMPLE_PERIOD | SAMPLE_IDENTIFIER);
	int fd = open_self(&attr, NO_GROUP);
	struct ring ring = map_ring(fd, PROT_READ | PROT_WRITE);
	uint64_t id = 0, earlier = 0, task = (uint64_t)getpid() << 32 | (uint32_t)getpid();
	struct record record;

	printf("IOC_ID: %s\n", outcome(ioctl(fd, IOC_ID, &id)));
	store8(&word);
	store1((volatile char *)&word + 5);
	while (next_record(&ring, &record)) {
		const uint64_t *field = record.words;

		printf("type %u, misc %#x, %u bytes, id=%llu\n", record.header.type,
		       record.header.misc, record.header.size, (unsigned long long)field[0]);
		printf("  identifier %s, id %s, stream id %s\n", same(field[0], id),
		       same(field[5], id), same(field[6], id));
		printf("  ip after the first store %s, after the second %s\n",
		       same(field[1], (uintptr_t)store8_done), same(field[1], (uintptr_t)store1_done));
		printf("  task %s, time %s, addr %s\n", same(field[2], task),
		       field[3] != 0 && field[3] >= earlier ? "in order" : "out of order", same(field[4], attr.bp_addr));
		printf("  reserved half of cpu %u, period %llu\n", (uint32_t)(field[7] >> 32),
		       (unsigned long long)field[8]);
		earlier = field[3];
	}
	unmap_ring(&ring);
	close(fd);
}

static void execution(void)
{
	struct perf_event_attr attr = sampling_attr(BP_X, (const void *)nothing, 1,
						    SAMPLE_IP | SAMPLE_ADDR);
	int fd = open_self(&attr, NO_GROUP);
	struct ring ring = map_ring(fd, PROT_READ | PROT_WRITE);
	struct record record;

	nothing(NULL);
	while (next_record(&ring, &record))
		printf("execution: ip %s, addr %s, misc %#x\n",
		       same(record.words[0], (uintptr_t)nothing),
		       same(record.words[1], (uintptr_t)nothing), record.header.misc);
	unmap_ring(&ring);
	close(fd);
}

/* The read block inside of a sample: the count, both times and the id. */
static void read_block(void)
{
	struct perf_event_attr attr = sampling_attr(BP_W, &word, 1, SAMPLE_READ);
	struct record record;
	struct ring ring;
	int fd;

	attr.read_format = FORMAT_ENABLED | FORMAT_RUNNING | FORMAT_ID | FORMAT_LOST;
	fd = open_self(&attr, NO_GROUP);
	ring = map_ring(fd, PROT_READ | PROT_WRITE);
	for (int i = 0; i < 3; i++)
		store8(&word);
	while (next_record(&ring, &record))
		printf("read block: %u bytes, count %llu, running %s to enabled, id=%llu, lost %llu\n",
		       record.header.size, (unsigned long long)record.words[0],
		       same(record.words[1], record.words[2]), (unsigned long long)record.words[3],
		       (unsigned long long)record.words[4]);
	unmap_ring(&ring);
	close(fd);
}

static void print_samples_after_hits(struct ring *ring, int nr_hits)
{
	int nr_samples = 0;

	for (int hit = 1; hit <= nr_hits; hit++) {
		store8(&word);
		nr_samples += drain(ring);
		printf(" %d", nr_samples);
	}
	printf("\n");
}

static void periods(void)
{
	struct perf_event_attr attr = sampling_attr(BP_W, &word, 4, SAMPLE_IP);
	int fd = open_self(&attr, NO_GROUP);
	struct ring ring = map_ring(fd, PROT_READ | PROT_WRITE);
	uint64_t period = 2;

	printf("samples at period 4:");
	print_samples_after_hits(&ring, 10);
	ioctl(fd, IOC_DISABLE, 0);
	ioctl(fd, IOC_ENABLE, 0);
	printf("disabled, enabled again:");
	print_samples_after_hits(&ring, 6);
	printf("period 2 from now: %s:", outcome(ioctl(fd, IOC_PERIOD, &period)));
	print_samples_after_hits(&ring, 8);
	period = 0;
	printf("period 0: %s\n", outcome(ioctl(fd, IOC_PERIOD, &period)));
	printf("count %llu\n", read_count(fd));
	unmap_ring(&ring);
	close(fd);
	attr = sampling_attr(BP_W, &word, 4, SAMPLE_PERIOD);
	fd = open_self(&attr, NO_GROUP);
	ring = map_ring(fd, PROT_READ | PROT_WRITE);
	printf("samples at period 4 that hold it:");
	print_samples_after_hits(&ring, 6);
	unmap_ring(&ring);
	close(fd);
}

int main(void)
{
	require_breakpoints();
	every_field();
	execution();
	read_block();
	periods();
	return 0;
}
