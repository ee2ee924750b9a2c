// What a thread has for itself: thread-local variables, keys with destructors, a once that many
// race for; and detached threads.
#include "check.h"

#include <semaphore.h>

enum { THREADS = 6, ROUNDS = 20 };

static __thread long mine = 7;
static __thread char room[100];
static pthread_key_t key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static int nr_once, nr_destroyed;
static sem_t gone;

static void make_key(void);

static void destroy(void *value)
{
    __atomic_add_fetch(&nr_destroyed, (int)(long)value, __ATOMIC_SEQ_CST);
}

static void make_key(void)
{
    nr_once++;
    OK(pthread_key_create(&key, destroy));
}

static void *work(void *argument)
{
    long number = (long)argument;
    OK(pthread_once(&once, make_key));
    EXPECT(7, mine);
    EXPECT(0, room[99]);
    mine = number;
    for (int round = 0; round < ROUNDS; round++) {
        mine += number;
        snprintf(room, sizeof(room), "thread %ld, round %d", number, round);
        errno = (int)number;
        char wanted[100];
        snprintf(wanted, sizeof(wanted), "thread %ld, round %d", number, round);
        OK(strcmp(wanted, room));
        EXPECT(number, errno);
    }
    OK(pthread_setspecific(key, (void *)number));
    EXPECT(number, pthread_getspecific(key));
    return (void *)mine;
}

static void *leave(void *argument)
{
    work(argument);
    OK(sem_post(&gone));
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    long sum = 0;
    OK(sem_init(&gone, 0, 0));
    for (long i = 0; i < THREADS; i++)
        threads[i] = start(work, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        sum += (long)join(threads[i]);
    printf("sum %ld, once %d, destroyed %d, mine %ld\n", sum, nr_once, nr_destroyed, mine);
    pthread_attr_t detached;
    OK(pthread_attr_init(&detached));
    OK(pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED));
    for (long i = 0; i < THREADS; i++) {
        pthread_t thread;
        OK(pthread_create(&thread, i % 2 ? &detached : NULL, leave, (void *)(i + 1)));
        if (i % 2 == 0)
            OK(pthread_detach(thread));
    }
    for (int i = 0; i < THREADS; i++)
        OK(sem_wait(&gone));
    printf("%d detached\n", THREADS);
    return 0;
}
