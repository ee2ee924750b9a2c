/* An open-addressed hash table of short strings: hashing, probing, comparing bytes. */
#include <string.h>

#include "speed.h"

#define SLOTS 4096
#define WORDS 2000
#define WORD_BYTES 16

struct slot {
	const char *word;
	uint32_t hash, hits;
};

static char words[WORDS][WORD_BYTES];
static struct slot slots[SLOTS];

static uint32_t hash_of(const char *word)
{
	uint32_t hash = 2166136261u;

	while (*word)
		hash = (hash ^ (unsigned char)*word++) * 16777619u;
	return hash;
}

static int same(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b;
}

static struct slot *find(const char *word)
{
	uint32_t hash = hash_of(word), at = hash;

	for (;; at++) {
		struct slot *slot = &slots[at % SLOTS];

		if (!slot->word) {
			*slot = (struct slot){word, hash, 0};
			return slot;
		}
		if (slot->hash == hash && same(slot->word, word))
			return slot;
	}
}

static void make_words(void)
{
	for (int i = 0; i < WORDS; i++) {
		int len = 3 + (int)(speed_random() % 12);

		for (int at = 0; at < len; at++)
			words[i][at] = (char)('a' + speed_random() % 26);
	}
}

static uint64_t speed_kernel(unsigned long count)
{
	uint64_t sum = 0;

	if (count == 0)
		return 0;
	make_words();
	for (unsigned long i = 0; i < count; i++) {
		memset(slots, 0, sizeof slots);
		for (int at = 0; at < 2 * WORDS; at++)
			find(words[speed_random() % WORDS])->hits++;
		for (int at = 0; at < SLOTS; at++)
			sum = speed_mix(sum, slots[at].hits);
	}
	return sum;
}
