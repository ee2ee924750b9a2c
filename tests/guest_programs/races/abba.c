// A race: two threads take two locks in the two orders.
#include <pthread.h>
#include <stdio.h>

static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;
static int word;

static void both(pthread_mutex_t *first, pthread_mutex_t *second)
{
    pthread_mutex_lock(first);
    pthread_mutex_lock(second);
    word++;
    pthread_mutex_unlock(second);
    pthread_mutex_unlock(first);
}

static void *forwards(void *argument)
{
    for (int i = 0; i < 6; i++)
        both(&a, &b);
    return argument;
}

static void *backwards(void *argument)
{
    for (int i = 0; i < 6; i++)
        both(&b, &a);
    return argument;
}

int main(void)
{
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, forwards, NULL);
    pthread_create(&threads[1], NULL, backwards, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%d\n", word);
    return 0;
}
