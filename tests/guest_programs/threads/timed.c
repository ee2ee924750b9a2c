// Waits with an end: timed locks and conditions that expire, sleepers in order, and a thread that
// is woken before its time.
#include "check.h"

#include <semaphore.h>
#include <time.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static int is_told;

static struct timespec in_ms(long ms)
{
    struct timespec time;
    OK(clock_gettime(CLOCK_REALTIME, &time));
    time.tv_nsec += ms * 1000000;
    time.tv_sec += time.tv_nsec / 1000000000;
    time.tv_nsec %= 1000000000;
    return time;
}

static int is_over(struct timespec end)
{
    struct timespec now;
    OK(clock_gettime(CLOCK_REALTIME, &now));
    return now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec);
}

static void *lock_for_some_time(void *argument)
{
    struct timespec end = in_ms(2);
    EXPECT(ETIMEDOUT, pthread_mutex_timedlock(&lock, &end));
    EXPECT(1, is_over(end));
    return argument;
}

static void *wait_for_word(void *argument)
{
    struct timespec end = in_ms(3600000);
    OK(pthread_mutex_lock(&lock));
    while (!is_told)
        OK(pthread_cond_timedwait(&cond, &lock, &end));
    OK(pthread_mutex_unlock(&lock));
    return argument;
}

int main(void)
{
    pthread_t threads[3];
    OK(sem_init(&semaphore, 0, 0));
    OK(pthread_mutex_lock(&lock));
    for (long i = 0; i < 3; i++)
        threads[i] = start(lock_for_some_time, (void *)i);
    for (long i = 0; i < 3; i++)
        EXPECT(i, join(threads[i]));
    struct timespec end = in_ms(1);
    EXPECT(ETIMEDOUT, pthread_cond_timedwait(&cond, &lock, &end));
    EXPECT(1, is_over(end));
    end = in_ms(1);
    EXPECT(-1, sem_timedwait(&semaphore, &end));
    EXPECT(ETIMEDOUT, errno);
    OK(pthread_mutex_unlock(&lock));
    for (long i = 0; i < 3; i++)
        threads[i] = start(wait_for_word, (void *)i);
    struct timespec pause = {0, 500000};
    OK(nanosleep(&pause, NULL));
    OK(pthread_mutex_lock(&lock));
    is_told = 1;
    OK(pthread_cond_broadcast(&cond));
    OK(pthread_mutex_unlock(&lock));
    for (long i = 0; i < 3; i++)
        EXPECT(i, join(threads[i]));
    printf("in time\n");
    return 0;
}
