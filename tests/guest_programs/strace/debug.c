/* Debug registers through ptrace and perf events. */
#define _GNU_SOURCE
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEBUGREG(n) offsetof(struct user, u_debugreg[n])

static volatile int watched;

static void tracing(void)
{
    int status;
    siginfo_t info;
    int child = fork();
    if (child == 0) {
        ptrace(PTRACE_TRACEME, 0, 0, 0);
        raise(SIGSTOP);
        watched = 1;
        _exit(0);
    }
    waitpid(child, &status, 0);
    ptrace(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD);
    ptrace(PTRACE_POKEUSER, child, DEBUGREG(0), &watched);
    ptrace(PTRACE_POKEUSER, child, DEBUGREG(7), 0xd0001);
    ptrace(PTRACE_PEEKUSER, child, DEBUGREG(7), 0);
    ptrace(PTRACE_CONT, child, 0, 0);
    waitpid(child, &status, 0);
    ptrace(PTRACE_GETSIGINFO, child, 0, &info);
    ptrace(PTRACE_PEEKUSER, child, DEBUGREG(6), 0);
    ptrace(PTRACE_PEEKUSER, child, offsetof(struct user, regs.orig_rax), 0);
    ptrace(PTRACE_POKEUSER, child, DEBUGREG(7), 0);
    ptrace(PTRACE_CONT, child, 0, SIGCONT);
    waitpid(child, &status, 0);
}

static void events(void)
{
    long count;
    struct perf_event_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.type = PERF_TYPE_BREAKPOINT;
    attr.size = PERF_ATTR_SIZE_VER7;
    attr.bp_type = HW_BREAKPOINT_W;
    attr.bp_addr = (unsigned long)&watched;
    attr.bp_len = HW_BREAKPOINT_LEN_4;
    attr.sample_period = 1;
    attr.disabled = attr.exclude_kernel = attr.exclude_hv = 1;
    attr.remove_on_exec = attr.sigtrap = 1;
    attr.sig_data = 0x1234;
    int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    ioctl(fd, PERF_EVENT_IOC_RESET, 0);
    ioctl(fd, PERF_EVENT_IOC_DISABLE, PERF_IOC_FLAG_GROUP);
    read(fd, &count, 8);
    attr.type = PERF_TYPE_SOFTWARE;
    attr.config = PERF_COUNT_SW_PAGE_FAULTS;
    attr.sigtrap = attr.remove_on_exec = 0;
    attr.size = 64;
    syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
    ioctl(fd, PERF_EVENT_IOC_ENABLE, 0);
    watched = 2;
}

int main(void)
{
    tracing();
    events();
    return 0;
}
