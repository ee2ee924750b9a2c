/*
 * SIGTRAP from breakpoints and from the processor's own traps: what the handler
 * is told, when it runs, and how a process without one dies.
 */
#include "breakpoint.h"
#include "accesses.h"
#include <signal.h>
#include <sys/wait.h>
#include <ucontext.h>

enum { RF = 1 << 16 };

static volatile uint32_t word;

/* Linux's layout of siginfo for TRAP_PERF, whose tail the C libraries do not all name. */
struct trap_info {
	int32_t signo, error, code, pad;
	uint64_t addr;
	uint64_t perf_data;
	uint32_t perf_type;
	uint32_t perf_flags;
};

static volatile int nr_traps;
static struct trap_info last;
static volatile uintptr_t last_ip, last_flags;

static void handler(int signal, siginfo_t *info, void *context)
{
	const ucontext_t *user = context;

	(void)signal;
	nr_traps++;
	memcpy(&last, info, sizeof last);
	last_ip = (uintptr_t)user->uc_mcontext.gregs[REG_RIP];
	last_flags = (uintptr_t)user->uc_mcontext.gregs[REG_EFL];
}

static void handle_traps(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_sigaction = handler;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGTRAP, &action, NULL);
}

static int open_sigtrap(uint32_t bp_type, volatile const void *addr, uint64_t period)
{
	struct perf_event_attr attr = breakpoint_attr(bp_type, addr, bp_type == BP_X ? 8 : 4);

	attr.sample_period = period;
	attr.sigtrap = 1;
	attr.remove_on_exec = 1;
	attr.exclude_kernel = 1;
	attr.sig_data = 0x123456789abcdef;
	nr_traps = 0;
	return open_self(&attr, NO_GROUP);
}

static void print_last(const char *name, uintptr_t ip)
{
	printf("%s: %d traps, code %d, errno %d, ip %s, RF %d\n", name, nr_traps, last.code,
	       last.error, last_ip == ip ? "as expected" : "elsewhere", (last_flags & RF) != 0);
}

static void data_breakpoint(void)
{
	int fd = open_sigtrap(BP_W, &word, 1);

	store1((volatile char *)&word + 2);
	print_last("data", (uintptr_t)store1_done);
	printf("data: addr %s, data %llx, type %u, flags %u, count %llu\n",
	       last.addr == (uintptr_t)&word ? "the event's" : "another",
	       (unsigned long long)last.perf_data, last.perf_type, last.perf_flags,
	       read_count(fd));
	close(fd);
}

static void execution_breakpoint(void)
{
	int fd = open_sigtrap(BP_X, (const void *)nothing, 1);

	for (int i = 0; i < 5; i++)
		nothing(NULL);
	print_last("execution", (uintptr_t)nothing);
	printf("execution: addr %s, count %llu\n",
	       last.addr == (uintptr_t)nothing ? "the event's" : "another", read_count(fd));
	close(fd);
}

static void each_third(void)
{
	int fd = open_sigtrap(BP_W, &word, 3);

	for (int i = 0; i < 10; i++)
		store4(&word);
	printf("period 3, 10 stores: %d traps\n", nr_traps);
	close(fd);
}

static void blocked(void)
{
	int fd = open_sigtrap(BP_W, &word, 1);
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTRAP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (int i = 0; i < 3; i++)
		store4(&word);
	printf("blocked: %d traps", nr_traps);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	printf(", unblocked: %d, flags %u\n", nr_traps, last.perf_flags);
	close(fd);
}

static void breakpoint_instruction(void)
{
	nr_traps = 0;
	__asm__ volatile("int3");
	printf("int3: %d traps, code %d, addr %llu\n", nr_traps, last.code,
	       (unsigned long long)last.addr);
}

/* TF set by POPF: the trap comes after the instruction that follows it. */
static void single_step(void)
{
	uintptr_t expected;

	nr_traps = 0;
	__asm__ volatile("subq $128, %%rsp\n"
			 "pushfq\n"
			 "orq $0x100, (%%rsp)\n"
			 "popfq\n"
			 "leaq 1f(%%rip), %0\n"
			 "1: pushfq\n"
			 "andq $~0x100, (%%rsp)\n"
			 "popfq\n"
			 "addq $128, %%rsp\n"
			 : "=&r"(expected)
			 :
			 : "memory", "cc");
	printf("single step: %d traps, code %d, addr is ip %d, last one past the first %d\n",
	       nr_traps, last.code, last.addr == last_ip, last_ip > expected);
}

static void store_under_breakpoint(void)
{
	open_sigtrap(BP_W, &word, 1);
	store4(&word);
}

static void run_breakpoint_instruction(void)
{
	__asm__ volatile("int3");
}

static void ignore_it(void)
{
	int fd = open_sigtrap(BP_W, &word, 1);

	signal(SIGTRAP, SIG_IGN);
	store4(&word);
	_exit((int)read_count(fd) + 10);
}

/* Runs `body` in a child with the default action and prints how it ended. */
static void print_end(const char *name, void (*body)(void))
{
	int status = 0;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (child == 0) {
		signal(SIGTRAP, SIG_DFL);
		body();
		_exit(1);
	}
	if (child < 0 || waitpid(child, &status, 0) != child) {
		printf("fork or waitpid failed\n");
		exit(1);
	}
	if (WIFSIGNALED(status))
		printf("%s: killed by signal %d\n", name, WTERMSIG(status));
	else
		printf("%s: exit status %d\n", name, WEXITSTATUS(status));
}

int main(void)
{
	require_breakpoints();
	handle_traps();
	data_breakpoint();
	execution_breakpoint();
	each_third();
	blocked();
	breakpoint_instruction();
	single_step();
	print_end("without a handler", store_under_breakpoint);
	print_end("int3 without a handler", run_breakpoint_instruction);
	print_end("ignored", ignore_it);
	return 0;
}
