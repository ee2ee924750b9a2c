/*
 * Job control: stops and continues by signals, what wait4 and waitid report of
 * them, SIGCHLD with and without SA_NOCLDSTOP, orphaned process groups and
 * subreapers.
 *
 * Every line is printed by the first process, after it has seen the change
 * that the line is about.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile long *shared;

static void describe(const char *what, int waited, int child, int status)
{
	if (waited < 0)
		printf("%s: error %d\n", what, errno);
	else if (waited == 0)
		printf("%s: nothing\n", what);
	else if (waited != child)
		printf("%s: another child\n", what);
	else if (WIFSTOPPED(status))
		printf("%s: stopped by %d\n", what, WSTOPSIG(status));
	else if (WIFCONTINUED(status))
		printf("%s: continued\n", what);
	else if (WIFSIGNALED(status))
		printf("%s: killed by %d\n", what, WTERMSIG(status));
	else
		printf("%s: exited with %d\n", what, WEXITSTATUS(status));
}

static void wait_for(const char *what, int child, int options)
{
	int status = 0;
	int waited = waitpid(child, &status, options);

	describe(what, waited, child, status);
}

static void idle_forever(void)
{
	for (;;)
		pause();
}

static int spawn(void (*body)(void))
{
	int child = fork();

	if (child == 0) {
		body();
		_exit(0);
	}
	return child;
}

static void stop_and_continue(void)
{
	static const int stops[] = { SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU };
	int child = spawn(idle_forever);

	for (unsigned i = 0; i < sizeof stops / sizeof *stops; i++) {
		kill(child, stops[i]);
		wait_for("WUNTRACED", child, WUNTRACED);
		wait_for("again", child, WUNTRACED | WNOHANG);
		kill(child, SIGCONT);
		wait_for("WCONTINUED", child, WCONTINUED);
		wait_for("again", child, WCONTINUED | WNOHANG);
	}
	kill(child, SIGSTOP);
	wait_for("stopped once more", child, WUNTRACED);
	kill(child, SIGTERM);
	wait_for("SIGTERM while stopped", child, WNOHANG);
	kill(child, SIGCONT);
	wait_for("SIGCONT", child, 0);
	child = spawn(idle_forever);
	kill(child, SIGSTOP);
	wait_for("stopped", child, WUNTRACED);
	kill(child, SIGKILL);
	wait_for("SIGKILL while stopped", child, 0);
}

static void show_waitid(const char *what, int child, int options)
{
	siginfo_t info;
	int result;

	memset(&info, 0, sizeof info);
	result = waitid(P_PID, child, &info, options);
	printf("%s: %d, signal %d, code %d, status %d, child %d\n", what, result, info.si_signo,
	       info.si_code, info.si_status, info.si_pid == child);
}

static void by_waitid(void)
{
	int child = spawn(idle_forever);

	kill(child, SIGSTOP);
	show_waitid("WSTOPPED|WNOWAIT", child, WSTOPPED | WNOWAIT);
	show_waitid("WSTOPPED", child, WSTOPPED);
	show_waitid("WSTOPPED again", child, WSTOPPED | WNOHANG);
	kill(child, SIGCONT);
	show_waitid("WCONTINUED|WNOWAIT", child, WCONTINUED | WNOWAIT);
	show_waitid("WCONTINUED", child, WCONTINUED);
	kill(child, SIGTERM);
	show_waitid("WEXITED|WNOWAIT", child, WEXITED | WNOWAIT);
	show_waitid("WSTOPPED of a zombie", child, WSTOPPED | WNOHANG);
	show_waitid("WEXITED", child, WEXITED);
	show_waitid("no child left", child, WEXITED);
	errno = 0;
	printf("no state asked for: %d\n", waitid(P_PID, child, NULL, WNOHANG) < 0 ? errno : 0);
}

static void next_sigchld(const char *what)
{
	struct timespec limit = { 0, 50000000 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	memset(&info, 0, sizeof info);
	if (sigtimedwait(&set, &info, &limit) < 0)
		printf("%s: no SIGCHLD\n", what);
	else
		printf("%s: SIGCHLD code %d status %d\n", what, info.si_code, info.si_status);
}

static void on_sigchld(int signal)
{
	(void)signal;
}

static void parents_signal(void)
{
	struct sigaction action;
	sigset_t set;
	int child;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);
	memset(&action, 0, sizeof action);
	action.sa_handler = on_sigchld;
	for (int i = 0; i < 2; i++) {
		action.sa_flags = i ? SA_NOCLDSTOP : 0;
		sigaction(SIGCHLD, &action, NULL);
		printf("SA_NOCLDSTOP %d\n", i);
		child = spawn(idle_forever);
		kill(child, SIGSTOP);
		wait_for("stop", child, WUNTRACED);
		next_sigchld("stop");
		kill(child, SIGCONT);
		wait_for("continue", child, WCONTINUED);
		next_sigchld("continue");
		kill(child, SIGKILL);
		wait_for("end", child, 0);
		next_sigchld("end");
	}
	action.sa_handler = SIG_DFL;
	sigaction(SIGCHLD, &action, NULL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

static void *count_forever(void *word)
{
	for (;;)
		++*(volatile long *)word;
	return NULL;
}

static void count_in_threads(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, count_forever, (void *)&shared[0]);
	pthread_create(&thread, NULL, count_forever, (void *)&shared[1]);
	count_forever((void *)&shared[2]);
}

static int is_counting(void)
{
	struct timespec moment = { 0, 20000000 };
	long before[3];
	int moved = 0;

	for (int i = 0; i < 3; i++)
		before[i] = shared[i];
	nanosleep(&moment, NULL);
	for (int i = 0; i < 3; i++)
		moved += before[i] != shared[i];
	return moved;
}

static void all_threads(void)
{
	int child = spawn(count_in_threads);

	while (shared[0] == 0 || shared[1] == 0 || shared[2] == 0)
		sched_yield();
	kill(child, SIGSTOP);
	wait_for("three threads", child, WUNTRACED);
	printf("threads that run while stopped: %d\n", is_counting());
	kill(child, SIGCONT);
	wait_for("three threads", child, WCONTINUED);
	while (is_counting() < 3)
		;
	puts("all run again");
	kill(child, SIGKILL);
	wait_for("three threads", child, 0);
}

static void sleep_and_tell(void)
{
	struct timespec moment = { 0, 30000000 };

	shared[4] = 1;
	shared[5] = nanosleep(&moment, NULL) == 0 ? 1 : errno;
}

static void interrupted_sleep(void)
{
	int child;

	shared[4] = 0;
	child = spawn(sleep_and_tell);
	while (shared[4] == 0)
		sched_yield();
	kill(child, SIGSTOP);
	wait_for("sleeper", child, WUNTRACED);
	kill(child, SIGCONT);
	wait_for("sleeper", child, 0);
	printf("its sleep ended well: %ld\n", shared[5]);
}

static void on_signal(int signal)
{
	shared[8 + signal] = 1;
}

/* Alone in its session, so nobody could continue it. */
static void stop_in_own_session(void)
{
	setsid();
	raise(SIGTSTP);
	raise(SIGTTIN);
	shared[6] = 1;
}

static void member_of_group(void)
{
	signal(SIGHUP, on_signal);
	signal(SIGCONT, on_signal);
	shared[7] = getpid();
	raise(SIGSTOP);
	while (!shared[8 + SIGHUP] || !shared[8 + SIGCONT])
		sched_yield();
	shared[6] = 2;
}

static void parent_of_group(void)
{
	int status;
	int child;

	setpgid(0, 0);
	child = spawn(member_of_group);
	waitpid(child, &status, WUNTRACED);
}

static void orphaned_groups(void)
{
	int child = spawn(stop_in_own_session);

	wait_for("own session", child, WUNTRACED);
	printf("not stopped: %ld\n", shared[6]);
	child = spawn(parent_of_group);
	wait_for("the group's parent", child, 0);
	for (int i = 0; i < 2000 && shared[6] != 2; i++)
		usleep(1000);
	printf("SIGHUP %ld and SIGCONT %ld for the orphans\n", shared[8 + SIGHUP],
	       shared[8 + SIGCONT]);
}

static void orphan(void)
{
	while (getppid() == shared[5])
		sched_yield();
	shared[7] = getppid();
	_exit(7);
}

static void leave_an_orphan(void)
{
	shared[5] = getpid();
	shared[6] = spawn(orphan);
}

static void subreaper(void)
{
	int is_subreaper = -1;
	int child;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	prctl(PR_GET_CHILD_SUBREAPER, &is_subreaper, 0, 0, 0);
	printf("subreaper %d\n", is_subreaper);
	child = spawn(leave_an_orphan);
	wait_for("the orphan's parent", child, 0);
	wait_for("the orphan", shared[6], 0);
	printf("its last parent was the subreaper: %d\n", shared[7] == getpid());
	wait_for("nobody left", -1, 0);
}

static int everything(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	stop_and_continue();
	by_waitid();
	parents_signal();
	all_threads();
	interrupted_sleep();
	orphaned_groups();
	subreaper();
	return 0;
}

/* Stops of the terminal's kind do nothing in an orphaned process group. This one has a parent in
 * another group of its session, wherever the program is started. */
int main(void)
{
	int status;
	pid_t child = fork();

	if (child == 0) {
		setpgid(0, 0);
		return everything();
	}
	if (waitpid(child, &status, 0) != child)
		return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
