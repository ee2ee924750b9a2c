/* What a program sees of its segments: selectors over system calls and threads, the LDT, TLS
 * descriptors, code of 16 and 32 bits, and returns from handlers that the processor refuses. */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static unsigned short get_gs(void) { unsigned short s; asm volatile("mov %%gs, %0" : "=r"(s)); return s; }
static void set_gs(unsigned short s) { asm volatile("mov %0, %%gs" : : "r"(s)); }
static void set_ds(unsigned short s) { asm volatile("mov %0, %%ds" : : "r"(s)); }
static unsigned short get_ds(void) { unsigned short s; asm volatile("mov %%ds, %0" : "=r"(s)); return s; }
static uint32_t gs_word(void) { uint32_t v; asm volatile("mov %%gs:0, %0" : "=r"(v)); return v; }
static unsigned long gs_base(void)
{
	unsigned long base = 1;
	syscall(SYS_arch_prctl, ARCH_GET_GS, &base);
	return base;
}

static struct user_desc desc(unsigned nr, unsigned long base, unsigned limit, unsigned contents)
{
	struct user_desc d;
	memset(&d, 0, sizeof d);
	d.entry_number = nr;
	d.base_addr = base;
	d.limit = limit;
	d.contents = contents;
	return d;
}

static void rights(const char *what, unsigned selector)
{
	uint32_t ar = 0, limit = 0;
	unsigned char ok;
	asm volatile("lar %3, %0; setz %2; lsl %3, %1" : "+r"(ar), "+r"(limit), "=qm"(ok) : "r"(selector) : "cc");
	printf("%s: %s %08x %08x\n", what, ok ? "valid" : "invalid", ar, limit);
}

static void ldt(uint32_t *data)
{
	struct user_desc d = desc(3, (unsigned long)data, 0xfff, 0);
	char table[8 * 8];
	memset(table, 0x55, sizeof table);
	printf("empty: %ld\n", syscall(SYS_modify_ldt, 0, table, sizeof table));
	d.seg_32bit = 1;
	printf("write: %ld\n", syscall(SYS_modify_ldt, 0x11, &d, sizeof d));
	rights("data", 3 << 3 | 7);
	printf("read: %ld\n", syscall(SYS_modify_ldt, 0, table, sizeof table));
	for (int i = 0; i < 8; i++)
		printf(" %d", *(int64_t *)(table + 8 * i) != 0);
	printf("\nsize: %ld\n", syscall(SYS_modify_ldt, 0x11, &d, 8));
	d.entry_number = 8192;
	printf("number: %ld\n", syscall(SYS_modify_ldt, 0x11, &d, sizeof d));
	printf("function: %ld\n", syscall(SYS_modify_ldt, 7, &d, sizeof d));

	set_gs(3 << 3 | 7);
	printf("gs %x base %d word %u\n", get_gs(), gs_base() == (unsigned long)data, gs_word());
	sched_yield();
	getpid();
	printf("gs %x word %u\n", get_gs(), gs_word());
	fflush(stdout);
	if (fork() == 0) {
		printf("child: gs %x word %u\n", get_gs(), gs_word());
		struct user_desc none = desc(3, 0, 0, 0);
		syscall(SYS_modify_ldt, 1, &none, sizeof none);
		printf("child, cleared: gs %x\n", get_gs());
		rights("child", 3 << 3 | 7);
		exit(0);
	}
	wait(NULL);
	printf("parent: gs %x word %u\n", get_gs(), gs_word());
	set_ds(3 << 3 | 7);
	printf("ds %x\n", get_ds());
	d = desc(3, 0, 0, 0);
	syscall(SYS_modify_ldt, 1, &d, sizeof d);
	printf("cleared: gs %x ds %x\n", get_gs(), get_ds());
	syscall(SYS_arch_prctl, ARCH_SET_GS, 0x12345000UL);
	printf("ARCH_SET_GS: gs %x base %lx\n", get_gs(), gs_base());
	printf("beyond: %ld %d\n", syscall(SYS_arch_prctl, ARCH_SET_GS, 1UL << 47), errno);
	syscall(SYS_arch_prctl, ARCH_SET_GS, 0UL);
}

static long int80(unsigned nr, unsigned long a)
{
	long result;
	asm volatile("int $0x80" : "=a"(result) : "a"(nr), "b"(a) : "memory", "r8", "r9", "r10", "r11");
	return result;
}

static void thread_areas(void *low)
{
	struct user_desc *d = low;
	printf("64-bit: %ld %d\n", syscall(SYS_set_thread_area, d), errno);
	*d = desc(-1, 0x1000, 0xfffff, 0);
	d->seg_32bit = d->limit_in_pages = 1;
	long result = int80(243, (unsigned long)d);
	printf("set: %ld entry %u\n", result, d->entry_number);
	rights("area", d->entry_number << 3 | 3);
	set_gs(d->entry_number << 3 | 3);
	memset(&d->base_addr, 0, 12);
	result = int80(244, (unsigned long)d);
	printf("get: %ld base %x limit %x\n", result, d->base_addr, d->limit);
	*d = desc(12, 0, 0, 0);
	d->read_exec_only = d->seg_not_present = 1;
	result = int80(243, (unsigned long)d);
	printf("clear: %ld gs %x\n", result, get_gs());
	d->entry_number = 11;
	printf("number: %ld\n", int80(243, (unsigned long)d));
	printf("getpid: %d\n", int80(20, 0) == getpid());
}

static unsigned char altstack[65536];
static jmp_buf after;
static int cs, ss;
static unsigned long ip, sp;

static void on_fault(int signal, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	unsigned long flags = ((ucontext_t *)context)->uc_flags & 6;
	printf("signal %d trap %lld error %llx cs %llx ss %llx flags %lx\n", signal, regs[REG_TRAPNO],
	       regs[REG_ERR], regs[REG_CSGSFS] & 0xffff, regs[REG_CSGSFS] >> 48 & 0xffff, flags);
	if (signal == SIGTRAP)
		printf("sp %llx ax %llx\n", regs[REG_RSP], regs[REG_RAX] & 0xffff);
	siglongjmp(after, 1);
}

static void on_usr1(int signal, siginfo_t *info, void *context)
{
	greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
	regs[REG_CSGSFS] = (regs[REG_CSGSFS] & 0xffffffff0000) | cs | (greg_t)ss << 48;
	regs[REG_RIP] = ip;
	regs[REG_RSP] = sp;
}

static void go(const char *what, int code, int stack, unsigned long to)
{
	printf("%s: ", what);
	cs = code, ss = stack, ip = to, sp = 0x8badf00d5aadc0deUL;
	if (sigsetjmp(after, 1) == 0)
		raise(SIGUSR1);
}

int main(void)
{
	unsigned char *low = mmap((void *)0x10000000, 8192, PROT_READ | PROT_WRITE | PROT_EXEC,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	*(uint32_t *)low = 4242;
	setvbuf(stdout, NULL, _IOLBF, 0);
	ldt((uint32_t *)low);
	thread_areas(low + 4096);

	stack_t stack = { .ss_sp = altstack, .ss_size = sizeof altstack };
	sigaltstack(&stack, NULL);
	struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	int faults[] = { SIGSEGV, SIGBUS, SIGILL, SIGTRAP };
	for (int i = 0; i < 4; i++)
		sigaction(faults[i], &action, NULL);
	action.sa_sigaction = on_usr1;
	sigaction(SIGUSR1, &action, NULL);

	/* mov $0x1234, %ax (with a prefix in 16-bit code); int3 */
	memcpy(low + 16, "\x66\xb8\x34\x12\xcc\xcc\xcc", 7);
	struct user_desc d = desc(0, (unsigned long)low, 0xfff, 2);
	syscall(SYS_modify_ldt, 0x11, &d, sizeof d); /* 16-bit code */
	d = desc(1, 0, 0xfffff, 0);
	d.limit_in_pages = 1;
	syscall(SYS_modify_ldt, 0x11, &d, sizeof d); /* 16-bit stack */
	d = desc(2, 0, 0xfffff, 2);
	d.seg_not_present = 1;
	syscall(SYS_modify_ldt, 0x11, &d, sizeof d); /* absent code */
	unsigned long at = (unsigned long)low + 16;
	go("64-bit", 0x33, 0x2b, at);
	go("32-bit", 0x23, 0x2b, at);
	go("32-bit, 16-bit stack", 0x23, 0x0f, at);
	go("16-bit", 0x07, 0x2b, 16);
	go("16-bit, 16-bit stack", 0x07, 0x0f, 16);
	go("64-bit, 16-bit stack", 0x33, 0x0f, at);
	go("no code", 0x17, 0x2b, at);
	go("no such stack", 0x33, 0x5f, at);
	go("code for a stack", 0x33, 0x33, at);
	go("data for code", 0x2b, 0x2b, at);
	go("null code", 0x03, 0x2b, at);
	go("kernel's code", 0x13, 0x2b, at);
	go("not canonical", 0x33, 0x2b, 1UL << 47);
	return 0;
}
