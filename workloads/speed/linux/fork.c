/* Processes that are made, end and are waited for. */
#define _GNU_SOURCE
#include "speed.h"

#include <sys/wait.h>

static uint64_t speed_kernel(unsigned long count)
{
	uint64_t sum = 0;

	for (unsigned long i = 0; i < count; i++) {
		int status = 0;
		pid_t child = fork();

		if (child == 0)
			_exit((int)(i & 127));
		if (waitpid(child, &status, 0) == child)
			sum = speed_mix(sum, (uint64_t)WEXITSTATUS(status));
	}
	return sum;
}
