/* What memory calls answer, and what mappings hold: no addresses are printed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE 4096UL
#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

static sigjmp_buf out;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)context;
    printf("  signal %d code %d\n", signal, info->si_code);
    siglongjmp(out, 1);
}

static void tell(const char *what, long result)
{
    printf("%s: %s\n", what, result == -1 ? strerror(errno) : "ok");
}

static void touch(const char *what, volatile char *at, int writes)
{
    printf("%s\n", what);
    if (sigsetjmp(out, 1) == 0) {
        if (writes)
            *at = 1;
        else
            (void)*at;
        printf("  no fault\n");
    }
}

static char *map(unsigned long len, int prot, int flags)
{
    return mmap(NULL, len, prot, flags, -1, 0);
}

static void maps(void)
{
    char *at = map(4 * PAGE, RW, ANON);
    tell("fixed", (long)mmap(at + PAGE, PAGE, RW, ANON | MAP_FIXED, -1, 0));
    tell("noreplace", (long)mmap(at, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0));
    tell("both kinds", (long)map(PAGE, RW, MAP_ANONYMOUS | MAP_SHARED | MAP_PRIVATE));
    tell("no kind", (long)map(PAGE, RW, MAP_ANONYMOUS));
    tell("empty", (long)map(0, RW, ANON));
    tell("low", (long)map(PAGE, RW, ANON | MAP_32BIT));
    tell("bad fd", (long)mmap(NULL, PAGE, RW, MAP_PRIVATE, 99, 0));
    tell("offset", (long)mmap(NULL, PAGE, RW, ANON, -1, 123));
    tell("far offset", (long)mmap(NULL, PAGE, RW, ANON, -1, 0x7ffffffffffff000));
    tell("half of memory", (long)map(1UL << 46, RW, ANON));
    tell("reserved", (long)map(1UL << 40, PROT_NONE, ANON | MAP_NORESERVE));
    tell("grows", (long)map(2 * PAGE, RW, ANON | MAP_GROWSDOWN));
    tell("grows shared", (long)map(PAGE, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN));
    tell("unmap odd", munmap(at + 1, PAGE));
    tell("unmap none", munmap(at, 0));
    tell("unmap middle", munmap(at + PAGE, PAGE));
    tell("unmap again", munmap(at + PAGE, PAGE));
    touch("hole", at + PAGE, 0);
    touch("beside", at + 2 * PAGE, 1);
    tell("protect hole", mprotect(at, 4 * PAGE, PROT_READ));
    touch("read-only", at, 1);
    tell("protect odd", mprotect(at + 1, PAGE, RW));
    tell("protect bits", mprotect(at, PAGE, 0x40));
    tell("protect grows", mprotect(at, PAGE, PROT_READ | PROT_GROWSDOWN));
    tell("nothing", mprotect(at, 0, PROT_READ));
    touch("none", map(PAGE, PROT_NONE, ANON), 0);
}

static void files(void)
{
    char name[] = "/tmp/memory-XXXXXX";
    int fd = mkstemp(name);
    char page[PAGE];
    memset(page, 'a', PAGE);
    write(fd, page, PAGE);
    write(fd, "end", 3);
    char *shared = mmap(NULL, 4 * PAGE, RW, MAP_SHARED, fd, 0);
    char *private = mmap(NULL, 4 * PAGE, RW, MAP_PRIVATE, fd, 0);
    shared[5] = 'S';
    private[6] = 'P';
    pread(fd, page, 8, 0);
    printf("file %.8s\n", page);
    printf("private %.8s\n", private);
    pwrite(fd, "XY", 2, 1);
    printf("shared %.8s, private %.8s\n", shared, private);
    printf("tail %d %d\n", shared[PAGE + 3], shared[2 * PAGE - 1]);
    touch("behind the end", shared + 2 * PAGE, 0);
    touch("private behind the end", private + 2 * PAGE, 1);
    tell("grow", ftruncate(fd, 3 * PAGE));
    touch("now", shared + 2 * PAGE, 1);
    tell("shrink", ftruncate(fd, 10));
    touch("cut", shared + PAGE, 0);
    touch("cut private", private + PAGE, 0);
    printf("rest %.10s %d\n", shared, shared[10]);
    tell("sync", msync(shared, PAGE, MS_SYNC));
    tell("sync both", msync(shared, PAGE, MS_SYNC | MS_ASYNC));
    tell("sync odd", msync(shared + 1, PAGE, MS_SYNC));
    tell("sync bits", msync(shared, PAGE, 64));
    tell("read-only file", (long)mmap(NULL, PAGE, RW, MAP_SHARED, open(name, O_RDONLY), 0));
    tell("private of it", (long)mmap(NULL, PAGE, RW, MAP_PRIVATE, open(name, O_RDONLY), 0));
    tell("write-only file", (long)mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, open(name, O_WRONLY), 0));
    char *view = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, open(name, O_RDONLY), 0);
    tell("protect view", mprotect(view, PAGE, RW));
    tell("validate", (long)mmap(NULL, PAGE, RW, MAP_SHARED_VALIDATE, fd, 0));
    tell("validate unknown", (long)mmap(NULL, PAGE, RW, MAP_SHARED_VALIDATE | 0x800000, fd, 0));
    tell("validate sync", (long)mmap(NULL, PAGE, RW, MAP_SHARED_VALIDATE | MAP_SYNC, fd, 0));
    unlink(name);
    printf("unlinked %.3s\n", shared);
}

static void forks(void)
{
    char *private = map(2 * PAGE, RW, ANON);
    char *shared = map(2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS);
    char *wiped = map(PAGE, RW, ANON);
    char *hidden = map(PAGE, RW, ANON);
    private[0] = shared[0] = wiped[0] = hidden[0] = 1;
    tell("wipe", madvise(wiped, PAGE, MADV_WIPEONFORK));
    tell("wipe shared", madvise(shared, PAGE, MADV_WIPEONFORK));
    tell("hide", madvise(hidden, PAGE, MADV_DONTFORK));
    if (fork() == 0) {
        private[0] = shared[0] = 2;
        shared[PAGE] = 3;
        printf("wiped %d\n", wiped[0]);
        touch("hidden", hidden, 0);
        fflush(stdout);
        _exit(0);
    }
    wait(NULL);
    printf("after fork %d %d %d\n", private[0], shared[0], shared[PAGE]);
}

static void advice(void)
{
    char *at = map(4 * PAGE, RW, ANON);
    char *shared = map(4 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS);
    memset(at, 1, 4 * PAGE);
    memset(shared, 1, 4 * PAGE);
    tell("dontneed", madvise(at + PAGE, PAGE, MADV_DONTNEED));
    printf("%d %d %d\n", at[0], at[PAGE], at[2 * PAGE]);
    tell("dontneed shared", madvise(shared, PAGE, MADV_DONTNEED));
    printf("%d\n", shared[0]);
    tell("remove", madvise(shared + PAGE, PAGE, MADV_REMOVE));
    printf("%d %d\n", shared[PAGE], shared[2 * PAGE]);
    tell("remove private", madvise(at, PAGE, MADV_REMOVE));
    tell("free shared", madvise(shared, PAGE, MADV_FREE));
    tell("free", madvise(at, PAGE, MADV_FREE));
    tell("huge", madvise(at, PAGE, MADV_HUGEPAGE));
    tell("willneed", madvise(at, PAGE, MADV_WILLNEED));
    tell("unknown", madvise(at, PAGE, 99));
    tell("odd", madvise(at + 1, PAGE, MADV_NORMAL));
    tell("populate", madvise(at, 4 * PAGE, MADV_POPULATE_WRITE));
    mprotect(at, PAGE, PROT_READ);
    tell("populate read-only", madvise(at, PAGE, MADV_POPULATE_WRITE));
    munmap(at + PAGE, PAGE);
    tell("hole", madvise(at, 3 * PAGE, MADV_DONTNEED));
    tell("populate hole", madvise(at, 3 * PAGE, MADV_POPULATE_READ));
}

static void moves(void)
{
    char *at = map(4 * PAGE, RW, ANON);
    memset(at, 5, 4 * PAGE);
    char *to = map(8 * PAGE, PROT_NONE, ANON);
    char *moved = mremap(at, 4 * PAGE, 6 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to);
    printf("moved %d %d %d\n", moved == to, moved[4 * PAGE - 1], moved[4 * PAGE]);
    touch("old place", at, 0);
    touch("behind", to + 7 * PAGE, 0);
    tell("shrink", (long)mremap(to, 6 * PAGE, PAGE, 0));
    touch("cut off", to + PAGE, 0);
    tell("odd", (long)mremap(to + 1, PAGE, PAGE, 0));
    tell("zero", (long)mremap(to, PAGE, 0, 0));
    tell("flags", (long)mremap(to, PAGE, PAGE, 64));
    tell("fixed alone", (long)mremap(to, PAGE, PAGE, MREMAP_FIXED, at));
    tell("overlap", (long)mremap(to, 2 * PAGE, PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, to + PAGE));
    tell("not mapped", (long)mremap(at, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
    tell("private twice", (long)mremap(to, 0, PAGE, MREMAP_MAYMOVE));
    char *shared = map(2 * PAGE, RW, MAP_SHARED | MAP_ANONYMOUS);
    shared[PAGE] = 9;
    char *second = mremap(shared, 0, 2 * PAGE, MREMAP_MAYMOVE);
    second[0] = 8;
    printf("twice %d %d\n", second[PAGE], shared[0]);
    char *left = map(2 * PAGE, RW, ANON);
    left[0] = 4;
    char *copy = mremap(left, 2 * PAGE, 2 * PAGE, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, 0);
    printf("left %d, moved %d\n", left[0], copy[0]);
}

static void locks(void)
{
    char *at = map(4 * PAGE, RW, ANON);
    unsigned char seen[4];
    tell("mincore", mincore(at, 4 * PAGE, seen));
    at[PAGE] = 1;
    mincore(at, 4 * PAGE, seen);
    printf("%d%d%d%d\n", seen[0] & 1, seen[1] & 1, seen[2] & 1, seen[3] & 1);
    tell("mlock", mlock(at + 2 * PAGE + 5, PAGE));
    mincore(at, 4 * PAGE, seen);
    printf("%d%d%d%d\n", seen[0] & 1, seen[1] & 1, seen[2] & 1, seen[3] & 1);
    tell("invalidate", msync(at, 4 * PAGE, MS_INVALIDATE));
    tell("munlock", munlock(at, 4 * PAGE));
    tell("invalidate", msync(at, 4 * PAGE, MS_INVALIDATE));
    tell("mlock2", syscall(SYS_mlock2, at, PAGE, 1));
    tell("mlock2 flags", syscall(SYS_mlock2, at, PAGE, 2));
    tell("mlockall", mlockall(0));
    tell("mlockall", mlockall(MCL_FUTURE));
    char *filled = map(2 * PAGE, RW, ANON);
    mincore(filled, 2 * PAGE, seen);
    printf("%d%d\n", seen[0] & 1, seen[1] & 1);
    tell("munlockall", munlockall());
    tell("odd", mincore(at + 1, PAGE, seen));
    tell("bad vector", mincore(at, PAGE, NULL));
    munmap(at + PAGE, PAGE);
    tell("hole", mincore(at, 4 * PAGE, seen));
    tell("lock hole", mlock(at, 4 * PAGE));
    tell("lock none", mlock(map(PAGE, PROT_NONE, ANON), PAGE));
}

static void seals(void)
{
    int fd = memfd_create("sealed", MFD_ALLOW_SEALING);
    tell("size", ftruncate(fd, 2 * PAGE));
    printf("seals %x\n", fcntl(fd, F_GET_SEALS));
    char *at = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
    tell("grow", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
    tell("larger", ftruncate(fd, 3 * PAGE));
    tell("smaller", ftruncate(fd, PAGE));
    tell("write seal", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    munmap(at, PAGE);
    tell("write seal", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK));
    tell("write", write(fd, "x", 1));
    tell("smaller", ftruncate(fd, 0));
    tell("map", (long)mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0));
    tell("private", (long)mmap(NULL, PAGE, RW, MAP_PRIVATE, fd, 0));
    at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
    tell("view", (long)at);
    tell("protect", mprotect(at, PAGE, RW));
    tell("punch", fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PAGE));
    tell("seal", fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL));
    tell("again", fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
    printf("seals %x\n", fcntl(fd, F_GET_SEALS));
    printf("unsealable %x\n", fcntl(memfd_create("plain", 0), F_GET_SEALS));
    fd = memfd_create("future", MFD_ALLOW_SEALING);
    ftruncate(fd, PAGE);
    at = mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0);
    tell("future", fcntl(fd, F_ADD_SEALS, 0x10));
    at[0] = 'f';
    tell("write", write(fd, "x", 1));
    tell("unknown", fcntl(fd, F_ADD_SEALS, 0x100));
    int pipes[2];
    pipe(pipes);
    tell("pipe", fcntl(pipes[0], F_GET_SEALS));
}

static void others(void)
{
    char *at = map(PAGE, RW, ANON);
    tell("pkey", syscall(SYS_pkey_free, 77));
    tell("pkey protect", syscall(SYS_pkey_mprotect, at, PAGE, PROT_READ, -1));
    touch("protected", at, 1);
    tell("pkey protect", syscall(SYS_pkey_mprotect, at, PAGE, PROT_READ, 99));
    int mode = -1;
    unsigned long nodes[128] = { 0 };
    tell("policy", syscall(SYS_get_mempolicy, &mode, nodes, 1024, 0, 0));
    printf("mode %d nodes %lx\n", mode, nodes[0]);
    nodes[0] = 1;
    tell("set", syscall(SYS_set_mempolicy, 2, nodes, 64));
    tell("set none", syscall(SYS_set_mempolicy, 0, NULL, 0));
    tell("set wrong", syscall(SYS_set_mempolicy, 77, NULL, 0));
    tell("bind", syscall(SYS_mbind, at, PAGE, 2, nodes, 64, 0));
    tell("bind flags", syscall(SYS_mbind, at, PAGE, 2, nodes, 64, 64));
    nodes[0] = 0;
    tell("bind nowhere", syscall(SYS_mbind, at, PAGE, 2, nodes, 64, 0));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO };
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    maps();
    files();
    forks();
    advice();
    moves();
    locks();
    seals();
    others();
    return 0;
}
