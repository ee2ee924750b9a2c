// A bounded queue between producers and consumers: mutexes and condition variables, woken one
// by one and all at once.
#include "check.h"

enum { PRODUCERS = 3, CONSUMERS = 3, EACH = 60, ROOM = 4 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER;
static pthread_cond_t not_empty = PTHREAD_COND_INITIALIZER;
static int items[ROOM], nr_items, nr_done;

static void *produce(void *argument)
{
    int first = (int)(long)argument * EACH;
    for (int i = 0; i < EACH; i++) {
        OK(pthread_mutex_lock(&lock));
        while (nr_items == ROOM)
            OK(pthread_cond_wait(&not_full, &lock));
        items[nr_items++] = first + i;
        OK(pthread_cond_signal(&not_empty));
        OK(pthread_mutex_unlock(&lock));
    }
    OK(pthread_mutex_lock(&lock));
    if (++nr_done == PRODUCERS)
        OK(pthread_cond_broadcast(&not_empty));
    OK(pthread_mutex_unlock(&lock));
    return NULL;
}

static void *consume(void *argument)
{
    (void)argument;
    long sum = 0;
    OK(pthread_mutex_lock(&lock));
    for (;;) {
        while (nr_items == 0 && nr_done < PRODUCERS)
            OK(pthread_cond_wait(&not_empty, &lock));
        if (nr_items == 0)
            break;
        sum += items[--nr_items];
        OK(pthread_cond_signal(&not_full));
    }
    OK(pthread_mutex_unlock(&lock));
    return (void *)sum;
}

int main(void)
{
    pthread_t producers[PRODUCERS], consumers[CONSUMERS];
    for (long i = 0; i < CONSUMERS; i++)
        consumers[i] = start(consume, NULL);
    for (long i = 0; i < PRODUCERS; i++)
        producers[i] = start(produce, (void *)i);
    long sum = 0;
    for (int i = 0; i < PRODUCERS; i++)
        join(producers[i]);
    for (int i = 0; i < CONSUMERS; i++)
        sum += (long)join(consumers[i]);
    printf("sum %ld, left %d\n", sum, nr_items);
    return 0;
}
