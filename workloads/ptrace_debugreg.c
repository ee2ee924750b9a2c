/*
 * Debug registers through ptrace: what may be written, what is read back, slots
 * and their contention, hits, single steps beside them, and what forks, detaching
 * and ends make of them.
 */
#define _GNU_SOURCE
#include "breakpoint.h"
#include "tracee.h"

static volatile unsigned char bytes[256] __attribute__((aligned(128)));
static volatile int command;

enum { IDLE, STORE, LOAD, RUN, READ, WIDE_STORE, STORES, FORK, BOTH, ICEBP, BRK };

extern char store_insn[], first_insn[], second_insn[];

static void __attribute__((noinline)) store(void)
{
	__asm__ volatile(".globl store_insn\nstore_insn: movb $1, %0\nnop" : "=m"(bytes[0]));
}

static void __attribute__((noinline)) run_first(void)
{
	__asm__ volatile(".globl first_insn\nfirst_insn: nop\nnop\nnop");
}

static void __attribute__((noinline)) run_second(void)
{
	__asm__ volatile(".globl second_insn\nsecond_insn: nop\nnop\nnop");
}

static void obey(void)
{
	int pipe_ends[2];
	int child, status;

	for (;;) {
		send_self(SIGSTOP);
		switch (command) {
		case STORE: store(); break;
		case LOAD: (void)bytes[0]; break;
		case RUN: run_first(); break;
		case WIDE_STORE: *(volatile uint32_t *)bytes = 1; break;
		case STORES: store(); store(); store(); break;
		case BOTH: run_first(); run_second(); break;
		case ICEBP: __asm__ volatile(".byte 0xf1"); break;
		case BRK: __asm__ volatile("int3"); break;
		case READ:
			if (pipe(pipe_ends) == 0 && write(pipe_ends[1], "x", 1) == 1 &&
			    read(pipe_ends[0], (void *)bytes, 1) == 1)
				close(pipe_ends[0]);
			break;
		case FORK:
			child = syscall(SYS_fork);
			if (child == 0) {
				store();
				_exit(5);
			}
			waitpid(child, &status, 0);
			break;
		}
	}
}

static int pid;

static void begin(void)
{
	int status;

	pid = start_tracee(obey);
	trace(REQ_CONT, pid, 0, 0);
	waitpid(pid, &status, 0);
}

static void end(void)
{
	end_tracee(pid);
}

static const char *poke(int number, uint64_t value)
{
	return error_name(set_user_word(pid, DEBUGREG(number), value));
}

static uint64_t peek(int number)
{
	return user_word(pid, DEBUGREG(number));
}

/* Slots that are free on the tracee, by taking them. */
static int free_slots(int target, int cpu)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, &bytes[200], 1);
	int events[8], nr, count;

	attr.exclude_kernel = 1;
	attr.disabled = 1;
	for (nr = 0; nr < 8; nr++) {
		events[nr] = perf_event_open(&attr, target, cpu, NO_GROUP, 0);
		if (events[nr] < 0)
			break;
	}
	for (count = 0; count < nr; count++)
		close(events[count]);
	return nr;
}

static uint64_t entry(int number, int rw, int len, int enabled)
{
	uint64_t field = len == 8 ? 2 : len == 4 ? 3 : len == 2 ? 1 : 0;

	return ((uint64_t)enabled << 2 * number) | ((uint64_t)rw << (16 + 4 * number)) |
	       (field << (18 + 4 * number));
}

static int go(const char *what, long request)
{
	int status = go_on_silently(request, pid, 0);
	siginfo_t info;

	memset(&info, 0, sizeof info);
	trace(REQ_GETSIGINFO, pid, 0, (uintptr_t)&info);
	printf("%s -> signal %d", what, WSTOPSIG(status));
	if (WSTOPSIG(status) == SIGTRAP) {
		printf(" code %d dr6 %#lx dr7 %#lx", info.si_code, (long)peek(6), (long)peek(7));
		if (info.si_code > 0 && info.si_code < 5)
			printf(" addr rip%+ld",
			       (long)((uintptr_t)info.si_addr - user_word(pid, REG(rip))));
	}
	printf("\n");
	return WSTOPSIG(status);
}

/* Tells the tracee what to do next. */
static void give(int number)
{
	union {
		int halves[2];
		long word;
	} both;
	uintptr_t at = (uintptr_t)&command & ~7ul;

	trace(REQ_PEEKDATA, pid, at, (uintptr_t)&both.word);
	both.halves[(uintptr_t)&command >> 2 & 1] = number;
	trace(REQ_POKEDATA, pid, at, both.word);
}

/* Does something and goes on to the stop after it. */
static void obeyed(const char *what, int number)
{
	give(number);
	if (go(what, REQ_CONT) == SIGTRAP && number != BOTH && number != STORES && number != RUN &&
	    number != FORK)
		go("  then", REQ_CONT);
}

static void single_registers(void)
{
	static const uint64_t addresses[] = {
		0, 1, 0x7fffffffefff, 0x7ffffffff000, 0x7fffffffffff, 0x800000000000,
		0x8000000000000000, 0xffff800000000000, 0xffffffff81000000, ~0ull, ~7ull,
	};

	begin();
	for (int i = 0; i < 8; i++)
		printf("dr%d %#lx\n", i, (long)peek(i));
	printf("dr4 %s dr5 %s", poke(4, 0), poke(5, 0));
	printf(" past the end %s", error_name(set_user_word(pid, DEBUGREG(8), 0)));
	printf(" unaligned %s", error_name(set_user_word(pid, DEBUGREG(0) + 4, 0)));
	printf(" beyond %s, reads %#lx\n", error_name(set_user_word(pid, DEBUGREG(10), 0)),
	       (long)peek(8));
	for (unsigned i = 0; i < sizeof addresses / sizeof *addresses; i++) {
		printf("dr0 = %#lx: %s", (long)addresses[i], poke(0, addresses[i]));
		printf(", reads %#lx, free %d\n", (long)peek(0), free_slots(pid, ANY_CPU));
	}
	printf("dr6 = 0 %s", poke(6, 0));
	printf(" %#lx", (long)peek(6));
	poke(6, 0x12345);
	printf(" %#lx", (long)peek(6));
	poke(6, ~0ul);
	printf(" %#lx\n", (long)peek(6));
	end();
}

static void encodings(void)
{
	static const int lengths[] = { 1, 2, 4, 8 };
	static const uint64_t bits[] = {
		1, 2, 3, 0x101, 0x201, 0x401, 0x801, 0x2001, 0x8001, 0x8000000100000001, 0x400, 0,
		0xffffffff0000fc00,
	};

	for (int rw = 0; rw < 4; rw++) {
		for (int i = 0; i < 4; i++) {
			begin();
			poke(0, (uintptr_t)bytes);
			printf("rw %d len %d: %s", rw, lengths[i], poke(7, entry(0, rw, lengths[i], 1)));
			printf(", reads %#lx\n", (long)peek(7));
			end();
		}
	}
	for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++) {
		begin();
		poke(0, (uintptr_t)bytes);
		printf("dr7 = %#lx: %s", (long)bits[i], poke(7, bits[i] | entry(0, 1, 1, 0)));
		printf(", reads %#lx\n", (long)peek(7));
		obeyed("store", STORE);
		end();
	}
}

static void changes(void)
{
	begin();
	printf("without an address %s", poke(7, entry(2, 1, 1, 1)));
	printf(" dr2 %#lx free %d", (long)peek(2), free_slots(pid, ANY_CPU));
	printf(", off %s free %d\n", poke(7, 0), free_slots(pid, ANY_CPU));
	poke(2, 0);
	for (int i = 0; i < 4; i++) {
		printf("dr%d %s", i, poke(i, (uintptr_t)bytes + i));
		printf(" free %d and %d\n", free_slots(pid, ANY_CPU), free_slots(ANY_TASK, 0));
	}
	for (int i = 0; i < 4; i++)
		poke(i, 0);
	printf("all zero: free %d\n", free_slots(pid, ANY_CPU));
	end();
	printf("ended: free %d\n", free_slots(ANY_TASK, 0));

	begin();
	poke(0, (uintptr_t)bytes + 1);
	printf("W4 misaligned %s", poke(7, entry(0, 1, 4, 1)));
	printf(", W2 %s", poke(7, entry(0, 1, 2, 1)));
	printf(", W1 %s", poke(7, entry(0, 1, 1, 1)));
	printf(", W4 disabled %s", poke(7, entry(0, 1, 4, 0)));
	printf(", I/O disabled %s", poke(7, entry(0, 2, 1, 0)));
	printf(", without a slot %s", poke(7, entry(1, 2, 1, 0)));
	printf(", X4 disabled %s\n", poke(7, entry(0, 0, 4, 0)));
	end();

	begin();
	poke(0, (uintptr_t)bytes);
	poke(7, entry(0, 1, 4, 1));
	printf("misaligned %s", poke(0, (uintptr_t)bytes + 1));
	printf(", reads +%ld\n", (long)(peek(0) - (uintptr_t)bytes));
	obeyed("store", STORE);
	printf("to the kernel %s\n", poke(0, 0xffffffff81000000));
	obeyed("store", STORE);
	printf("elsewhere %s\n", poke(0, (uintptr_t)bytes + 64));
	obeyed("store", STORE);
	end();

	begin();
	poke(0, (uintptr_t)bytes);
	poke(1, (uintptr_t)bytes + 1);
	printf("second one wrong %s", poke(7, entry(0, 1, 1, 1) | entry(1, 1, 4, 1)));
	printf(", reads %#lx\n", (long)peek(7));
	obeyed("store", STORE);
	poke(7, entry(0, 1, 1, 1));
	printf("last one wrong %s", poke(7, entry(0, 3, 4, 1) | entry(3, 2, 1, 1)));
	printf(", reads %#lx\n", (long)peek(7));
	obeyed("load", LOAD);
	obeyed("store", STORE);
	end();
}

static void contention(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, &bytes[200], 1);
	int events[3];

	attr.exclude_kernel = 1;
	begin();
	for (int i = 0; i < 3; i++)
		events[i] = perf_event_open(&attr, pid, ANY_CPU, NO_GROUP, 0);
	printf("one slot left: dr0 %s", poke(0, (uintptr_t)bytes));
	printf(" dr1 %s", poke(1, (uintptr_t)bytes));
	printf(" both enabled %s", poke(7, entry(0, 1, 1, 1) | entry(1, 1, 1, 1)));
	printf(" reads %#lx, one %s\n", (long)peek(7), poke(7, entry(0, 1, 1, 1)));
	for (int i = 0; i < 3; i++)
		close(events[i]);
	attr.exclude_kernel = 0;
	attr.exclude_user = 1;
	for (int i = 0; i < 3; i++)
		events[i] = perf_event_open(&attr, ANY_TASK, 0, NO_GROUP, 0);
	printf("three of the CPU: dr1 %s\n", poke(1, (uintptr_t)bytes));
	for (int i = 0; i < 3; i++)
		close(events[i]);
	printf("closed: dr1 %s\n", poke(1, (uintptr_t)bytes));
	end();
}

static void hits(void)
{
	struct perf_event_attr attr = breakpoint_attr(BP_W, bytes, 1);
	uint64_t count = 0;
	int event;

	begin();
	poke(0, (uintptr_t)bytes);
	poke(1, (uintptr_t)bytes + 2);
	poke(2, (uintptr_t)bytes);
	poke(7, entry(0, 1, 1, 1) | entry(1, 1, 1, 1) | entry(2, 3, 1, 1));
	obeyed("store of a byte", STORE);
	obeyed("store of four", WIDE_STORE);
	obeyed("load", LOAD);
	poke(6, 0xffff0ff3);
	obeyed("read() into it", READ);
	printf("dr6 %#lx\n", (long)peek(6));
	poke(7, entry(0, 1, 1, 1));
	obeyed("three stores", STORES);
	poke(7, 0);
	go("dr7 = 0", REQ_CONT);
	end();

	begin();
	attr.exclude_kernel = 1;
	event = perf_event_open(&attr, pid, ANY_CPU, NO_GROUP, 0);
	obeyed("perf only", STORE);
	poke(0, (uintptr_t)bytes);
	poke(7, entry(0, 1, 1, 1));
	obeyed("perf and ptrace", STORE);
	if (read(event, &count, sizeof count) == sizeof count)
		printf("perf counts %d\n", (int)count);
	close(event);
	obeyed("icebp", ICEBP);
	obeyed("int3", BRK);
	end();
}

static void execution(void)
{
	begin();
	poke(0, (uintptr_t)first_insn);
	poke(1, (uintptr_t)second_insn);
	poke(7, entry(0, 0, 1, 1) | entry(1, 0, 1, 1));
	obeyed("first", BOTH);
	printf("at it %d, RF %d\n", user_word(pid, REG(rip)) == (uintptr_t)first_insn,
	       (int)(user_word(pid, REG(eflags)) >> 16 & 1));
	go("second", REQ_CONT);
	go("past it", REQ_CONT);
	obeyed("first again", RUN);
	set_user_word(pid, REG(rip), (uintptr_t)second_insn);
	go("moved with RF", REQ_CONT);
	obeyed("first again", RUN);
	set_user_word(pid, REG(eflags), user_word(pid, REG(eflags)) & ~0x10000ul);
	go("without RF", REQ_CONT);
	go("step over it", REQ_SINGLESTEP);
	go("past it", REQ_CONT);
	poke(1, (uintptr_t)first_insn + 1);
	obeyed("first again", RUN);
	go("step onto the next", REQ_SINGLESTEP);
	go("then", REQ_CONT);
	go("past it", REQ_CONT);
	poke(7, 0);
	poke(0, (uintptr_t)bytes);
	poke(1, (uintptr_t)store_insn);
	poke(7, entry(0, 1, 1, 1) | entry(1, 0, 1, 1));
	obeyed("at the store", STORES);
	go("step over the store", REQ_SINGLESTEP);
	go("step over a nop", REQ_SINGLESTEP);
	end();
}

static void lives(void)
{
	uint64_t child = 0;
	int status, first;

	begin();
	trace(REQ_SETOPTIONS, pid, 0, OPT_FORK);
	poke(0, (uintptr_t)bytes);
	poke(7, entry(0, 1, 1, 1));
	poke(6, 0xffff0ff3);
	obeyed("fork", FORK);
	first = pid;
	trace(REQ_GETEVENTMSG, pid, 0, (uintptr_t)&child);
	pid = child;
	waitpid(pid, &status, __WALL);
	printf("child: dr0 %#lx dr6 %#lx dr7 %#lx free %d\n", (long)peek(0), (long)peek(6),
	       (long)peek(7), free_slots(pid, ANY_CPU));
	printf("the same dr7 %s", poke(7, peek(7)));
	printf(" free %d\n", free_slots(pid, ANY_CPU));
	go_on("its store", REQ_CONT, pid, 0);
	pid = first;
	end();

	begin();
	for (int i = 0; i < 4; i++)
		poke(i, (uintptr_t)bytes);
	printf("four: free %d\n", free_slots(ANY_TASK, 0));
	kill(pid, SIGKILL);
	waitid(P_PID, pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT);
	printf("a zombie: free %d, PEEK %s\n", free_slots(ANY_TASK, 0),
	       error_name(trace(REQ_PEEKUSER, pid, DEBUGREG(0), (uintptr_t)&child)));
	waitpid(pid, &status, 0);

	begin();
	poke(0, (uintptr_t)bytes);
	poke(7, entry(0, 1, 1, 1));
	give(STORE);
	trace(REQ_DETACH, pid, 0, 0);
	waitpid(pid, &status, WUNTRACED);
	printf("detached: %s by %d\n", WIFSIGNALED(status) ? "killed" : "stopped",
	       WIFSIGNALED(status) ? WTERMSIG(status) : WSTOPSIG(status));
	if (!WIFSIGNALED(status))
		end();
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	require_breakpoints();
	single_registers();
	encodings();
	changes();
	contention();
	hits();
	execution();
	lives();
	return 0;
}
