/* Takes all of its memory away. */
#include <stdio.h>
#include <sys/mman.h>

int main(void)
{
    puts("going");
    fflush(stdout);
    munmap(0, 0x7ffffffff000);
    return 0;
}
