// Signals to threads: pthread_kill to one of many, sigwait in a thread of its own, handlers that
// interrupt a wait, masks that are inherited.
#include "check.h"

#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

enum { THREADS = 4, EACH = 10 };

static __thread volatile sig_atomic_t got;
static __thread long number;
static sem_t turns[THREADS], answered;
static long handled_by[THREADS];

static void handler(int signal)
{
    (void)signal;
    int saved = errno;
    got++;
    handled_by[number]++;
    sem_post(&answered);
    errno = saved;
}

static void *target(void *argument)
{
    number = (long)argument;
    sem_post(&answered);
    while (sem_wait(&turns[number]) != 0)
        EXPECT(EINTR, errno);
    return (void *)(long)got;
}

static void *waiter(void *argument)
{
    sigset_t *set = argument;
    long sum = 0;
    for (;;) {
        int signal;
        OK(sigwait(set, &signal));
        if (signal == SIGTERM)
            return (void *)sum;
        sum += signal == SIGUSR2;
        sem_post(&answered);
    }
}

int main(void)
{
    struct sigaction action = {.sa_handler = handler};
    OK(sigaction(SIGUSR1, &action, NULL));
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigaddset(&set, SIGTERM);
    OK(pthread_sigmask(SIG_BLOCK, &set, NULL));
    OK(sem_init(&answered, 0, 0));
    pthread_t threads[THREADS], sigwaiter = start(waiter, &set);
    for (long i = 0; i < THREADS; i++) {
        OK(sem_init(&turns[i], 0, 0));
        threads[i] = start(target, (void *)i);
        OK(sem_wait(&answered));
    }
    for (int round = 0; round < EACH; round++) {
        for (int i = 0; i < THREADS; i++) {
            OK(pthread_kill(threads[i], SIGUSR1));
            OK(sem_wait(&answered));
        }
        OK(kill(getpid(), SIGUSR2));
        OK(sem_wait(&answered));
    }
    for (int i = 0; i < THREADS; i++)
        OK(sem_post(&turns[i]));
    for (int i = 0; i < THREADS; i++)
        printf("thread %d: %ld, %ld\n", i, (long)join(threads[i]), handled_by[i]);
    OK(kill(getpid(), SIGTERM));
    printf("sigwait: %ld\n", (long)join(sigwaiter));
    return 0;
}
