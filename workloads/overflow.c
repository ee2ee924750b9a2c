/*
 * A copy without a bound runs over the end of `name` into the variable beside
 * it. `mem:guard/8:w` shows who writes it: once the program itself, when it
 * sets it, and then the bytes of the copy that do not belong there.
 */
#include <stdint.h>
#include <stdio.h>

/* The layout is fixed here: the guard follows the buffer, whatever the compiler. */
__asm__(".bss\n"
	".balign 8\n"
	".globl name\n"
	".type name, @object\n"
	".size name, 16\n"
	"name: .skip 16\n"
	".globl guard\n"
	".type guard, @object\n"
	".size guard, 8\n"
	"guard: .skip 8\n"
	".text\n");

extern volatile char name[];
extern volatile uint64_t guard;

/* Copies up to the terminating NUL, however far that is. */
__attribute__((noinline)) static void copy_name(const char *from)
{
	volatile char *to = name;

	while ((*to++ = *from++) != '\0')
		;
}

static uint32_t checksum(uint32_t sum)
{
	for (int i = 0; i < 24; i++)
		sum = sum * 31 + (uint8_t)name[i];
	return sum;
}

int main(void)
{
	static const char *const names[] = {
		"DR0", "debug register", "fifteen letters", "one letter too many", "DR7",
	};
	uint32_t sum = 1;

	guard = 0x600dca11;
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		copy_name(names[i]);
		sum = checksum(sum);
	}
	printf("guard: %#llx\n", (unsigned long long)guard);
	printf("checksum: %08x\n", sum);
	return 0;
}
