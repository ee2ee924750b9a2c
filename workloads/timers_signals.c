/* Timers, signals in queues, descriptors of timers, signals and processes, and what threads may
 * be told about their scheduling: orders, counts and errors, no durations. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NR_PIDFD_SEND_SIGNAL 424
#define NR_PIDFD_OPEN 434
#define NR_CLOSE_RANGE 436
#define NR_FUTEX_WAITV 449
#define P_PIDFD_TYPE 3

static volatile sig_atomic_t nr_signals;
static volatile siginfo_t last;

static void tell(const char *what, long result)
{
	if (result < 0)
		printf("%s: error %d\n", what, errno);
	else
		printf("%s: %ld\n", what, result);
}

/* Real-time signals by their place behind the first one that a program may use. */
static int number(int signal)
{
	return signal >= SIGRTMIN ? 100 + signal - SIGRTMIN : signal;
}

static void note(int signal, siginfo_t *info, void *context)
{
	(void)signal;
	(void)context;
	last = *info;
	nr_signals++;
}

static void handle(int signal)
{
	struct sigaction action = { .sa_sigaction = note, .sa_flags = SA_SIGINFO };

	sigaction(signal, &action, NULL);
}

static struct itimerspec every(long ns)
{
	struct itimerspec time = { { 0, ns }, { 0, ns } };

	return time;
}

static void interval_timers(void)
{
	struct itimerval time = { { 0, 20000 }, { 0, 10000 } }, old;

	tell("alarm", alarm(100));
	tell("alarm again", alarm(0));
	setitimer(ITIMER_REAL, &time, NULL);
	while (nr_signals < 3)
		pause();
	memset(&time, 0, sizeof(time));
	setitimer(ITIMER_REAL, &time, &old);
	printf("itimer: %ld us, code %d\n", (long)old.it_interval.tv_usec, last.si_code);
	nr_signals = 0;
	time.it_value.tv_usec = 1000;
	setitimer(ITIMER_VIRTUAL, &time, NULL);
	while (!nr_signals)
		;
	puts("virtual");
	nr_signals = 0;
	setitimer(ITIMER_PROF, &time, NULL);
	while (!nr_signals)
		;
	puts("prof");
	time.it_value.tv_usec = 1000000;
	tell("a second of microseconds", setitimer(ITIMER_REAL, &time, NULL));
	tell("no such timer", getitimer(3, &old));
}

static void posix_timers(void)
{
	struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1 };
	struct itimerspec time = every(10000000), left;
	struct timespec nap = { 0, 95000000 };
	sigset_t set;
	timer_t timer;

	event.sigev_value.sival_int = 42;
	nr_signals = 0;
	tell("timer_create", timer_create(CLOCK_MONOTONIC, &event, &timer));
	timer_settime(timer, 0, &time, NULL);
	while (nr_signals < 3)
		pause();
	printf("code %d value %d\n", last.si_code, last.si_value.sival_int);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	nanosleep(&nap, NULL);
	nr_signals = 0;
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	printf("one signal for many ends: %d %d\n", nr_signals == 1, last.si_overrun >= 7);
	timer_gettime(timer, &left);
	printf("period %ld, some time left %d\n", left.it_interval.tv_nsec,
	       left.it_value.tv_nsec > 0);
	tell("timer_delete", timer_delete(timer));
	event.sigev_notify = SIGEV_NONE;
	timer_create(CLOCK_REALTIME, &event, &timer);
	time = every(1);
	time.it_interval.tv_nsec = 0;
	timer_settime(timer, 0, &time, NULL);
	nanosleep(&(struct timespec){ 0, 1000 }, NULL);
	timer_gettime(timer, &left);
	printf("silent and over: %ld\n", left.it_value.tv_nsec);
	event.sigev_notify = SIGEV_SIGNAL;
	event.sigev_signo = 99;
	tell("no such signal", timer_create(CLOCK_REALTIME, &event, &timer));
	tell("no such clock", timer_create(77, NULL, &timer));
	tell("a coarse clock", timer_create(CLOCK_MONOTONIC_COARSE, NULL, &timer));
}

static void timer_descriptors(void)
{
	struct itimerspec time = every(10000000);
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
	struct pollfd poll_fd = { fd, POLLIN, 0 };
	uint64_t ticks = 0;

	tell("nothing yet", read(fd, &ticks, 8));
	timerfd_settime(fd, 0, &time, NULL);
	tell("poll", poll(&poll_fd, 1, -1));
	tell("read", read(fd, &ticks, 8));
	printf("ticks %d\n", ticks >= 1);
	nanosleep(&(struct timespec){ 0, 45000000 }, NULL);
	read(fd, &ticks, 8);
	printf("several ticks %d\n", ticks >= 3);
	tell("too short", read(fd, &ticks, 4));
	tell("CPU time", timerfd_create(CLOCK_THREAD_CPUTIME_ID, 0));
	tell("not a timer", timerfd_settime(1, 0, &time, NULL));
	close(fd);
}

static void queues(void)
{
	struct signalfd_siginfo info[4];
	union sigval value = { .sival_int = 7 };
	siginfo_t got;
	sigset_t set;
	ssize_t bytes;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN + 2);
	sigaddset(&set, SIGRTMIN + 3);
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigqueue(getpid(), SIGRTMIN + 3, value);
	value.sival_int = 8;
	sigqueue(getpid(), SIGRTMIN + 2, value);
	value.sival_int = 9;
	sigqueue(getpid(), SIGRTMIN + 2, value);
	kill(getpid(), SIGUSR2);
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	while (sigtimedwait(&set, &got, &(struct timespec){ 0, 0 }) > 0)
		printf("signal %d code %d value %d\n", number(got.si_signo), got.si_code,
		       got.si_code == SI_QUEUE ? got.si_value.sival_int : 0);
	printf("then error %d\n", errno);
	fd = signalfd(-1, &set, SFD_NONBLOCK);
	tell("signalfd empty", read(fd, info, sizeof(info)));
	kill(getpid(), SIGUSR1);
	sigqueue(getpid(), SIGRTMIN + 2, value);
	sigqueue(getpid(), SIGRTMIN + 2, value);
	tell("signalfd poll", poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, 0));
	bytes = read(fd, info, sizeof(info));
	tell("signalfd", bytes / 128);
	for (int i = 0; i < bytes / 128; i++)
		printf("  %d code %d value %d own %d\n", number(info[i].ssi_signo), info[i].ssi_code,
		       info[i].ssi_int, info[i].ssi_pid == (unsigned)getpid());
	tell("signalfd short", read(fd, info, 100));
	close(fd);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void process_descriptors(void)
{
	siginfo_t info = { 0 };
	struct pollfd poll_fd = { -1, POLLIN, 0 };
	pid_t child = fork();

	if (!child) {
		pause();
		_exit(1);
	}
	poll_fd.fd = syscall(NR_PIDFD_OPEN, child, O_NONBLOCK);
	tell("it lives", poll(&poll_fd, 1, 0));
	tell("no wait", waitid(P_PIDFD_TYPE, poll_fd.fd, &info, WEXITED));
	tell("send", syscall(NR_PIDFD_SEND_SIGNAL, poll_fd.fd, SIGKILL, NULL, 0));
	tell("it ends", poll(&poll_fd, 1, -1));
	tell("look", waitid(P_PIDFD_TYPE, poll_fd.fd, &info, WEXITED | WNOWAIT));
	tell("wait", waitid(P_PIDFD_TYPE, poll_fd.fd, &info, WEXITED));
	printf("code %d status %d\n", info.si_code, info.si_status);
	tell("it is gone", syscall(NR_PIDFD_SEND_SIGNAL, poll_fd.fd, 0, NULL, 0));
	poll(&poll_fd, 1, 0);
	printf("hung up %d\n", (poll_fd.revents & POLLHUP) != 0);
	tell("negative", syscall(NR_PIDFD_OPEN, -1, 0));
	tell("not a process", syscall(NR_PIDFD_SEND_SIGNAL, 1, 0, NULL, 0));
	tell("ends before it starts", syscall(NR_CLOSE_RANGE, 60, 50, 0));
	close(poll_fd.fd);
}

static void scheduling(void)
{
	struct sched_param param = { .sched_priority = 200 };
	struct rlimit limit = { 5, 4 };
	struct { uint64_t value, address; uint32_t flags, reserved; } words[1];
	uint32_t word = 1;

	tell("priority", syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &param));
	tell("policy", syscall(SYS_sched_setscheduler, 0, 44, &param));
	tell("fifo", sched_get_priority_max(SCHED_FIFO));
	tell("nicer", setpriority(PRIO_PROCESS, 0, 5));
	tell("nice", getpriority(PRIO_PROCESS, 0));
	tell("whose", setpriority(9, 0, 5));
	tell("soft above hard", setrlimit(RLIMIT_CPU, &limit));
	words[0].value = 0;
	words[0].address = (uintptr_t)&word;
	words[0].flags = 2;
	words[0].reserved = 0;
	tell("changed word", syscall(NR_FUTEX_WAITV, words, 1, 0, NULL, 0));
	words[0].flags = 3;
	tell("odd word", syscall(NR_FUTEX_WAITV, words, 1, 0, NULL, 0));
}

static void limits(void)
{
	struct rlimit limit = { 100, 100 };
	char bytes[200] = { 0 };
	int status, fd;

	fflush(stdout);
	if (!fork()) {
		setrlimit(RLIMIT_FSIZE, &limit);
		fd = open("limited", O_RDWR | O_CREAT | O_TRUNC, 0600);
		_exit(write(fd, bytes, 200) == 100 && write(fd, bytes, 1) < 0);
	}
	wait(&status);
	printf("too large: signal %d\n", WTERMSIG(status));
	unlink("limited");
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	handle(SIGALRM);
	handle(SIGVTALRM);
	handle(SIGPROF);
	handle(SIGRTMIN + 1);
	interval_timers();
	posix_timers();
	timer_descriptors();
	queues();
	process_descriptors();
	scheduling();
	limits();
	return 0;
}
