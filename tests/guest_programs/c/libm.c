/*
 * The mathematical functions in float, double and long double over a table of
 * arguments.
 *
 *     libm COUNT            a checksum of all answers and exception flags for each function
 *     libm COUNT FUNCTION   each answer with %a, as sign and exponent:significand, and flags
 */
#include <fenv.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tally.h"

#define MAX_ARGUMENTS 10000

enum type { FLOAT, DOUBLE, LONG };

struct function {
	const char *name;
	enum type type;
	float (*f1)(float);
	float (*f2)(float, float);
	double (*d1)(double);
	double (*d2)(double, double);
	long double (*l1)(long double);
	long double (*l2)(long double, long double);
};

#define ONE(base) \
	{.name = #base "f", .type = FLOAT, .f1 = base##f}, \
	{.name = #base, .type = DOUBLE, .d1 = base}, \
	{.name = #base "l", .type = LONG, .l1 = base##l}
#define TWO(base) \
	{.name = #base "f", .type = FLOAT, .f2 = base##f}, \
	{.name = #base, .type = DOUBLE, .d2 = base}, \
	{.name = #base "l", .type = LONG, .l2 = base##l}

static const struct function functions[] = {
	ONE(sin), ONE(cos), ONE(tan), ONE(asin), ONE(acos), ONE(atan), ONE(sinh), ONE(cosh),
	ONE(tanh), ONE(asinh), ONE(acosh), ONE(atanh), ONE(exp), ONE(exp2), ONE(expm1), ONE(log),
	ONE(log2), ONE(log10), ONE(log1p), ONE(logb), ONE(sqrt), ONE(cbrt), ONE(erf), ONE(erfc),
	ONE(lgamma), ONE(tgamma), ONE(floor), ONE(ceil), ONE(trunc), ONE(rint), ONE(round),
	TWO(pow), TWO(atan2), TWO(hypot), TWO(fmod), TWO(remainder), TWO(fdim), TWO(copysign),
	TWO(nextafter),
};

#define NR_FUNCTIONS (sizeof functions / sizeof functions[0])

static long double arguments[MAX_ARGUMENTS];
static int nr_arguments;

/* Most are near 1, some anywhere, some special. */
static void make_arguments(void)
{
	static const long double special[] = {0.0L, 1.0L, 2.0L, 0.5L, 10.0L, 3.0L, 1e-20L, 1e20L};

	for (int i = 0; i < nr_arguments; i++) {
		uint64_t bits = tally_random();
		long double unit = (long double)bits / 18446744073709551616.0L;
		long double value;

		if (i % 100 < 70)
			value = unit * 20.0L - 10.0L;
		else if (i % 100 < 80)
			value = unit * 2.0L - 1.0L;
		else if (i % 100 < 95)
			value = ldexpl(unit - 0.5L, (int)(tally_random() % 60) - 30);
		else if (i % 100 < 98)
			value = ldexpl(unit - 0.5L, (int)(tally_random() % 2000) - 1000);
		else
			value = special[bits % 8] * (bits & 64 ? -1.0L : 1.0L);
		arguments[i] = value;
	}
	arguments[0] = INFINITY;
	arguments[1] = -INFINITY;
	arguments[2] = NAN;
	arguments[3] = -0.0L;
}

static long double answer(const struct function *function, int at)
{
	long double x = arguments[at], y = arguments[(at * 7 + 11) % nr_arguments];

	switch (function->type) {
	case FLOAT:
		return function->f1 ? function->f1((float)x) : function->f2((float)x, (float)y);
	case DOUBLE:
		return function->d1 ? function->d1((double)x) : function->d2((double)x, (double)y);
	default:
		return function->l1 ? function->l1(x) : function->l2(x, y);
	}
}

struct parts {
	uint64_t significand;
	uint16_t sign_exponent;
};

static struct parts parts(long double value)
{
	struct parts parts = {0, 0};

	memcpy(&parts, &value, 10);
	return parts;
}

static void run(const struct function *function, int in_full)
{
	for (int at = 0; at < nr_arguments; at++) {
		long double value;
		struct parts bits;
		int flags;

		feclearexcept(FE_ALL_EXCEPT);
		value = answer(function, at);
		flags = fetestexcept(FE_ALL_EXCEPT);
		bits = parts(value);
		if (in_full)
			printf("%s(%La) %La %04x:%016llx %#x\n", function->name, arguments[at], value,
			       bits.sign_exponent, (unsigned long long)bits.significand, flags);
		tally(bits.significand);
		tally((uint64_t)flags << 16 | bits.sign_exponent);
	}
	if (!in_full)
		tally_tell(function->name);
}

int main(int argc, char **argv)
{
	nr_arguments = argc > 1 ? atoi(argv[1]) : 1000;
	if (nr_arguments < 100 || nr_arguments > MAX_ARGUMENTS)
		return 2;
	make_arguments();
	for (size_t i = 0; i < NR_FUNCTIONS; i++)
		if (argc < 3 || !strcmp(functions[i].name, argv[2]))
			run(&functions[i], argc > 2);
	return 0;
}
