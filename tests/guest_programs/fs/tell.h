/* What the programs of this directory print with: a call, its answer, and the errno's number. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* A call that answers a number of no interest, or an error. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long answer = (long)(call);                                                                \
        printf("%s: %s %s\n", #call, answer < 0 ? "error" : "ok", answer < 0 ? strerror(errno) : ""); \
    } while (0)

/* A call whose answer counts. */
#define SHOW(call)                                                                                 \
    do {                                                                                           \
        errno = 0;                                                                                 \
        long answer = (long)(call);                                                                \
        printf("%s = %ld %s\n", #call, answer, answer < 0 ? strerror(errno) : "");                 \
    } while (0)

/* A place of one's own. */
static inline void own_directory(void) {
    static char place[] = "/tmp/dr7-fs-XXXXXX";
    if (!mkdtemp(place) || chdir(place) || chmod(place, 0755)) {
        perror("a directory in /tmp");
        exit(2);
    }
    umask(022);
    setvbuf(stdout, NULL, _IOLBF, 0);
}

static inline void leave_directory(void) {
    char path[64];
    char *own = getcwd(path, sizeof path);
    if (own && !chdir("/")) {
        char command[96];
        snprintf(command, sizeof command, "rm -rf %s", own);
        if (system(command)) {
            return;
        }
    }
}

/* Runs a function in a process of its own. */
static inline void in_child(void (*body)(void)) {
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        body();
        fflush(stdout);
        _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (status) {
        printf("child: status %x\n", status);
    }
}

static inline void make(const char *name, mode_t mode, uid_t uid, gid_t gid) {
    int fd = open(name, O_CREAT | O_WRONLY | O_TRUNC, 0600);
    if (fd < 0 || write(fd, "text\n", 5) != 5 || fchown(fd, uid, gid) || fchmod(fd, mode)) {
        perror(name);
    }
    close(fd);
}

static inline void make_directory(const char *name, mode_t mode, uid_t uid, gid_t gid) {
    if (mkdir(name, 0700) || chown(name, uid, gid) || chmod(name, mode)) {
        perror(name);
    }
}

static inline void show_mode(const char *name) {
    struct stat st;
    if (lstat(name, &st)) {
        printf("%s: %s\n", name, strerror(errno));
        return;
    }
    printf("%s: mode %o owner %u:%u links %u\n", name, st.st_mode, st.st_uid, st.st_gid,
           (unsigned)st.st_nlink);
}
