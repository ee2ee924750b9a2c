/* Takes its stack away while a handler for SIGSEGV is set. */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

static void on_signal(int signal)
{
    (void)signal;
}

int main(void)
{
    puts("going");
    fflush(stdout);
    signal(SIGSEGV, on_signal);
    unsigned long here = (unsigned long)__builtin_frame_address(0) & ~0xfffUL;
    munmap((void *)(here - (1 << 20)), 0x7ffffffff000 - (here - (1 << 20)));
    return 0;
}
