/* Directories in directories, as long as there is room. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(void)
{
    static char path[1 << 20];
    int depth = 0;
    chdir("/tmp");
    while (depth < 5000 && mkdir("directory", 0700) == 0 && chdir("directory") == 0)
        depth++;
    printf("deep %d\n", depth > 1000);
    printf("path %d\n", syscall(SYS_getcwd, path, sizeof path) > 0 || errno == ENAMETOOLONG);
    return 0;
}
