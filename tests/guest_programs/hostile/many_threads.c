/* 100,000 threads, or as many as there may be. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void *sleep_for_ever(void *unused)
{
    for (;;)
        pause();
    return unused;
}

int main(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 16384);
    int nr = 0, error = 0;
    while (nr < 100000 && !error) {
        pthread_t thread;
        error = pthread_create(&thread, &attributes, sleep_for_ever, NULL);
        nr += !error;
    }
    printf("more than 50 threads: %d: %s\n", nr > 50, strerror(error));
    return 0;
}
