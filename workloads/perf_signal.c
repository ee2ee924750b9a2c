/*
 * Overflows told by a signal (O_ASYNC): the default one, a chosen one with its
 * siginfo, one a period, and the last one of a budget.
 */
#include "breakpoint.h"
#include "accesses.h"
#include <fcntl.h>
#include <signal.h>
#include <ucontext.h>

static volatile uint32_t word;

static volatile int nr_signals, last_signal, last_code, last_fd, first_code;
static volatile long last_band;
static volatile uintptr_t last_ip;

static void handler(int signal, siginfo_t *info, void *context)
{
	if (nr_signals++ == 0)
		first_code = info->si_code;
	last_signal = signal;
	last_code = info->si_code;
	last_band = info->si_band;
	last_fd = info->si_fd;
	last_ip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
}

static void handle(int signal)
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_sigaction = handler;
	action.sa_flags = SA_SIGINFO;
	sigaction(signal, &action, NULL);
}

/* `signal` 0: the one that the system chooses, SIGIO. */
static int open_async(uint64_t period, int signal)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, &word, 4);
	int fd;

	attr.sample_period = period;
	fd = open_self(&attr, NO_GROUP);
	if (signal)
		fcntl(fd, F_SETSIG, signal);
	fcntl(fd, F_SETOWN, getpid());
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_ASYNC);
	nr_signals = 0;
	return fd;
}

static void default_signal(void)
{
	int fd = open_async(1, 0);

	store4(&word);
	printf("default: %d signal, SIGIO %d, code %d, after the store %d\n", nr_signals,
	       last_signal == SIGIO, last_code, last_ip == (uintptr_t)store4_done);
	close(fd);
}

static void chosen_signal(void)
{
	int fd = open_async(1, SIGUSR2);

	store4(&word);
	store4(&word);
	printf("chosen: %d signals, SIGUSR2 %d, code %d, its fd %d, band %#lx\n", nr_signals,
	       last_signal == SIGUSR2, last_code, last_fd == fd, last_band);
	printf("chosen: owner %d, signal %d\n", fcntl(fd, F_GETOWN) == getpid(),
	       fcntl(fd, F_GETSIG) == SIGUSR2);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_ASYNC);
	store4(&word);
	printf("without O_ASYNC: %d signals, count %llu\n", nr_signals, read_count(fd));
	close(fd);
}

static void one_a_period(void)
{
	int fd = open_async(3, SIGIO);

	printf("period 3:");
	for (int hit = 1; hit <= 9; hit++) {
		store4(&word);
		printf(" %d", nr_signals);
	}
	printf("\n");
	close(fd);
}

/* Blocked, it waits; the same signal twice is one. */
static void blocked(void)
{
	int fd = open_async(1, 0);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	store4(&word);
	store4(&word);
	printf("blocked: %d signals", nr_signals);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	printf(", unblocked: %d, count %llu\n", nr_signals, read_count(fd));
	close(fd);
}

/* A budget of three overflows: the last one says POLL_HUP and stops the event. */
static void budget(void)
{
	struct perf_event_attr counting = breakpoint_attr(BP_W, &word, 4);
	int counter = open_self(&counting, NO_GROUP);
	int fd = open_async(1, SIGIO);

	ioctl(fd, IOC_DISABLE, 0);
	printf("refresh of a counting event: %s, of a sampling one: %s\n",
	       outcome(ioctl(counter, IOC_REFRESH, 1)), outcome(ioctl(fd, IOC_REFRESH, 3)));
	for (int hit = 0; hit < 10; hit++)
		store4(&word);
	printf("10 stores: %d signals, code %d, at last %d, band %#lx\n", nr_signals, first_code,
	       last_code, last_band);
	printf("counts: budgeted %llu, other %llu\n", read_count(fd), read_count(counter));
	close(fd);
	close(counter);
}

int main(void)
{
	require_breakpoints();
	handle(SIGIO);
	handle(SIGUSR2);
	default_signal();
	chosen_signal();
	one_a_period();
	blocked();
	budget();
	return 0;
}
