// Barriers, read-write locks, spin locks and semaphores: phases in step, readers that never see
// half of a change.
#include "check.h"

#include <semaphore.h>

enum { THREADS = 4, PHASES = 12 };

static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static sem_t slots;
static int phase_counts[PHASES], inside, most_inside, last_in_barrier;
static long pair[2], spun;

static void *work(void *argument)
{
    long number = (long)argument;
    for (int phase = 0; phase < PHASES; phase++) {
        if ((phase + number) % THREADS == 0) {
            OK(pthread_rwlock_wrlock(&rwlock));
            pair[0]++;
            pair[1]++;
            OK(pthread_rwlock_unlock(&rwlock));
        } else {
            OK(pthread_rwlock_rdlock(&rwlock));
            EXPECT(pair[0], pair[1]);
            OK(pthread_rwlock_unlock(&rwlock));
        }
        OK(sem_wait(&slots));
        int now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
        OK(pthread_spin_lock(&spin));
        spun++;
        if (now > most_inside)
            most_inside = now;
        phase_counts[phase]++;
        OK(pthread_spin_unlock(&spin));
        __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
        OK(sem_post(&slots));
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            __atomic_add_fetch(&last_in_barrier, 1, __ATOMIC_SEQ_CST);
        EXPECT(THREADS, __atomic_load_n(&phase_counts[phase], __ATOMIC_SEQ_CST));
    }
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    OK(pthread_barrier_init(&barrier, NULL, THREADS));
    OK(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE));
    OK(sem_init(&slots, 0, 2));
    for (long i = 0; i < THREADS; i++)
        threads[i] = start(work, (void *)i);
    for (int i = 0; i < THREADS; i++)
        join(threads[i]);
    OK(pthread_barrier_destroy(&barrier));
    printf("%d serial, %ld writes, %ld turns, at most 2 inside: %d\n", last_in_barrier, pair[0],
           spun, most_inside <= 2);
    return 0;
}
