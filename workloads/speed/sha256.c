/* SHA-256 (FIPS 180-4) of 4 KiB, over and over: rotates, adds and logic. */
#include "speed.h"

#define BLOCKS 64

static uint32_t constants[64];
static uint32_t message[BLOCKS][16];

static uint32_t rotate(uint32_t word, int by)
{
	return word >> by | word << (32 - by);
}

/* The first 32 bits of the fractional part of a root of n, by bisection. */
static uint32_t root_fraction(uint64_t n, int degree)
{
	unsigned __int128 low = 0, high = (unsigned __int128)16 << 32;
	unsigned __int128 wanted = (unsigned __int128)n << (degree == 2 ? 64 : 96);

	while (high - low > 1) {
		unsigned __int128 middle = (low + high) / 2;
		unsigned __int128 power = middle * middle;

		if (degree == 3)
			power *= middle;
		if (power <= wanted)
			low = middle;
		else
			high = middle;
	}
	return (uint32_t)low;
}

static void prepare(uint32_t state[8])
{
	int found = 0;

	for (uint64_t n = 2; found < 64; n++) {
		int prime = 1;

		for (uint64_t divisor = 2; divisor * divisor <= n; divisor++)
			prime &= n % divisor != 0;
		if (!prime)
			continue;
		if (found < 8)
			state[found] = root_fraction(n, 2);
		constants[found++] = root_fraction(n, 3);
	}
}

static void compress(uint32_t state[8], const uint32_t block[16])
{
	uint32_t w[64], v[8];

	for (int t = 0; t < 16; t++)
		w[t] = __builtin_bswap32(block[t]);
	for (int t = 16; t < 64; t++) {
		uint32_t a = w[t - 15], b = w[t - 2];
		uint32_t s0 = rotate(a, 7) ^ rotate(a, 18) ^ a >> 3;
		uint32_t s1 = rotate(b, 17) ^ rotate(b, 19) ^ b >> 10;

		w[t] = w[t - 16] + s0 + w[t - 7] + s1;
	}
	for (int i = 0; i < 8; i++)
		v[i] = state[i];
	for (int t = 0; t < 64; t++) {
		uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
		uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
		uint32_t t1 = v[7] + s1 + choice + constants[t] + w[t];
		uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
		uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);

		v[7] = v[6], v[6] = v[5], v[5] = v[4], v[4] = v[3] + t1;
		v[3] = v[2], v[2] = v[1], v[1] = v[0], v[0] = t1 + s0 + majority;
	}
	for (int i = 0; i < 8; i++)
		state[i] += v[i];
}

static uint64_t speed_kernel(unsigned long count)
{
	uint32_t state[8];

	if (count == 0)
		return 0;
	prepare(state);
	for (int block = 0; block < BLOCKS; block++)
		for (int word = 0; word < 16; word++)
			message[block][word] = (uint32_t)(speed_random() >> 32);
	for (unsigned long i = 0; i < count; i++)
		for (int block = 0; block < BLOCKS; block++)
			compress(state, message[block]);
	return (uint64_t)state[0] << 32 | state[7];
}
