// Cancellation: deferred at cancellation points that block and that do not, disabled for a while,
// asynchronous; clean-up handlers run, and locks are held in them again.
#include "check.h"

#include <semaphore.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static sem_t ready, never_posted;
static int cleaned, pipes[2];

static void clean(void *argument)
{
    (void)argument;
    __atomic_add_fetch(&cleaned, 1, __ATOMIC_SEQ_CST);
}

static void clean_and_unlock(void *argument)
{
    clean(argument);
    OK(pthread_mutex_unlock(&lock));
}

static void *in_cond(void *argument)
{
    OK(pthread_mutex_lock(&lock));
    pthread_cleanup_push(clean_and_unlock, argument);
    sem_post(&ready);
    for (;;)
        pthread_cond_wait(&never, &lock);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *in_semaphore(void *argument)
{
    pthread_cleanup_push(clean, argument);
    sem_post(&ready);
    sem_wait(&never_posted);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *in_read(void *argument)
{
    char byte;
    pthread_cleanup_push(clean, argument);
    sem_post(&ready);
    EXPECT(-2, read(pipes[0], &byte, 1));
    pthread_cleanup_pop(0);
    return NULL;
}

static void *in_sleep(void *argument)
{
    struct timespec hour = {3600, 0};
    pthread_cleanup_push(clean, argument);
    sem_post(&ready);
    nanosleep(&hour, NULL);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *in_testcancel(void *argument)
{
    pthread_cleanup_push(clean, argument);
    sem_post(&ready);
    for (;;)
        pthread_testcancel();
    pthread_cleanup_pop(0);
    return NULL;
}

static void *after_enabling(void *argument)
{
    int old;
    OK(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old));
    pthread_cleanup_push(clean, argument);
    sem_post(&ready);
    for (int i = 0; i < 50; i++)
        pthread_testcancel();
    EXPECT(3, write(pipes[1], "abc", 3));
    OK(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old));
    for (;;)
        pthread_testcancel();
    pthread_cleanup_pop(0);
    return NULL;
}

static void *at_any_time(void *argument)
{
    int old;
    volatile long count = 0;
    OK(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old));
    pthread_cleanup_push(clean, argument);
    sem_post(&ready);
    for (;;)
        count++;
    pthread_cleanup_pop(0);
    return NULL;
}

int main(void)
{
    thread_fn all[] = {in_cond,       in_semaphore,   in_read,    in_sleep,
                       in_testcancel, after_enabling, at_any_time};
    OK(sem_init(&ready, 0, 0));
    OK(sem_init(&never_posted, 0, 0));
    for (int i = 0; i < 7; i++) {
        OK(pipe(pipes));
        pthread_t thread = start(all[i], NULL);
        OK(sem_wait(&ready));
        OK(pthread_cancel(thread));
        EXPECT((long)PTHREAD_CANCELED, join(thread));
        printf("%d: cleaned %d, lock %d\n", i, cleaned, pthread_mutex_trylock(&lock));
        OK(pthread_mutex_unlock(&lock));
        close(pipes[0]);
        close(pipes[1]);
    }
    return 0;
}
