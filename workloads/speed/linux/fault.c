/* Pages that are touched for the first time, in mappings of 256. */
#define _GNU_SOURCE
#include "speed.h"

#include <sys/mman.h>

enum { PAGES = 256, PAGE = 4096 };

static uint64_t speed_kernel(unsigned long count)
{
	uint64_t sum = 0;

	for (unsigned long done = 0; done < count; done += PAGES) {
		volatile unsigned char *pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
						     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (pages == MAP_FAILED)
			return 0;
		for (int page = 0; page < PAGES; page++) {
			pages[page * PAGE] = (unsigned char)page;
			sum += pages[page * PAGE];
		}
		munmap((void *)pages, PAGES * PAGE);
	}
	return sum;
}
