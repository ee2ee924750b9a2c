/* Files in memory until they have no room, and holes of any size. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static char block[65536];

static void fill(const char *name, int fd)
{
    ssize_t nr;
    while ((nr = write(fd, block, sizeof block)) > 0)
        ;
    printf("%s: %s\n", name, strerror(errno));
    ftruncate(fd, 0);
}

int main(void)
{
    memset(block, 'x', sizeof block);
    fill("memfd", memfd_create("large", 0));
    fill("tmp", open("/tmp/large", O_RDWR | O_CREAT, 0600));
    int fd = memfd_create("mapped", 0);
    ftruncate(fd, 1UL << 40);
    char *at = mmap(NULL, 1UL << 40, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    printf("mapped %d\n", at != MAP_FAILED);
    printf("punched %d\n", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 5, 1UL << 39));
    at[1UL << 39] = 1;
    printf("removed %d\n", madvise(at, 1UL << 40, MADV_REMOVE));
    return 0;
}
