/* Unix sockets: pairs, names, streams and messages, what has no room, the end of either side,
 * files and credentials that are handed over, with the errors of each. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tell.h"

static char text[4096];
static char large[300000];

static void bits(const char *what, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0 };
	int n = poll(&p, 1, 0);

	printf("%s: poll %d bits %x\n", what, n, p.revents);
}

static int option(int fd, int name)
{
	int value = -1;
	socklen_t len = sizeof value;

	return getsockopt(fd, SOL_SOCKET, name, &value, &len) < 0 ? -errno : value;
}

static socklen_t named(struct sockaddr_un *addr, const char *name)
{
	memset(addr, 0, sizeof *addr);
	addr->sun_family = AF_UNIX;
	if (name[0] == '@') {
		memcpy(addr->sun_path + 1, name + 1, strlen(name) - 1);
		return offsetof(struct sockaddr_un, sun_path) + strlen(name);
	}
	strcpy(addr->sun_path, name);
	return offsetof(struct sockaddr_un, sun_path) + strlen(name) + 1;
}

static int bind_to(int fd, const char *name)
{
	struct sockaddr_un addr;
	socklen_t len = named(&addr, name);

	return bind(fd, (struct sockaddr *)&addr, len);
}

static int connect_to(int fd, const char *name)
{
	struct sockaddr_un addr;
	socklen_t len = named(&addr, name);

	return connect(fd, (struct sockaddr *)&addr, len);
}

static void name_of(const char *what, int fd, int (*ask)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_un addr;
	socklen_t len = sizeof addr;

	memset(&addr, 'x', sizeof addr);
	if (ask(fd, (struct sockaddr *)&addr, &len) < 0) {
		printf("%s: error %d\n", what, errno);
		return;
	}
	printf("%s: length %d family %d %.*s\n", what, len, addr.sun_family,
	       len > 3 ? (int)len - 3 : 0, addr.sun_path + (len > 2 && !addr.sun_path[0]));
}

static void makes(void)
{
	int s[2];
	struct stat st;

	TELL(socket(AF_UNIX, 7, 0));
	TELL(socket(AF_UNIX, 99, 0));
	TELL(socket(AF_UNIX, SOCK_STREAM, 5));
	TELL(socket(AF_UNIX, SOCK_STREAM | 0x100, 0));
	TELL(socket(99, SOCK_STREAM, 0));
	TELL(socketpair(AF_INET, SOCK_STREAM, 0, s));
	TELL(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)8));
	TELL(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, s));
	TELL(fcntl(s[0], F_GETFD));
	TELL(fcntl(s[0], F_GETFL));
	TELL(fstat(s[0], &st));
	printf("mode %o size %ld\n", st.st_mode, (long)st.st_size);
	TELL(lseek(s[0], 0, SEEK_SET));
	TELL(pread(s[0], text, 1, 0));
	TELL(listen(0, 1));
	TELL(listen(99, 1));
	printf("type %d domain %d protocol %d accepts %d error %d\n", option(s[0], SO_TYPE),
	       option(s[0], SO_DOMAIN), option(s[0], SO_PROTOCOL), option(s[0], SO_ACCEPTCONN),
	       option(s[0], SO_ERROR));
	printf("send buffer %d receive buffer %d\n", option(s[0], SO_SNDBUF), option(s[0], SO_RCVBUF));
	int value = 1000;
	TELL(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &value, sizeof value));
	printf("send buffer %d\n", option(s[0], SO_SNDBUF));
	TELL(setsockopt(s[0], SOL_SOCKET, SO_TYPE, &value, sizeof value));
	TELL(setsockopt(s[0], SOL_SOCKET, SO_KEEPALIVE, &value, 2));
	TELL(setsockopt(s[0], SOL_SOCKET, 9999, &value, sizeof value));
	TELL(setsockopt(s[0], 6, 1, &value, sizeof value));
	close(s[0]);
	close(s[1]);
}

static void streams(void)
{
	int s[2], n = 0;
	struct iovec parts[2] = { { text, 3 }, { text + 100, 10 } };

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	bits("fresh", s[0]);
	TELL(write(s[0], "hello", 5));
	TELL(send(s[0], " world", 6, 0));
	TELL(ioctl(s[1], FIONREAD, &n));
	printf("readable %d\n", n);
	TELL(recv(s[1], text, 3, MSG_PEEK));
	TELL(readv(s[1], parts, 2));
	printf("%.3s|%.8s\n", text, text + 100);
	TELL(recv(s[1], text, 3, MSG_DONTWAIT));
	TELL(read(s[1], text, 0));
	TELL(sendto(s[0], "x", 1, 0, (struct sockaddr *)text, 2));
	fcntl(s[0], F_SETFL, O_NONBLOCK);
	long sum = 0, count = 0;
	ssize_t now;
	while ((now = write(s[0], large, 1000)) > 0)
		sum += now, count++;
	printf("writes of 1000: %ld, %ld bytes\n", count, sum);
	TELL(write(s[0], large, 1));
	bits("full", s[0]);
	TELL(recv(s[1], large, 80000, MSG_WAITALL));
	bits("less full", s[0]);
	close(s[0]);
	close(s[1]);
	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
	TELL(write(s[0], large, sizeof large));
	TELL(read(s[1], large, sizeof large));
	TELL(shutdown(s[0], 7));
	TELL(shutdown(s[0], SHUT_WR));
	bits("shut to write", s[0]);
	bits("its peer", s[1]);
	TELL(send(s[0], "x", 1, MSG_NOSIGNAL));
	TELL(read(s[1], text, 1));
	TELL(write(s[1], "yz", 2));
	TELL(read(s[0], text, 1));
	close(s[0]);
	bits("peer closed", s[1]);
	TELL(read(s[1], text, 1));
	TELL(read(s[1], text, 1));
	signal(SIGPIPE, SIG_IGN);
	TELL(write(s[1], "x", 1));
	close(s[1]);
	int status;
	fflush(stdout);
	if (fork() == 0) {
		signal(SIGPIPE, SIG_DFL);
		socketpair(AF_UNIX, SOCK_STREAM, 0, s);
		close(s[1]);
		write(s[0], "x", 1);
		_exit(0);
	}
	wait(&status);
	printf("status %x\n", status);
}

static void names(void)
{
	struct sockaddr_un addr;
	struct stat st;
	int a = socket(AF_UNIX, SOCK_STREAM, 0), b = socket(AF_UNIX, SOCK_STREAM, 0);
	int c = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0);

	bits("fresh", a);
	name_of("unnamed", a, getsockname);
	name_of("unconnected", a, getpeername);
	TELL(listen(a, 1));
	TELL(bind_to(a, "none/name"));
	TELL(bind_to(a, "name"));
	TELL(bind_to(a, "other"));
	TELL(bind_to(b, "name"));
	TELL(stat("name", &st));
	printf("mode %o\n", st.st_mode & S_IFMT);
	TELL(open("name", O_RDWR));
	name_of("named", a, getsockname);
	TELL(connect_to(b, "name"));
	TELL(connect_to(b, "nowhere"));
	TELL(connect_to(d, "name"));
	TELL(accept(a, NULL, NULL));
	TELL(listen(a, 1));
	TELL(listen(d, 1));
	TELL(accept(d, NULL, NULL));
	bits("listens", a);
	TELL(connect_to(b, "name"));
	TELL(connect_to(b, "name"));
	name_of("client", b, getsockname);
	name_of("its peer", b, getpeername);
	bits("waited for", a);
	TELL(write(b, "early", 5));
	socklen_t len = sizeof addr;
	int e = accept4(a, (struct sockaddr *)&addr, &len, SOCK_CLOEXEC);
	printf("accepted, address %d, flags %d\n", len, fcntl(e, F_GETFD));
	name_of("accepted", e, getsockname);
	TELL(read(e, text, 10));
	fcntl(a, F_SETFL, O_NONBLOCK);
	TELL(accept(a, NULL, NULL));
	fcntl(c, F_SETFL, O_NONBLOCK);
	TELL(connect_to(c, "name"));
	int more[3];
	for (int i = 0; i < 3; i++) {
		more[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
		TELL(connect_to(more[i], "name"));
		bits("client", more[i]);
	}
	close(a);
	bits("never accepted", c);
	TELL(read(c, text, 1));
	TELL(read(c, text, 1));
	TELL(connect_to(more[2], "name"));
	TELL(unlink("name"));
	TELL(connect_to(more[2], "name"));
	int f = socket(AF_UNIX, SOCK_STREAM, 0), g = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	TELL(bind_to(f, "@abstract name"));
	TELL(bind_to(g, "@abstract name"));
	name_of("abstract", f, getsockname);
	listen(f, 5);
	TELL(connect_to(g, "@abstract name"));
	TELL(connect_to(g, "@another"));
	close(f);
	TELL(bind_to(g, "@abstract name"));
	memset(&addr, 0, sizeof addr);
	addr.sun_family = AF_UNIX;
	int h = socket(AF_UNIX, SOCK_DGRAM, 0);
	TELL(bind(h, (struct sockaddr *)&addr, 2));
	len = sizeof addr;
	getsockname(h, (struct sockaddr *)&addr, &len);
	printf("bound by itself: %d\n", len);
	TELL(bind(h, (struct sockaddr *)&addr, 1));
	addr.sun_family = 77;
	TELL(bind(h, (struct sockaddr *)&addr, 10));
	for (int fd = 3; fd < 30; fd++)
		close(fd);
}

static void messages(int type)
{
	int s[2], n;
	char small[3];
	struct iovec part = { small, sizeof small };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1 };

	printf("type %d\n", type);
	socketpair(AF_UNIX, type | SOCK_NONBLOCK, 0, s);
	bits("fresh", s[0]);
	TELL(send(s[0], "first", 5, 0));
	TELL(send(s[0], "", 0, 0));
	TELL(send(s[0], "third", 5, 0));
	ioctl(s[1], FIONREAD, &n);
	printf("readable %d\n", n);
	TELL(recv(s[1], small, 3, MSG_PEEK | MSG_TRUNC));
	TELL(recvmsg(s[1], &header, 0));
	printf("flags %x\n", header.msg_flags);
	TELL(recv(s[1], small, 3, 0));
	TELL(recv(s[1], small, 3, MSG_TRUNC));
	TELL(recv(s[1], small, 3, 0));
	TELL(send(s[0], large, sizeof large, 0));
	long count = 0;
	while (send(s[0], large, 2000, 0) > 0)
		count++;
	printf("messages of 2000: %ld\n", count);
	bits("full", s[0]);
	close(s[1]);
	bits("peer closed", s[0]);
	TELL(send(s[0], "x", 1, MSG_NOSIGNAL));
	TELL(send(s[0], "x", 1, MSG_NOSIGNAL));
	TELL(recv(s[0], small, 1, 0));
	close(s[0]);
}

static void datagrams(void)
{
	struct sockaddr_un to, from;
	socklen_t len = named(&to, "receiver"), from_len = sizeof from;
	int a = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	int b = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	TELL(send(a, "x", 1, 0));
	TELL(sendto(a, "x", 1, 0, (struct sockaddr *)&to, len));
	bind_to(b, "receiver");
	TELL(sendto(a, "unnamed", 7, 0, (struct sockaddr *)&to, len));
	TELL(recvfrom(b, text, 100, 0, (struct sockaddr *)&from, &from_len));
	printf("address %d\n", from_len);
	bind_to(a, "sender");
	TELL(connect_to(a, "receiver"));
	TELL(send(a, "named", 5, 0));
	from_len = sizeof from;
	TELL(recvfrom(b, text, 100, 0, (struct sockaddr *)&from, &from_len));
	printf("address %d %s\n", from_len, from.sun_path);
	int count = 0;
	while (send(a, "x", 1, 0) == 1)
		count++;
	printf("without a reader: %d, error %d\n", count, errno);
	bits("sender", a);
	recv(b, text, 10, 0);
	bits("sender", a);
	TELL(connect_to(b, "receiver"));
	TELL(connect_to(b, "sender"));
	int c = socket(AF_UNIX, SOCK_DGRAM, 0);
	TELL(sendto(c, "x", 1, 0, (struct sockaddr *)&to, len));
	close(b);
	TELL(send(a, "x", 1, 0));
	TELL(send(a, "x", 1, 0));
	struct sockaddr none = { AF_UNSPEC };
	TELL(connect(a, &none, sizeof none));
	unlink("sender");
	unlink("receiver");
	close(a);
	close(c);
}

/* Sends descriptors with a byte. */
static int send_fds(int s, const int *fds, int nr)
{
	char control[CMSG_SPACE(sizeof(int) * 8)] = { 0 };
	struct iovec part = { "f", 1 };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
				 .msg_controllen = CMSG_SPACE(sizeof(int) * nr) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&header);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * nr);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * nr);
	return sendmsg(s, &header, 0);
}

static void receive_control(int s, size_t room, int flags)
{
	char control[256], data[16];
	struct iovec part = { data, sizeof data };
	struct msghdr header = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control,
				 .msg_controllen = room };
	int fds[8];

	ssize_t n = recvmsg(s, &header, flags);
	printf("received %zd, error %d, control %zu, flags %x\n", n, n < 0 ? errno : 0,
	       (size_t)header.msg_controllen, header.msg_flags);
	if (n < 0)
		return;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
		size_t len = c->cmsg_len - CMSG_LEN(0);
		printf(" level %d type %d length %zu\n", c->cmsg_level, c->cmsg_type, len);
		if (c->cmsg_type == SCM_CREDENTIALS && len == sizeof(struct ucred)) {
			struct ucred cred;
			memcpy(&cred, CMSG_DATA(c), sizeof cred);
			printf(" pid %s uid %d gid %d\n", cred.pid == getpid() ? "own" :
			       cred.pid ? "another" : "none", cred.uid, cred.gid);
		}
		if (c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds, CMSG_DATA(c), len);
		for (size_t i = 0; i < len / sizeof(int); i++) {
			printf(" descriptor flags %d, write %zd\n", fcntl(fds[i], F_GETFD),
			       write(fds[i], "!", 1));
			close(fds[i]);
		}
	}
}

static void rights(void)
{
	int s[2], p[2], on = 1;

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	pipe2(p, O_NONBLOCK);
	int both[3] = { p[1], p[1], p[1] };
	TELL(send_fds(s[0], both, 2));
	receive_control(s[1], 256, 0);
	TELL(send_fds(s[0], both, 3));
	receive_control(s[1], CMSG_LEN(8), MSG_CMSG_CLOEXEC);
	TELL(send_fds(s[0], both, 1));
	receive_control(s[1], 0, 0);
	TELL(send_fds(s[0], both, 1));
	TELL(read(s[1], text, 5));
	TELL(read(p[0], text, 100));
	int bad = 99;
	TELL(send_fds(s[0], &bad, 1));
	TELL(send_fds(s[0], both, 1));
	close(p[1]);
	TELL(read(p[0], text, 1));
	TELL(write(s[0], "ab", 2));
	receive_control(s[1], 256, MSG_PEEK);
	receive_control(s[1], 256, 0);
	receive_control(s[1], 256, 0);
	TELL(read(p[0], text, 10));
	TELL(read(p[0], text, 1));
	close(p[0]);
	pipe2(p, O_NONBLOCK);
	send_fds(s[0], &p[1], 1);
	send_fds(s[0], s, 2);
	close(p[1]);
	close(s[0]);
	close(s[1]);
	TELL(read(p[0], text, 1));
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
	TELL(write(s[0], "told", 4));
	receive_control(s[1], 256, 0);
	TELL(write(s[0], "told", 4));
	receive_control(s[1], 20, 0);
	struct ucred cred;
	socklen_t len = sizeof cred;
	TELL(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &cred, &len));
	printf("peer %s %d %d, length %d\n", cred.pid == getpid() ? "own" : "another", cred.uid,
	       cred.gid, len);
	fflush(stdout);
	if (fork() == 0) {
		write(s[0], "child", 5);
		_exit(0);
	}
	wait(NULL);
	write(s[0], "parent", 6);
	receive_control(s[1], 256, 0);
	receive_control(s[1], 256, 0);
	close(s[0]);
	close(s[1]);
}

/* A file larger than the buffer, to a reader. */
static void file_to_socket(void)
{
	int s[2], status, fd = open("file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	off_t offset = 100;

	write(fd, large, sizeof large);
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	fflush(stdout);
	if (fork() == 0) {
		long sum = 0;
		ssize_t n;
		close(s[0]);
		while ((n = read(s[1], large, 7000)) > 0)
			sum += n;
		_exit(sum == 300000 ? 7 : 1);
	}
	close(s[1]);
	TELL(sendfile(s[0], fd, &offset, 1000));
	printf("offset %ld position %ld\n", (long)offset, (long)lseek(fd, 0, SEEK_CUR));
	lseek(fd, 1000, SEEK_SET);
	TELL(sendfile(s[0], fd, NULL, 1000000));
	printf("position %ld\n", (long)lseek(fd, 0, SEEK_CUR));
	TELL(sendfile(s[0], fd, NULL, 1000000));
	TELL(sendfile(fd, s[0], NULL, 10));
	close(s[0]);
	wait(&status);
	printf("status %x\n", status);
	close(fd);
	unlink("file");
}

static void on_signal(int sig)
{
	(void)sig;
}

static void waits(void)
{
	int s[2], status;
	struct timeval tenth = { 0, 20000 };
	struct sigaction action = { .sa_handler = on_signal };

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	fflush(stdout);
	if (fork() == 0) {
		long sum = 0;
		ssize_t n;
		close(s[0]);
		while ((n = read(s[1], large, 10000)) > 0)
			sum += n;
		_exit(sum == 600000 ? 7 : 1);
	}
	close(s[1]);
	TELL(write(s[0], large, sizeof large));
	TELL(send(s[0], large, sizeof large, 0));
	close(s[0]);
	wait(&status);
	printf("status %x\n", status);
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
	TELL(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tenth, sizeof tenth));
	TELL(recv(s[0], text, 1, 0));
	pid_t parent = getpid();
	sigaction(SIGUSR1, &action, NULL);
	fflush(stdout);
	if (fork() == 0) {
		usleep(10000);
		kill(parent, SIGUSR1);
		usleep(10000);
		send(s[0], "late", 4, 0);
		_exit(0);
	}
	TELL(recv(s[1], text, 10, 0));
	TELL(recv(s[1], text, 10, 0));
	wait(&status);
	fcntl(s[1], F_SETOWN, getpid());
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGIO);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fcntl(s[1], F_SETFL, O_ASYNC);
	send(s[0], "x", 1, 0);
	struct timespec now = { 0, 0 };
	TELL(sigtimedwait(&set, NULL, &now));
	close(s[0]);
	close(s[1]);
}

int main(void)
{
	char directory[] = "/tmp/sockets_unix.XXXXXX";

	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	if (!mkdtemp(directory) || chdir(directory) < 0)
		return 1;
	makes();
	streams();
	names();
	messages(SOCK_DGRAM);
	messages(SOCK_SEQPACKET);
	datagrams();
	rights();
	waits();
	file_to_socket();
	rmdir(directory);
	return 0;
}
