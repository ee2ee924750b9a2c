/*
 * What the breakpoint programs share: opening a breakpoint event, reading its
 * count, the names of the error numbers, and the check that the system lets
 * them open one at all.
 */
#ifndef BREAKPOINT_H
#define BREAKPOINT_H

#include "perf_abi.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Exit status of a program that may not use breakpoints here. */
enum { STATUS_REFUSED = 77 };

enum { SELF = 0, ANY_TASK = -1, ANY_CPU = -1, NO_GROUP = -1 };

static inline const char *errno_name(int error)
{
	switch (error) {
	case 0: return "ok";
	case EPERM: return "EPERM";
	case ENOENT: return "ENOENT";
	case ESRCH: return "ESRCH";
	case E2BIG: return "E2BIG";
	case EBADF: return "EBADF";
	case EACCES: return "EACCES";
	case EFAULT: return "EFAULT";
	case ENODEV: return "ENODEV";
	case EINVAL: return "EINVAL";
	case ENOTTY: return "ENOTTY";
	case ENOSPC: return "ENOSPC";
	case ESPIPE: return "ESPIPE";
	case ENOSYS: return "ENOSYS";
	case EOPNOTSUPP: return "EOPNOTSUPP";
	default: return "another error";
	}
}

/* "ok" or the name of errno, for a call that returns a negative value on failure. */
static inline const char *outcome(long result)
{
	return errno_name(result < 0 ? errno : 0);
}

static inline struct perf_event_attr breakpoint_attr(uint32_t bp_type, volatile const void *addr,
						      uint64_t bp_len)
{
	struct perf_event_attr attr;

	memset(&attr, 0, sizeof attr);
	attr.type = PERF_TYPE_BREAKPOINT;
	attr.size = sizeof attr;
	attr.bp_type = bp_type;
	attr.bp_addr = (uintptr_t)addr;
	attr.bp_len = bp_len;
	return attr;
}

/* Opens an event on this task, any CPU; ends the program where that fails. */
static inline int open_self(struct perf_event_attr *attr, int group_fd)
{
	int fd = perf_event_open(attr, SELF, ANY_CPU, group_fd, 0);

	if (fd < 0) {
		printf("perf_event_open failed: %s\n", errno_name(errno));
		exit(1);
	}
	return fd;
}

/* A counting breakpoint on this task. */
static inline int count_on_self(uint32_t bp_type, volatile const void *addr, uint64_t bp_len)
{
	struct perf_event_attr attr = breakpoint_attr(bp_type, addr, bp_len);

	return open_self(&attr, NO_GROUP);
}

static inline unsigned long long read_count(int fd)
{
	uint64_t value = 0;

	if (read(fd, &value, sizeof value) != (ssize_t)sizeof value) {
		printf("read failed\n");
		exit(1);
	}
	return value;
}

/* Ends the program with STATUS_REFUSED where it may not open a breakpoint. */
static inline void require_breakpoints(void)
{
	static volatile char probe;
	struct perf_event_attr attr = breakpoint_attr(BP_W, &probe, 1);
	int fd = perf_event_open(&attr, SELF, ANY_CPU, NO_GROUP, 0);

	if (fd < 0) {
		printf("perf_event_open refused (%s)\n", errno_name(errno));
		exit(STATUS_REFUSED);
	}
	close(fd);
}

#endif
