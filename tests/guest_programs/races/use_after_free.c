// A race: the last but one user of an object looks at it after it has let it go, when the last
// one may have unmapped it.
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

struct object {
    int users, uses;
};

static void *use(void *argument)
{
    struct object *object = argument;
    for (int i = 0; i < 100; i++)
        __atomic_add_fetch(&object->uses, 1, __ATOMIC_SEQ_CST);
    if (__atomic_sub_fetch(&object->users, 1, __ATOMIC_SEQ_CST) == 0)
        munmap(object, 4096);
    else if (object->uses < 0)
        puts("never");
    return NULL;
}

int main(void)
{
    struct object *object =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    object->users = 2;
    pthread_t threads[2];
    for (int i = 0; i < 2; i++)
        pthread_create(&threads[i], NULL, use, object);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    puts("done");
    return 0;
}
