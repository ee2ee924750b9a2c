/* A bytecode interpreter with a stack, running a loop of its own: indirect jumps. */
#include "speed.h"

enum { PUSH, LOAD, STORE, ADD, MULTIPLY, XOR, SHIFT, LESS, BRANCH, HALT };

/* Collatz-like steps on variable 0, counted in 1, summed in 2, up to variable 3. */
static const unsigned char program[] = {
	/*  0 */ LOAD, 0, PUSH, 3, MULTIPLY, PUSH, 1, ADD,
	/*  8 */ LOAD, 0, PUSH, 7, SHIFT, XOR, STORE, 0,
	/* 16 */ LOAD, 2, LOAD, 0, ADD, STORE, 2,
	/* 23 */ LOAD, 1, PUSH, 1, ADD, STORE, 1,
	/* 30 */ LOAD, 1, LOAD, 3, LESS, BRANCH, 0,
	/* 37 */ LOAD, 2, HALT,
};

static uint64_t interpret(uint64_t start, uint64_t steps)
{
	uint64_t variables[4] = {start, 0, 0, steps}, stack[16], *top = stack;
	const unsigned char *at = program;

	for (;;) {
		switch (*at++) {
		case PUSH:
			*top++ = *at++;
			break;
		case LOAD:
			*top++ = variables[*at++ & 3];
			break;
		case STORE:
			variables[*at++ & 3] = *--top;
			break;
		case ADD:
			top--;
			top[-1] += top[0];
			break;
		case MULTIPLY:
			top--;
			top[-1] *= top[0];
			break;
		case XOR:
			top--;
			top[-1] ^= top[0];
			break;
		case SHIFT:
			top--;
			top[-1] >>= top[0] & 63;
			break;
		case LESS:
			top--;
			top[-1] = top[-1] < top[0];
			break;
		case BRANCH:
			at = *--top ? program + *at : at + 1;
			break;
		default:
			return *--top;
		}
	}
}

static uint64_t speed_kernel(unsigned long count)
{
	uint64_t sum = 0;

	for (unsigned long i = 0; i < count; i++)
		sum = speed_mix(sum, interpret(i + 1, 1000));
	return sum;
}
