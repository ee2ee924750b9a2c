/* System V objects until there is no room. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

int main(void)
{
    int nr = 0;
    while (semget(IPC_PRIVATE, 32000, 0600) >= 0)
        nr++;
    printf("sets %d: %s\n", nr > 0, strerror(errno));
    struct { long kind; char text[8192]; } message = { 1, "" };
    int id = msgget(IPC_PRIVATE, 0600);
    struct msqid_ds info;
    msgctl(id, IPC_STAT, &info);
    info.msg_qbytes = 1UL << 40;
    printf("enlarged %d\n", msgctl(id, IPC_SET, &info));
    while (msgsnd(id, &message, 8192, IPC_NOWAIT) == 0)
        ;
    printf("messages: %s\n", strerror(errno));
    for (nr = 0; shmget(IPC_PRIVATE, 1 << 20, 0600) >= 0;)
        nr++;
    printf("segments %d: %s\n", nr > 1000, strerror(errno));
    return 0;
}
