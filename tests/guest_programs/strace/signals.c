/* Handlers, masks, ignored signals, and a call that a signal interrupts. */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int ends[2];

static void handler(int signal)
{
    (void)signal;
}

static void with_info(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
}

int main(void)
{
    struct sigaction action;
    char byte;
    int status;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    sigaddset(&action.sa_mask, SIGINT);
    sigaction(SIGUSR1, &action, 0);
    action.sa_sigaction = with_info;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGALRM, &action, &action);
    signal(SIGUSR2, SIG_IGN);

    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, 0);
    sigfillset(&set);
    sigprocmask(SIG_BLOCK, &set, &set);
    raise(SIGUSR1);
    sigpending(&set);
    sigemptyset(&set);
    sigprocmask(SIG_SETMASK, &set, 0);
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    union sigval value;
    value.sival_int = 5;
    sigqueue(getpid(), SIGUSR1, value);
    stack_t stack = { (void *)0x10000, SS_DISABLE, 0 };
    sigaltstack(&stack, 0);

    pipe(ends);
    int child = fork();
    if (child == 0) {
        read(ends[0], &byte, 1);
        *(volatile int *)16 = 1;
    }
    write(ends[1], "x", 1);
    waitpid(child, &status, 0);
    child = fork();
    if (child == 0) {
        read(ends[0], &byte, 1);
        raise(SIGKILL);
    }
    write(ends[1], "x", 1);
    waitpid(child, &status, WUNTRACED);
    kill(getpid(), SIGTERM);
    return 0;
}
