/* FIFOs, devices, files without a name, holes, copies inside the kernel, attributes, locks, chroot. */
#include "tell.h"
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <time.h>

static char buffer[200000];

static void show_read(int fd, size_t max) {
    ssize_t nr = read(fd, buffer, max);
    printf("read %zd %.*s%s\n", nr, nr > 0 && nr < 40 ? (int)nr : 0, buffer, nr < 0 ? strerror(errno) : "");
}

static void show_poll(int fd, const char *what) {
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    poll(&p, 1, 0);
    printf("poll %s %x\n", what, p.revents);
}

static void fifo_writer(void) {
    int fd = open("fifo", O_WRONLY);
    dprintf(fd, "from the child");
    close(fd);
}

static void on_alarm(int sig) { (void)sig; }

static void fifos(void) {
    SHOW(mkfifo("fifo", 0644));
    SHOW(mkfifo("fifo", 0644));
    show_mode("fifo");
    TRY(open("fifo", O_WRONLY | O_NONBLOCK));
    int reader = open("fifo", O_RDONLY | O_NONBLOCK);
    show_poll(reader, "reader");
    show_read(reader, 10);
    int writer = open("fifo", O_WRONLY);
    show_read(reader, 10);
    SHOW(write(writer, "abcdef", 6));
    show_poll(reader, "reader");
    show_poll(writer, "writer");
    int again = open("fifo", O_RDONLY);
    show_read(again, 3);
    close(writer);
    show_read(reader, 10);
    show_read(reader, 10);
    show_poll(reader, "reader");
    close(reader);
    close(again);
    int both = open("fifo", O_RDWR);
    SHOW(write(both, "xyz", 3));
    show_poll(both, "both");
    show_read(both, 10);
    TRY(lseek(both, 0, SEEK_SET));
    struct stat st;
    fstat(both, &st);
    printf("fifo mode %o size %ld\n", st.st_mode, (long)st.st_size);
    close(both);
    fflush(stdout);
    pid_t child = fork();
    if (!child) {
        fifo_writer();
        _exit(0);
    }
    reader = open("fifo", O_RDONLY);
    show_read(reader, 100);
    close(reader);
    waitpid(child, NULL, 0);
    struct sigaction act = {.sa_handler = on_alarm};
    sigaction(SIGUSR1, &act, NULL);
    pid_t parent = getpid();
    child = fork();
    if (!child) {
        usleep(20000);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    SHOW(open("fifo", O_WRONLY));
    waitpid(child, NULL, 0);
    signal(SIGPIPE, SIG_IGN);
    reader = open("fifo", O_RDONLY | O_NONBLOCK);
    writer = open("fifo", O_WRONLY);
    close(reader);
    SHOW(write(writer, "x", 1));
    close(writer);
    SHOW(unlink("fifo"));
}

static void devices(void) {
    SHOW(mknod("null", S_IFCHR | 0600, 0x103));
    show_mode("null");
    int fd = open("null", O_RDWR);
    SHOW(write(fd, "x", 1));
    show_read(fd, 5);
    close(fd);
    SHOW(mknod("socket", S_IFSOCK | 0600, 0));
    show_mode("socket");
    TRY(open("socket", O_RDONLY));
    SHOW(mknod("file", 0644, 0));
    show_mode("file");
    SHOW(mknod("directory", S_IFDIR | 0755, 0));
    SHOW(mknod("other", 0020755, 5));
    SHOW(mknod("none/x", S_IFIFO | 0644, 0));
}

static void without_names(void) {
    int fd = open(".", O_TMPFILE | O_RDWR, 0640);
    SHOW(write(fd, "hidden", 6));
    struct stat st;
    fstat(fd, &st);
    printf("mode %o links %u size %ld\n", st.st_mode, (unsigned)st.st_nlink, (long)st.st_size);
    SHOW(linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH));
    show_mode("named");
    SHOW(linkat(fd, "", AT_FDCWD, "named", AT_EMPTY_PATH));
    close(fd);
    TRY(open(".", O_TMPFILE | O_RDONLY, 0600));
    TRY(open("named", O_TMPFILE | O_RDWR, 0600));
    fd = open(".", O_TMPFILE | O_WRONLY | O_EXCL, 0600);
    SHOW(linkat(fd, "", AT_FDCWD, "other-name", AT_EMPTY_PATH));
    close(fd);
    fd = open("gone", O_CREAT | O_RDWR, 0600);
    unlink("gone");
    SHOW(linkat(fd, "", AT_FDCWD, "back", AT_EMPTY_PATH));
    close(fd);
}

struct how {
    unsigned long long flags, mode, resolve;
};

static void resolve(const char *path, unsigned long long flags, unsigned long long limits) {
    struct how how = {flags, 0, limits};
    long fd = syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how);
    printf("openat2 %s %llx: %s\n", path, limits, fd < 0 ? strerror(errno) : "ok");
    close(fd);
}

static void resolving(void) {
    mkdir("tree", 0755);
    make("tree/file", 0644, 0, 0);
    symlink("file", "tree/link");
    symlink("/tmp", "tree/absolute");
    symlink("../named", "tree/up");
    const char *paths[] = {"tree/file", "tree/link", "tree/absolute", "tree/up", "tree/../tree/file",
                           "/etc", "../x", "/proc/self/exe", "/proc/self/fd"};
    for (unsigned i = 0; i < sizeof paths / sizeof *paths; i++) {
        for (unsigned limit = 2; limit <= 16; limit *= 2) {
            resolve(paths[i], O_PATH, limit);
        }
    }
    resolve("tree/link", O_PATH, 1);
    resolve("/proc/version", O_PATH, 1);
    resolve("tree/file", O_RDONLY, 64);
    resolve("tree/file", O_RDONLY, 24);
    resolve("tree/file", 1ull << 40, 0);
    resolve("tree/file", O_PATH | O_RDWR, 0);
    struct {
        struct how how;
        unsigned long long more;
    } longer = {{O_RDONLY, 0, 0}, 0};
    TRY(syscall(SYS_openat2, AT_FDCWD, "tree/file", &longer, sizeof longer));
    longer.more = 1;
    TRY(syscall(SYS_openat2, AT_FDCWD, "tree/file", &longer, sizeof longer));
    TRY(syscall(SYS_openat2, AT_FDCWD, "tree/file", &longer, 8));
}

static void holes(void) {
    int fd = open("holes", O_CREAT | O_RDWR, 0600);
    SHOW(ftruncate(fd, 40960));
    SHOW(pwrite(fd, "x", 1, 20000));
    struct stat st;
    fstat(fd, &st);
    printf("size %ld blocks %ld\n", (long)st.st_size, (long)st.st_blocks);
    SHOW(lseek(fd, 0, SEEK_DATA));
    SHOW(lseek(fd, 0, SEEK_HOLE));
    SHOW(lseek(fd, 17000, SEEK_DATA));
    SHOW(lseek(fd, 17000, SEEK_HOLE));
    SHOW(lseek(fd, 30000, SEEK_DATA));
    SHOW(lseek(fd, 40960, SEEK_HOLE));
    SHOW(fallocate(fd, 0, 0, 8192));
    SHOW(fallocate(fd, FALLOC_FL_KEEP_SIZE, 40960, 8192));
    fstat(fd, &st);
    printf("size %ld\n", (long)st.st_size);
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 16384, 4096));
    SHOW(pread(fd, buffer, 10, 20000));
    printf("%d\n", buffer[0]);
    SHOW(fallocate(fd, FALLOC_FL_PUNCH_HOLE, 0, 4096));
    SHOW(fallocate(fd, 0, -1, 10));
    SHOW(fallocate(fd, 0, 0, 0));
    SHOW(posix_fallocate(fd, 0, 50000));
    fstat(fd, &st);
    printf("size %ld\n", (long)st.st_size);
    close(fd);
}

static void copies(void) {
    int in = open("in-file", O_CREAT | O_RDWR, 0600);
    for (int i = 0; i < 100; i++) {
        dprintf(in, "line %d of the file\n", i);
    }
    int out = open("out-file", O_CREAT | O_RDWR, 0600);
    off_t offset = 10;
    SHOW(sendfile(out, in, &offset, 100));
    printf("offset %ld position %ld\n", (long)offset, (long)lseek(in, 0, SEEK_CUR));
    SHOW(lseek(in, 5, SEEK_SET));
    SHOW(sendfile(out, in, NULL, 50));
    printf("positions %ld %ld\n", (long)lseek(in, 0, SEEK_CUR), (long)lseek(out, 0, SEEK_CUR));
    off64_t from = 0, to = 1000;
    SHOW(copy_file_range(in, &from, out, &to, 300, 0));
    printf("offsets %ld %ld\n", (long)from, (long)to);
    SHOW(copy_file_range(in, &from, in, &to, 30000, 0));
    SHOW(copy_file_range(in, NULL, out, NULL, 10, 1));
    int pipes[2], others[2];
    if (pipe(pipes) || pipe(others)) {
        return;
    }
    from = 0;
    SHOW(splice(in, &from, pipes[1], NULL, 64, 0));
    SHOW(tee(pipes[0], others[1], 20, 0));
    SHOW(splice(pipes[0], NULL, others[1], NULL, 10, 0));
    show_read(others[0], 100);
    SHOW(splice(pipes[0], NULL, out, NULL, 1000, 0));
    SHOW(splice(pipes[0], NULL, out, NULL, 10, SPLICE_F_NONBLOCK));
    SHOW(splice(in, NULL, out, NULL, 10, 0));
    SHOW(splice(pipes[0], &from, out, NULL, 10, 0));
    SHOW(splice(pipes[0], NULL, pipes[1], NULL, 10, 0));
    SHOW(sendfile(pipes[1], in, &offset, 30));
    show_read(pipes[0], 100);
    SHOW(sendfile(out, pipes[0], NULL, 30));
    struct iovec iov[2] = {{"first ", 6}, {"second", 6}};
    SHOW(vmsplice(pipes[1], iov, 2, 0));
    char one[4], two[20];
    struct iovec into[2] = {{one, 4}, {two, 20}};
    SHOW(vmsplice(pipes[0], into, 2, 0));
    printf("%.4s|%.8s\n", one, two);
    SHOW(preadv(in, into, 2, 7));
    printf("%.4s|%.8s\n", one, two);
    SHOW(pwritev(out, iov, 2, 5000));
    SHOW(preadv(pipes[0], into, 2, 0));
    SHOW(syscall(SYS_preadv2, in, into, 2, 7, 0, 0));
    SHOW(syscall(SYS_preadv2, in, into, 2, -1, -1, 0));
    SHOW(syscall(SYS_preadv2, in, into, 2, 0, 0, 0x4000));
    SHOW(syscall(SYS_pwritev2, out, iov, 2, 0, 0, 16));
    SHOW(lseek(out, 0, SEEK_END));
    SHOW(preadv(in, into, 2, -1));
    close(pipes[0]);
    close(in);
    close(out);
}

static void attributes(void) {
    make("attr", 0644, 1001, 2001);
    SHOW(getxattr("attr", "user.none", buffer, 10));
    SHOW(setxattr("attr", "user.one", "value", 5, 0));
    SHOW(setxattr("attr", "user.one", "value", 5, XATTR_CREATE));
    SHOW(setxattr("attr", "user.two", "v", 1, XATTR_REPLACE));
    SHOW(setxattr("attr", "user.two", "", 0, 0));
    SHOW(setxattr("attr", "trusted.x", "t", 1, 0));
    SHOW(setxattr("attr", "other.x", "t", 1, 0));
    SHOW(setxattr("attr", "user.", "t", 1, 0));
    SHOW(getxattr("attr", "user.one", NULL, 0));
    SHOW(getxattr("attr", "user.one", buffer, 3));
    SHOW(getxattr("attr", "user.one", buffer, 30));
    SHOW(getxattr("attr", "user.two", buffer, 30));
    SHOW(listxattr("attr", NULL, 0));
    SHOW(listxattr("attr", buffer, 5));
    SHOW(removexattr("attr", "user.two"));
    SHOW(removexattr("attr", "user.two"));
    symlink("attr", "attr-link");
    SHOW(lsetxattr("attr-link", "user.x", "1", 1, 0));
    SHOW(getxattr("attr-link", "user.one", NULL, 0));
    if (!setegid(5) && !seteuid(1005)) {
        SHOW(getxattr("attr", "user.one", NULL, 0));
        SHOW(setxattr("attr", "user.one", "n", 1, 0));
        SHOW(getxattr("attr", "trusted.x", NULL, 0));
        SHOW(listxattr("attr", NULL, 0));
    }
    if (seteuid(0) || setegid(0)) {
        _exit(3);
    }
    SHOW(getxattr("/proc/self/status", "user.x", NULL, 0));
}

static void lock(int fd, int command, short type, long start, long len) {
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
    int answer = fcntl(fd, command, &l);
    printf("lock %d %d %ld+%ld: %s", command, type, start, len, answer ? strerror(errno) : "ok");
    if (command == F_OFD_GETLK || command == F_GETLK) {
        printf(" type %d %ld+%ld pid %s", l.l_type, (long)l.l_start, (long)l.l_len,
               l.l_pid == -1 ? "-1" : l.l_pid ? "some" : "0");
    }
    printf("\n");
}

static void locks(void) {
    int a = open("locked", O_CREAT | O_RDWR, 0600), b = open("locked", O_RDWR);
    lock(a, F_OFD_SETLK, F_WRLCK, 0, 10);
    lock(b, F_OFD_SETLK, F_WRLCK, 5, 10);
    lock(b, F_OFD_SETLK, F_WRLCK, 10, 10);
    lock(b, F_OFD_GETLK, F_WRLCK, 0, 100);
    lock(a, F_SETLK, F_RDLCK, 0, 5);
    lock(a, F_GETLK, F_RDLCK, 0, 5);
    int copy = dup(a);
    lock(copy, F_OFD_SETLK, F_UNLCK, 0, 0);
    close(copy);
    lock(b, F_OFD_SETLK, F_RDLCK, 0, 0);
    lock(a, F_SETLK, F_RDLCK, 0, 5);
    lock(a, F_SETLK, F_WRLCK, 0, 5);
    SHOW(flock(a, LOCK_EX | LOCK_NB));
    SHOW(flock(b, LOCK_SH | LOCK_NB));
    close(b);
    lock(a, F_SETLK, F_WRLCK, 0, 5);
    SHOW(fcntl(a, F_GETLEASE));
    close(a);
}

static void in_another_root(void) {
    mkdir("root", 0755);
    mkdir("root/below", 0755);
    make("root/file", 0644, 0, 0);
    symlink("/file", "root/below/link");
    SHOW(chroot("root/file"));
    SHOW(chroot("none"));
    SHOW(chroot("root"));
    char path[4096];
    printf("%ld\n", syscall(SYS_getcwd, path, sizeof path) > 0 ? (long)strncmp(path, "(unreachable)/", 14) : -1L);
    TRY(open("/file", O_RDONLY));
    SHOW(chdir("/below"));
    printf("%s\n", getcwd(path, sizeof path));
    TRY(open("link", O_RDONLY));
    TRY(open("../../../file", O_RDONLY));
    SHOW(chdir("/.."));
    printf("%s\n", getcwd(path, sizeof path));
}

static void odds_and_ends(void) {
    make("prog", 0755, 0, 0);
    int fd = open("prog", O_WRONLY);
    char *argv[] = {"prog", NULL};
    SHOW(execv("prog", argv));
    close(fd);
    SHOW(execv("prog", argv));
    TRY(open("/proc/self/exe", O_WRONLY));
    struct timespec past[2] = {{1700000000, 1}, {1700000001, 2}};
    SHOW(utimensat(AT_FDCWD, "prog", past, 0));
    struct stat st;
    stat("prog", &st);
    printf("%ld %ld %ld %ld\n", (long)st.st_atime, st.st_atim.tv_nsec, (long)st.st_mtime, st.st_mtim.tv_nsec);
    SHOW(syscall(SYS_utime, "prog", NULL));
    SHOW(syscall(SYS_utimes, "prog", NULL));
    SHOW(syscall(SYS_futimesat, AT_FDCWD, "prog", NULL));
    mkdir("listed", 0755);
    fd = open("listed", O_RDONLY | O_DIRECTORY);
    SHOW(syscall(SYS_getdents, fd, buffer, 5));
    SHOW(syscall(SYS_getdents, fd, buffer, 1000));
    SHOW(syscall(SYS_getdents, fd, buffer, 1000));
    rmdir("listed");
    lseek(fd, 0, SEEK_SET);
    SHOW(syscall(SYS_getdents, fd, buffer, 1000));
    SHOW(fchdir(fd));
    SHOW(syscall(SYS_getcwd, buffer, 100));
    TRY(open("x", O_CREAT | O_WRONLY, 0600));
    TRY(mkdir("x", 0700));
    close(fd);
}

int main(void) {
    if (geteuid()) {
        printf("not root\n");
        return 0;
    }
    own_directory();
    printf("-- fifos\n"), in_child(fifos);
    printf("-- devices\n"), in_child(devices);
    printf("-- without names\n"), in_child(without_names);
    printf("-- resolving\n"), in_child(resolving);
    printf("-- holes\n"), in_child(holes);
    printf("-- copies\n"), in_child(copies);
    printf("-- attributes\n"), in_child(attributes);
    printf("-- locks\n"), in_child(locks);
    printf("-- another root\n"), in_child(in_another_root);
    printf("-- odds and ends\n"), in_child(odds_and_ends);
    leave_directory();
    return 0;
}
