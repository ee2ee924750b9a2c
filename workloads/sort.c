/*
 * Quicksort of 2000 numbers. `mem:elements+40/8:w` shows each value that the
 * sixth element takes on its way to its final one.
 */
#include <stdint.h>
#include <stdio.h>

enum { NR_ELEMENTS = 2000 };

uint64_t elements[NR_ELEMENTS];

static uint64_t xorshift(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void swap(uint64_t *a, uint64_t *b)
{
	uint64_t kept = *a;

	*a = *b;
	*b = kept;
}

/* Sorts elements[low] to elements[high], both included. */
static void quicksort(long low, long high)
{
	while (low < high) {
		uint64_t pivot = elements[low + (high - low) / 2];
		long left = low, right = high;

		while (left <= right) {
			while (elements[left] < pivot)
				left++;
			while (elements[right] > pivot)
				right--;
			if (left <= right)
				swap(&elements[left++], &elements[right--]);
		}
		/* The smaller part by recursion: the stack stays shallow. */
		if (right - low < high - left) {
			quicksort(low, right);
			low = left;
		} else {
			quicksort(left, high);
			high = right;
		}
	}
}

int main(void)
{
	uint64_t state = 0x9e3779b97f4a7c15, sum = 0;
	int in_order = 1;

	for (long i = 0; i < NR_ELEMENTS; i++)
		elements[i] = xorshift(&state);
	quicksort(0, NR_ELEMENTS - 1);
	for (long i = 0; i < NR_ELEMENTS; i++) {
		sum = sum * 31 + elements[i];
		if (i > 0 && elements[i - 1] > elements[i])
			in_order = 0;
	}
	printf("in order: %d\n", in_order);
	printf("sixth: %016llx\n", (unsigned long long)elements[5]);
	printf("checksum: %016llx\n", (unsigned long long)sum);
	return !in_order;
}
