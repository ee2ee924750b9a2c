/*
 * A small debugger: memory and registers of a tracee, signals that it lets
 * through, changes or keeps, single steps through flags, handlers and system
 * calls, and system calls that it watches, changes or answers itself.
 */
#define _GNU_SOURCE
#include "tracee.h"
#include <sys/uio.h>

static volatile long word = 0x1122334455667788;
static const long constant = 42;
static volatile int caught;

static void on_signal(int signal, siginfo_t *info, void *context)
{
	(void)context;
	caught = signal * 100 + info->si_value.sival_int;
}

static void wait_for_signals(void)
{
	struct sigaction action;

	memset(&action, 0, sizeof action);
	action.sa_sigaction = on_signal;
	action.sa_flags = SA_SIGINFO;
	sigaction(SIGUSR1, &action, NULL);
	sigaction(SIGUSR2, &action, NULL);
	for (;;)
		send_self(SIGUSR1);
}

static long tracee_word(int pid, const volatile void *at)
{
	long value = -1;

	trace(REQ_PEEKDATA, pid, (uintptr_t)at, (uintptr_t)&value);
	return value;
}

static void memory(void)
{
	int pid = start_tracee(wait_for_signals);
	struct iovec here, there;
	long buffer = 0;

	printf("word %#lx constant %ld\n", tracee_word(pid, &word), tracee_word(pid, &constant));
	printf("poke %s\n", error_name(trace(REQ_POKEDATA, pid, (uintptr_t)&word, 7)));
	printf("poke a constant %s\n",
	       error_name(trace(REQ_POKEDATA, pid, (uintptr_t)&constant, 43)));
	printf("now %ld %ld, here %ld\n", tracee_word(pid, &word), tracee_word(pid, &constant),
	       constant);
	printf("peek at 0: %s\n", error_name(trace(REQ_PEEKDATA, pid, 0, (uintptr_t)&buffer)));
	printf("poke at 0: %s\n", error_name(trace(REQ_POKEDATA, pid, 0, 1)));
	here = (struct iovec){ &buffer, sizeof buffer };
	there = (struct iovec){ (void *)&word, sizeof word };
	printf("process_vm_readv %ld", syscall(SYS_process_vm_readv, pid, &here, 1L, &there, 1L, 0L));
	printf(" gives %ld\n", buffer);
	buffer = 9;
	printf("process_vm_writev %ld",
	       syscall(SYS_process_vm_writev, pid, &here, 1L, &there, 1L, 0L));
	printf(" leaves %ld\n", tracee_word(pid, &word));
	there.iov_base = (void *)&constant;
	printf("process_vm_writev to a constant: %s\n",
	       error_name(syscall(SYS_process_vm_writev, pid, &here, 1L, &there, 1L, 0L)));
	end_tracee(pid);
}

static void signals(void)
{
	int pid = start_tracee(wait_for_signals);
	uint64_t mask = 0;
	siginfo_t info;

	go_on("raise", REQ_CONT, pid, 0);
	go_on("kept", REQ_CONT, pid, 0);
	printf("caught %ld\n", tracee_word(pid, &caught) & 0xffffffff);
	go_on("let through", REQ_CONT, pid, SIGUSR1);
	printf("caught %d\n", (int)tracee_word(pid, &caught) / 100);
	go_on("changed", REQ_CONT, pid, SIGUSR2);
	printf("caught %d\n", (int)tracee_word(pid, &caught) / 100);
	memset(&info, 0, sizeof info);
	info.si_signo = SIGUSR1;
	info.si_code = -1;
	info.si_value.sival_int = 55;
	printf("SETSIGINFO %s\n", error_name(trace(REQ_SETSIGINFO, pid, 0, (uintptr_t)&info)));
	go_on("with a value", REQ_CONT, pid, SIGUSR1);
	printf("caught %d\n", (int)tracee_word(pid, &caught));
	printf("no such signal: %s\n", error_name(trace(REQ_CONT, pid, 0, 65)));
	printf("GETSIGMASK of 4 bytes: %s\n",
	       error_name(trace(REQ_GETSIGMASK, pid, 4, (uintptr_t)&mask)));
	mask = 1ull << (SIGUSR1 - 1);
	printf("SETSIGMASK %s", error_name(trace(REQ_SETSIGMASK, pid, 8, (uintptr_t)&mask)));
	mask = 0;
	trace(REQ_GETSIGMASK, pid, 8, (uintptr_t)&mask);
	printf(" %#lx\n", (long)mask);
	kill(pid, SIGUSR2);
	go_on("another one", REQ_CONT, pid, 0);
	go_on("killed", REQ_CONT, pid, SIGKILL);
}

__attribute__((noinline)) static void flags_and_steps(void)
{
	__asm__ volatile(".globl step_first\nstep_first: nop\n"
			 "pushf\n"
			 "orq $0x100, (%%rsp)\n" /* the program's own TF */
			 "andq $~0x100, (%%rsp)\n"
			 "popf\n"
			 "mov $39, %%eax\n" /* getpid */
			 "syscall\n"
			 "xor %%eax, %%eax\n"
			 ".globl step_last\nstep_last: nop\n" ::: "rax", "rcx", "r11", "memory");
}
extern char step_first[], step_last[];

static void flags_once(void)
{
	send_self(SIGSTOP);
	flags_and_steps();
	send_self(SIGSTOP);
}

/* Steps until the tracee is at an address. */
static void step_to(int pid, const char *at)
{
	do
		go_on_silently(REQ_SINGLESTEP, pid, 0);
	while (user_word(pid, REG(rip)) != (uintptr_t)at);
}

static void single_steps(void)
{
	int pid = start_tracee(flags_once);
	uint64_t rip, stack_top;
	siginfo_t info;
	int status;

	go_on("before", REQ_CONT, pid, 0);
	step_to(pid, step_first);
	do {
		rip = user_word(pid, REG(rip));
		status = go_on_silently(REQ_SINGLESTEP, pid, 0);
		trace(REQ_GETSIGINFO, pid, 0, (uintptr_t)&info);
		printf("+%d to +%d: signal %d code %d at rip%+d, TF %d", (int)(rip - (uintptr_t)step_first),
		       (int)(user_word(pid, REG(rip)) - (uintptr_t)step_first), WSTOPSIG(status),
		       info.si_code, (int)((uintptr_t)info.si_addr - user_word(pid, REG(rip))),
		       (int)(user_word(pid, REG(eflags)) >> 8 & 1));
		stack_top = 0;
		trace(REQ_PEEKDATA, pid, user_word(pid, REG(rsp)), (uintptr_t)&stack_top);
		if (rip - (uintptr_t)step_first == 1)
			printf(", pushed TF %d", (int)(stack_top >> 8 & 1));
		printf("\n");
	} while (user_word(pid, REG(rip)) != (uintptr_t)step_last);
	go_on("after", REQ_CONT, pid, 0);
	end_tracee(pid);
}

static void step_into_handler(void)
{
	int pid = start_tracee(wait_for_signals);
	int status;

	go_on("raise", REQ_CONT, pid, 0);
	status = go_on("into the handler", REQ_SINGLESTEP, pid, SIGUSR1);
	printf("at its first instruction: %d, TF %d\n",
	       user_word(pid, REG(rip)) == (uintptr_t)on_signal,
	       (int)(user_word(pid, REG(eflags)) >> 8 & 1));
	status = go_on("one more", REQ_SINGLESTEP, pid, 0);
	go_on("out of it", REQ_CONT, pid, 0);
	(void)status;
	end_tracee(pid);
}

static void make_calls(void)
{
	syscall(SYS_getppid);
	caught = syscall(SYS_getpgid, 0L) > 0;
	caught = syscall(1000L);
	send_self(SIGSTOP);
	caught = syscall(SYS_getppid);
	caught = syscall(SYS_getppid);
	send_self(SIGSTOP);
	_exit(syscall(SYS_getppid) == 77);
}

struct call_info {
	uint8_t op, reserved;
	uint16_t flags;
	uint32_t arch;
	uint64_t ip, sp, first;
	uint64_t rest[8];
};

static void show_call(int pid)
{
	struct call_info info;
	long length;

	memset(&info, 0, sizeof info);
	length = trace(REQ_GET_SYSCALL_INFO, pid, sizeof info, (uintptr_t)&info);
	printf("  info of %ld bytes: op %d arch %#x", length, info.op, info.arch);
	if (info.op == 1)
		printf(" call %d", (int)info.first);
	if (info.op == 2)
		printf(" is an error %d", (int)(info.rest[0] & 0xff));
	printf(", orig_rax %d\n", (int)user_word(pid, REG(orig_rax)));
}

static void system_calls(void)
{
	int pid = start_tracee(make_calls);
	uint64_t message = 0;
	int status;

	trace(REQ_SETOPTIONS, pid, 0, OPT_SYSGOOD);
	printf("options: %s\n", error_name(trace(REQ_SETOPTIONS, pid, 0, 0x1000)));
	show_call(pid);
	for (int stops = 0;; stops++) {
		status = go_on_silently(REQ_SYSCALL, pid, 0);
		if (WSTOPSIG(status) == SIGSTOP)
			break;
		if (stops < 6) {
			show_status("call", pid, status);
			show_call(pid);
			trace(REQ_GETEVENTMSG, pid, 0, (uintptr_t)&message);
			printf("  message %d, rax %s\n", (int)message,
			       (int64_t)user_word(pid, REG(rax)) == -ENOSYS ? "ENOSYS" : "another");
		}
	}
	/* Changed at entry: another call; and at exit: another answer. */
	status = go_on_silently(REQ_SYSCALL, pid, 0);
	while (user_word(pid, REG(orig_rax)) != SYS_getppid)
		status = go_on_silently(REQ_SYSCALL, pid, 0);
	set_user_word(pid, REG(orig_rax), -1);
	status = go_on_silently(REQ_SYSCALL, pid, 0);
	printf("taken back: rax %d\n", (int)user_word(pid, REG(rax)));
	status = go_on_silently(REQ_SYSEMU, pid, 0);
	printf("emulated call %d\n", (int)user_word(pid, REG(orig_rax)));
	set_user_word(pid, REG(rax), 1234);
	status = go_on_silently(REQ_CONT, pid, 0);
	printf("its answer: %d, signal %d\n", (int)tracee_word(pid, &caught), WSTOPSIG(status));
	do
		status = go_on_silently(REQ_SYSCALL, pid, 0);
	while (!WIFEXITED(status) && user_word(pid, REG(orig_rax)) != SYS_getppid);
	go_on_silently(REQ_SYSCALL, pid, 0);
	set_user_word(pid, REG(rax), 77);
	go_on("changed answer", REQ_CONT, pid, 0);
}

static void registers(void)
{
	int pid = start_tracee(make_calls);
	struct user_regs_struct regs, changed;
	unsigned char image[4096];
	struct iovec vector = { &regs, sizeof regs };
	uint32_t mxcsr;

	memset(&regs, 0, sizeof regs);
	printf("GETREGS %s", error_name(trace(REQ_GETREGS, pid, 0, (uintptr_t)&regs)));
	printf(" cs %#x ss %#x ds %#x eflags IF %d\n", (int)regs.cs, (int)regs.ss, (int)regs.ds,
	       (int)(regs.eflags >> 9 & 1));
	changed = regs;
	changed.r12 = 0x123456789;
	changed.eflags = 0xffffffffffffffff;
	printf("SETREGS %s", error_name(trace(REQ_SETREGS, pid, 0, (uintptr_t)&changed)));
	printf(" r12 %#lx eflags %#lx\n", (long)user_word(pid, REG(r12)),
	       (long)user_word(pid, REG(eflags)));
	printf("cs 0 %s, ss of the kernel %s, fs_base beyond user space %s\n",
	       error_name(set_user_word(pid, REG(cs), 0)),
	       error_name(set_user_word(pid, REG(ss), 0x18)),
	       error_name(set_user_word(pid, REG(fs_base), 1ull << 47)));
	trace(REQ_SETREGS, pid, 0, (uintptr_t)&regs);
	printf("GETREGSET %s", error_name(trace(REQ_GETREGSET, pid, 1, (uintptr_t)&vector)));
	printf(" %d bytes", (int)vector.iov_len);
	vector.iov_len = 20;
	printf(", of 20 bytes %s", error_name(trace(REQ_GETREGSET, pid, 1, (uintptr_t)&vector)));
	vector.iov_len = 16;
	printf(", of 16 bytes %s", error_name(trace(REQ_GETREGSET, pid, 1, (uintptr_t)&vector)));
	printf(", of none such %s\n", error_name(trace(REQ_GETREGSET, pid, 99, (uintptr_t)&vector)));
	vector = (struct iovec){ image, sizeof image };
	printf("FP registers %s", error_name(trace(REQ_GETREGSET, pid, 2, (uintptr_t)&vector)));
	memcpy(&mxcsr, image + 24, 4);
	printf(" %d bytes, mxcsr %#x\n", (int)vector.iov_len, mxcsr);
	mxcsr = 0x1fc0;
	memcpy(image + 24, &mxcsr, 4);
	printf("SETFPREGS %s", error_name(trace(REQ_SETFPREGS, pid, 0, (uintptr_t)image)));
	memset(image, 0, sizeof image);
	trace(REQ_GETFPREGS, pid, 0, (uintptr_t)image);
	memcpy(&mxcsr, image + 24, 4);
	printf(" mxcsr %#x\n", mxcsr);
	mxcsr = 0xffffffff;
	memcpy(image + 24, &mxcsr, 4);
	printf("a wrong mxcsr: %s\n", error_name(trace(REQ_SETFPREGS, pid, 0, (uintptr_t)image)));
	end_tracee(pid);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	memory();
	registers();
	signals();
	single_steps();
	step_into_handler();
	system_calls();
	return 0;
}
