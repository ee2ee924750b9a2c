/* Numbers as text and back: printf, strtod and strtold, qsort, integer forms. */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tally.h"

static double random_double(void)
{
	uint64_t bits = tally_random();
	double value;

	memcpy(&value, &bits, sizeof value);
	return isfinite(value) ? value : (double)bits;
}

static void doubles(void)
{
	char text[512];

	for (int i = 0; i < 120; i++) {
		double value = i % 3 ? random_double() : (double)(i - 60) / 7.0;
		char *end;

		printf("%a %.17g %e %.3f\n", value, value, value, fmod(value, 1e9));
		snprintf(text, sizeof text, "%.17g", value);
		printf("%d ", strtod(text, &end) == value && *end == 0);
		snprintf(text, sizeof text, "%.6g", value);
		printf("%a\n", strtod(text, NULL));
	}
	printf("%a %a %a\n", DBL_MIN / 3, nextafter(0, 1), -DBL_MAX);
	printf("%f %e %g %a\n", INFINITY, -INFINITY, NAN, -0.0);
	printf("%+.0f % .1f %#.0f %010.3f|%-12.2e|\n", 0.5, 2.25, 3.0, -1.5, 123456.0);
}

static void long_doubles(void)
{
	char text[512];

	for (int i = 0; i < 120; i++) {
		int exponent = (int)(tally_random() % 2000) - 1000;
		long double value = ldexpl((long double)tally_random() / 3.0L, exponent);

		if (i % 2)
			value = -value / 7.0L;
		printf("%La %.21Lg %.4Le\n", value, value, value);
		snprintf(text, sizeof text, "%.21Lg", value);
		printf("%d ", strtold(text, NULL) == value);
		snprintf(text, sizeof text, "%.9Lg", value);
		printf("%La\n", strtold(text, NULL));
	}
	printf("%Lf %Le %La\n", 1.0L / 3.0L, LDBL_MAX, LDBL_MIN / 1e3L);
	printf("%.40Lf\n%.0Lf\n", 0.1L, 1e30L);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void sorting(void)
{
	static double values[3000];
	static char names[1000][12];

	for (int i = 0; i < 3000; i++)
		values[i] = random_double();
	qsort(values, 3000, sizeof values[0], by_value);
	for (int i = 0; i < 3000; i += 100)
		printf("%a\n", values[i]);
	for (int i = 0; i < 1000; i++)
		snprintf(names[i], sizeof names[i], "%llx", (unsigned long long)tally_random() >> 24);
	qsort(names, 1000, sizeof names[0], by_text);
	tally_bytes(names, sizeof names);
	tally_tell("names");
	printf("%s\n", (char *)bsearch(names[700], names, 1000, sizeof names[0], by_text));
}

static void integers(void)
{
	for (int i = 0; i < 50; i++) {
		int64_t value = (int64_t)tally_random() >> i % 60;
		int64_t divisor = (int64_t)(tally_random() % 1000) - 500;

		divisor = divisor ? divisor : 7;
		printf("%lld %llx %llo %+lld %lld %lld\n", (long long)value, (long long)value,
		       (long long)value, (long long)(int32_t)value, (long long)(value / divisor),
		       (long long)(value % divisor));
		printf("%d %d %d\n", __builtin_popcountll((uint64_t)value),
		       __builtin_clzll((uint64_t)value | 1), __builtin_ctzll((uint64_t)value | 1 << 20));
	}
	printf("%llu %lld\n", strtoull("0xffffffffffffffff", NULL, 0),
	       strtoll("-9223372036854775808", NULL, 10));
}

int main(void)
{
	doubles();
	long_doubles();
	sorting();
	integers();
	return 0;
}
