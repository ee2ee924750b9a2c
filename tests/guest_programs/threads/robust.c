// Robust mutexes: an owner that ends hands its lock over, thread by thread and from a process to
// its parent; and a recursive and an error-checking one.
#include "check.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 5 };

struct shared {
    pthread_mutex_t lock;
    int owners_died, value;
};

static struct shared *shared;

static void take(void)
{
    int answer = pthread_mutex_lock(&shared->lock);
    if (answer == EOWNERDEAD) {
        shared->owners_died++;
        answer = pthread_mutex_consistent(&shared->lock);
    }
    OK(answer);
}

static void *die_with_lock(void *argument)
{
    take();
    shared->value += (int)(long)argument;
    return NULL;
}

static void make(int type, int is_robust, int is_shared)
{
    pthread_mutexattr_t attr;
    OK(pthread_mutexattr_init(&attr));
    OK(pthread_mutexattr_settype(&attr, type));
    if (is_robust)
        OK(pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST));
    if (is_shared)
        OK(pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED));
    OK(pthread_mutex_init(&shared->lock, &attr));
    OK(pthread_mutexattr_destroy(&attr));
}

int main(void)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_t threads[THREADS];
    make(PTHREAD_MUTEX_NORMAL, 1, 0);
    for (long i = 0; i < THREADS; i++)
        threads[i] = start(die_with_lock, (void *)(i + 1));
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    take();
    printf("threads: %d died, value %d\n", shared->owners_died, shared->value);
    OK(pthread_mutex_unlock(&shared->lock));

    make(PTHREAD_MUTEX_NORMAL, 1, 1);
    shared->owners_died = shared->value = 0;
    for (int i = 0; i < THREADS; i++) {
        if (fork() == 0) {
            die_with_lock((void *)1L);
            _exit(3);
        }
    }
    for (int i = 0; i < THREADS; i++) {
        int status;
        wait(&status);
        EXPECT(3, WEXITSTATUS(status));
    }
    take();
    printf("processes: %d died, value %d\n", shared->owners_died, shared->value);
    OK(pthread_mutex_unlock(&shared->lock));

    make(PTHREAD_MUTEX_RECURSIVE, 0, 0);
    OK(pthread_mutex_lock(&shared->lock));
    OK(pthread_mutex_lock(&shared->lock));
    OK(pthread_mutex_unlock(&shared->lock));
    OK(pthread_mutex_unlock(&shared->lock));
    EXPECT(EPERM, pthread_mutex_unlock(&shared->lock));
    make(PTHREAD_MUTEX_ERRORCHECK, 0, 0);
    OK(pthread_mutex_lock(&shared->lock));
    EXPECT(EDEADLK, pthread_mutex_lock(&shared->lock));
    OK(pthread_mutex_unlock(&shared->lock));
    printf("recursive and error-checking\n");
    return 0;
}
