/*
 * The part of Linux's perf_event ABI that the breakpoint programs use: the
 * layout of the attributes, the control page and the records, the constants,
 * and the raw system calls. It stands in for <linux/perf_event.h>, which a
 * musl tool chain does not see.
 */
#ifndef PERF_ABI_H
#define PERF_ABI_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PERF_TYPE_SOFTWARE = 1, PERF_TYPE_BREAKPOINT = 5 };

enum { BP_EMPTY = 0, BP_R = 1, BP_W = 2, BP_RW = 3, BP_X = 4, BP_INVALID = 7 };

enum {
	SAMPLE_IP = 1 << 0,
	SAMPLE_TID = 1 << 1,
	SAMPLE_TIME = 1 << 2,
	SAMPLE_ADDR = 1 << 3,
	SAMPLE_READ = 1 << 4,
	SAMPLE_ID = 1 << 6,
	SAMPLE_CPU = 1 << 7,
	SAMPLE_PERIOD = 1 << 8,
	SAMPLE_STREAM_ID = 1 << 9,
	SAMPLE_IDENTIFIER = 1 << 16,
};

enum { FORMAT_ENABLED = 1, FORMAT_RUNNING = 2, FORMAT_ID = 4, FORMAT_GROUP = 8, FORMAT_LOST = 16 };

enum { RECORD_LOST = 2, RECORD_SAMPLE = 9 };

#define IOC_ENABLE _IO('$', 0)
#define IOC_DISABLE _IO('$', 1)
#define IOC_REFRESH _IO('$', 2)
#define IOC_RESET _IO('$', 3)
#define IOC_PERIOD _IOW('$', 4, uint64_t)
#define IOC_ID _IOR('$', 7, uint64_t *)
#define IOC_PAUSE_OUTPUT _IOW('$', 9, uint32_t)
#define IOC_MODIFY_ATTRIBUTES _IOW('$', 11, struct perf_event_attr *)
#define IOC_FLAG_GROUP 1

#define PERF_FLAG_FD_CLOEXEC 8UL

/* 128 bytes: the size that brought sig_data. */
struct perf_event_attr {
	uint32_t type;
	uint32_t size;
	uint64_t config;
	uint64_t sample_period;
	uint64_t sample_type;
	uint64_t read_format;
	uint64_t disabled : 1, inherit : 1, pinned : 1, exclusive : 1;
	uint64_t exclude_user : 1, exclude_kernel : 1, exclude_hv : 1, exclude_idle : 1;
	uint64_t mmap : 1, comm : 1, freq : 1, inherit_stat : 1;
	uint64_t enable_on_exec : 1, task : 1, watermark : 1, precise_ip : 2;
	uint64_t mmap_data : 1, sample_id_all : 1, exclude_host : 1, exclude_guest : 1;
	uint64_t exclude_callchain_kernel : 1, exclude_callchain_user : 1;
	uint64_t mmap2 : 1, comm_exec : 1, use_clockid : 1, context_switch : 1;
	uint64_t write_backward : 1, namespaces : 1, ksymbol : 1, bpf_event : 1;
	uint64_t aux_output : 1, cgroup : 1, text_poke : 1, build_id : 1;
	uint64_t inherit_thread : 1, remove_on_exec : 1, sigtrap : 1, reserved_flags : 26;
	uint32_t wakeup_events;
	uint32_t bp_type;
	uint64_t bp_addr;
	uint64_t bp_len;
	uint64_t branch_sample_type;
	uint64_t sample_regs_user;
	uint32_t sample_stack_user;
	int32_t clockid;
	uint64_t sample_regs_intr;
	uint32_t aux_watermark;
	uint16_t sample_max_stack;
	uint16_t reserved_2;
	uint32_t aux_sample_size;
	uint32_t reserved_3;
	uint64_t sig_data;
};
_Static_assert(sizeof(struct perf_event_attr) == 128, "layout of perf_event_attr");

struct perf_event_mmap_page {
	uint32_t version;
	uint32_t compat_version;
	uint32_t lock;
	uint32_t index;
	int64_t offset;
	uint64_t time_enabled;
	uint64_t time_running;
	uint64_t capabilities;
	uint8_t unused[1024 - 48];
	uint64_t data_head;
	uint64_t data_tail;
	uint64_t data_offset;
	uint64_t data_size;
};
_Static_assert(__builtin_offsetof(struct perf_event_mmap_page, data_head) == 1024, "control page");

struct perf_event_header {
	uint32_t type;
	uint16_t misc;
	uint16_t size;
};

static inline int perf_event_open(struct perf_event_attr *attr, int pid, int cpu, int group_fd,
				  unsigned long flags)
{
	return (int)syscall(SYS_perf_event_open, attr, pid, cpu, group_fd, flags);
}

#endif
