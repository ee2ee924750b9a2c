/* eventfd and epoll: counters, events by state and by change, once only, nested, the order of
 * what is ready, what waits and who is woken, with the errors of each. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tell.h"

/* musl has no wrapper. */
#define epoll_pwait2(ep, events, max, timeout, mask) \
	syscall(SYS_epoll_pwait2, ep, events, max, timeout, mask, 8)

static int add(int ep, int fd, unsigned events)
{
	struct epoll_event event = { .events = events, .data.u64 = 100 + fd };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &event);
}

static int change(int ep, int fd, unsigned events)
{
	struct epoll_event event = { .events = events, .data.u64 = 200 + fd };

	return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &event);
}

/* Takes what is ready now. */
static void take(const char *what, int ep, int max)
{
	struct epoll_event events[8];
	int n = epoll_wait(ep, events, max, 0);

	printf("%s: %d", what, n);
	for (int i = 0; i < n; i++)
		printf(" %x/%llu", events[i].events, (unsigned long long)events[i].data.u64);
	printf("\n");
}

static void counters(void)
{
	uint64_t value = 0;
	int fd = eventfd(3, EFD_NONBLOCK);
	int semaphore = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
	char link[64], path[64];
	struct stat st;

	TELL(read(fd, &value, 8));
	printf("value %llu\n", (unsigned long long)value);
	TELL(read(fd, &value, 8));
	TELL(read(fd, &value, 4));
	value = UINT64_MAX;
	TELL(write(fd, &value, 8));
	value = UINT64_MAX - 1;
	TELL(write(fd, &value, 8));
	TELL(write(fd, &value, 8));
	struct pollfd p = { fd, POLLIN | POLLOUT, 0 };
	TELL(poll(&p, 1, 0));
	printf("bits %x\n", p.revents);
	TELL(read(semaphore, &value, 8));
	printf("value %llu\n", (unsigned long long)value);
	TELL(read(semaphore, &value, 16));
	TELL(read(semaphore, &value, 8));
	TELL(eventfd(0, 0x10));
	TELL(fcntl(semaphore, F_GETFD));
	TELL(fcntl(semaphore, F_GETFL));
	TELL(lseek(fd, 5, SEEK_SET));
	TELL(pread(fd, &value, 8, 0));
	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(path, link, sizeof link);
	printf("%.*s\n", (int)n, link);
	TELL(fstat(fd, &st));
	printf("mode %o\n", st.st_mode);
	close(fd);
	close(semaphore);
}

static void errors(void)
{
	struct epoll_event event = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC), other = epoll_create(1), fd = eventfd(0, 0);

	TELL(syscall(SYS_epoll_create, 0));
	TELL(epoll_create1(1));
	TELL(epoll_ctl(ep, EPOLL_CTL_ADD, 99, &event));
	TELL(epoll_ctl(99, EPOLL_CTL_ADD, fd, &event));
	TELL(epoll_ctl(ep, EPOLL_CTL_ADD, ep, &event));
	TELL(epoll_ctl(fd, EPOLL_CTL_ADD, ep, &event));
	TELL(epoll_ctl(ep, 9, fd, &event));
	TELL(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &event));
	TELL(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	TELL(epoll_ctl(ep, EPOLL_CTL_ADD, fd, (void *)8));
	TELL(add(ep, fd, EPOLLIN | EPOLLEXCLUSIVE));
	TELL(add(ep, fd, EPOLLIN));
	TELL(change(ep, fd, EPOLLIN));
	TELL(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
	TELL(add(ep, fd, EPOLLIN | EPOLLRDHUP | EPOLLEXCLUSIVE));
	TELL(add(ep, other, EPOLLIN | EPOLLEXCLUSIVE));
	TELL(add(ep, other, EPOLLIN));
	TELL(add(other, ep, EPOLLIN));
	TELL(epoll_wait(ep, &event, 0, 0));
	TELL(epoll_wait(fd, &event, 1, 0));
	TELL(epoll_wait(99, &event, 1, 0));
	TELL(epoll_wait(ep, (void *)-8, 1, 0));
	int file = open("/", O_RDONLY | O_DIRECTORY);
	TELL(add(ep, file, EPOLLIN));
	int null = open("/dev/null", O_RDONLY);
	TELL(add(ep, null, EPOLLIN));
	close(null);
	close(file);
	int chain[7];
	for (int i = 0; i < 7; i++) {
		chain[i] = epoll_create1(0);
		if (i > 0)
			TELL(add(chain[i], chain[i - 1], EPOLLIN));
	}
	for (int i = 0; i < 7; i++)
		close(chain[i]);
	close(fd);
	close(other);
	close(ep);
}

static void ready(void)
{
	uint64_t one = 1;
	int ep = epoll_create1(0), a = eventfd(0, 0), b = eventfd(0, 0), c = eventfd(0, 0);

	add(ep, a, EPOLLIN);
	add(ep, b, EPOLLIN);
	add(ep, c, EPOLLIN);
	take("nothing", ep, 8);
	write(c, &one, 8);
	write(a, &one, 8);
	write(b, &one, 8);
	take("in order", ep, 8);
	take("two of three", ep, 2);
	take("the third first", ep, 2);
	take("and on", ep, 2);
	read(a, &one, 8);
	take("without one", ep, 8);
	change(ep, b, EPOLLIN | EPOLLET);
	change(ep, c, EPOLLIN | EPOLLONESHOT);
	take("changed", ep, 8);
	take("no changes", ep, 8);
	write(b, &one, 8);
	write(c, &one, 8);
	take("a change", ep, 8);
	change(ep, c, EPOLLIN | EPOLLONESHOT);
	take("once more", ep, 8);
	change(ep, a, EPOLLIN | EPOLLOUT | EPOLLET);
	take("room", ep, 8);
	take("no change", ep, 8);
	write(a, &one, 8);
	take("both", ep, 8);
	int copy = dup(a);
	change(ep, a, EPOLLIN);
	add(ep, copy, EPOLLOUT);
	close(a);
	take("closed but for a copy", ep, 8);
	close(copy);
	take("closed", ep, 8);
	close(b);
	close(c);
	close(ep);
}

static void pipes_and_nests(void)
{
	char text[8];
	int ends[2], outer = epoll_create1(0), inner = epoll_create1(0);
	fd_set set;
	struct timeval now = { 0, 0 };

	pipe(ends);
	add(inner, ends[0], EPOLLIN | EPOLLET);
	add(inner, ends[1], EPOLLOUT | EPOLLET);
	add(outer, inner, EPOLLIN);
	take("outer", outer, 8);
	take("inner", inner, 8);
	take("outer again", outer, 8);
	write(ends[1], "abc", 3);
	struct pollfd p = { inner, POLLIN, 0 };
	TELL(poll(&p, 1, 0));
	FD_ZERO(&set);
	FD_SET(outer, &set);
	TELL(select(outer + 1, &set, NULL, NULL, &now));
	take("outer", outer, 8);
	take("inner", inner, 8);
	write(ends[1], "d", 1);
	take("another write", inner, 8);
	read(ends[0], text, 8);
	take("a read", inner, 8);
	close(ends[1]);
	take("one end closed", inner, 8);
	close(ends[0]);
	take("both closed", inner, 8);
	close(outer);
	close(inner);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void waits(void)
{
	struct epoll_event event;
	struct timespec short_time = { 0, 5000000 };
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	int ep = epoll_create1(0), fd = eventfd(0, 0), back = eventfd(0, 0);
	uint64_t value = 0;
	sigset_t none, alarm_set;

	add(ep, fd, EPOLLIN);
	TELL(epoll_wait(ep, &event, 1, 5));
	TELL(epoll_pwait2(ep, &event, 1, &short_time, NULL));
	fflush(stdout);
	pid_t child = fork();
	if (child == 0) {
		usleep(10000);
		value = 7;
		write(fd, &value, 8);
		read(back, &value, 8);
		_exit(value == 9 ? 0 : 1);
	}
	TELL(epoll_wait(ep, &event, 1, -1));
	read(fd, &value, 8);
	printf("value %llu\n", (unsigned long long)value);
	value = 9;
	write(back, &value, 8);
	int status;
	waitpid(child, &status, 0);
	printf("child %x\n", status);
	sigaction(SIGUSR1, &action, NULL);
	pid_t parent = getpid();
	child = fork();
	if (child == 0) {
		usleep(20000);
		kill(parent, SIGUSR1);
		_exit(0);
	}
	TELL(epoll_wait(ep, &event, 1, -1));
	waitpid(child, &status, 0);
	sigemptyset(&none);
	sigemptyset(&alarm_set);
	sigaddset(&alarm_set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &alarm_set, NULL);
	raise(SIGUSR1);
	TELL(epoll_wait(ep, &event, 1, 5));
	TELL(epoll_pwait(ep, &event, 1, -1, &none));
	TELL(epoll_pwait(ep, &event, 1, 5, &none));
}

int main(void)
{
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	counters();
	errors();
	ready();
	pipes_and_nests();
	waits();
	return 0;
}
