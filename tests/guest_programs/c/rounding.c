/* The four rounding modes, exception flags, and complex functions. */
#include <complex.h>
#include <fenv.h>
#include <math.h>
#include <stdio.h>

static const int modes[] = {FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO};
static const double values[] = {0.0,  -0.0, 0.5,   1.5,    2.5,   -0.5,    -1.5,
				0.1,  1e-5, 1e300, -1e308, 1e-310, 3.0,    123456789.7,
				4.5e15, -7.25, 1.0 / 3};

#define NR_VALUES (sizeof values / sizeof values[0])

static void tell_flags(void)
{
	int flags = fetestexcept(FE_ALL_EXCEPT);

	printf(" %c%c%c%c%c\n", flags & FE_INVALID ? 'I' : '-', flags & FE_DIVBYZERO ? 'Z' : '-',
	       flags & FE_OVERFLOW ? 'O' : '-', flags & FE_UNDERFLOW ? 'U' : '-',
	       flags & FE_INEXACT ? 'P' : '-');
	feclearexcept(FE_ALL_EXCEPT);
}

static void arithmetic(double x, double y)
{
	volatile float a = (float)x, b = (float)y;
	volatile double c = x, d = y;
	volatile long double e = x, f = y;

	printf("%a %a %a %a", a + b, a - b, a * b, a / b);
	tell_flags();
	printf("%a %a %a %a %a", c + d, c - d, c * d, c / d, fma(c, d, c));
	tell_flags();
	printf("%La %La %La %La", e + f, e - f, e * f, e / f);
	tell_flags();
	printf("%a %a %La", sqrtf(a), sqrt(c), sqrtl(e));
	tell_flags();
}

static void integral(double x)
{
	volatile double d = x;
	volatile long double l = x;

	printf("%a %a %a %a %a %a", rint(d), nearbyint(d), floor(d), ceil(d), trunc(d), round(d));
	tell_flags();
	printf("%La %La %La", rintl(l), floorl(l), roundl(l));
	tell_flags();
	if (fabs(x) < 1e18) {
		printf("%ld %ld %ld %lld", lrint(d), lround(d), lrintl(l), (long long)d);
		tell_flags();
		printf("%a %a", (double)(float)d, (double)(long)d);
		tell_flags();
	}
}

static void complexes(double x, double y)
{
	volatile double complex z = x + y * I;
	double complex answers[] = {z * z, z / (1.5 - 2.0 * I), csqrt(z), cexp(z / 1e3), clog(z + 1.0),
				    ctanh(z / 1e2), cpow(1.0 + I, z / 1e308)};

	for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++)
		printf("%a%+ai ", creal(answers[i]), cimag(answers[i]));
	printf("%a %a", cabs(z), carg(z));
	feclearexcept(FE_ALL_EXCEPT);
	printf("\n");
}

int main(void)
{
	for (size_t mode = 0; mode < 4; mode++) {
		if (fesetround(modes[mode]) || fegetround() != modes[mode])
			return 1;
		printf("mode %zu\n", mode);
		for (size_t i = 0; i < NR_VALUES; i++) {
			for (size_t j = 0; j < NR_VALUES; j += 2)
				arithmetic(values[i], values[j]);
			integral(values[i]);
			/* Libraries promise nothing for functions outside round to nearest. */
			if (modes[mode] == FE_TONEAREST)
				complexes(values[i], values[(i * 5 + 3) % NR_VALUES]);
		}
	}
	return 0;
}
