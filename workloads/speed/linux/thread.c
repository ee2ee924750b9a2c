/* Threads that are created, end and are joined. */
#define _GNU_SOURCE
#include "speed.h"

#include <pthread.h>

static void *work(void *argument)
{
	return argument;
}

static uint64_t speed_kernel(unsigned long count)
{
	uint64_t sum = 0;

	for (unsigned long i = 0; i < count; i++) {
		pthread_t thread;
		void *result = NULL;

		if (pthread_create(&thread, NULL, work, (void *)i) == 0 &&
		    pthread_join(thread, &result) == 0)
			sum = speed_mix(sum, (uint64_t)result);
	}
	return sum;
}
