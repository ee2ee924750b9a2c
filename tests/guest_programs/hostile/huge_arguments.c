/* Arguments of many megabytes, and itself again and again. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int nr, char **arguments)
{
    enum { NR = 200000 };
    char **many = calloc(NR + 1, sizeof *many);
    static char word[1 << 16];
    memset(word, 'w', sizeof word - 1);
    for (int i = 0; i < NR; i++)
        many[i] = word;
    execv("/proc/self/exe", many);
    printf("%d: %s\n", nr, strerror(errno));
    memset(word, 'w', sizeof word - 1);
    many[0] = arguments[0];
    many[1] = NULL;
    many[2] = calloc(1, 40 << 20);
    memset(many[2], 'v', (40 << 20) - 1);
    many[1] = many[2];
    many[2] = NULL;
    execv("/proc/self/exe", many);
    printf("%s\n", strerror(errno));
    return 0;
}
