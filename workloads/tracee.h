/*
 * What the ptrace programs share: making a tracee, letting it go on, and
 * telling what it stopped for in words that are the same everywhere.
 */
#ifndef TRACEE_H
#define TRACEE_H

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef __WALL
#define __WALL 0x40000000
#endif

/* Some libraries have requests as an enumeration, some as numbers. */
static inline long trace(long request, int pid, uint64_t addr, uint64_t data)
{
	return syscall(SYS_ptrace, request, (long)pid, addr, data);
}

enum {
	REQ_TRACEME = 0, REQ_PEEKDATA = 2, REQ_PEEKUSER = 3, REQ_POKEDATA = 5, REQ_POKEUSER = 6,
	REQ_CONT = 7, REQ_KILL = 8, REQ_SINGLESTEP = 9, REQ_GETREGS = 12, REQ_SETREGS = 13,
	REQ_GETFPREGS = 14, REQ_SETFPREGS = 15, REQ_ATTACH = 16, REQ_DETACH = 17,
	REQ_SYSCALL = 24, REQ_SYSEMU = 31, REQ_SYSEMU_SINGLESTEP = 32, REQ_SETOPTIONS = 0x4200,
	REQ_GETEVENTMSG = 0x4201, REQ_GETSIGINFO = 0x4202, REQ_SETSIGINFO = 0x4203,
	REQ_GETREGSET = 0x4204, REQ_SETREGSET = 0x4205, REQ_SEIZE = 0x4206,
	REQ_INTERRUPT = 0x4207, REQ_LISTEN = 0x4208, REQ_PEEKSIGINFO = 0x4209,
	REQ_GETSIGMASK = 0x420a, REQ_SETSIGMASK = 0x420b, REQ_GET_SYSCALL_INFO = 0x420e,
};

enum {
	OPT_SYSGOOD = 1, OPT_FORK = 2, OPT_VFORK = 4, OPT_CLONE = 8, OPT_EXEC = 16,
	OPT_VFORKDONE = 32, OPT_EXIT = 64, OPT_EXITKILL = 1 << 20,
};

static inline uint64_t user_word(int pid, size_t offset)
{
	uint64_t word = 0;

	trace(REQ_PEEKUSER, pid, offset, (uintptr_t)&word);
	return word;
}

static inline long set_user_word(int pid, size_t offset, uint64_t word)
{
	return trace(REQ_POKEUSER, pid, offset, word);
}

#define REG(name) offsetof(struct user, regs.name)
#define DEBUGREG(number) (offsetof(struct user, u_debugreg) + 8 * (number))

static inline const char *error_name(long result)
{
	if (result >= 0)
		return "ok";
	switch (errno) {
	case EPERM: return "EPERM";
	case ESRCH: return "ESRCH";
	case EIO: return "EIO";
	case EFAULT: return "EFAULT";
	case EINVAL: return "EINVAL";
	case ENOSPC: return "ENOSPC";
	case ECHILD: return "ECHILD";
	default: return "another error";
	}
}

static int own_pid;

/* raise() with one system call, the same in every library. */
static inline void send_self(int signal)
{
	syscall(SYS_kill, (long)own_pid, (long)signal);
}

/* A child that is traced and has stopped itself. */
static inline int start_tracee(void (*body)(void))
{
	int child = fork();
	int status;

	if (child == 0) {
		own_pid = getpid();
		trace(REQ_TRACEME, 0, 0, 0);
		send_self(SIGSTOP);
		body();
		_exit(0);
	}
	waitpid(child, &status, 0);
	return child;
}

static inline void show_status(const char *what, int pid, int status)
{
	siginfo_t info;

	printf("%s: ", what);
	if (WIFEXITED(status)) {
		printf("exited with %d\n", WEXITSTATUS(status));
	} else if (WIFSIGNALED(status)) {
		printf("killed by %d\n", WTERMSIG(status));
	} else if (WIFSTOPPED(status)) {
		printf("signal %d", WSTOPSIG(status) & 0x7f);
		if (WSTOPSIG(status) & 0x80)
			printf(" at a system call");
		if (status >> 16)
			printf(" event %d", status >> 16);
		memset(&info, 0, sizeof info);
		if (trace(REQ_GETSIGINFO, pid, 0, (uintptr_t)&info) < 0)
			printf(", no siginfo (%s)\n", error_name(-1));
		else
			printf(", code %#x\n", info.si_code);
	} else {
		printf("status %#x\n", status);
	}
}

/* Lets a tracee go on and tells its next stop or end. */
static inline int go_on(const char *what, long request, int pid, int signal)
{
	int status = 0;

	if (trace(request, pid, 0, signal) < 0) {
		printf("%s: %s\n", what, error_name(-1));
		return 0;
	}
	if (waitpid(pid, &status, __WALL) != pid) {
		printf("%s: no child\n", what);
		return 0;
	}
	show_status(what, pid, status);
	return status;
}

/* The same without a word. */
static inline int go_on_silently(long request, int pid, int signal)
{
	int status = 0;

	trace(request, pid, 0, signal);
	waitpid(pid, &status, __WALL);
	return status;
}

static inline void end_tracee(int pid)
{
	int status;

	kill(pid, SIGKILL);
	while (waitpid(pid, &status, __WALL) == pid && !WIFEXITED(status) && !WIFSIGNALED(status))
		;
}

#endif
