// Threads come and go: made by threads, joined by others, pinned to CPUs, yielding; the first
// thread leaves before the last one, which ends the process.
#include "check.h"

#include <sched.h>
#include <stdint.h>
#include <unistd.h>

enum { DEPTH = 4, ROUNDS = 15 };

static int nr_threads;

static void *tree(void *argument)
{
    long depth = (long)argument;
    __atomic_add_fetch(&nr_threads, 1, __ATOMIC_SEQ_CST);
    if (depth == 0)
        return (void *)1L;
    pthread_t left = start(tree, (void *)(depth - 1));
    pthread_t right = start(tree, (void *)(depth - 1));
    sched_yield();
    return (void *)((long)join(right) + (long)join(left));
}

static void *pinned(void *argument)
{
    cpu_set_t all, one;
    long wanted = (long)argument, seen = 0;
    OK(sched_getaffinity(0, sizeof(all), &all));
    for (int cpu = 0; cpu < CPU_SETSIZE && wanted >= 0; cpu = (cpu + 1) % 64) {
        if (CPU_ISSET(cpu, &all) && wanted-- == 0) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
            OK(sched_setaffinity(0, sizeof(one), &one));
            for (int round = 0; round < ROUNDS; round++) {
                seen += sched_getcpu() == cpu;
                if (round % 3 == 0)
                    sched_yield();
            }
        }
    }
    return (void *)seen;
}

static void *last(void *argument)
{
    join(*(pthread_t *)argument);
    printf("the last thread\n");
    fflush(stdout);
    exit(0);
}

int main(void)
{
    static pthread_t self;
    long leaves = (long)join(start(tree, (void *)DEPTH));
    printf("%d threads, %ld leaves\n", nr_threads, leaves);
    pthread_t threads[4];
    long obeyed = 0;
    for (long i = 0; i < 4; i++)
        threads[i] = start(pinned, (void *)i);
    for (int i = 0; i < 4; i++)
        obeyed += (long)join(threads[i]);
    printf("%ld on their CPUs\n", obeyed);
    fflush(stdout);
    self = pthread_self();
    start(last, &self);
    pthread_exit(NULL);
}
