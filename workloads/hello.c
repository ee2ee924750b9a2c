/*
 * A program without breakpoints: output, arguments, the heap and an exit
 * status. The first argument, where given, is the exit status.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_length_then_text(const void *left, const void *right)
{
	const char *a = *(const char *const *)left;
	const char *b = *(const char *const *)right;
	size_t len_a = strlen(a), len_b = strlen(b);

	if (len_a != len_b)
		return len_a < len_b ? -1 : 1;
	return strcmp(a, b);
}

static void sort_words(void)
{
	const char *words[] = { "trap", "fault", "abort", "event", "slot", "#DB", "breakpoint" };
	size_t nr_words = sizeof words / sizeof words[0];

	qsort(words, nr_words, sizeof words[0], by_length_then_text);
	printf("words:");
	for (size_t i = 0; i < nr_words; i++)
		printf(" %s", words[i]);
	printf("\n");
}

/* Blocks from a few bytes to well above the size that the C library maps on its own. */
static void use_heap(void)
{
	unsigned long sum = 0;
	unsigned char *kept[24];

	for (int i = 0; i < 24; i++) {
		size_t size = (size_t)16 << (i / 2);

		kept[i] = malloc(size);
		if (!kept[i])
			exit(1);
		memset(kept[i], i + 1, size);
		sum += kept[i][size / 2] * size;
	}
	unsigned char *large = calloc(1, 1 << 20);
	unsigned char *larger = large ? realloc(large, 3 << 20) : NULL;

	if (!larger)
		exit(1);
	larger[(3 << 20) - 1] = 9;
	sum += larger[(3 << 20) - 1] + larger[0];
	free(larger);
	for (int i = 0; i < 24; i++)
		free(kept[i]);
	printf("heap: %lu\n", sum);
}

int main(int argc, char **argv)
{
	printf("hello, %d argument%s\n", argc - 1, argc == 2 ? "" : "s");
	for (int i = 1; i < argc; i++)
		printf("argument %d: %s\n", i, argv[i]);
	printf("numbers: %d %5u|%-6x|%08lx|%c|%.3s|%lld\n", -17, 42u, 0xbeefu, 0x601040UL, 'z',
	       "abcdef", -9000000000LL);
	sort_words();
	use_heap();
	fprintf(stderr, "on standard error\n");
	return argc > 1 ? atoi(argv[1]) : 0;
}
