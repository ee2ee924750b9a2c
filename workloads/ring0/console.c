/* COM1, polled, and the little of a C library that is needed. */
#include "ring0.h"

#define COM1 0x3f8

void console_start(void)
{
	out8(COM1 + 1, 0);
	out8(COM1 + 3, 0x80);
	out8(COM1, 1);
	out8(COM1 + 1, 0);
	out8(COM1 + 3, 3);
	out8(COM1 + 2, 1);
}

void put_char(char c)
{
	/* A line that is never ready must not stop the checks. */
	for (unsigned tries = 0; tries < 100000 && !(in8(COM1 + 5) & 0x20); tries++)
		pause();
	out8(COM1, (u8)c);
}

void put(const char *text)
{
	while (*text)
		put_char(*text++);
}

void put_hex(u64 value)
{
	int shift = 60;
	put("0x");
	while (shift > 0 && !(value >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put_char("0123456789abcdef"[value >> shift & 15]);
}

void put_number(i64 value)
{
	char digits[24];
	unsigned count = 0;
	u64 rest = value < 0 ? -(u64)value : (u64)value;
	if (value < 0)
		put_char('-');
	do {
		digits[count++] = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest);
	while (count)
		put_char(digits[--count]);
}

int starts(const char *text, const char *with)
{
	while (*with)
		if (*text++ != *with++)
			return 0;
	return 1;
}

int same(const char *a, const char *b)
{
	return starts(a, b) && starts(b, a);
}

int contains(const char *text, const char *part)
{
	for (; *text; text++)
		if (starts(text, part))
			return 1;
	return 0;
}

void fill(void *at, u8 value, u64 size)
{
	asm volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
}

void copy(void *to, const void *from, u64 size)
{
	asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
}

/* The compiler may call these. */
void *memset(void *at, int value, u64 size)
{
	fill(at, (u8)value, size);
	return at;
}

void *memcpy(void *to, const void *from, u64 size)
{
	copy(to, from, size);
	return to;
}
