/* System V IPC: semaphores, messages and shared memory, among parent and children. */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

union semun { int val; struct semid_ds *buf; unsigned short *array; };
struct text { long kind; char text[64]; };

static void tell(const char *what, long result)
{
    printf("%s: %s\n", what, result < 0 ? strerror(errno) : "ok");
}

static void on_signal(int signal)
{
    (void)signal;
}

static int op(int id, int num, int amount, int flags)
{
    struct sembuf one = { num, amount, flags };
    return semop(id, &one, 1);
}

/* Waits until a semaphore has a waiter, so that the order of events is known. */
static void await_waiters(int id, int num, int command, int wanted)
{
    struct timespec pause = { 0, 1000000 };
    while (semctl(id, num, command) != wanted)
        nanosleep(&pause, NULL);
}

static void semaphores(void)
{
    int id = semget(IPC_PRIVATE, 3, 0600);
    printf("semget %d\n", id >= 0);
    unsigned short values[3] = { 1, 2, 0 };
    union semun arg = { .array = values };
    tell("setall", semctl(id, 0, SETALL, arg));
    struct sembuf both[2] = { { 0, -1, 0 }, { 1, -3, IPC_NOWAIT } };
    tell("both", semop(id, both, 2));
    printf("unchanged %d %d\n", semctl(id, 0, GETVAL), semctl(id, 1, GETVAL));
    both[1].sem_op = -2;
    tell("both", semop(id, both, 2));
    printf("taken %d %d pid %d\n", semctl(id, 0, GETVAL), semctl(id, 1, GETVAL),
           semctl(id, 1, GETPID) == getpid());
    tell("no such semaphore", op(id, 3, 1, 0));
    tell("no such set", op(id + 12345, 0, 1, 0));
    tell("no operations", semop(id, both, 0));
    struct sembuf *many = calloc(501, sizeof *many);
    tell("too many", semop(id, many, 501));
    tell("too large", op(id, 0, SHRT_MAX, 0) | op(id, 0, 1, 0));
    arg.val = -1;
    tell("setval", semctl(id, 0, SETVAL, arg));
    arg.val = 0;
    tell("setval", semctl(id, 0, SETVAL, arg));
    struct timespec soon = { 0, 20000000 }, none = { 0, 0 }, wrong = { 0, -1 };
    struct sembuf take = { 0, -1, 0 };
    tell("timeout", semtimedop(id, &take, 1, &soon));
    tell("at once", semtimedop(id, &take, 1, &none));
    tell("wrong time", semtimedop(id, &take, 1, &wrong));

    pid_t child = fork();
    if (child == 0)
        _exit(op(id, 0, -2, SEM_UNDO) == 0 ? 7 : 8);
    await_waiters(id, 0, GETNCNT, 1);
    tell("give", op(id, 0, 1, 0));
    printf("still waiting %d\n", semctl(id, 0, GETNCNT));
    tell("give", op(id, 0, 2, 0));
    int status;
    waitpid(child, &status, 0);
    printf("child %d, undone %d\n", WEXITSTATUS(status), semctl(id, 0, GETVAL));

    child = fork();
    if (child == 0)
        _exit(op(id, 0, 0, 0) == 0 ? 1 : 2);
    await_waiters(id, 0, GETZCNT, 1);
    arg.val = 0;
    semctl(id, 0, SETVAL, arg);
    waitpid(child, &status, 0);
    printf("zero %d\n", WEXITSTATUS(status));

    child = fork();
    if (child == 0) {
        struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
        sigaction(SIGUSR1, &action, NULL);
        _exit(op(id, 2, -1, 0) == 0 ? 0 : errno);
    }
    await_waiters(id, 2, GETNCNT, 1);
    kill(child, SIGUSR1);
    waitpid(child, &status, 0);
    printf("interrupted %s\n", strerror(WEXITSTATUS(status)));

    child = fork();
    if (child == 0)
        _exit(op(id, 2, -1, 0) == 0 ? 0 : errno);
    await_waiters(id, 2, GETNCNT, 1);
    struct semid_ds info;
    arg.buf = &info;
    tell("stat", semctl(id, 0, IPC_STAT, arg));
    printf("nsems %lu mode %o otime %d\n", info.sem_nsems, info.sem_perm.mode, info.sem_otime != 0);
    info.sem_perm.mode = 0644;
    tell("set", semctl(id, 0, IPC_SET, arg));
    semctl(id, 0, IPC_STAT, arg);
    printf("mode %o\n", info.sem_perm.mode);
    tell("remove", semctl(id, 0, IPC_RMID));
    waitpid(child, &status, 0);
    printf("removed %s\n", strerror(WEXITSTATUS(status)));
    tell("again", semctl(id, 0, IPC_RMID));
    tell("none", semget(IPC_PRIVATE, 0, 0600));
    tell("negative", semget(IPC_PRIVATE, -1, 0600));
    tell("unknown", semget(0x5eed0001, 1, 0));
    id = semget(0x5eed0001, 2, IPC_CREAT | 0600);
    printf("same %d\n", semget(0x5eed0001, 1, 0) == id);
    tell("exclusive", semget(0x5eed0001, 1, IPC_CREAT | IPC_EXCL | 0600));
    tell("larger", semget(0x5eed0001, 3, 0));
    struct seminfo limits;
    arg.buf = (void *)&limits;
    printf("info %d\n", semctl(0, 0, IPC_INFO, arg) >= 0);
    printf("%d %d %d %d %d %d %d %d %d %d\n", limits.semmap, limits.semmni, limits.semmns,
           limits.semmnu, limits.semmsl, limits.semopm, limits.semume, limits.semusz,
           limits.semvmx, limits.semaem);
    if (fork() == 0) {
        if (setgid(12345) || setuid(12345))
            _exit(1);
        tell("stranger", semget(0x5eed0001, 1, 0600));
        tell("stranger", op(id, 0, 1, 0));
        tell("stranger", semctl(id, 0, IPC_RMID));
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    semctl(id, 0, IPC_RMID);
}

static void messages(void)
{
    int id = msgget(IPC_PRIVATE, 0600);
    struct text message = { 2, "two" }, got;
    tell("send", msgsnd(id, &message, 4, 0));
    message = (struct text){ 1, "one" };
    tell("send", msgsnd(id, &message, 4, 0));
    message.kind = 0;
    tell("type", msgsnd(id, &message, 4, 0));
    tell("long", msgsnd(id, &message, 8193, 0));
    tell("copy", msgrcv(id, &got, 64, 1, MSG_COPY | IPC_NOWAIT));
    printf("%ld %s\n", got.kind, got.text);
    tell("small", msgrcv(id, &got, 2, 0, 0));
    printf("cut %zd\n", msgrcv(id, &got, 2, -2, MSG_NOERROR));
    printf("%ld %.2s\n", got.kind, got.text);
    tell("none", msgrcv(id, &got, 64, 9, IPC_NOWAIT));
    printf("except %zd %s\n", msgrcv(id, &got, 64, 1, MSG_EXCEPT), got.text);
    int status;
    pid_t child = fork();
    if (child == 0) {
        ssize_t nr = msgrcv(id, &got, 64, 5, 0);
        printf("child got %zd %ld %s\n", nr, got.kind, got.text);
        fflush(stdout);
        _exit(0);
    }
    message = (struct text){ 4, "four" };
    msgsnd(id, &message, 5, 0);
    message = (struct text){ 5, "five" };
    msgsnd(id, &message, 5, 0);
    waitpid(child, &status, 0);
    struct msqid_ds info;
    msgctl(id, IPC_STAT, &info);
    printf("qnum %lu cbytes %lu qbytes %lu last %d %d\n", info.msg_qnum, info.__msg_cbytes,
           info.msg_qbytes, info.msg_lspid == getpid(), info.msg_lrpid == child);
    info.msg_qbytes = 8;
    tell("set", msgctl(id, IPC_SET, &info));
    tell("full", msgsnd(id, &message, 5, IPC_NOWAIT));
    child = fork();
    if (child == 0)
        _exit(msgsnd(id, &message, 5, 0) ? errno : 0);
    struct timespec pause = { 0, 20000000 };
    nanosleep(&pause, NULL);
    printf("room %zd\n", msgrcv(id, &got, 64, 0, 0));
    waitpid(child, &status, 0);
    printf("sent %d\n", WEXITSTATUS(status));
    msgctl(id, IPC_STAT, &info);
    printf("qnum %lu\n", info.msg_qnum);
    child = fork();
    if (child == 0)
        _exit(msgrcv(id, &got, 64, 77, 0) < 0 ? errno : 0);
    nanosleep(&pause, NULL);
    tell("remove", msgctl(id, IPC_RMID, NULL));
    waitpid(child, &status, 0);
    printf("removed %s\n", strerror(WEXITSTATUS(status)));
    tell("gone", msgsnd(id, &message, 5, 0));
    struct msginfo limits;
    printf("info %d\n", msgctl(0, IPC_INFO, (void *)&limits) >= 0);
    printf("%d %d %d %d %d %d %d %d\n", limits.msgpool, limits.msgmap, limits.msgmax,
           limits.msgmnb, limits.msgmni, limits.msgssz, limits.msgtql, limits.msgseg);
}

static void memory(void)
{
    int id = shmget(0x5eed0002, 10000, IPC_CREAT | 0600);
    int *words = shmat(id, NULL, 0);
    const int *view = shmat(id, NULL, SHM_RDONLY);
    printf("attached %d %d\n", words != (void *)-1, view != (void *)-1);
    words[2000] = 42;
    printf("seen %d\n", view[2000]);
    struct shmid_ds info;
    shmctl(id, IPC_STAT, &info);
    printf("size %zu attached %lu mode %o\n", info.shm_segsz, info.shm_nattch, info.shm_perm.mode);
    if (fork() == 0) {
        shmctl(id, IPC_STAT, &info);
        printf("in the child %lu\n", info.shm_nattch);
        words[1] = 7;
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    shmctl(id, IPC_STAT, &info);
    printf("afterwards %lu, word %d\n", info.shm_nattch, view[1]);
    tell("protect", mprotect((void *)view, 4096, PROT_READ | PROT_WRITE));
    tell("detach", shmdt(view));
    tell("again", shmdt(view));
    tell("odd", shmdt((char *)words + 1));
    void *fixed = mmap(NULL, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    tell("taken", (long)shmat(id, fixed, 0));
    printf("remap %d\n", shmat(id, fixed, SHM_REMAP) == fixed);
    printf("round %d\n", shmat(id, (char *)fixed + 0x4123, SHM_RND | SHM_REMAP) == (char *)fixed + 0x4000);
    tell("unrounded", (long)shmat(id, (char *)fixed + 0x123, SHM_REMAP));
    tell("nowhere", (long)shmat(id, NULL, SHM_REMAP));
    tell("detach", shmdt(fixed));
    tell("larger", shmget(0x5eed0002, 10001, 0));
    tell("remove", shmctl(id, IPC_RMID, NULL));
    tell("key", shmget(0x5eed0002, 1, 0));
    printf("stat %d", shmctl(id, IPC_STAT, &info));
    printf(" mode %o key %d\n", info.shm_perm.mode, info.shm_perm.__key);
    printf("still %d\n", words[2000]);
    munmap((char *)fixed + 0x4000, 12288);
    tell("detach", shmdt(words));
    tell("gone", shmctl(id, IPC_STAT, &info));
    tell("empty", shmget(IPC_PRIVATE, 0, 0600));
    tell("huge", shmget(IPC_PRIVATE, 1UL << 60, 0600));
    struct shminfo limits;
    printf("info %d\n", shmctl(0, IPC_INFO, (void *)&limits) >= 0);
    printf("%lx %lu %lu %lu %lx\n", limits.shmmax, limits.shmmin, limits.shmmni, limits.shmseg,
           limits.shmall);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    semaphores();
    messages();
    memory();
    return 0;
}
