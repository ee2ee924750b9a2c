/* Descriptor tables, task state segments, and the window of 4 KiB pages. */
#include "ring0.h"
#include "case.h"

u64 idt[512] __attribute__((aligned(4096)));
u64 ldt[16] __attribute__((aligned(16)));
u8 tss[MAX_CPUS][128] __attribute__((aligned(128)));
u64 window_pages[512] __attribute__((aligned(4096)));
u8 code_area[8192] __attribute__((aligned(4096)));

static u8 fault_stacks[MAX_CPUS][2][4096] __attribute__((aligned(16)));
u8 trap_stacks[MAX_CPUS][16384] __attribute__((aligned(4096)));

u64 stub_address(unsigned vector)
{
	if (vector < 32)
		return stub_addresses[vector];
	if (vector >= 0x40 && vector < 0x50)
		return stub_addresses[vector - 0x40 + 32];
	return stub_addresses[48];
}

/* A 64-bit interrupt gate. */
void set_gate(unsigned vector, u64 to, unsigned dpl, unsigned ist)
{
	idt[2 * vector] = (to & 0xffff) | KERNEL_CS << 16 | (u64)ist << 32 |
			  (0x8eULL | dpl << 5) << 40 | (to >> 16 & 0xffff) << 48;
	idt[2 * vector + 1] = to >> 32;
}

/* A code or data descriptor: access byte, and flags as the high four bits of byte 6. */
static u64 segment(u64 base, u64 limit, u64 access, u64 flags)
{
	return (limit & 0xffff) | (base & 0xffffff) << 16 | access << 40 |
	       (limit >> 16 & 15) << 48 | flags << 52 | (base >> 24 & 0xff) << 56;
}

void set_ldt_code(u64 base)
{
	ldt[LDT_CODE32 >> 3] = segment(base, 0xfffff, 0xfb, 0xc);
	ldt[LDT_CODE16 >> 3] = segment(base, 0xffff, 0xfb, 0);
}

void set_page(unsigned page, u64 entry)
{
	window_pages[page] = entry;
	invalidate(WINDOW + page * 4096UL);
}

/* Pages as case.h names them. */
void window_reset(void)
{
	for (unsigned page = 0; page < 512; page++)
		window_pages[page] = 0;
	for (unsigned page = 0; page < 16; page++)
		window_pages[PAGE_ALIAS + page] = (u64)&area[page * 4096] | 7;
	window_pages[PAGE_READ_ONLY] = (u64)&area[4096] | 5;
	window_pages[PAGE_SUPERVISOR] = (u64)&area[4096] | 3;
	window_pages[PAGE_BEFORE_ABSENT] = (u64)&area[4096] | 7;
	window_pages[PAGE_CODE] = (u64)code_area | 7;
	window_pages[PAGE_NO_EXECUTE] = (u64)(code_area + 4096) | 7 | 1UL << 63;
	asm volatile("mov %%cr3, %%rax; mov %%rax, %%cr3" : : : "rax", "memory");
}

void cpu_start(unsigned cpu)
{
	struct {
		u16 limit;
		u64 base;
	} __attribute__((packed)) pointer = { 4095, (u64)idt };
	u64 base = (u64)tss[cpu];
	unsigned slot = TSS_SELECTOR / 8 + cpu * 2;

	gdt[slot] = segment(base, 127, 0x89, 0);
	gdt[slot + 1] = base >> 32;
	*(u64 *)&tss[cpu][4] = (u64)(trap_stacks[cpu] + sizeof trap_stacks[cpu]);
	*(u64 *)&tss[cpu][36] = (u64)(fault_stacks[cpu][0] + 4096);
	*(u64 *)&tss[cpu][44] = (u64)(fault_stacks[cpu][1] + 4096);
	*(u16 *)&tss[cpu][102] = 104;
	asm volatile("lidt %0" : : "m"(pointer));
	asm volatile("ltr %w0" : : "r"(TSS_SELECTOR + cpu * 16));
	asm volatile("lldt %w0" : : "r"(LDT_SELECTOR));
	write_msr(0xc0000081, (u64)(USER_CS32 & ~3) << 48 | 3UL << 48 | (u64)KERNEL_CS << 32);
	write_msr(0xc0000082, (u64)syscall_entry);
	write_msr(0xc0000084, FLAG_TF | FLAG_IF | FLAG_DF | FLAG_NT);
}

/* Task register: each CPU has its own task state segment, and STR may be used anywhere. */
unsigned this_cpu(void)
{
	u64 selector;
	asm volatile("str %0" : "=r"(selector));
	return (unsigned)((selector & 0xffff) - TSS_SELECTOR) / 16;
}

void tables_start(void)
{
	for (unsigned vector = 0; vector < 256; vector++)
		set_gate(vector, stub_address(vector), 0, 0);
	set_gate(2, stub_address(2), 0, 2);
	set_gate(3, stub_address(3), 3, 0);
	set_gate(4, stub_address(4), 3, 0);
	set_gate(8, stub_address(8), 0, 1);
	set_gate(18, stub_address(18), 0, 2);
	set_gate(END_VECTOR, stub_address(END_VECTOR), 3, 0);
	set_gate(SPARE_VECTOR, stub_address(SPARE_VECTOR), 3, 0);

	gdt[LDT_SELECTOR / 8] = segment((u64)ldt, sizeof ldt - 1, 0x82, 0);
	gdt[LDT_SELECTOR / 8 + 1] = (u64)ldt >> 32;
	set_ldt_code(0);
	ldt[LDT_DATA >> 3] = segment((u64)area, 0xfffff, 0xf3, 0xc);
	ldt[LDT_DATA_ABSENT >> 3] = segment((u64)area, 0xfffff, 0x73, 0xc);
	ldt[LDT_DATA_SMALL >> 3] = segment((u64)area, 0xff, 0xf3, 4);
	ldt[LDT_DATA_HIGH >> 3] = segment(0xfffff000, 0xfffff, 0xf3, 0xc);

	page_directories[WINDOW >> 21] = (u64)window_pages | 7;
	window_reset();
	/* Masks both interrupt controllers of a PC. */
	out8(0x21, 0xff);
	out8(0xa1, 0xff);
}
