/* As many areas as there may be, then a few calls that would need another one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int main(void)
{
    unsigned long nr = 0;
    char *last = NULL;
    for (;;) {
        char *at = mmap(NULL, 4096, nr % 2 ? PROT_READ : PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED)
            break;
        last = at;
        nr++;
    }
    printf("%d areas more: %s\n", nr > 65000 && nr < 65536, strerror(errno));
    printf("unmapped %d\n", munmap(last, 4096));
    return 0;
}
