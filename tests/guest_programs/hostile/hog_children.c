/* Children that take all memory are killed; the parent lives and tells. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    for (int i = 0; i < 3; i++) {
        pid_t child = fork();
        if (child == 0) {
            for (;;) {
                char *piece = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
                if (piece != MAP_FAILED)
                    memset(piece, 1, 1 << 20);
            }
        }
        int status;
        waitpid(child, &status, 0);
        printf("child %d ended by signal %d\n", i, WTERMSIG(status));
    }
    return 0;
}
