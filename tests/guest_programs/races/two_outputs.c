// A race that standard output shows, and standard error too: who comes first.
#include <pthread.h>
#include <unistd.h>

static void *tell(void *argument)
{
    const char *word = argument;
    write(1, word, 2);
    write(2, word, 2);
    return NULL;
}

int main(void)
{
    pthread_t threads[2];
    pthread_create(&threads[0], NULL, tell, "a\n");
    pthread_create(&threads[1], NULL, tell, "b\n");
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return 0;
}
