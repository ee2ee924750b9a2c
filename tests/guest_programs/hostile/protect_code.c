/* Its code becomes inaccessible, and its handler with it. */
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>

extern char __executable_start, etext;

static void on_signal(int signal)
{
    (void)signal;
}

int main(void)
{
    puts("going");
    fflush(stdout);
    signal(SIGSEGV, on_signal);
    unsigned long start = (unsigned long)&__executable_start & ~0xfffUL;
    mprotect((void *)start, (((unsigned long)&etext - start) + 0xfff) & ~0xfffUL, PROT_NONE);
    return 0;
}
