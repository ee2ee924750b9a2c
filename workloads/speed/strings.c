/* The C library's memcpy, memset, strlen, strchr and memcmp at mixed lengths and offsets. */
#include <string.h>

#include "speed.h"

#define BYTES 8192

static char from[BYTES + 64], to[BYTES + 64];

static uint64_t one_round(unsigned round)
{
	uint64_t sum = 0;

	for (unsigned len = 1; len < BYTES; len += len / 4 + 1) {
		unsigned shift = (round + len) % 31;
		char *found;

		memcpy(to + shift, from + round % 17, len);
		to[shift + len] = 0;
		sum += strlen(to + shift);
		found = strchr(to + shift, 'q');
		sum += found ? (uint64_t)(found - to) : 1;
		sum += memcmp(to + shift, from + round % 17, len) == 0;
		memset(to, (int)(len & 0x7f) + 1, len);
	}
	return sum;
}

static uint64_t speed_kernel(unsigned long count)
{
	uint64_t sum = 0;

	if (count == 0)
		return 0;
	for (int i = 0; i < BYTES + 63; i++)
		from[i] = (char)('a' + speed_random() % 16);
	from[BYTES / 2] = 'q';
	for (unsigned long i = 0; i < count; i++)
		sum = speed_mix(sum, one_round((unsigned)i));
	return sum;
}
