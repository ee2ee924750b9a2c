/* Quicksort of 8192 words, with insertion sort for short runs: unpredictable branches. */
#include "speed.h"

#define WORDS 8192
#define SHORT_RUN 12

static uint32_t words[WORDS];

static void insertion_sort(uint32_t *low, uint32_t *high)
{
	for (uint32_t *next = low + 1; next <= high; next++) {
		uint32_t word = *next, *at = next;

		for (; at > low && at[-1] > word; at--)
			*at = at[-1];
		*at = word;
	}
}

static void quicksort(uint32_t *low, uint32_t *high)
{
	while (high - low > SHORT_RUN) {
		uint32_t pivot = low[(high - low) / 2], *left = low, *right = high;

		while (left <= right) {
			while (*left < pivot)
				left++;
			while (*right > pivot)
				right--;
			if (left <= right) {
				uint32_t word = *left;

				*left++ = *right;
				*right-- = word;
			}
		}
		if (right - low < high - left) {
			quicksort(low, right);
			low = left;
		} else {
			quicksort(left, high);
			high = right;
		}
	}
	insertion_sort(low, high);
}

static uint64_t speed_kernel(unsigned long count)
{
	uint64_t sum = 0;

	for (unsigned long i = 0; i < count; i++) {
		for (int at = 0; at < WORDS; at++)
			words[at] = (uint32_t)(speed_random() >> 32);
		quicksort(words, words + WORDS - 1);
		for (int at = 0; at < WORDS; at += 97)
			sum = speed_mix(sum, words[at]);
	}
	return sum;
}
