/*
 * A parent and a child that take turns, each with breakpoints of its own, and
 * breakpoints on every CPU beside them: who is counted where, how many there
 * is room for, and what becomes of them when the child ends.
 */
#include "breakpoint.h"
#include "accesses.h"
#include <sched.h>
#include <sys/wait.h>

enum { NR_ROUNDS = 20, PARENT_STORES = 3, CHILD_STORES = 7, MAX_CPUS = 64 };

/* After the fork there are two of each, at the same address. */
static volatile uint32_t shared_word, own_word;

struct turns {
	int to_child[2], to_parent[2];
};

static void fail(const char *what)
{
	printf("%s failed: %s\n", what, errno_name(errno));
	exit(1);
}

static void give_turn(const int ends[2])
{
	if (write(ends[1], "", 1) != 1)
		_exit(1);
}

/* Returns 0 where the other side has gone. */
static int wait_turn(const int ends[2])
{
	char turn;

	return read(ends[0], &turn, 1) == 1;
}

static void run_child(struct turns *turns)
{
	close(turns->to_child[1]);
	close(turns->to_parent[0]);
	while (wait_turn(turns->to_child)) {
		for (int i = 0; i < CHILD_STORES; i++) {
			store4(&shared_word);
			sched_yield();
		}
		store4(&own_word);
		give_turn(turns->to_parent);
	}
	_exit(5);
}

static pid_t start_child(struct turns *turns)
{
	pid_t child;

	if (pipe(turns->to_child) < 0 || pipe(turns->to_parent) < 0)
		fail("pipe");
	fflush(stdout);
	child = fork();
	if (child == 0)
		run_child(turns);
	if (child < 0)
		fail("fork");
	close(turns->to_child[0]);
	close(turns->to_parent[1]);
	return child;
}

static int open_on(pid_t pid, int cpu, uint32_t bp_type, volatile const void *addr)
{
	struct perf_event_attr attr = breakpoint_attr(bp_type, addr, bp_type == BP_X ? 8 : 4);

	attr.exclude_kernel = 1;
	return perf_event_open(&attr, pid, cpu, NO_GROUP, 0);
}

/* One breakpoint a CPU; the CPUs are those that the system lets one name. */
static int open_on_each_cpu(int fds[MAX_CPUS])
{
	int nr_cpus = 0;

	while (nr_cpus < MAX_CPUS) {
		fds[nr_cpus] = open_on(ANY_TASK, nr_cpus, BP_W, &shared_word);
		if (fds[nr_cpus] < 0)
			break;
		nr_cpus++;
	}
	if (nr_cpus == 0)
		fail("open on cpu 0");
	return nr_cpus;
}

static unsigned long long sum_and_close(const int fds[], int nr_fds)
{
	unsigned long long sum = 0;

	for (int i = 0; i < nr_fds; i++) {
		sum += read_count(fds[i]);
		close(fds[i]);
	}
	return sum;
}

static void take_turns(const struct turns *turns)
{
	for (int round = 0; round < NR_ROUNDS; round++) {
		for (int i = 0; i < PARENT_STORES; i++)
			store4(&shared_word);
		give_turn(turns->to_child);
		if (!wait_turn(turns->to_parent))
			fail("the child's turn");
	}
}

/* Two on the parent, two on the child, one on each CPU: they all run at once. */
static void counts_by_task(pid_t child, const struct turns *turns)
{
	int on_parent = open_on(SELF, ANY_CPU, BP_W, &shared_word);
	int on_parent_code = open_on(SELF, ANY_CPU, BP_X, (const void *)store4);
	int on_child = open_on(child, ANY_CPU, BP_W, &shared_word);
	int on_child_own = open_on(child, ANY_CPU, BP_W, &own_word);
	int on_cpus[MAX_CPUS], nr_cpus = open_on_each_cpu(on_cpus);

	if (on_parent < 0 || on_parent_code < 0 || on_child < 0 || on_child_own < 0)
		fail("perf_event_open");
	take_turns(turns);
	printf("parent: shared word %llu, store4 executed %llu\n", read_count(on_parent),
	       read_count(on_parent_code));
	printf("child: shared word %llu, own word %llu\n", read_count(on_child),
	       read_count(on_child_own));
	printf("all CPUs: shared word %llu\n", sum_and_close(on_cpus, nr_cpus));
	close(on_parent);
	close(on_parent_code);
	close(on_child);
	close(on_child_own);
}

/* Prints the answer and keeps the event where it is granted. */
static void take(const char *name, int fd, int fds[], int *nr_fds)
{
	printf("%s: %s\n", name, outcome(fd));
	if (fd >= 0)
		fds[(*nr_fds)++] = fd;
}

/* More than there is room for, in an order that shows whose registers count against whose. */
static void more_than_slots(pid_t child, const struct turns *turns)
{
	int parents[8], children[8], cpus[8], nr_parents = 0, nr_children = 0, nr_cpus = 0;

	for (int i = 0; i < 5; i++)
		take("parent", open_on(SELF, ANY_CPU, BP_W, &shared_word), parents, &nr_parents);
	take("parent on cpu 0", open_on(SELF, 0, BP_W, &shared_word), parents, &nr_parents);
	take("cpu 0", open_on(ANY_TASK, 0, BP_W, &own_word), cpus, &nr_cpus);
	for (int i = 0; i < 3; i++)
		take("child", open_on(child, ANY_CPU, BP_W, &shared_word), children, &nr_children);
	close(parents[--nr_parents]);
	printf("one of the parent's is closed\n");
	take("cpu 0", open_on(ANY_TASK, 0, BP_W, &own_word), cpus, &nr_cpus);
	take("parent", open_on(SELF, ANY_CPU, BP_W, &shared_word), parents, &nr_parents);
	take("child", open_on(child, ANY_CPU, BP_W, &shared_word), children, &nr_children);
	take_turns(turns);
	printf("the parent's: %llu\n", sum_and_close(parents, nr_parents));
	printf("the child's: %llu\n", sum_and_close(children, nr_children));
	sum_and_close(cpus, nr_cpus);
}

/* A child's breakpoints keep their registers until they are closed, even when it has ended. */
static void after_the_end(pid_t child, struct turns *turns)
{
	int fds[8], nr_fds = 0, status = 0, on_cpu;

	for (int i = 0; i < 4; i++)
		take("child", open_on(child, ANY_CPU, BP_W, &own_word), fds, &nr_fds);
	take_turns(turns);
	close(turns->to_child[1]);
	close(turns->to_parent[0]);
	waitpid(child, &status, 0);
	printf("child: exit status %d\n", WEXITSTATUS(status));
	printf("cpu 0: %s\n", outcome(open_on(ANY_TASK, 0, BP_W, &own_word)));
	printf("child: %s\n", outcome(open_on(child, ANY_CPU, BP_W, &own_word)));
	printf("child: own word %llu in all\n", sum_and_close(fds, nr_fds));
	on_cpu = open_on(ANY_TASK, 0, BP_W, &own_word);
	printf("cpu 0: %s\n", outcome(on_cpu));
	close(on_cpu);
}

/* Inherited: the child's hits are added to the parent's. */
static void inherited(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, &own_word, 4);
	int status = 0, fd;
	pid_t child;

	attr.inherit = 1;
	fd = open_self(&attr, NO_GROUP);
	store4(&own_word);
	store4(&own_word);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		for (int i = 0; i < 5; i++)
			store4(&own_word);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child)
		fail("fork");
	printf("inherited: %llu\n", read_count(fd));
	close(fd);
}

int main(void)
{
	struct turns turns;
	pid_t child;

	require_breakpoints();
	child = start_child(&turns);
	counts_by_task(child, &turns);
	more_than_slots(child, &turns);
	after_the_end(child, &turns);
	inherited();
	return 0;
}
