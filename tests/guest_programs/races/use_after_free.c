// A race: who lets an object go and was not its last user looks at it once more, when the last
// user may have unmapped it.
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

struct object {
    int users, values[64];
};

static long sum;

static void *use(void *argument)
{
    struct object *object = argument;
    int left = __atomic_sub_fetch(&object->users, 1, __ATOMIC_SEQ_CST);
    if (left == 0) {
        munmap(object, 4096);
        return NULL;
    }
    long own = 0;
    for (int i = 0; i < 64; i++)
        own += ((volatile struct object *)object)->values[i];
    __atomic_add_fetch(&sum, own, __ATOMIC_SEQ_CST);
    return NULL;
}

int main(void)
{
    struct object *object =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    object->users = 2;
    for (int i = 0; i < 64; i++)
        object->values[i] = i;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, use, object);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    printf("%ld\n", sum);
    return 0;
}
