/* TCP and UDP over the loopback device: addresses and ports, connecting with and without waiting,
 * the ends and resets of connections, messages, both families, with the errors of each. Ports
 * that the kernel chooses are not printed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tell.h"

static char text[70000];

static void bits(const char *what, int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP | POLLPRI, 0 };
	int n = poll(&p, 1, 0);

	printf("%s: poll %d bits %x\n", what, n, p.revents);
}

static int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t len = sizeof value;

	return getsockopt(fd, level, name, &value, &len) < 0 ? -errno : value;
}

static void set(int fd, int level, int name, int value)
{
	if (setsockopt(fd, level, name, &value, sizeof value) < 0)
		printf("setsockopt %d %d: error %d\n", level, name, errno);
}

static struct sockaddr_in v4(const char *ip, int port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port) };

	inet_pton(AF_INET, ip, &addr.sin_addr);
	return addr;
}

static int bind4(int fd, const char *ip, int port)
{
	struct sockaddr_in addr = v4(ip, port);

	return bind(fd, (struct sockaddr *)&addr, sizeof addr);
}

static int connect4(int fd, const char *ip, int port)
{
	struct sockaddr_in addr = v4(ip, port);

	return connect(fd, (struct sockaddr *)&addr, sizeof addr);
}

static int port_of(int fd)
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof addr;

	getsockname(fd, (struct sockaddr *)&addr, &len);
	return ntohs(((struct sockaddr_in *)&addr)->sin_port);
}

static void name_of(const char *what, int fd, int (*ask)(int, struct sockaddr *, socklen_t *))
{
	struct sockaddr_storage addr;
	socklen_t len = sizeof addr;
	char ip[64] = "?";

	if (ask(fd, (struct sockaddr *)&addr, &len) < 0) {
		printf("%s: error %d\n", what, errno);
		return;
	}
	if (addr.ss_family == AF_INET)
		inet_ntop(AF_INET, &((struct sockaddr_in *)&addr)->sin_addr, ip, sizeof ip);
	if (addr.ss_family == AF_INET6)
		inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&addr)->sin6_addr, ip, sizeof ip);
	int port = ntohs(((struct sockaddr_in *)&addr)->sin_port);
	printf("%s: length %d family %d %s port %s\n", what, len, addr.ss_family, ip,
	       port ? "some" : "none");
}

static int listener(const char *ip, int backlog)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (bind4(fd, ip, 0) < 0 || listen(fd, backlog) < 0)
		printf("listener: error %d\n", errno);
	return fd;
}

/* A connected pair: s[0] has connected, s[1] was accepted. */
static void tcp_pair(int s[2])
{
	int l = listener("127.0.0.1", 5);

	s[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect4(s[0], "127.0.0.1", port_of(l)) < 0)
		printf("connect: error %d\n", errno);
	s[1] = accept(l, NULL, NULL);
	close(l);
}

static void makes(void)
{
	struct sockaddr_in other = v4("127.0.0.1", 5);

	TELL(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	TELL(socket(AF_INET, SOCK_SEQPACKET, 0));
	int a = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP), b = socket(AF_INET, SOCK_STREAM, 0);
	bits("fresh", a);
	name_of("fresh", a, getsockname);
	name_of("unconnected", a, getpeername);
	printf("type %d domain %d protocol %d accepts %d\n", option(a, SOL_SOCKET, SO_TYPE),
	       option(a, SOL_SOCKET, SO_DOMAIN), option(a, SOL_SOCKET, SO_PROTOCOL),
	       option(a, SOL_SOCKET, SO_ACCEPTCONN));
	printf("send buffer %d receive buffer %d no delay %d\n", option(a, SOL_SOCKET, SO_SNDBUF),
	       option(a, SOL_SOCKET, SO_RCVBUF), option(a, IPPROTO_TCP, TCP_NODELAY));
	set(a, IPPROTO_TCP, TCP_NODELAY, 7);
	set(a, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	printf("no delay %d\n", option(a, IPPROTO_TCP, TCP_NODELAY));
	TELL(recv(a, text, 1, 0));
	TELL(send(a, "x", 1, MSG_NOSIGNAL));
	TELL(shutdown(a, SHUT_WR));
	TELL(accept(a, NULL, NULL));
	TELL(bind(a, (struct sockaddr *)&other, 8));
	other.sin_family = AF_UNIX;
	TELL(bind(a, (struct sockaddr *)&other, sizeof other));
	TELL(bind4(a, "192.0.2.1", 0));
	TELL(bind4(a, "127.0.0.1", 0));
	TELL(bind4(a, "127.0.0.1", 0));
	name_of("bound", a, getsockname);
	TELL(bind4(b, "127.0.0.1", port_of(a)));
	TELL(bind4(b, "0.0.0.0", port_of(a)));
	TELL(bind4(b, "127.0.0.2", port_of(a)));
	TELL(connect4(b, "127.0.0.1", port_of(a)));
	int c = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	TELL(connect4(c, "127.0.0.1", port_of(a)));
	bits("refused", c);
	printf("error %d, then %d\n", option(c, SOL_SOCKET, SO_ERROR), option(c, SOL_SOCKET, SO_ERROR));
	close(a);
	close(b);
	close(c);
}

static void connections(void)
{
	int l = listener("0.0.0.0", 1), port = port_of(l);
	int a = socket(AF_INET, SOCK_STREAM, 0), b = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	struct sockaddr_in addr;
	socklen_t len = sizeof addr;

	name_of("listens", l, getsockname);
	bits("listens", l);
	printf("accepts %d\n", option(l, SOL_SOCKET, SO_ACCEPTCONN));
	TELL(connect4(l, "127.0.0.1", port));
	TELL(bind4(a, "127.0.0.1", port));
	TELL(connect4(a, "127.0.0.1", port));
	TELL(connect4(a, "127.0.0.1", port));
	name_of("client", a, getsockname);
	name_of("its peer", a, getpeername);
	TELL(write(a, "early", 5));
	bits("waited for", l);
	TELL(connect4(b, "127.0.0.1", port));
	bits("under way", b);
	TELL(connect4(b, "127.0.0.1", port));
	TELL(connect4(b, "127.0.0.1", port));
	int c = accept(l, (struct sockaddr *)&addr, &len);
	printf("accepted, length %d, same port %d\n", len, ntohs(addr.sin_port) == port_of(a));
	name_of("accepted", c, getsockname);
	TELL(read(c, text, 100));
	int d = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	TELL(read(d, text, 1));
	TELL(fcntl(d, F_GETFD));
	fcntl(l, F_SETFL, O_NONBLOCK);
	TELL(accept(l, NULL, NULL));
	printf("reuse of the accepted: %d\n", option(d, SOL_SOCKET, SO_REUSEADDR));
	int e = socket(AF_INET, SOCK_STREAM, 0);
	connect4(e, "127.0.0.1", port);
	close(l);
	TELL(read(e, text, 1));
	TELL(connect4(e, "127.0.0.1", port));
	for (int fd = a; fd <= e; fd++)
		close(fd);
}

static void ends(void)
{
	int s[2], n;

	tcp_pair(s);
	bits("fresh", s[0]);
	TELL(write(s[0], "one", 3));
	TELL(write(s[0], "two", 3));
	ioctl(s[1], FIONREAD, &n);
	printf("readable %d\n", n);
	TELL(recv(s[1], text, 4, MSG_PEEK));
	TELL(recv(s[1], text, 100, 0));
	TELL(recv(s[1], text, 1, MSG_DONTWAIT));
	TELL(shutdown(s[0], SHUT_WR));
	bits("shut to write", s[0]);
	bits("its peer", s[1]);
	TELL(read(s[1], text, 1));
	TELL(write(s[1], "back", 4));
	TELL(read(s[0], text, 10));
	TELL(send(s[0], "x", 1, MSG_NOSIGNAL));
	TELL(shutdown(s[1], SHUT_WR));
	usleep(1000);
	bits("both shut", s[0]);
	bits("both shut", s[1]);
	TELL(read(s[0], text, 1));
	name_of("over", s[0], getpeername);
	close(s[0]);
	close(s[1]);
	tcp_pair(s);
	close(s[0]);
	usleep(1000);
	bits("peer closed", s[1]);
	TELL(read(s[1], text, 1));
	TELL(send(s[1], "x", 1, MSG_NOSIGNAL));
	usleep(1000);
	bits("written to", s[1]);
	TELL(send(s[1], "x", 1, MSG_NOSIGNAL));
	TELL(read(s[1], text, 1));
	close(s[1]);
	tcp_pair(s);
	write(s[1], "unread", 6);
	close(s[0]);
	usleep(1000);
	bits("reset", s[1]);
	TELL(read(s[1], text, 1));
	TELL(read(s[1], text, 1));
	TELL(send(s[1], "x", 1, MSG_NOSIGNAL));
	close(s[1]);
	tcp_pair(s);
	struct linger linger = { 1, 0 };
	setsockopt(s[0], SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
	close(s[0]);
	usleep(1000);
	TELL(read(s[1], text, 1));
	close(s[1]);
}

static void server(void)
{
	int l = listener("127.0.0.1", 5), port = port_of(l), status;

	fflush(stdout);
	if (fork() == 0) {
		int s = socket(AF_INET, SOCK_STREAM, 0);
		long sum = 0;
		ssize_t n;
		close(l);
		if (connect4(s, "127.0.0.1", port) < 0)
			_exit(1);
		for (int i = 0; i < 20; i++)
			if (write(s, text, sizeof text) != sizeof text)
				_exit(2);
		shutdown(s, SHUT_WR);
		while ((n = read(s, text, 5000)) > 0)
			sum += n;
		_exit(sum == 12345 ? 7 : 3);
	}
	int ep = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN, .data.fd = l };
	epoll_ctl(ep, EPOLL_CTL_ADD, l, &event);
	long sum = 0;
	for (int open = 1; open;) {
		if (epoll_wait(ep, &event, 1, -1) != 1)
			break;
		if (event.data.fd == l) {
			event.data.fd = accept4(l, NULL, NULL, SOCK_NONBLOCK);
			event.events = EPOLLIN | EPOLLRDHUP | EPOLLET;
			epoll_ctl(ep, EPOLL_CTL_ADD, event.data.fd, &event);
			continue;
		}
		ssize_t n;
		while ((n = read(event.data.fd, text, 3000)) > 0)
			sum += n;
		if (n == 0) {
			write(event.data.fd, text, 12345);
			close(event.data.fd);
			open = 0;
		}
	}
	wait(&status);
	printf("sum %ld status %x\n", sum, status);
	close(ep);
	close(l);
}

static void udp(void)
{
	int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in from, to = v4("127.0.0.1", 0), far = v4("192.0.2.1", 7);
	socklen_t len = sizeof from;
	struct iovec parts[2] = { { "mes", 3 }, { "sage", 4 } };

	(void)far;
	bits("fresh", a);
	TELL(send(a, "x", 1, 0));
	TELL(sendto(a, "x", 1, 0, (struct sockaddr *)&to, sizeof to));
	TELL(bind4(b, "127.0.0.1", 0));
	to.sin_port = htons(port_of(b));
	TELL(sendto(a, "hello", 5, 0, (struct sockaddr *)&to, sizeof to));
	name_of("has sent", a, getsockname);
	bits("receiver", b);
	TELL(recvfrom(b, text, 3, 0, (struct sockaddr *)&from, &len));
	printf("length %d, same port %d, %s\n", len, ntohs(from.sin_port) == port_of(a),
	       inet_ntoa(from.sin_addr));
	TELL(recv(b, text, 3, MSG_DONTWAIT));
	TELL(sendto(a, text, 65508, 0, (struct sockaddr *)&to, sizeof to));
	TELL(sendto(a, text, 65507, 0, (struct sockaddr *)&to, sizeof to));
	TELL(recv(b, text, 70000, 0));
	TELL(connect4(a, "127.0.0.1", port_of(b)));
	name_of("connected", a, getsockname);
	name_of("its peer", a, getpeername);
	TELL(writev(a, parts, 2));
	TELL(send(a, "", 0, 0));
	TELL(read(b, text, 100));
	TELL(read(b, text, 100));
	struct mmsghdr two[3] = { 0 };
	struct iovec in[3] = { { text, 10 }, { text + 10, 2 }, { text + 20, 10 } };
	for (int i = 0; i < 3; i++) {
		two[i].msg_hdr.msg_iov = &parts[i % 2];
		two[i].msg_hdr.msg_iovlen = 1;
	}
	TELL(sendmmsg(a, two, 3, 0));
	for (int i = 0; i < 3; i++)
		two[i].msg_hdr.msg_iov = &in[i];
	TELL(recvmmsg(b, two, 3, MSG_WAITFORONE, NULL));
	for (int i = 0; i < 3; i++)
		printf("message %u flags %x\n", two[i].msg_len, two[i].msg_hdr.msg_flags);
	int c = socket(AF_INET, SOCK_DGRAM, 0);
	TELL(bind4(c, "127.0.0.1", port_of(b)));
	TELL(shutdown(c, SHUT_RD));
	close(b);
	TELL(send(a, "nobody", 6, 0));
	usleep(1000);
	bits("refused", a);
	TELL(recv(a, text, 1, MSG_DONTWAIT));
	TELL(recv(a, text, 1, MSG_DONTWAIT));
	struct sockaddr none = { AF_UNSPEC };
	TELL(connect(a, &none, sizeof none));
	name_of("no peer", a, getpeername);
	TELL(listen(a, 1));
	close(a);
	close(c);
}

static void sixth(void)
{
	int l = socket(AF_INET6, SOCK_STREAM, 0), a = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 }, to = any;
	socklen_t len = sizeof any;

	printf("only %d\n", option(l, IPPROTO_IPV6, IPV6_V6ONLY));
	TELL(bind(l, (struct sockaddr *)&any, sizeof any));
	TELL(listen(l, 5));
	name_of("any", l, getsockname);
	to.sin6_addr = in6addr_loopback;
	to.sin6_port = htons(port_of(l));
	TELL(connect(a, (struct sockaddr *)&to, len));
	name_of("client", a, getsockname);
	close(accept(l, NULL, NULL));
	int b = socket(AF_INET, SOCK_STREAM, 0);
	TELL(connect4(b, "127.0.0.1", port_of(l)));
	int c = accept(l, NULL, NULL);
	name_of("of the fourth", c, getpeername);
	name_of("of the fourth", c, getsockname);
	int d = socket(AF_INET, SOCK_STREAM, 0);
	TELL(bind4(d, "0.0.0.0", port_of(l)));
	close(l);
	close(a);
	close(b);
	close(c);
	int u = socket(AF_INET6, SOCK_DGRAM, 0), v = socket(AF_INET6, SOCK_DGRAM, 0);
	any.sin6_port = 0;
	any.sin6_addr = in6addr_loopback;
	TELL(bind(u, (struct sockaddr *)&any, sizeof any));
	to.sin6_port = htons(port_of(u));
	TELL(sendto(v, "six", 3, 0, (struct sockaddr *)&to, sizeof to));
	len = sizeof any;
	TELL(recvfrom(u, text, 10, 0, (struct sockaddr *)&any, &len));
	printf("length %d\n", len);
	close(u);
	close(v);
	close(d);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	makes();
	connections();
	ends();
	server();
	udp();
	sixth();
	return 0;
}
