/* Files, pipes, polling, memory and times: calls with structures of many kinds. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static int ends[2];
static char buffer[512];

static void files(void)
{
    struct stat about;
    open("/nonexistent", O_RDONLY | O_CLOEXEC);
    open("/nonexistent/x", O_RDWR | O_CREAT | O_TRUNC, 0644);
    fstat(ends[0], &about);
    stat("/dev/null", &about);
    stat("/nonexistent", &about);
    syscall(SYS_statx, AT_FDCWD, "/dev/null", 0, 0x7ff, buffer);
    syscall(SYS_statx, AT_FDCWD, "", AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW, 2, 0);
    lseek(ends[0], 5, SEEK_SET);
    umask(022);
    umask(0);
    access("/nonexistent", R_OK | X_OK);
    chdir("/");
    getcwd(buffer, 100);
    unlink("/non\texistent");
    unlinkat(AT_FDCWD, "/nonexistent", AT_REMOVEDIR);
    rename("/nonexistent", "/c");
    mkdir("/", 0755);
    readlink("/nonexistent", buffer, 99);
    dup2(ends[0], 20);
    ftruncate(ends[0], 1);
    write(99, "x", 1);
    write(ends[1], (void *)8, 5);
}

static void descriptors(void)
{
    fcntl(ends[0], F_GETFL);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fcntl(ends[0], F_GETFD);
    fcntl(ends[0], F_SETFD, FD_CLOEXEC);
    fcntl(ends[0], F_GETFD);
    fcntl(ends[0], F_DUPFD, 30);
    fcntl(ends[0], F_GETLK, buffer);
    read(ends[0], buffer, 10);
    ioctl(ends[0], TIOCGWINSZ, buffer);
    ioctl(ends[0], FIONREAD, buffer);
    ioctl(ends[0], 0x1234, 0);
}

static void waiting(void)
{
    struct pollfd both[2] = { { ends[0], POLLIN, 0 }, { ends[1], POLLOUT, 0 } };
    poll(both, 1, 0);
    write(ends[1], "hello\0world\n1\"\\3456789012345678901234567890", 44);
    poll(both, 2, -1);
    read(ends[0], buffer, 100);
    fd_set set;
    struct timeval nothing = { 0, 0 };
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    syscall(SYS_select, ends[1] + 1, &set, 0, 0, &nothing);
    FD_SET(ends[1], &set);
    syscall(SYS_select, ends[1] + 1, 0, &set, 0, 0);
    struct iovec out[2] = { { "ab", 2 }, { "cdefg", 5 } };
    struct iovec in[2] = { { buffer, 3 }, { buffer + 10, 50 } };
    writev(ends[1], out, 2);
    readv(ends[0], in, 2);
}

static void memory(void)
{
    char *pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mprotect(pages, 4096, PROT_READ);
    madvise(pages, 4096, MADV_DONTNEED);
    mremap(pages, 8192, 4096, MREMAP_MAYMOVE);
    munmap(pages, 4096);
    mmap((void *)0x20000, 4096, PROT_NONE, MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    syscall(SYS_futex, pages - 4096, 1, 1);
    syscall(SYS_futex, buffer, 129, 1);
}

static void others(void)
{
    struct timespec pause = { 0, 2000 };
    struct utsname name;
    struct rusage use;
    struct rlimit limit;
    syscall(SYS_nanosleep, &pause, &pause);
    clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, 0);
    syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &pause);
    uname(&name);
    getrusage(RUSAGE_SELF, &use);
    getrlimit(RLIMIT_STACK, &limit);
    syscall(SYS_getpid);
    getuid();
    setpgid(0, 0);
    syscall(400, 1, 2, 3);
}

int main(void)
{
    pipe(ends);
    files();
    waiting();
    descriptors();
    memory();
    others();
    return 7;
}
