/*
 * Order-dependent checksums for programs that have too many answers to print:
 * one line a subject, `name checksum`.
 */
#ifndef TALLY_H
#define TALLY_H

#include <stdint.h>
#include <stdio.h>

static uint64_t tally_sum = 14695981039346656037ull;

static inline void tally(uint64_t word)
{
	tally_sum = (tally_sum ^ word) * 1099511628211ull;
	tally_sum ^= tally_sum >> 29;
}

static inline void tally_bytes(const void *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		tally(((const unsigned char *)bytes)[i]);
}

static inline void tally_tell(const char *name)
{
	printf("%s %016llx\n", name, (unsigned long long)tally_sum);
	tally_sum = 14695981039346656037ull;
}

/* xorshift64*: the same numbers on every run. */
static uint64_t tally_seed = 88172645463325252ull;

static inline uint64_t tally_random(void)
{
	tally_seed ^= tally_seed >> 12;
	tally_seed ^= tally_seed << 25;
	tally_seed ^= tally_seed >> 27;
	return tally_seed * 2685821657736338717ull;
}

#endif
