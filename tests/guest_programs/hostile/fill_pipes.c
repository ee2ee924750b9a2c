/* Pipes full of bytes in many processes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char block[65536];

static int fill(void)
{
    int ends[2], nr = 0;
    while (pipe2(ends, O_NONBLOCK) == 0) {
        if (write(ends[1], block, sizeof block) < 0 && errno != EAGAIN)
            break;
        nr++;
    }
    return nr;
}

int main(void)
{
    for (int i = 0; i < 40; i++) {
        int ready[2];
        pipe(ready);
        pid_t child = fork();
        if (child < 0)
            break;
        if (child == 0) {
            fill();
            write(ready[1], "x", 1);
            pause();
        }
        /* A child whose byte finds no room keeps its pipes open. */
        close(ready[1]);
        fcntl(ready[0], F_SETFL, O_NONBLOCK);
        struct timespec pause = { 0, 50000000 };
        nanosleep(&pause, NULL);
    }
    printf("all pipes are tried\n");
    return 0;
}
