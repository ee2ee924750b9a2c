/* The sieve of Eratosthenes up to 65536: byte stores with a stride. */
#include <string.h>

#include "speed.h"

#define LIMIT 65536

static unsigned char composite[LIMIT];

static unsigned primes(unsigned first)
{
	unsigned found = 0;

	memset(composite, 0, sizeof composite);
	for (unsigned n = first; n < LIMIT; n++) {
		if (composite[n])
			continue;
		found++;
		for (unsigned multiple = 2 * n; multiple < LIMIT; multiple += n)
			composite[multiple] = 1;
	}
	return found;
}

static uint64_t speed_kernel(unsigned long count)
{
	uint64_t sum = 0;

	for (unsigned long i = 0; i < count; i++)
		sum = speed_mix(sum, primes(2 + i % 3));
	return sum;
}
