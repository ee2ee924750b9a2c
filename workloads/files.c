/* Files below a directory of the program's own: making, reading, writing, mapping, renaming and
 * removing them, with the errors of each. Inode numbers, devices and times are not printed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tell.h"

#ifndef RENAME_NOREPLACE
/* musl has no wrapper. */
#define RENAME_NOREPLACE 1
#define RENAME_EXCHANGE 2
#define renameat2(from, a, to, b, flags) syscall(SYS_renameat2, from, a, to, b, flags)
#endif

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list(const char *path)
{
	char *names[64];
	int nr = 0;
	DIR *dir = opendir(path);
	if (dir == NULL) {
		printf("list %s: error %d\n", path, errno);
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL && nr < 64;) {
		char line[300];
		snprintf(line, sizeof line, "%s/%d", entry->d_name, entry->d_type);
		names[nr++] = strdup(line);
	}
	closedir(dir);
	qsort(names, (size_t)nr, sizeof *names, by_name);
	printf("list %s:", path);
	for (int i = 0; i < nr; i++) {
		printf(" %s", names[i]);
		free(names[i]);
	}
	printf("\n");
}

static void show(const char *path)
{
	struct stat st;
	if (lstat(path, &st) < 0) {
		printf("stat %s: error %d\n", path, errno);
		return;
	}
	long size = S_ISDIR(st.st_mode) ? 0 : (long)st.st_size;
	long links = S_ISDIR(st.st_mode) ? 0 : (long)st.st_nlink;
	printf("stat %s: mode %o links %ld size %ld\n", path, st.st_mode, links, size);
}

static void reading_and_writing(void)
{
	char bytes[64] = {0};
	int fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0666);
	tell("create", fd < 0 ? -1 : 0);
	TELL(open("a", O_RDWR | O_CREAT | O_EXCL, 0666));
	TELL(write(fd, "hello, world", 12));
	TELL(lseek(fd, 0, SEEK_SET));
	TELL(read(fd, bytes, 5));
	printf("read <%s>\n", bytes);
	TELL(pread(fd, bytes, 20, 7));
	printf("pread <%s>\n", bytes);
	TELL(pwrite(fd, "W", 1, 7));
	TELL(lseek(fd, 0, SEEK_CUR));
	TELL(lseek(fd, -3, SEEK_END));
	TELL(lseek(fd, -100, SEEK_CUR));
	TELL(lseek(fd, 3, SEEK_DATA));
	TELL(lseek(fd, 3, SEEK_HOLE));
	TELL(lseek(fd, 30, SEEK_DATA));
	struct iovec parts[2] = {{"one", 3}, {"two", 3}};
	TELL(lseek(fd, 0, SEEK_END));
	TELL(writev(fd, parts, 2));
	TELL(ftruncate(fd, 10000));
	show("a");
	TELL(pread(fd, bytes, 10, 9995));
	TELL(pread(fd, bytes, 10, 10000));
	TELL(ftruncate(fd, 5));
	TELL(ftruncate(fd, 8));
	memset(bytes, 'x', sizeof bytes);
	TELL(pread(fd, bytes, 20, 0));
	printf("after truncation: %.5s %d %d %d\n", bytes, bytes[5], bytes[6], bytes[7]);
	TELL(ftruncate(fd, -1));
	TELL(fallocate(fd, 0, 0, 100));
	show("a");
	TELL(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, 2));
	TELL(pread(fd, bytes, 4, 0));
	printf("hole: %c %d %d %c\n", bytes[0], bytes[1], bytes[2], bytes[3]);
	TELL(close(fd));
	fd = open("a", O_WRONLY | O_APPEND);
	TELL(write(fd, "end", 3));
	TELL(pwrite(fd, "!", 1, 0));
	TELL(read(fd, bytes, 1));
	show("a");
	close(fd);
	TELL(open("a", O_RDONLY | O_DIRECTORY));
	TELL(open("a/b", O_RDONLY));
	TELL(open("none/b", O_RDWR | O_CREAT, 0666));
	TELL(open("b/", O_RDWR | O_CREAT, 0666));
	TELL(open(".", O_RDWR));
	TELL(open("", O_RDONLY));
	TELL(truncate("a", 3));
	show("a");
	TELL(truncate(".", 3));
	fd = open("a", O_RDWR | O_TRUNC);
	show("a");
	close(fd);
}

static void names(void)
{
	TELL(mkdir("d", 0777));
	TELL(mkdir("d", 0777));
	TELL(mkdir("d/e/f", 0777));
	TELL(mkdir("d/e/", 0700));
	TELL(mkdir("d/.", 0700));
	TELL(symlink("a", "link"));
	TELL(symlink("", "empty"));
	TELL(symlink("loop", "loop"));
	TELL(symlink("d/new", "dangling"));
	TELL(open("loop", O_RDONLY));
	TELL(open("link", O_RDONLY | O_NOFOLLOW));
	int fd = open("dangling", O_WRONLY | O_CREAT, 0640);
	tell("through a dangling link", fd < 0 ? -1 : 0);
	close(fd);
	show("d/new");
	show("link");
	char target[16] = {0};
	TELL(readlink("link", target, sizeof target));
	TELL(readlink("a", target, sizeof target));
	TELL(readlink("dangling", target, 3));
	TELL(link("a", "d/hard"));
	TELL(link("a", "d/hard"));
	TELL(link("d", "d2"));
	show("a");
	list(".");
	list("d");
	TELL(rename("d/hard", "hard"));
	TELL(rename("hard", "a"));
	show("hard");
	TELL(rename("d", "d/e/x"));
	TELL(rename("a", "d"));
	TELL(rename("d", "a"));
	TELL(rename("none", "a"));
	TELL(mkdir("other", 0755));
	TELL(rename("d", "other"));
	list("other");
	TELL(rename("other", "other/e"));
	TELL(mkdir("d", 0755));
	TELL(rename("d", "other"));
	TELL(renameat2(AT_FDCWD, "d", AT_FDCWD, "other", RENAME_NOREPLACE));
	TELL(renameat2(AT_FDCWD, "d", AT_FDCWD, "other", RENAME_EXCHANGE));
	list("d");
	list("other");
	TELL(rmdir("d"));
	TELL(unlink("d"));
	TELL(rmdir("a"));
	TELL(rmdir("d/e/."));
	TELL(rmdir("d/e/.."));
	TELL(rmdir("d/e"));
	TELL(unlink("d/new"));
	TELL(rmdir("d"));
	TELL(rmdir("other"));
	TELL(unlink("none"));
	TELL(unlink("link"));
	TELL(unlink("loop"));
	TELL(unlink("dangling"));
	list(".");
	fd = open("a", O_RDWR);
	TELL(unlink("a"));
	TELL(unlink("hard"));
	TELL(write(fd, "still there", 11));
	struct stat st;
	TELL(fstat(fd, &st));
	printf("links %d size %d\n", (int)st.st_nlink, (int)st.st_size);
	close(fd);
	list(".");
}

static void attributes(void)
{
	struct stat st;
	TELL(umask(027));
	int fd = open("file", O_RDWR | O_CREAT, 0777);
	show("file");
	TELL(fchmod(fd, 04711));
	show("file");
	TELL(chmod("none", 0));
	TELL(umask(022));
	struct timespec times[2] = {{1000000, 5}, {2000000, 6}};
	TELL(futimens(fd, times));
	fstat(fd, &st);
	printf("atime %ld.%ld mtime %ld.%ld\n", (long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
	       (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	times[0].tv_nsec = UTIME_OMIT;
	times[1].tv_nsec = UTIME_NOW;
	TELL(utimensat(AT_FDCWD, "file", times, 0));
	fstat(fd, &st);
	printf("atime %ld, mtime is new: %d\n", (long)st.st_atim.tv_sec, st.st_mtim.tv_sec > 3000000);
	TELL(access("file", R_OK | W_OK | X_OK));
	TELL(access("none", F_OK));
	TELL(chmod("file", 0600));
	TELL(access("file", R_OK | W_OK));
	TELL(faccessat(AT_FDCWD, "file", X_OK, 0));
	TELL(fsync(fd));
	TELL(fdatasync(fd));
	close(fd);
	unlink("file");
}

static void working_directory(void)
{
	char path[400];
	TELL(mkdir("in", 0755));
	int in = open("in", O_RDONLY | O_DIRECTORY);
	int fd = openat(in, "file", O_WRONLY | O_CREAT, 0600);
	tell("openat", fd < 0 ? -1 : 0);
	close(fd);
	TELL(chdir("in/file"));
	TELL(chdir("in"));
	TELL(getcwd(path, sizeof path) != NULL);
	printf("cwd ends in %s\n", strrchr(path, '/'));
	TELL(getcwd(path, 3) != NULL);
	show("file");
	show("../in/file");
	TELL(chdir(".."));
	TELL(fchdir(in));
	TELL(unlink("file"));
	TELL(rmdir("../in"));
	TELL(getcwd(path, sizeof path) != NULL);
	TELL(open("x", O_WRONLY | O_CREAT, 0600));
	list(".");
	TELL(chdir(path[0] == '/' ? path : "/"));
	close(in);
}

static void mappings(void)
{
	int fd = open("mapped", O_RDWR | O_CREAT, 0600);
	TELL(ftruncate(fd, 6000));
	char *shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char bytes[8] = {0};
	strcpy(shared, "shared");
	TELL(pread(fd, bytes, 6, 0));
	printf("file <%s> private <%s>\n", bytes, private);
	strcpy(private + 4096, "private");
	TELL(pread(fd, bytes, 7, 4096));
	printf("file has %d there\n", bytes[0]);
	TELL(pwrite(fd, "written", 7, 100));
	printf("shared <%s> private <%s>\n", shared + 100, private + 100);
	fflush(stdout);
	if (fork() == 0) {
		strcpy(shared + 200, "child");
		_exit(0);
	}
	wait(NULL);
	printf("from the child <%s>\n", shared + 200);
	fflush(stdout);
	TELL(ftruncate(fd, 100));
	if (fork() == 0) {
		volatile char byte = shared[5000];
		_exit(byte);
	}
	int status;
	wait(&status);
	printf("beyond the end: signal %d\n", WTERMSIG(status));
	TELL(ftruncate(fd, 6000));
	printf("grown again: %d\n", shared[5000]);
	close(fd);
	fd = open("mapped", O_RDONLY);
	void *none = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	printf("writable of a read-only file: %d\n", none == MAP_FAILED ? errno : 0);
	void *reading = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	TELL(mprotect(reading, 4096, PROT_READ | PROT_WRITE));
	close(fd);
	unlink("mapped");
	printf("still <%s>\n", shared);
	fd = memfd_create("memory", MFD_CLOEXEC);
	TELL(write(fd, "in memory", 9));
	struct stat st;
	TELL(fstat(fd, &st));
	printf("memfd mode %o size %ld links %d\n", st.st_mode, (long)st.st_size, (int)st.st_nlink);
	char *memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	printf("memfd <%s>\n", memory);
	char link_path[64], target[64] = {0};
	snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", fd);
	TELL(readlink(link_path, target, sizeof target));
	printf("memfd is %s\n", target);
	close(fd);
}

static void of_the_kernel(void)
{
	char text[256] = {0};
	int fd = open("/proc/self/comm", O_RDWR);
	TELL(write(fd, "renamed", 7));
	close(fd);
	fd = open("/proc/self/comm", O_RDONLY);
	TELL(read(fd, text, sizeof text));
	printf("comm <%s>\n", text);
	close(fd);
	fd = open("/proc/self/cmdline", O_RDONLY);
	long nr = read(fd, text, sizeof text);
	printf("cmdline ends with a zero: %d\n", nr > 0 && text[nr - 1] == 0);
	close(fd);
	TELL(open("/proc/none", O_RDONLY));
	TELL(open("/proc/none", O_WRONLY | O_CREAT, 0600));
	TELL(mkdir("/proc/none", 0700));
	TELL(open("/dev/null/x", O_RDONLY));
	TELL(access("/proc/self/task", X_OK));
	FILE *maps = fopen("/proc/self/maps", "r");
	int has_stack = 0;
	while (fgets(text, sizeof text, maps) != NULL)
		has_stack |= strstr(text, "[stack]") != NULL;
	fclose(maps);
	printf("maps has a stack: %d\n", has_stack);
	fd = open("/dev/zero", O_RDWR);
	char *zero = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	printf("zero %d\n", zero[10]);
	close(fd);
}

int main(void)
{
	char place[] = "/tmp/dr7-files-XXXXXX";
	if (mkdtemp(place) == NULL || chdir(place) < 0) {
		perror(place);
		return 1;
	}
	umask(022);
	reading_and_writing();
	names();
	attributes();
	mappings();
	of_the_kernel();
	chdir(place);
	working_directory();
	chdir("/");
	TELL(rmdir(place));
	return 0;
}
