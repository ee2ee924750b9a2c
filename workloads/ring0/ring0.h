/* Types, instructions and the parts of the image that are not checks. */
#ifndef RING0_H
#define RING0_H

#include "selectors.h"

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;
typedef long i64;

#define FLAG_CF 0x1UL
#define FLAG_TF 0x100UL
#define FLAG_IF 0x200UL
#define FLAG_DF 0x400UL
#define FLAG_IOPL3 0x3000UL
#define FLAG_NT 0x4000UL
#define FLAG_RF 0x10000UL
#define FLAG_AC 0x40000UL

#define DR6_RESET 0xffff0ff0UL
#define DR7_RESET 0x400UL
#define DR7_GD 0x2000UL
#define CR4_DE 8UL

/* What a stub leaves on the stack. */
struct frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8, rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error, rip, cs, rflags, rsp, ss;
};

/* How a case starts; run_case() knows the offsets. */
struct start {
	u64 rax, rcx, rdx, rbx, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15;
	u64 rip, cs, rflags, rsp, ss, ds;
	u64 dr7;
};

#define READ_REGISTER(type, name, from) \
	static inline type read_##name(void) \
	{ \
		type value; \
		asm volatile("mov %%" from ", %0" : "=r"(value) : : "memory"); \
		return value; \
	}
#define WRITE_REGISTER(name, to) \
	static inline void write_##name(u64 value) \
	{ \
		asm volatile("mov %0, %%" to : : "r"(value) : "memory"); \
	}
#define REGISTER(name) READ_REGISTER(u64, name, #name) WRITE_REGISTER(name, #name)
REGISTER(dr0)
REGISTER(dr1)
REGISTER(dr2)
REGISTER(dr3)
REGISTER(dr6)
REGISTER(dr7)
REGISTER(cr0)
REGISTER(cr2)
REGISTER(cr3)
REGISTER(cr4)

static inline void out8(u16 port, u8 value)
{
	asm volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 in8(u16 port)
{
	u8 value;
	asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline void out32(u16 port, u32 value)
{
	asm volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline u64 read_msr(u32 index)
{
	u32 low, high;
	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
	return low | (u64)high << 32;
}

static inline void write_msr(u32 index, u64 value)
{
	asm volatile("wrmsr" : : "a"((u32)value), "d"((u32)(value >> 32)), "c"(index));
}

struct cpuid {
	u32 eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(u32 leaf, u32 subleaf)
{
	struct cpuid out;
	asm volatile("cpuid" : "=a"(out.eax), "=b"(out.ebx), "=c"(out.ecx), "=d"(out.edx)
		     : "a"(leaf), "c"(subleaf));
	return out;
}

static inline void invalidate(u64 linear)
{
	asm volatile("invlpg (%0)" : : "r"(linear) : "memory");
}

static inline void pause(void)
{
	asm volatile("pause" : : : "memory");
}

/* console.c */
void console_start(void);
void put_char(char c);
void put(const char *text);
void put_hex(u64 value);
void put_number(i64 value);
int same(const char *a, const char *b);
int starts(const char *text, const char *with);
int contains(const char *text, const char *part);
void fill(void *at, u8 value, u64 size);
void copy(void *to, const void *from, u64 size);

/* tables.c */
extern u64 gdt[];
extern u64 idt[];
extern u64 ldt[];
extern u8 tss[MAX_CPUS][128];
extern u64 window_pages[512];
extern u64 page_directories[2048];
extern u8 code_area[8192];
void tables_start(void);
void cpu_start(unsigned cpu);
unsigned this_cpu(void);
u64 stub_address(unsigned vector);
void set_gate(unsigned vector, u64 to, unsigned dpl, unsigned ist);
void set_ldt_code(u64 base);
void set_page(unsigned page, u64 entry);
void window_reset(void);

/* check_registers.c */
void registers_at_reset(unsigned cpu);

/* apic.c: the local APIC; the timer ends a HLT that nothing else ends. */
void apic_start(void);
extern u32 timer_count; /* for the next start only */
void timer_start(void);
void timer_stop(void);
void apic_write(u32 offset, u32 value);
u32 apic_read(u32 offset);

/* main.c */
void processor_start(void);
void run_all(const char *prefix, u32 flags);

/* smp.c */
void smp_start(u32 promised);
void smp_checks(void);
extern volatile u32 cpus_ready;

/* legacy.S: out of long mode, from task A to task B and back, and into long mode again. */
void switch_tasks(void);

/* entry.S, boot.S */
void run_case(struct start *start);
extern const u64 stub_addresses[];
extern const u8 syscall_entry[], sysret_instruction[];
extern u8 cpu_stacks[MAX_CPUS][CPU_STACK];

#endif
