/* The local APIC, as far as it is needed: a timer, and messages to other CPUs. */
#include "ring0.h"

#define APIC 0xfee00000UL

void apic_write(u32 offset, u32 value)
{
	*(volatile u32 *)(APIC + offset) = value;
}

u32 apic_read(u32 offset)
{
	return *(volatile u32 *)(APIC + offset);
}

void apic_start(void)
{
	apic_write(0xf0, 0x1ff);
	apic_write(0x320, 0x10000);
	apic_write(0x350, 0x10000);
	apic_write(0x360, 0x10000);
}

#define LONG_TIME 20000000

u32 timer_count = LONG_TIME;

void timer_start(void)
{
	apic_write(0x3e0, 0xb);
	apic_write(0x320, TIMER_VECTOR);
	apic_write(0x380, timer_count);
	timer_count = LONG_TIME;
}

void timer_stop(void)
{
	apic_write(0x380, 0);
	apic_write(0x320, 0x10000);
	apic_write(0xb0, 0);
}
