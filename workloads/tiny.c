/*
 * The smallest program that says something: no C library, two system calls.
 * Built with -nostdlib.
 */
static volatile int said;

static long system_call(long number, long first, const void *second, long third)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(first), "S"(second), "d"(third)
			 : "rcx", "r11", "memory");
	return result;
}

void _start(void)
{
	static const char text[] = "tiny\n";

	said = (int)system_call(1, 1, text, sizeof text - 1);
	system_call(231, said == sizeof text - 1 ? 3 : 1, 0, 0);
	__builtin_unreachable();
}
