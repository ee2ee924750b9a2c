// A race that needs a long delay: a thread is thought to be done after a millisecond.
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int *number;

static void *use(void *argument)
{
    for (int i = 0; i < 50; i++)
        *(volatile int *)number += i;
    return argument;
}

int main(void)
{
    static int storage;
    number = &storage;
    pthread_t thread;
    pthread_create(&thread, NULL, use, NULL);
    struct timespec pause = {0, 1000000};
    nanosleep(&pause, NULL);
    number = NULL;
    pthread_join(thread, NULL);
    puts("done");
    return 0;
}
