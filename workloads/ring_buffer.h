/*
 * A mapped ring buffer of one data page, and a reader that copies records out
 * of it in order, as a profiler does.
 */
#ifndef RING_BUFFER_H
#define RING_BUFFER_H

#include "breakpoint.h"
#include <sys/mman.h>

enum { PAGE_BYTES = 4096 };

struct ring {
	struct perf_event_mmap_page *page;
	uint64_t tail;
};

/* The largest record that the programs ask for. */
struct record {
	struct perf_event_header header;
	uint64_t words[31];
};

/* PROT_READ alone gives a buffer that is overwritten; with PROT_WRITE old records are kept. */
static inline struct ring map_ring(int fd, int prot)
{
	void *page = mmap(NULL, 2 * PAGE_BYTES, prot, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED) {
		printf("mmap failed: %s\n", errno_name(errno));
		exit(1);
	}
	return (struct ring){ page, 0 };
}

static inline void unmap_ring(struct ring *ring)
{
	munmap(ring->page, 2 * PAGE_BYTES);
	ring->page = NULL;
}

static inline uint64_t ring_head(const struct ring *ring)
{
	return __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
}

static inline void copy_out(const struct ring *ring, void *to, uint64_t bytes)
{
	const char *data = (const char *)ring->page + ring->page->data_offset;

	for (uint64_t i = 0; i < bytes; i++)
		((char *)to)[i] = data[(ring->tail + i) % ring->page->data_size];
}

/* Copies the next record and gives its room back; 0 where there is none. */
static inline int next_record(struct ring *ring, struct record *record)
{
	if (ring->tail == ring_head(ring))
		return 0;
	memset(record, 0, sizeof *record);
	copy_out(ring, &record->header, sizeof record->header);
	if (record->header.size < sizeof record->header || record->header.size > sizeof *record) {
		printf("a record of %u bytes\n", record->header.size);
		exit(1);
	}
	copy_out(ring, record, record->header.size);
	ring->tail += record->header.size;
	__atomic_store_n(&ring->page->data_tail, ring->tail, __ATOMIC_RELEASE);
	return 1;
}

/* Reads everything; returns the number of samples. */
static inline int drain(struct ring *ring)
{
	struct record record;
	int nr_samples = 0;

	while (next_record(ring, &record))
		nr_samples += record.header.type == RECORD_SAMPLE;
	return nr_samples;
}

#endif
