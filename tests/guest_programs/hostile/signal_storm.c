/* Two processes send each other signals for ever, queued ones and others, with handlers that
 * send more. */
#define _GNU_SOURCE
#include <signal.h>
#include <unistd.h>

static pid_t other;

static void on_signal(int signal)
{
    kill(other, signal);
    sigqueue(other, SIGRTMIN + 1, (union sigval){ .sival_int = signal });
    raise(SIGUSR2);
}

int main(void)
{
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_NODEFER };
    for (int signal = 1; signal <= SIGRTMAX; signal++)
        sigaction(signal, &action, NULL);
    other = getpid();
    pid_t child = fork();
    if (child)
        other = child;
    for (;;)
        sigqueue(other, SIGRTMIN, (union sigval){ 0 });
}
