/* random_calls SEED CHILDREN CALLS: children that make random system calls with random
 * arguments; the same for the same seed. The parent ends those that wait too long. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define AREA 65536UL
#define NR_CALLS 472

static unsigned long state;
static unsigned char *area, *view;
static const char *const paths[] = {
    "/tmp/a", "/tmp/b", "/tmp/d", "/tmp/d/e", "a", ".", "..", "/", "", "/proc/self/maps",
    "/proc/self/fd/3", "/proc/self/mem", "/dev/null", "/dev/zero", "/proc/1/stat", "/tmp/d/../a",
    "/proc/self/exe", "/proc/self/task", "/sys/kernel", "/proc/sysvipc/shm",
};

static unsigned long next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545f4914f6cdd1dUL >> 8;
}

static unsigned long below(unsigned long limit)
{
    return next() % limit;
}

static unsigned long argument(void)
{
    switch (below(20)) {
    case 0: case 1: case 2: return below(20);
    case 3: case 4: return below(10);
    case 5: case 6: case 7: return (unsigned long)area + below(AREA / 2) / 8 * 8;
    case 8: return (unsigned long)area + below(AREA);
    case 9: return (unsigned long)area + AREA - below(64);
    case 10: return (unsigned long)view + below(8192);
    case 11: return (unsigned long)paths[below(sizeof paths / sizeof *paths)];
    case 12: return ((unsigned long)area + below(AREA)) / 4096 * 4096;
    case 13: return 1UL << below(64);
    case 14: return (1UL << below(64)) - 1;
    case 15: return -below(200);
    case 16: return below(20) * 4096;
    case 17: return getpid();
    case 18: return below(1UL << 32);
    default: return next() ^ next() << 40;
    }
}

static void fill(void)
{
    unsigned long *words = (unsigned long *)area;
    for (unsigned i = 0; i < 256; i++)
        words[below(AREA / 8)] = argument();
    memcpy(area + below(4096), paths[below(sizeof paths / sizeof *paths)], 12);
}

static void open_some(void)
{
    int ends[2];
    int null = open("/dev/null", O_RDWR);
    dup2(null, 1);
    dup2(null, 2);
    pipe2(ends, below(2) ? O_NONBLOCK : 0);
    open("/tmp/a", O_RDWR | O_CREAT, 0666);
    open("/tmp", O_RDONLY | O_DIRECTORY);
    memfd_create("m", 3);
    syscall(SYS_eventfd2, 1, 0);
    syscall(SYS_epoll_create1, 0);
    syscall(SYS_timerfd_create, 1, 0);
    syscall(SYS_socketpair, 1, 1, 0, ends);
    syscall(SYS_inotify_init1, 0);
    open("/proc/self/status", O_RDONLY);
    open("/tmp/p", O_PATH);
}

static void child(unsigned nr_calls)
{
    setpgid(0, 0);
    for (int signal = 1; signal < 32; signal++)
        signal % 3 ? 0 : sigaction(signal, &(struct sigaction){ .sa_handler = SIG_IGN }, NULL);
    area = mmap(NULL, AREA + 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(area + AREA, 4096);
    view = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mkdir("/tmp/d", 0777);
    open_some();
    fill();
    for (unsigned i = 0; i < nr_calls; i++) {
        unsigned long nr = below(NR_CALLS), args[6];
        for (int a = 0; a < 6; a++)
            args[a] = argument();
        /* What would end the parent, and so the test. */
        switch (nr) {
        case SYS_kill: case SYS_tkill: case SYS_tgkill: case SYS_rt_sigqueueinfo:
        case SYS_rt_tgsigqueueinfo:
            args[0] = args[1] = getpid();
            args[0] = nr == SYS_tgkill || nr == SYS_kill ? args[0] : (unsigned long)getpid();
            if (nr == SYS_kill || nr == SYS_tkill || nr == SYS_rt_sigqueueinfo)
                args[1] = below(65);
            break;
        case SYS_ptrace:
            args[1] = below(2) ? 0 : getpid();
            break;
        }
        syscall(nr, args[0], args[1], args[2], args[3], args[4], args[5]);
        if (below(8) == 0)
            fill();
    }
    _exit(0);
}

int main(int nr, char **arguments)
{
    if (nr < 4)
        return 2;
    state = strtoul(arguments[1], NULL, 0) * 0x9e3779b97f4a7c15UL | 1;
    unsigned nr_children = atoi(arguments[2]), nr_calls = atoi(arguments[3]);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    unsigned nr_ended = 0, nr_killed = 0;
    for (unsigned i = 0; i < nr_children; i++) {
        next();
        pid_t pid = fork();
        if (pid < 0)
            break;
        if (pid == 0) {
            child(nr_calls);
        }
        struct timespec pause = { 0, 1000000 };
        int is_there = 1;
        for (unsigned waited = 0; is_there && waited < 60; waited++) {
            nanosleep(&pause, NULL);
            is_there = waitpid(pid, NULL, WNOHANG) != pid;
        }
        kill(-pid, SIGKILL);
        kill(pid, SIGKILL);
        if (is_there)
            nr_killed += waitpid(pid, NULL, 0) == pid;
        else
            nr_ended++;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
    printf("%u ended, %u killed\n", nr_ended, nr_killed);
    return 0;
}
