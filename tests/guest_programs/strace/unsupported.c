/* System calls that nothing supports: the same twice, and a number without a name. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static void call(long number)
{
    errno = 0;
    long result = syscall(number, 0);
    printf("%ld %d\n", result, errno);
}

int main(void)
{
    call(336);
    call(336);
    call(400);
    return 0;
}
