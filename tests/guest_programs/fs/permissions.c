/* Who may do what with files: owner, group, others, capabilities, sticky and set-id bits. */
#include "tell.h"
#include <grp.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>
#include <sys/time.h>

static void become(uid_t uid, gid_t gid, int nr, const gid_t *groups) {
    if (setgroups(nr, groups) || setresgid(gid, gid, gid) || setresuid(uid, uid, uid)) {
        perror("become");
        _exit(9);
    }
}

static void open_everything(void) {
    const char *names[] = {"r-owner", "r-group", "r-other", "none", "all", "in/file", "no/file", "list/file"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        for (int flags = O_RDONLY; flags <= O_RDWR; flags++) {
            int fd = open(names[i], flags);
            printf("open %s %d: %s\n", names[i], flags, fd < 0 ? strerror(errno) : "ok");
            close(fd);
        }
        printf("access %s:", names[i]);
        for (int mode = 0; mode < 8; mode++) {
            printf(" %s", access(names[i], mode) ? strerror(errno) : "ok");
        }
        printf("\n");
    }
    TRY(open("list", O_RDONLY | O_DIRECTORY));
    TRY(open("no", O_RDONLY | O_DIRECTORY));
    TRY(open("in", O_RDONLY | O_DIRECTORY));
    TRY(chdir("no"));
    TRY(chdir("list"));
    TRY(open("all", O_RDONLY | O_TRUNC));
    TRY(open("r-other", O_RDONLY | O_TRUNC));
    TRY(truncate("r-other", 3));
    TRY(open("r-other", O_RDONLY | O_NOATIME));
    TRY(open("r-other", O_PATH));
    TRY(open("none", O_PATH));
    TRY(open("no/file", O_PATH));
}

static void as_owner(void) { become(1001, 2001, 0, NULL); open_everything(); }
static void as_group(void) { become(1002, 2001, 0, NULL); open_everything(); }
static void as_extra_group(void) {
    gid_t groups[] = {5, 2001};
    become(1002, 2002, 2, groups);
    open_everything();
}
static void as_other(void) { become(1003, 2003, 0, NULL); open_everything(); }
static void as_root(void) { open_everything(); }

static void as_fsuid(void) {
    printf("setfsuid %d\n", setfsuid(1003));
    printf("setfsuid %d\n", setfsuid(-1));
    TRY(open("none", O_RDONLY));
    TRY(open("in/new", O_CREAT | O_WRONLY, 0666));
    TRY(access("none", R_OK));
    printf("setfsuid %d\n", setfsuid(0));
    TRY(open("none", O_RDONLY));
}

static void change_attributes(void) {
    become(1001, 2001, 0, NULL);
    TRY(chmod("all", 0600));
    TRY(chmod("own", 06755));
    show_mode("own");
    TRY(chmod("own-foreign-group", 02755));
    show_mode("own-foreign-group");
    TRY(chown("own", 1002, -1));
    TRY(chown("own", 1001, -1));
    show_mode("own");
    TRY(chown("own", -1, 2002));
    TRY(chown("own", -1, 2001));
    TRY(chown("own", -1, -1));
    TRY(chown("all", -1, -1));
    TRY(chown("all", 1001, -1));
    struct timespec now[2] = {{0, UTIME_NOW}, {0, UTIME_NOW}};
    struct timespec none[2] = {{0, UTIME_OMIT}, {0, UTIME_OMIT}};
    struct timespec one[2] = {{0, UTIME_NOW}, {0, UTIME_OMIT}};
    struct timespec past[2] = {{5, 0}, {6, 7}};
    TRY(utimensat(AT_FDCWD, "all", NULL, 0));
    TRY(utimensat(AT_FDCWD, "all", now, 0));
    TRY(utimensat(AT_FDCWD, "all", one, 0));
    TRY(utimensat(AT_FDCWD, "all", past, 0));
    TRY(utimensat(AT_FDCWD, "r-other", NULL, 0));
    TRY(utimensat(AT_FDCWD, "r-other", none, 0));
    TRY(utimensat(AT_FDCWD, "own", past, 0));
    struct stat st;
    stat("own", &st);
    printf("times %ld %ld %ld\n", (long)st.st_atime, (long)st.st_mtime, (long)st.st_mtim.tv_nsec);
}

static void change_names(void) {
    become(1001, 2001, 0, NULL);
    TRY(mkdir("no/x", 0777));
    TRY(mkdir("list/x", 0777));
    TRY(mkdir("root-dir", 0777));
    TRY(mkdir("mine", 0777));
    TRY(unlink("all"));
    TRY(unlink("sticky/theirs"));
    TRY(rename("sticky/theirs", "sticky/x"));
    TRY(rename("sticky/mine", "sticky/theirs"));
    TRY(unlink("sticky/mine"));
    TRY(rmdir("sticky/dir"));
    TRY(symlink("x", "list/link"));
    TRY(link("all", "shared/link"));
    TRY(unlink("shared/theirs"));
    TRY(mknod("shared/fifo", S_IFIFO | 0666, 0));
    TRY(mknod("shared/device", S_IFCHR | 0666, 0x103));
    TRY(open("group/new", O_CREAT | O_WRONLY, 06777));
    show_mode("group/new");
    TRY(mkdir("group/dir", 0777));
    show_mode("group/dir");
    TRY(open("shared/new", O_CREAT | O_WRONLY, 06777));
    show_mode("shared/new");
    TRY(open("shared/readonly", O_CREAT | O_RDWR, 0));
    TRY(open("shared/readonly", O_CREAT | O_RDWR, 0));
    TRY(rename("shared/theirs-dir", "shared/moved"));
    TRY(rename("shared/theirs-dir", "group/moved"));
    TRY(rename("shared/moved", "group/moved"));
    TRY(chroot("shared"));
}

static void write_set_ids(void) {
    int fd = open("set-ids", O_WRONLY);
    become(1001, 2001, 0, NULL);
    SHOW(write(fd, "x", 1));
    show_mode("set-ids");
    SHOW(write(fd, "", 0));
    TRY(ftruncate(fd, 0));
    show_mode("set-ids");
}

static void tell_ids(void) {
    uid_t r, e, s;
    getresuid(&r, &e, &s);
    gid_t rg, eg, sg;
    getresgid(&rg, &eg, &sg);
    printf("ids %u %u %u, %u %u %u, dumpable %d\n", r, e, s, rg, eg, sg, prctl(PR_GET_DUMPABLE));
}

static void run_set_ids(void) {
    become(1001, 2001, 0, NULL);
    char *argv[] = {"self", "ids", NULL};
    fflush(stdout);
    execv("set-id-program", argv);
    perror("execv");
}

static void run_set_ids_without_privileges(void) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    run_set_ids();
}

static void run_what_cannot_be_read(void) {
    become(1003, 2003, 0, NULL);
    char *argv[] = {"self", "ids", NULL};
    fflush(stdout);
    execv("program", argv);
    perror("execv");
}

static void run_refused(void) {
    become(1003, 2003, 0, NULL);
    char *argv[] = {"self", "ids", NULL};
    SHOW(execv("owners-program", argv));
    SHOW(execv("all", argv));
    SHOW(execv("list", argv));
    SHOW(execv("no/program", argv));
}

int main(int argc, char **argv) {
    if (argc > 1) {
        tell_ids();
        return 0;
    }
    if (geteuid()) {
        printf("not root\n");
        return 0;
    }
    char self[4096] = {0};
    if (readlink("/proc/self/exe", self, sizeof self - 1) < 0) {
        return 2;
    }
    own_directory();
    make("r-owner", 0400, 1001, 2001);
    make("r-group", 0040, 1001, 2001);
    make("r-other", 0004, 1001, 2001);
    make("none", 0, 1001, 2001);
    make("all", 0666, 1000, 2000);
    make_directory("in", 0777, 0, 0);
    make_directory("no", 0700, 1004, 2004);
    make_directory("list", 0744, 1004, 2004);
    make("in/file", 0644, 1001, 2001);
    make("no/file", 0666, 1001, 2001);
    make("list/file", 0666, 1001, 2001);
    printf("-- owner\n"), in_child(as_owner);
    printf("-- group\n"), in_child(as_group);
    printf("-- extra group\n"), in_child(as_extra_group);
    printf("-- other\n"), in_child(as_other);
    printf("-- fsuid\n"), in_child(as_fsuid);
    show_mode("in/new");
    printf("-- root\n"), in_child(as_root);

    make("own", 0644, 1001, 2001);
    make("own-foreign-group", 0644, 1001, 2002);
    printf("-- attributes\n"), in_child(change_attributes);
    TRY(chmod("own", 06755));
    TRY(chown("own", 1001, 2001));
    show_mode("own");
    TRY(chmod("own", 02644));
    TRY(chown("own", 1001, 2001));
    show_mode("own");

    make_directory("sticky", 01777, 0, 0);
    make("sticky/theirs", 0666, 1002, 2002);
    make("sticky/mine", 0666, 1001, 2001);
    make_directory("sticky/dir", 0777, 1002, 2002);
    make_directory("shared", 0777, 0, 0);
    make("shared/theirs", 0600, 1002, 2002);
    make_directory("shared/theirs-dir", 0755, 1002, 2002);
    make_directory("group", 02777, 0, 2005);
    printf("-- names\n"), in_child(change_names);

    make("set-ids", 06777, 1001, 2001);
    printf("-- a write to a program\n"), in_child(write_set_ids);

    char command[5000];
    snprintf(command, sizeof command,
             "cp %s program; cp program set-id-program; cp program owners-program; cp program no/program", self);
    if (system(command)) {
        return 2;
    }
    chown("set-id-program", 1005, 2005);
    chmod("set-id-program", 06755);
    chmod("program", 0711);
    chmod("owners-program", 0700);
    printf("-- set ids\n"), in_child(run_set_ids);
    printf("-- set ids, no new privileges\n"), in_child(run_set_ids_without_privileges);
    printf("-- not readable\n"), in_child(run_what_cannot_be_read);
    printf("-- refused\n"), in_child(run_refused);
    leave_directory();
    return 0;
}
