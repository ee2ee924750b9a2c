/*
 * The mix of work that embedded benchmarks use: linked lists searched, reversed
 * and merged in order, small integer matrices, a state machine over text, and a
 * CRC over the results.
 */
#include "speed.h"

#define NODES 128
#define SIDE 12
#define TEXT 512

struct node {
	struct node *next;
	int16_t key, value;
};

enum state { START, SIGN, INTEGER, FRACTION, EXPONENT, INVALID, NR_STATES };

static struct node nodes[NODES];
static int32_t left[SIDE][SIDE], right[SIDE][SIDE], product[SIDE][SIDE];
static char text[TEXT];

static uint16_t crc16(uint16_t crc, uint32_t word)
{
	for (int bit = 0; bit < 32; bit++, word >>= 1) {
		unsigned feedback = (crc ^ word) & 1;

		crc = crc >> 1 ^ (feedback ? 0xa001 : 0);
	}
	return crc;
}

static struct node *reverse(struct node *list)
{
	struct node *done = NULL;

	while (list) {
		struct node *next = list->next;

		list->next = done;
		done = list;
		list = next;
	}
	return done;
}

static struct node *merge(struct node *a, struct node *b)
{
	struct node *head = NULL, **end = &head;

	while (a && b) {
		struct node **smaller = a->key <= b->key ? &a : &b;

		*end = *smaller;
		end = &(*end)->next;
		*smaller = *end;
	}
	*end = a ? a : b;
	return head;
}

static struct node *sorted(struct node *list)
{
	struct node *half = list, *end = list ? list->next : NULL;

	if (!end)
		return list;
	while (end && end->next) {
		half = half->next;
		end = end->next->next;
	}
	end = half->next;
	half->next = NULL;
	return merge(sorted(list), sorted(end));
}

static uint16_t lists(uint16_t crc, unsigned seed)
{
	struct node *list = NULL;

	for (int i = 0; i < NODES; i++) {
		nodes[i] = (struct node){list, (int16_t)((i * 193 + seed) & 0xff), (int16_t)i};
		list = &nodes[i];
	}
	for (int wanted = 0; wanted < 16; wanted++) {
		struct node *found = list;

		while (found && found->key != wanted * 11)
			found = found->next;
		crc = crc16(crc, found ? (uint16_t)found->value : 0xffff);
		list = reverse(list);
	}
	list = sorted(list);
	for (int i = 0; list && i < 8; i++, list = list->next)
		crc = crc16(crc, (uint16_t)list->key << 16 | (uint16_t)list->value);
	return crc;
}

static uint16_t matrices(uint16_t crc, unsigned seed)
{
	uint32_t trace = 0;

	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++) {
			left[i][j] = (int32_t)((i * 7 + j * 3 + seed) % 61) - 30;
			right[i][j] = (int32_t)((i * 5 + j * 11 + seed) % 53) - 26;
		}
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++) {
			int32_t sum = 0;

			for (int k = 0; k < SIDE; k++)
				sum += left[i][k] * right[k][j];
			product[i][j] = sum;
		}
	for (int i = 0; i < SIDE; i++)
		trace += (uint32_t)product[i][i] >> (i & 7);
	return crc16(crc, trace);
}

static enum state step(enum state state, char c)
{
	int digit = c >= '0' && c <= '9';

	switch (state) {
	case START:
		return digit ? INTEGER : c == '-' || c == '+' ? SIGN : c == '.' ? FRACTION : INVALID;
	case SIGN:
		return digit ? INTEGER : c == '.' ? FRACTION : INVALID;
	case INTEGER:
		return digit ? INTEGER : c == '.' ? FRACTION : c == 'e' ? EXPONENT : INVALID;
	case FRACTION:
		return digit ? FRACTION : c == 'e' ? EXPONENT : INVALID;
	case EXPONENT:
		return digit || c == '-' ? EXPONENT : INVALID;
	default:
		return INVALID;
	}
}

static uint16_t numbers(uint16_t crc, unsigned seed)
{
	unsigned ended[NR_STATES] = {0};
	enum state state = START;

	for (int i = 0; i < TEXT; i++)
		text[i] = ",5012+1.5e-37,8-64.9,x"[(i * 5 + i / 9 + seed) % 22];
	for (int i = 0; i < TEXT; i++) {
		if (text[i] == ',') {
			ended[state]++;
			state = START;
		} else {
			state = step(state, text[i]);
		}
	}
	for (int i = 0; i < NR_STATES; i++)
		crc = crc16(crc, ended[i]);
	return crc;
}

static uint64_t speed_kernel(unsigned long count)
{
	uint16_t crc = 0;

	for (unsigned long i = 0; i < count; i++) {
		crc = lists(crc, (unsigned)i);
		crc = matrices(crc, (unsigned)i);
		crc = numbers(crc, (unsigned)i);
	}
	return crc;
}
