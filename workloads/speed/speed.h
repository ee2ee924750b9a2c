/*
 * What every speed kernel shares: its count from the command line, its checksum
 * on standard output as 16 hexadecimal digits.
 *
 * A kernel defines speed_kernel(); with a count of 0 it does next to nothing, so
 * that start-up can be measured and subtracted.
 */
#ifndef SPEED_H
#define SPEED_H

#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

/*
 * A page of the data section that no kernel touches: the silent watch stands in
 * the middle of it.
 */
__attribute__((aligned(4096), used)) unsigned char speed_quiet[4096] = {1};

static uint64_t speed_kernel(unsigned long count);

/* xorshift64*: the kernels' only source of data. */
static uint64_t speed_seed = 88172645463325252ull;

static inline uint64_t speed_random(void)
{
	speed_seed ^= speed_seed >> 12;
	speed_seed ^= speed_seed << 25;
	speed_seed ^= speed_seed >> 27;
	return speed_seed * 2685821657736338717ull;
}

/* One step of FNV-1a on a word: checksums depend on order. */
static inline uint64_t speed_mix(uint64_t sum, uint64_t word)
{
	return (sum ^ word) * 1099511628211ull;
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 1;
	uint64_t sum = speed_kernel(count);
	char line[17];

	for (int digit = 0; digit < 16; digit++)
		line[digit] = "0123456789abcdef"[(sum >> (60 - 4 * digit)) & 15];
	line[16] = '\n';
	return write(1, line, sizeof line) == (ssize_t)sizeof line ? 0 : 1;
}

#endif
