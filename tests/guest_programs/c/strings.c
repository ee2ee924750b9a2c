/*
 * The C library's string functions at every alignment and many lengths, up to the
 * last byte before a page that may not be touched. A library picks variants by
 * CPUID; the answers are the same for all.
 */
#define _GNU_SOURCE
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <wchar.h>

#include "tally.h"

#define PAGE 4096
#define AREA (4 * PAGE)

static unsigned char *area, *other;

static unsigned char *guarded(void)
{
	unsigned char *start = mmap(NULL, AREA + PAGE, PROT_READ | PROT_WRITE,
				    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (start == MAP_FAILED || mprotect(start + AREA, PAGE, PROT_NONE))
		return NULL;
	return start;
}

static const size_t lengths[] = {
	0,  1,  2,  3,  4,  5,  7,  8,  9,  12,  15,  16,  17,  23,  24,  31,  32,  33,
	40, 47, 48, 49, 63, 64, 65, 79, 95, 96, 97, 127, 128, 129, 191, 255, 256, 257,
	300, 511, 512, 513, 1000, 2047, 2048, 2049, 4095, 4096, 4097, 6000,
};

#define NR_LENGTHS (sizeof lengths / sizeof lengths[0])

/* Text without zeros and with few different letters, so that searches go on for a while. */
static void fill(unsigned char *to, size_t count)
{
	for (size_t i = 0; i < count; i++)
		to[i] = (unsigned char)('a' + tally_random() % 6);
}

/* Where a case starts: at an alignment, or so that it ends at the forbidden page. */
static unsigned char *place(unsigned char *base, int where, size_t bytes)
{
	return where < 0 ? base + AREA - bytes : base + where;
}

static long offset(const void *found, const void *base)
{
	return found ? (long)((const char *)found - (const char *)base) : -1;
}

static int sign(int order)
{
	return (order > 0) - (order < 0);
}

static void searches(int where, size_t len)
{
	unsigned char *s = place(area, where, len + 1);
	char *text = (char *)s;
	char needle[8];

	fill(s, len);
	s[len] = 0;
	if (len > 8)
		s[len - 3] = 'z';
	tally(strlen(text));
	tally(strnlen(text, len + 1));
	tally(strnlen(text, len / 2));
	tally((uint64_t)offset(strchr(text, 'z'), text));
	tally((uint64_t)offset(strchr(text, 'q'), text));
	tally((uint64_t)offset(strchrnul(text, 'q'), text));
	tally((uint64_t)offset(strrchr(text, 'a'), text));
	tally((uint64_t)offset(memchr(text, 'z', len), text));
	tally((uint64_t)offset(memrchr(text, 'b', len), text));
	tally(strspn(text, "abcdef"));
	tally(strcspn(text, "zy"));
	tally((uint64_t)offset(strpbrk(text, "zx"), text));
	for (size_t n = 1; n < sizeof needle; n += 2) {
		size_t at = len > n ? (len - n) * 3 / 4 : 0;

		memset(needle, 0, sizeof needle);
		memcpy(needle, text + at, len > n ? n : 0);
		tally((uint64_t)offset(strstr(text, needle), text));
		tally((uint64_t)offset(memmem(text, len, needle, n), text));
		tally((uint64_t)offset(strcasestr(text, needle), text));
	}
}

static void compares(int where, int other_where, size_t len)
{
	unsigned char *a = place(area, where, len + 1), *b = place(other, other_where, len + 1);

	fill(a, len);
	memcpy(b, a, len);
	a[len] = b[len] = 0;
	for (int change = 0; change < 3; change++) {
		tally((uint64_t)sign(memcmp(a, b, len)));
		tally((uint64_t)sign(strcmp((char *)a, (char *)b)));
		tally((uint64_t)sign(strncmp((char *)a, (char *)b, len / 2 + 1)));
		tally((uint64_t)sign(strcasecmp((char *)a, (char *)b)));
		tally((uint64_t)sign(strncasecmp((char *)a, (char *)b, len)));
		if (len)
			b[(len - 1) * (size_t)(change + 1) / 3] ^= change ? 0x80 : 0x20;
	}
}

static void copies(int where, int other_where, size_t len)
{
	unsigned char *from = place(area, where, len + 1), *to = place(other, other_where, len + 1);

	fill(from, len);
	from[len] = 0;
	memset(other, 0x5a, AREA);
	memcpy(to, from, len);
	tally_bytes(to, len + 1);
	memset(to, (int)len, len);
	tally_bytes(to, len + 1);
	tally((uint64_t)offset(stpcpy((char *)to, (char *)from), to));
	tally_bytes(to, len + 1);
	strncpy((char *)to, (char *)from, len);
	to[len / 2] = 0;
	strncat((char *)to, "0123456789", len - len / 2);
	tally_bytes(to, len + 1);
	/* Overlapping both ways. */
	if (len > 4) {
		memmove(to, to + len / 4, len - len / 4);
		memmove(to + len / 3, to, len - len / 3);
		tally_bytes(to, len + 1);
		tally((uint64_t)offset(mempcpy(to, from, len), to));
	}
}

static void wide(int where, size_t len)
{
	wchar_t *s = (wchar_t *)(area + (where < 0 ? AREA - 4 * (len + 1) : (size_t)where * 4));
	wchar_t *t = (wchar_t *)(other + AREA - 4 * (len + 1));

	for (size_t i = 0; i < len; i++)
		s[i] = (wchar_t)(0x3b1 + i % 40);
	s[len] = 0;
	wmemcpy(t, s, len + 1);
	tally(wcslen(s));
	tally(wcsnlen(s, len / 2));
	tally((uint64_t)offset(wcschr(s, 0x3b1 + 39), s));
	tally((uint64_t)offset(wcsrchr(s, 0x3b1), s));
	tally((uint64_t)offset(wmemchr(s, 0x3b1 + 20, len), s));
	tally((uint64_t)sign(wcscmp(s, t)));
	if (len)
		t[len - 1]++;
	tally((uint64_t)sign(wmemcmp(s, t, len)));
	tally((uint64_t)sign(wcsncmp(s, t, len)));
	wmemset(t, 0x1f600, len);
	tally_bytes(t, 4 * len);
}

int main(void)
{
	area = guarded();
	other = guarded();
	if (!area || !other)
		return 1;
	for (size_t i = 0; i < NR_LENGTHS; i++)
		for (int where = -1; where < 64; where += lengths[i] > 600 ? 13 : 3)
			searches(where, lengths[i]);
	tally_tell("searches");
	for (size_t i = 0; i < NR_LENGTHS; i++)
		for (int where = -1; where < 48; where += lengths[i] > 600 ? 17 : 5)
			compares(where, lengths[i] % 2 ? -1 : where / 2, lengths[i]);
	tally_tell("compares");
	for (size_t i = 0; i < NR_LENGTHS; i++)
		for (int where = -1; where < 48; where += lengths[i] > 600 ? 29 : 11)
			copies(where, lengths[i] % 2 ? -1 : 47 - where, lengths[i]);
	tally_tell("copies");
	for (size_t i = 0; i < NR_LENGTHS && lengths[i] < 2048; i++)
		for (int where = -1; where < 16; where += 2)
			wide(where, lengths[i]);
	tally_tell("wide");
	return 0;
}
