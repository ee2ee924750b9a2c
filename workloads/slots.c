/*
 * Who gets a debug register and who is told ENOSPC: eleven sequences of opens
 * and closes on three sleeping tasks and two CPUs.
 *
 * C0        a breakpoint on CPU 0, whoever runs there
 * T1@*      a breakpoint on task 1, wherever it runs
 * T1@0      a breakpoint on task 1, while it runs on CPU 0
 * -3        closes the fourth one that was granted
 */
#include "breakpoint.h"
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>

enum { NR_TASKS = 3, MAX_GRANTED = 16 };

static const char *const sequences[] = {
	"C0 C0 C0 C0 C0 T0@* T0@0 C1",
	"T0@* T0@* T0@* T0@* T0@* T0@0 C0 C1 T1@* -0 C0 C1 T0@*",
	"T0@* T0@* T0@* T0@* T1@* T1@* T1@* T1@* T0@* T1@* C0 -0 C0 T0@*",
	"T0@0 T0@0 T0@0 T0@0 T0@0 T0@* C0 T0@1 C1 -0 C0 T0@*",
	"T0@0 T0@* T0@* T0@* T0@* T0@0 C0 T0@1 T0@1 C1 -0 C0 C0 T0@*",
	"T0@* T0@* T0@0 T0@* T0@* T0@0 C0 C1 C1 -2 T0@* -4 T0@* T0@* C0 C1",
	"T0@* T0@* T0@* T0@* T1@0 T1@0 T1@0 T1@0 T1@0 C0 C1",
	"C0 C0 C1 T0@* T0@* T0@* T0@0 T0@1 T0@1 T1@* T1@* T1@* C0 C1 T1@0 T1@1",
	"C0 C0 C0 C1 T0@* T0@* T0@1 T0@1 T0@1 T0@0",
	"T0@* T1@* T1@* T1@* C0 C0 -1 C0 -2 C0 C0",
	"T0@* T0@* T0@* C0 T1@* T1@* T1@* T1@* T2@* C0",
};

static volatile uint64_t word;
static pid_t tasks[NR_TASKS];
static int granted[MAX_GRANTED], nr_granted;

/* Sleeps until the other end of the pipe is closed. */
static void start_tasks(int ends[2])
{
	if (pipe(ends) < 0)
		exit(1);
	for (int i = 0; i < NR_TASKS; i++) {
		tasks[i] = fork();
		if (tasks[i] == 0) {
			char unused;

			close(ends[1]);
			_exit(read(ends[0], &unused, 1) == 0 ? 0 : 1);
		}
		if (tasks[i] < 0)
			exit(1);
	}
	close(ends[0]);
}

static int open_target(const char *step)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, &word, 8);
	int pid = ANY_TASK, cpu = ANY_CPU;

	attr.exclude_kernel = 1;
	if (step[0] == 'C') {
		cpu = step[1] - '0';
	} else {
		pid = tasks[step[1] - '0'];
		if (step[3] != '*')
			cpu = step[3] - '0';
	}
	return perf_event_open(&attr, pid, cpu, NO_GROUP, 0);
}

/* Takes one word off the sequence; returns its length, 0 at the end. */
static int next_step(const char **sequence, char step[8])
{
	int length = 0;

	while (**sequence == ' ')
		(*sequence)++;
	while (**sequence && **sequence != ' ' && length < 7)
		step[length++] = *(*sequence)++;
	step[length] = '\0';
	return length;
}

static void run_sequence(const char *sequence)
{
	char step[8];

	nr_granted = 0;
	while (next_step(&sequence, step)) {
		int fd;

		if (step[0] == '-') {
			printf(" %s", step);
			close(granted[step[1] - '0']);
			granted[step[1] - '0'] = -1;
			continue;
		}
		fd = open_target(step);
		printf(" %s %s", step, outcome(fd));
		if (fd >= 0 && nr_granted < MAX_GRANTED)
			granted[nr_granted++] = fd;
	}
	printf("\n");
	for (int i = 0; i < nr_granted; i++)
		close(granted[i]);
}

static int has_two_cpus(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, &word, 8);
	int fd = perf_event_open(&attr, ANY_TASK, 1, NO_GROUP, 0);

	close(fd);
	return fd >= 0;
}

int main(void)
{
	int ends[2];

	require_breakpoints();
	if (!has_two_cpus()) {
		printf("perf_event_open refused (no second CPU)\n");
		return STATUS_REFUSED;
	}
	start_tasks(ends);
	for (unsigned i = 0; i < sizeof sequences / sizeof sequences[0]; i++) {
		printf("%u:", i + 1);
		run_sequence(sequences[i]);
	}
	close(ends[1]);
	for (int i = 0; i < NR_TASKS; i++) {
		int status;

		waitpid(tasks[i], &status, 0);
		printf("task %d: exit status %d\n", i, WEXITSTATUS(status));
	}
	return 0;
}
