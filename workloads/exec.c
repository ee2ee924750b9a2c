/* execve: its errors, what the new program inherits, threads, vfork. The program runs itself
 * again in stages; what each finds is printed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* An address that cannot be read. */
static void *volatile bad = (void *)8;

static void on_signal(int number) { (void)number; }

static void try_exec(const char *what, const char *path, char *const argv[], char *const envp[])
{
	long result = syscall(SYS_execve, path, argv, envp);
	printf("%s: %ld %d\n", what, result, result < 0 ? errno : 0);
}

static void errors(char *own)
{
	char *argv[] = {"x", NULL};
	char *envp[] = {NULL};
	static char long_path[5000], long_name[400], long_string[200000], own_child[5000];
	memset(long_path, 'a', sizeof long_path - 1);
	memset(long_name, 'b', sizeof long_name - 1);
	memset(long_string, 'c', sizeof long_string - 1);
	long_name[0] = '/';
	snprintf(own_child, sizeof own_child, "%s/x", own);
	char *long_argv[] = {"x", long_string, NULL};
	char **many = malloc(300001 * sizeof *many);
	for (int i = 0; i < 300000; i++)
		many[i] = "0123456789";
	many[300000] = NULL;
	try_exec("missing", "/no/such/program", argv, envp);
	try_exec("empty", "", argv, envp);
	try_exec("directory", "/", argv, envp);
	try_exec("below a file", own_child, argv, envp);
	try_exec("device", "/dev/null", argv, envp);
	try_exec("long path", long_path, argv, envp);
	try_exec("long name", long_name, argv, envp);
	try_exec("bad path", bad, argv, envp);
	try_exec("bad argv", own, bad, envp);
	try_exec("bad string", own, (char *[]){(char *)bad, NULL}, envp);
	try_exec("bad envp", own, argv, bad);
	try_exec("long string", own, long_argv, envp);
	try_exec("many strings", own, many, envp);
	try_exec("missing before bad argv", "/no/such/program", bad, envp);
	free(many);
}

static void look_around(void)
{
	struct sigaction action;
	sigset_t blocked;
	stack_t stack;
	char name[16];
	sigaction(SIGUSR1, NULL, &action);
	printf("usr1 %s, flags %#x\n", action.sa_handler == SIG_DFL ? "default" : "other",
		   (unsigned)action.sa_flags & ~0x04000000U);
	sigaction(SIGUSR2, NULL, &action);
	printf("usr2 %s\n", action.sa_handler == SIG_IGN ? "ignored" : "other");
	sigprocmask(SIG_BLOCK, NULL, &blocked);
	printf("int blocked %d, term blocked %d\n", sigismember(&blocked, SIGINT),
		   sigismember(&blocked, SIGTERM));
	sigaltstack(NULL, &stack);
	printf("altstack %s\n", stack.ss_flags & SS_DISABLE ? "none" : "some");
	for (int fd = 10; fd <= 11; fd++)
		printf("fd %d %s\n", fd, fcntl(fd, F_GETFD) < 0 ? "closed" : "open");
	prctl(PR_GET_NAME, name);
	printf("comm %s\n", name);
	printf("execfn is the path: %d\n", strcmp((char *)getauxval(AT_EXECFN), "/proc/self/exe") == 0);
	printf("tid is pid: %d\n", syscall(SYS_gettid) == getpid());
	unsigned mxcsr;
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	printf("mxcsr %#x\n", mxcsr);
}

static void set_up(void)
{
	static char stack_bytes[65536];
	struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART | SA_NODEFER};
	stack_t stack = {.ss_sp = stack_bytes, .ss_size = sizeof stack_bytes};
	sigset_t blocked;
	sigaction(SIGUSR1, &action, NULL);
	signal(SIGUSR2, SIG_IGN);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGINT);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
	sigaltstack(&stack, NULL);
	dup3(1, 10, 0);
	dup3(1, 11, O_CLOEXEC);
	prctl(PR_SET_NAME, "before");
	unsigned mxcsr = 0x1f40;
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static void *sleeper(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static void *spinner(void *unused)
{
	for (volatile unsigned long n = 0;; n++)
		;
	return unused;
}

static void *runner(void *path)
{
	printf("tid is pid: %d\n", syscall(SYS_gettid) == getpid());
	fflush(stdout);
	execl(path, path, "3", path, NULL);
	perror("execl");
	return NULL;
}

static void wait_and_tell(const char *who)
{
	int status = 0;
	wait(&status);
	printf("%s: exited %d, status %d\n", who, WIFEXITED(status), WEXITSTATUS(status));
	fflush(stdout);
}

static void from_a_thread(char *own)
{
	pthread_t thread;
	pthread_create(&thread, NULL, sleeper, NULL);
	pthread_create(&thread, NULL, spinner, NULL);
	pthread_create(&thread, NULL, runner, own);
	pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	int stage = argc > 1 ? atoi(argv[1]) : 0;
	char *own = argc > 2 ? argv[2] : argv[0];
	printf("stage %d, argc %d\n", stage, argc);
	fflush(stdout);
	if (argv[0][0] == 0)
		return 4;
	switch (stage) {
	case 0:
		errors(own);
		fflush(stdout);
		if (fork() == 0) {
			char *again[] = {"zero", "1", own, "an argument", "", NULL};
			char *env[] = {"ONE=1", "TWO=", NULL};
			set_up();
			execve("/proc/self/exe", again, env);
			_exit(9);
		}
		wait_and_tell("first child");
		if (fork() == 0) {
			from_a_thread(own);
			_exit(9);
		}
		wait_and_tell("threads");
		pid_t child = vfork();
		if (child == 0) {
			execl(own, own, "4", NULL);
			_exit(9);
		}
		wait_and_tell("vfork");
		if (fork() == 0) {
			execv(own, (char *[]){NULL});
			perror("no arguments");
			_exit(9);
		}
		wait_and_tell("no arguments");
		return 0;
	case 1:
		for (int i = 0; i < argc; i++)
			if (i != 2)
				printf("argv %d <%s>\n", i, argv[i]);
		for (char **entry = environ; *entry != NULL; entry++)
			printf("env <%s>\n", *entry);
		look_around();
		fflush(stdout);
		execl(own, own, "2", own, NULL);
		return 8;
	case 2:
		printf("comm and signal state stay: ");
		look_around();
		return 5;
	case 3:
		printf("tid is pid: %d\n", syscall(SYS_gettid) == getpid());
		return 6;
	default:
		return 7;
	}
}
