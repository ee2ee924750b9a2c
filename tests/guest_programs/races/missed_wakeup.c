// A race: a flag is set and its waiter woken without the waiter's lock, so that the wakeup may
// come between the look at the flag and the wait.
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static volatile int is_ready;

static void *await(void *argument)
{
    pthread_mutex_lock(&lock);
    while (!is_ready)
        pthread_cond_wait(&cond, &lock);
    pthread_mutex_unlock(&lock);
    return argument;
}

int main(void)
{
    for (int i = 0; i < 5; i++) {
        pthread_t thread;
        is_ready = 0;
        pthread_create(&thread, NULL, await, NULL);
        is_ready = 1;
        pthread_cond_signal(&cond);
        pthread_join(thread, NULL);
    }
    puts("woken");
    return 0;
}
