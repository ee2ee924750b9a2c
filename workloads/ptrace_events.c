/*
 * What a tracer learns of its tracees' lives: forks, vforks, clones and ends,
 * attaching and detaching, group stops, PTRACE_SEIZE with INTERRUPT and LISTEN,
 * threads, and tracers that end before their tracees.
 */
#define _GNU_SOURCE
#include "tracee.h"
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <time.h>

static volatile long *shared;

static void idle_forever(void)
{
	for (;;)
		pause();
}

static int start_child(void (*body)(void))
{
	int child = fork();

	if (child == 0) {
		own_pid = getpid();
		body();
		_exit(0);
	}
	return child;
}

/* Waits for one task and tells of it. */
static int next_stop(const char *what, int pid, int options)
{
	int status = 0;
	int waited = waitpid(pid, &status, options);

	if (waited < 0)
		printf("%s: %s\n", what, error_name(-1));
	else if (waited == 0)
		printf("%s: nothing\n", what);
	else
		show_status(what, waited, status);
	return status;
}

static void make_children(void)
{
	int status;
	int child = syscall(SYS_fork);

	if (child == 0)
		_exit(3);
	waitpid(child, &status, 0);
	child = vfork();
	if (child == 0)
		_exit(4);
	waitpid(child, &status, 0);
	child = syscall(SYS_clone, 0L, 0L, 0L, 0L, 0L);
	if (child == 0)
		_exit(5);
	waitpid(child, &status, __WALL);
	_exit(6);
}

static int message_of(int pid)
{
	uint64_t message = 0;

	trace(REQ_GETEVENTMSG, pid, 0, (uintptr_t)&message);
	return message;
}

static void follow_children(void)
{
	static const char *const names[] = { "fork", "vfork", "clone" };
	int pid = start_tracee(make_children);
	int child, status;

	trace(REQ_SETOPTIONS, pid, 0,
	      OPT_FORK | OPT_VFORK | OPT_CLONE | OPT_VFORKDONE | OPT_EXIT | OPT_EXITKILL);
	for (int i = 0; i < 3; i++) {
		printf("%s\n", names[i]);
		go_on("parent", REQ_CONT, pid, 0);
		child = message_of(pid);
		printf("new tracee %d\n", child > 0 && child != pid);
		next_stop("child", child, __WALL);
		go_on("child", REQ_CONT, child, 0);
		printf("exit code %#x\n", message_of(child));
		go_on("child", REQ_CONT, child, 0);
		if (i == 1) {
			go_on("parent", REQ_CONT, pid, 0);
			printf("the same child %d\n", message_of(pid) == child);
		}
		status = go_on_silently(REQ_CONT, pid, 0);
		/* SIGCHLD comes before or after the wait is over. */
		printf("parent: signal %d\n", WSTOPSIG(status));
		if (i == 2)
			break;
	}
	while (status >> 16 != 6)
		status = go_on_silently(REQ_CONT, pid, 0);
	printf("exit code %#x\n", message_of(pid));
	go_on("parent", REQ_CONT, pid, 0);
}

static void attach_and_detach(void)
{
	int pid = start_child(idle_forever);
	int status;

	printf("PEEK before: %s\n", error_name(trace(REQ_PEEKUSER, pid, 0, (uintptr_t)&status)));
	printf("no such task: %s\n", error_name(trace(REQ_ATTACH, 99999999, 0, 0)));
	printf("itself: %s\n", error_name(trace(REQ_ATTACH, getpid(), 0, 0)));
	printf("attach %s\n", error_name(trace(REQ_ATTACH, pid, 0, 0)));
	next_stop("attached", pid, 0);
	printf("attach again %s\n", error_name(trace(REQ_ATTACH, pid, 0, 0)));
	printf("INTERRUPT %s", error_name(trace(REQ_INTERRUPT, pid, 0, 0)));
	printf(", LISTEN %s, unknown %s\n", error_name(trace(REQ_LISTEN, pid, 0, 0)),
	       error_name(trace(0x5555, pid, 0, 0)));
	trace(REQ_CONT, pid, 0, 0);
	printf("PEEK of a running one: %s\n",
	       error_name(trace(REQ_PEEKUSER, pid, 0, (uintptr_t)&status)));
	kill(pid, SIGSTOP);
	next_stop("SIGSTOP", pid, 0);
	go_on("into the group stop", REQ_CONT, pid, SIGSTOP);
	printf("detach %s\n", error_name(trace(REQ_DETACH, pid, 0, 0)));
	next_stop("still stopped", pid, WUNTRACED);
	printf("attach to a stopped one %s\n", error_name(trace(REQ_ATTACH, pid, 0, 0)));
	next_stop("its stop", pid, 0);
	printf("KILL %s\n", error_name(trace(REQ_KILL, pid, 0, 0)));
	next_stop("killed", pid, 0);
	pid = start_tracee(idle_forever);
	printf("detach with a signal %s\n", error_name(trace(REQ_DETACH, pid, 0, SIGTERM)));
	next_stop("detached", pid, 0);
}

static void seize_and_listen(void)
{
	int pid = start_child(idle_forever);

	printf("SEIZE with an address %s, with wrong options %s\n",
	       error_name(trace(REQ_SEIZE, pid, 1, 0)), error_name(trace(REQ_SEIZE, pid, 0, 0x1000)));
	printf("SEIZE %s\n", error_name(trace(REQ_SEIZE, pid, 0, 0)));
	next_stop("it runs on", pid, WNOHANG);
	trace(REQ_INTERRUPT, pid, 0, 0);
	next_stop("INTERRUPT", pid, 0);
	kill(pid, SIGSTOP);
	go_on("a stop signal", REQ_CONT, pid, 0);
	go_on("the group stop", REQ_CONT, pid, SIGSTOP);
	printf("LISTEN %s\n", error_name(trace(REQ_LISTEN, pid, 0, 0)));
	next_stop("it stays", pid, WNOHANG);
	kill(pid, SIGCONT);
	next_stop("SIGCONT", pid, 0);
	go_on("the signal itself", REQ_CONT, pid, 0);
	trace(REQ_CONT, pid, 0, 0);
	trace(REQ_INTERRUPT, pid, 0, 0);
	next_stop("INTERRUPT", pid, 0);
	printf("detach %s\n", error_name(trace(REQ_DETACH, pid, 0, 0)));
	next_stop("it runs on", pid, WNOHANG);
	end_tracee(pid);
}

static void *thread_body(void *unused)
{
	(void)unused;
	shared[0] = syscall(SYS_gettid);
	while (!shared[1])
		sched_yield();
	syscall(SYS_exit, 9L);
	return NULL;
}

static void two_threads(void)
{
	pthread_t thread;

	pthread_create(&thread, NULL, thread_body, NULL);
	idle_forever();
}

static void threads(void)
{
	int pid, tid;

	shared[0] = shared[1] = 0;
	pid = start_child(two_threads);
	while (shared[0] == 0)
		sched_yield();
	tid = shared[0];
	printf("SEIZE of a thread %s\n", error_name(trace(REQ_SEIZE, tid, 0, OPT_EXIT)));
	trace(REQ_INTERRUPT, tid, 0, 0);
	next_stop("the thread", tid, __WALL);
	next_stop("without __WALL", tid, WNOHANG);
	next_stop("its process", pid, WNOHANG);
	shared[1] = 1;
	go_on("the thread", REQ_CONT, tid, 0);
	go_on("its end", REQ_CONT, tid, 0);
	printf("gone: %s\n", error_name(waitpid(tid, NULL, __WALL)));
	end_tracee(pid);
}

/* A tracer that ends: its tracee goes on, or dies with it. */
static void tracer(void)
{
	int status;
	int pid = shared[2];

	trace(REQ_SEIZE, pid, 0, shared[3]);
	trace(REQ_INTERRUPT, pid, 0, 0);
	waitpid(pid, &status, 0);
	shared[4] = WIFSTOPPED(status);
}

static void tracers_that_end(void)
{
	static const long options[] = { 0, OPT_EXITKILL };

	for (int i = 0; i < 2; i++) {
		int pid = start_child(idle_forever);
		int other;

		shared[2] = pid;
		shared[3] = options[i];
		other = start_child(tracer);
		next_stop("the tracer", other, 0);
		printf("it had stopped its tracee: %ld\n", shared[4]);
		if (i == 0) {
			next_stop("the tracee runs on", pid, WNOHANG);
			end_tracee(pid);
		} else {
			next_stop("the tracee", pid, 0);
		}
	}
}

/* A zombie that another process traces is its parent's afterwards. */
static void ended_under_another(void)
{
	int pid = start_child(idle_forever);
	int other;

	shared[2] = pid;
	shared[5] = 0;
	other = fork();
	if (other == 0) {
		int status;

		trace(REQ_SEIZE, pid, 0, 0);
		shared[5] = 1;
		while (shared[5] != 2)
			sched_yield();
		waitpid(pid, &status, 0);
		_exit(WIFSIGNALED(status) ? 10 : 11);
	}
	while (shared[5] != 1)
		sched_yield();
	kill(pid, SIGKILL);
	while (kill(pid, 0) < 0)
		sched_yield();
	next_stop("not the parent's yet", pid, WNOHANG);
	shared[5] = 2;
	next_stop("the tracer", other, 0);
	next_stop("the parent's turn", pid, 0);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	follow_children();
	attach_and_detach();
	seize_and_listen();
	threads();
	tracers_that_end();
	ended_under_another();
	return 0;
}
