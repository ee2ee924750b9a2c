/* POSIX message queues: order, limits, waiting, notification. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <mqueue.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile int told;
static volatile int code;

static void tell(const char *what, long result)
{
    printf("%s: %s\n", what, result == -1 ? strerror(errno) : "ok");
}

static void on_message(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)context;
    told = info->si_value.sival_int;
    code = info->si_code;
}

int main(void)
{
    const char *name = "/dr7-test-queue";
    char text[64];
    unsigned priority;
    struct mq_attr attr = { .mq_maxmsg = 3, .mq_msgsize = 16 };
    setvbuf(stdout, NULL, _IOLBF, 0);
    mq_unlink(name);
    tell("none", mq_open(name, O_RDWR));
    mqd_t queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr);
    tell("open", queue);
    tell("exclusive", mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attr));
    tell("slash", mq_open("/a/b", O_RDWR | O_CREAT, 0600, &attr));
    attr.mq_maxmsg = 0;
    tell("empty", mq_open("/dr7-other", O_RDWR | O_CREAT, 0600, &attr));
    attr.mq_maxmsg = 1 << 20;
    tell("large", mq_open("/dr7-other", O_RDWR | O_CREAT, 0600, &attr));
    mq_getattr(queue, &attr);
    printf("flags %ld max %ld size %ld now %ld\n", attr.mq_flags, attr.mq_maxmsg, attr.mq_msgsize,
           attr.mq_curmsgs);
    tell("send", mq_send(queue, "one", 4, 1));
    tell("send", mq_send(queue, "nine", 5, 9));
    tell("send", mq_send(queue, "uno", 4, 1));
    tell("long", mq_send(queue, text, 17, 1));
    tell("priority", mq_send(queue, "x", 1, 32768));
    struct timespec past = { 1, 0 }, wrong = { 1, -1 };
    tell("past", mq_timedsend(queue, "x", 1, 1, &past));
    tell("wrong", mq_timedsend(queue, "x", 1, 1, &wrong));
    struct pollfd ready = { queue, POLLIN | POLLOUT, 0 };
    printf("poll %d", poll(&ready, 1, 0));
    printf(" %x\n", ready.revents);
    tell("small", mq_receive(queue, text, 4, &priority));
    for (int i = 0; i < 3; i++) {
        long nr = mq_receive(queue, text, sizeof text, &priority);
        printf("%ld %u %s\n", nr, priority, text);
    }
    tell("past", mq_timedreceive(queue, text, sizeof text, NULL, &past));
    attr.mq_flags = O_NONBLOCK;
    tell("set", mq_setattr(queue, &attr, NULL));
    tell("again", mq_receive(queue, text, sizeof text, NULL));
    attr.mq_flags = 0;
    mq_setattr(queue, &attr, NULL);
    pid_t child = fork();
    if (child == 0) {
        long nr = mq_receive(queue, text, sizeof text, &priority);
        printf("child %ld %u %s\n", nr, priority, text);
        _exit(0);
    }
    struct timespec pause = { 0, 20000000 };
    nanosleep(&pause, NULL);
    mq_send(queue, "to you", 7, 3);
    wait(NULL);
    struct sigaction action = { .sa_sigaction = on_message, .sa_flags = SA_SIGINFO };
    sigaction(SIGUSR1, &action, NULL);
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
    event.sigev_value.sival_int = 77;
    tell("notify", mq_notify(queue, &event));
    tell("twice", mq_notify(queue, &event));
    mq_send(queue, "told", 5, 0);
    printf("told %d code %d\n", told, code);
    told = 0;
    mq_send(queue, "not", 4, 0);
    printf("told %d\n", told);
    tell("notify", mq_notify(queue, &event));
    tell("no more", mq_notify(queue, NULL));
    mqd_t reader = mq_open(name, O_RDONLY);
    tell("read only", mq_send(reader, "x", 1, 0));
    tell("unlink", mq_unlink(name));
    tell("unlink", mq_unlink(name));
    printf("still %ld\n", (long)mq_receive(reader, text, sizeof text, NULL));
    mq_close(reader);
    tell("closed", mq_receive(reader, text, sizeof text, NULL));
    tell("no queue", mq_send(1, "x", 1, 0));
    return 0;
}
