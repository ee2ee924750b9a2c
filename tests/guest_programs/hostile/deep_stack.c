/* Calls itself for ever. */
#include <stdio.h>

static volatile int depth;

static int deeper(char *above)
{
    char mine[4096];
    mine[0] = above[0];
    depth++;
    return deeper(mine) + mine[0];
}

int main(void)
{
    char first[1] = { 0 };
    puts("going");
    fflush(stdout);
    return deeper(first);
}
