/* A small debugger and the program that it debugs: breakpoints in code, single steps, a hardware
 * watchpoint through the user area, registers, signals, and threads that come and go. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile long watched;
static volatile int seen;

__attribute__((noinline)) long add(long a, long b)
{
	watched += a * b;
	return a + b;
}

static void on_usr1(int signal) { seen = signal; }

static void *thread_body(void *arg)
{
	add(10, (long)arg);
	return NULL;
}

static void program(void)
{
	ptrace(PTRACE_TRACEME, 0, 0, 0);
	raise(SIGSTOP);
	signal(SIGUSR1, on_usr1);
	for (long i = 1; i <= 3; i++)
		add(i, i);
	raise(SIGUSR1);
	pthread_t thread;
	pthread_create(&thread, NULL, thread_body, (void *)7);
	pthread_join(thread, NULL);
	_exit(watched == 84 && seen == SIGUSR1 ? 0 : 1);
}

static struct user_regs_struct regs_of(pid_t pid)
{
	struct user_regs_struct regs;
	struct iovec part = { &regs, sizeof regs };
	ptrace(PTRACE_GETREGSET, pid, NT_PRSTATUS, &part);
	return regs;
}

static void put_debugreg(pid_t pid, int nr, unsigned long value)
{
	long result = ptrace(PTRACE_POKEUSER, pid, offsetof(struct user, u_debugreg[nr]), value);
	if (result != 0)
		printf("debug register %d: %d\n", nr, errno);
}

static long debugreg(pid_t pid, int nr)
{
	return ptrace(PTRACE_PEEKUSER, pid, offsetof(struct user, u_debugreg[nr]), 0);
}

/* Steps over a breakpoint: the byte back, one step, and the breakpoint again. */
static void step_over(pid_t pid, long original)
{
	int status;
	struct user_regs_struct regs = regs_of(pid);
	regs.rip = (unsigned long)add;
	struct iovec part = { &regs, sizeof regs };
	ptrace(PTRACE_SETREGSET, pid, NT_PRSTATUS, &part);
	ptrace(PTRACE_POKETEXT, pid, add, original);
	ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
	waitpid(pid, &status, __WALL);
	regs = regs_of(pid);
	printf("  stepped: status %x, moved %d, dr6 %lx\n", status,
	       regs.rip != (unsigned long)add && regs.rip - (unsigned long)add < 16, debugreg(pid, 6));
	ptrace(PTRACE_POKETEXT, pid, add, (original & ~0xffL) | 0xcc);
}

static void pages(pid_t pid)
{
	long here = watched, there = -1, bad = 0;
	struct iovec own = { &there, sizeof there }, other = { (void *)&watched, sizeof watched };
	ssize_t moved = process_vm_readv(pid, &own, 1, &other, 1, 0);
	printf("process_vm_readv: %zd, %d\n", moved, there == here);
	other.iov_base = (void *)16;
	printf("nothing there: %zd\n", process_vm_readv(pid, &own, 1, &other, 1, 0));
	errno = 0;
	bad = ptrace(PTRACE_PEEKTEXT, pid, 16, 0);
	printf("peek: %ld %d\n", bad, errno);
}

static int debug(pid_t child)
{
	int status, hits = 0, nr_watched = 0;
	pid_t first = child, pid;
	waitpid(child, &status, 0);
	ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACECLONE | PTRACE_O_TRACEEXIT | PTRACE_O_EXITKILL);
	long original = ptrace(PTRACE_PEEKTEXT, child, add, 0);
	ptrace(PTRACE_POKETEXT, child, add, (original & ~0xffL) | 0xcc);
	put_debugreg(child, 0, (unsigned long)&watched);
	put_debugreg(child, 7, 0xd0101);
	printf("dr7 %lx\n", debugreg(child, 7));
	pages(child);
	ptrace(PTRACE_CONT, child, 0, 0);
	while ((pid = waitpid(-1, &status, __WALL)) > 0) {
		const char *who = pid == first ? "main" : "thread";
		if (!WIFSTOPPED(status)) {
			/* When a thread's end is told is anybody's guess. */
			if (pid != first)
				continue;
			printf("%s ended: %x\n", who, status);
			return hits * 100 + nr_watched;
		}
		long deliver = 0;
		struct user_regs_struct regs = regs_of(pid);
		if (status >> 16) {
			unsigned long message;
			ptrace(PTRACE_GETEVENTMSG, pid, 0, &message);
			printf("%s event %d\n", who, status >> 16);
		} else if (WSTOPSIG(status) == SIGTRAP && regs.rip == (unsigned long)add + 1) {
			printf("%s breakpoint: add(%llu, %llu)\n", who, regs.rdi, regs.rsi);
			hits++;
			step_over(pid, original);
		} else if (WSTOPSIG(status) == SIGTRAP) {
			long value = ptrace(PTRACE_PEEKDATA, pid, &watched, 0);
			printf("%s watchpoint: dr6 %lx value %ld\n", who, debugreg(pid, 6), value);
			put_debugreg(pid, 6, 0);
			nr_watched++;
		} else {
			printf("%s signal %d\n", who, WSTOPSIG(status));
			deliver = WSTOPSIG(status) == SIGSTOP ? 0 : WSTOPSIG(status);
		}
		ptrace(PTRACE_CONT, pid, 0, deliver);
	}
	return -1;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	pid_t child = fork();
	if (child == 0)
		program();
	printf("hits: %d\n", debug(child));
	return 0;
}
