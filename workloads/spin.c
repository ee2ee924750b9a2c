/*
 * An integer loop, for benches: the first argument is the number of rounds
 * (a million by default).
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

volatile uint64_t result;

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 1000000;
	uint64_t state = 1;

	for (uint64_t i = 0; i < rounds; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		state += i;
	}
	result = state;
	printf("%016llx after %llu rounds\n", (unsigned long long)state, (unsigned long long)rounds);
	return 0;
}
