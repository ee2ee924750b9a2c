/* Who decides about a system call beside the kernel: filters of seccomp, strict mode, the
 * program's own SIGSYS handler, and a tracer; and the functions of the vsyscall page. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#ifndef PTRACE_EVENT_SECCOMP
#define PTRACE_EVENT_SECCOMP 7
#endif
#define DISPATCH 59

static volatile char selector;

static long filter(unsigned nr, unsigned action, unsigned flags)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, action),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, code };
	return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}

static void on_sigsys(int signal, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	selector = 0;
	printf("SIGSYS code %d errno %d call %d arch %x ax %lld at ip %d\n", info->si_code,
	       info->si_errno, info->si_syscall, info->si_arch, regs[REG_RAX],
	       (greg_t)info->si_call_addr == regs[REG_RIP]);
	regs[REG_RAX] = 77;
}

static void handle_sigsys(void)
{
	struct sigaction action = { .sa_sigaction = on_sigsys, .sa_flags = SA_SIGINFO };
	sigaction(SIGSYS, &action, NULL);
}

static void *wait_for_other(void *arg)
{
	read(*(int *)arg, arg, 1);
	errno = 0;
	long result = syscall(SYS_getuid);
	printf("other thread: %ld %d\n", result, errno);
	return NULL;
}

static void errors(void)
{
	printf("errno: %ld\n", filter(SYS_getppid, SECCOMP_RET_ERRNO | 5, 0));
	errno = 0;
	long result = syscall(SYS_getppid);
	printf("getppid %ld %d\n", result, errno);
	printf("more severe: %ld\n", filter(SYS_getppid, SECCOMP_RET_TRAP | 9, 0));
	handle_sigsys();
	printf("getppid %ld\n", syscall(SYS_getppid));
	printf("mode %d\n", prctl(PR_GET_SECCOMP));
	struct sock_filter endless[] = { BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2) };
	struct sock_fprog bad = { 1, endless };
	result = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &bad);
	printf("bad program %ld %d\n", result, errno);
	unsigned action = SECCOMP_RET_TRACE;
	result = syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action);
	printf("available %ld\n", result);
	result = prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	printf("strict after filters %ld %d\n", result, errno);
}

static void threads(void)
{
	int ends[2];
	pthread_t other;
	pipe(ends);
	int from = ends[0];
	pthread_create(&other, NULL, wait_for_other, &from);
	printf("tsync: %ld\n", filter(SYS_getuid, SECCOMP_RET_ERRNO | 6, SECCOMP_FILTER_FLAG_TSYNC));
	write(ends[1], "", 1);
	pthread_join(other, NULL);
}

static void killed(void) { filter(SYS_getppid, SECCOMP_RET_KILL_PROCESS, 0); syscall(SYS_getppid); puts("not here"); }

static void strict(void)
{
	fflush(stdout);
	prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT);
	write(1, "strict\n", 7);
	syscall(SYS_getpid);
}

static void dispatch(void)
{
	handle_sigsys();
	printf("dispatch: %d\n", prctl(DISPATCH, 1, 0, 0, &selector));
	fflush(stdout);
	selector = 1;
	long result = syscall(SYS_getppid);
	printf("getppid %ld\n", result);
	printf("off: %d %d\n", prctl(DISPATCH, 0, 1, 0, 0), prctl(DISPATCH, 0, 0, 0, 0));
	fflush(stdout);
	prctl(DISPATCH, 1, 0, 0, &selector);
	selector = 9;
	syscall(SYS_getppid);
}

static void time_stamps(void)
{
	int mode = 0;
	prctl(PR_GET_TSC, &mode);
	printf("tsc %d\n", mode);
	fflush(stdout);
	prctl(PR_SET_TSC, PR_TSC_SIGSEGV);
	__builtin_ia32_rdtsc();
}

static void traced(void)
{
	pid_t child = fork();
	if (child == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		filter(SYS_getppid, SECCOMP_RET_TRACE | 42, 0);
		printf("traced getppid: %ld\n", syscall(SYS_getppid));
		printf("traced getppid: %ld\n", syscall(SYS_getppid));
		exit(3);
	}
	int status;
	waitpid(child, &status, 0);
	ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_TRACESECCOMP);
	for (int nth = 0; ptrace(PTRACE_CONT, child, 0, 0) == 0 && waitpid(child, &status, 0) > 0; nth++) {
		unsigned long message = 0;
		if (!WIFSTOPPED(status))
			break;
		ptrace(PTRACE_GETEVENTMSG, child, 0, &message);
		printf("stop %x message %lu call %ld\n", status, message,
		       ptrace(PTRACE_PEEKUSER, child, 8 * 15, 0));
		fflush(stdout);
		if (nth == 0) {
			ptrace(PTRACE_POKEUSER, child, 8 * 15, -1L);
			ptrace(PTRACE_POKEUSER, child, 8 * 10, 1234L);
		} else
			ptrace(PTRACE_POKEUSER, child, 8 * 15, (long)SYS_getpgrp + 1000);
	}
	printf("traced: %x\n", status);
}

static void vsyscalls(void)
{
	long (*at_time)(long *) = (void *)0xffffffffff600400UL;
	long (*at_day)(struct timeval *, void *) = (void *)0xffffffffff600000UL;
	struct timeval now = { 0, 0 };
	long seconds = at_time(NULL);
	printf("time %d\n", labs(seconds - time(NULL)) <= 1);
	long result = at_day(&now, NULL);
	printf("gettimeofday %ld %d\n", result, labs(now.tv_sec - seconds) <= 1);
	fflush(stdout);
	printf("%d\n", *(volatile char *)0xffffffffff600000UL);
}

static void none(void) { ((void (*)(void))0xffffffffff600c00UL)(); }

int main(void)
{
	struct { const char *name; void (*run)(void); } cases[] = {
		{ "errors", errors }, { "threads", threads }, { "killed", killed }, { "strict", strict },
		{ "dispatch", dispatch }, { "time stamps", time_stamps }, { "traced", traced },
		{ "vsyscalls", vsyscalls }, { "no vsyscall", none },
	};
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		printf("-- %s\n", cases[i].name);
		fflush(stdout);
		pid_t child = fork();
		if (child == 0) {
			cases[i].run();
			fflush(stdout);
			_exit(0);
		}
		int status;
		waitpid(child, &status, 0);
		printf("status %x\n", status & ~0x80);
	}
	return 0;
}
