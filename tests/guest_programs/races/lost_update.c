// A race: two threads add to a word without a lock.
#include <pthread.h>
#include <stdio.h>

static volatile int word;

static void *add(void *argument)
{
    for (int i = 0; i < 20; i++)
        word = word + 1;
    return argument;
}

int main(void)
{
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, add, NULL);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%d\n", word);
    return 0;
}
