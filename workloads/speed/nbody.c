/* Five bodies under gravity in doubles: multiplies, a division and a square root. */
#include "speed.h"

#define BODIES 5
#define STEPS 100

struct body {
	double at[3], speed[3], mass;
};

static struct body bodies[BODIES];

static double square_root(double x)
{
	__asm__("sqrtsd %0, %0" : "+x"(x));
	return x;
}

static void advance(double dt)
{
	for (int i = 0; i < BODIES; i++)
		for (int j = i + 1; j < BODIES; j++) {
			double d[3], square = 0.01, pull;

			for (int axis = 0; axis < 3; axis++) {
				d[axis] = bodies[i].at[axis] - bodies[j].at[axis];
				square += d[axis] * d[axis];
			}
			pull = dt / (square * square_root(square));
			for (int axis = 0; axis < 3; axis++) {
				bodies[i].speed[axis] -= d[axis] * bodies[j].mass * pull;
				bodies[j].speed[axis] += d[axis] * bodies[i].mass * pull;
			}
		}
	for (int i = 0; i < BODIES; i++)
		for (int axis = 0; axis < 3; axis++)
			bodies[i].at[axis] += dt * bodies[i].speed[axis];
}

static double random_double(double scale)
{
	return scale * ((double)(speed_random() >> 11) / 4503599627370496.0 - 1.0);
}

static uint64_t speed_kernel(unsigned long count)
{
	union {
		double value;
		uint64_t bits;
	} word;
	uint64_t sum = 0;

	for (int i = 0; i < BODIES; i++) {
		for (int axis = 0; axis < 3; axis++) {
			bodies[i].at[axis] = random_double(10.0);
			bodies[i].speed[axis] = random_double(1.0);
		}
		bodies[i].mass = 1.0 + random_double(0.9);
	}
	for (unsigned long i = 0; i < count; i++)
		for (int step = 0; step < STEPS; step++)
			advance(0.001);
	for (int i = 0; i < BODIES; i++)
		for (int axis = 0; axis < 3; axis++) {
			word.value = bodies[i].at[axis];
			sum = speed_mix(sum, word.bits);
		}
	return sum;
}
