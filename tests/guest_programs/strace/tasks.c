/* A thread and children that run one after the other: lines that other tasks cut. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

static int there[2], back[2];

static void *in_thread(void *nothing)
{
    char byte;
    read(there[0], &byte, 1);
    write(back[1], "t", 1);
    return nothing;
}

int main(int argc, char **argv)
{
    char byte;
    int status;
    pthread_t thread;
    if (argc > 1) {
        read(3, &byte, 1);
        return 5;
    }
    pipe(there);
    pipe(back);
    pthread_create(&thread, 0, in_thread, 0);
    write(there[1], "m", 1);
    read(back[0], &byte, 1);
    pthread_join(thread, 0);

    int child = fork();
    if (child == 0) {
        read(there[0], &byte, 1);
        _exit(3);
    }
    write(there[1], "c", 1);
    waitpid(child, &status, 0);
    child = vfork();
    if (child == 0) {
        char *const args[] = { "again", "a\"b", "0123456789012345678901234567890123456789", 0 };
        execv(argv[0], args);
        _exit(9);
    }
    write(there[1], "v", 1);
    waitpid(child, &status, 0);
    execl("/nonexistent", "x", (char *)0);
    return 0;
}
