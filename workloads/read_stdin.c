/*
 * Reads its standard input into one buffer. With `mem:buffer/8:w` the hits are
 * the kernel's, made while it serves read(), and one of the program itself,
 * which clears the buffer first.
 */
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

volatile uint64_t buffer[8];

int main(void)
{
	unsigned long nr_reads = 0, nr_bytes = 0;
	uint32_t sum = 1;
	ssize_t got;

	buffer[0] = 0;
	while ((got = read(STDIN_FILENO, (void *)buffer, sizeof buffer)) > 0) {
		nr_reads++;
		nr_bytes += (unsigned long)got;
		for (ssize_t i = 0; i < got; i++)
			sum = sum * 31 + ((volatile uint8_t *)buffer)[i];
	}
	if (got < 0) {
		printf("read failed\n");
		return 1;
	}
	printf("%lu bytes, checksum %08x\n", nr_bytes, sum);
	printf("more than one read: %d\n", nr_reads > 1);
	return 0;
}
