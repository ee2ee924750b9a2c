//! prctl, arch_prctl, personality.
//! Source: Linux 6.18 `kernel/sys.c`, `arch/x86/kernel/process_64.c`.

use perf_core::{CommChange, Errno, TaskId};

use super::table::Syscall;
use crate::arch::x86::fpu::FpuFormat;
use crate::arch::x86::tsc::TscMode;
use crate::kernel::Kernel;
use crate::mm::layout::TASK_SIZE_MAX;
use crate::uapi::signal::NSIG;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(135, "personality", sys_personality).partial("only PER_LINUX"),
    Syscall::plain(157, "prctl", sys_prctl).partial(
        "names, subreapers, PDEATHSIG, TIMERSLACK, TIMING, TID_ADDRESS, MCE_KILL, THP_DISABLE, \
         TSC, security filters, SYSCALL_USER_DISPATCH, perf events, and what is about \
         credentials; PR_SET_NO_NEW_PRIVS has no effect on execve, and slack none; PR_SET_MM is \
         refused (EINVAL)",
    ),
    Syscall::plain(158, "arch_prctl", sys_arch_prctl)
        .partial("no shadow stacks, no CPUID faulting"),
];

/// Bytes of a task's name with its NUL (`TASK_COMM_LEN`).
const TASK_COMM_LEN: usize = 16;

fn sys_prctl(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const PR_SET_PDEATHSIG: u64 = 1;
    const PR_GET_PDEATHSIG: u64 = 2;
    const PR_GET_TIMING: u64 = 13;
    const PR_SET_TIMING: u64 = 14;
    const PR_SET_TIMERSLACK: u64 = 29;
    const PR_GET_TIMERSLACK: u64 = 30;
    const PR_MCE_KILL_GET: u64 = 34;
    const PR_GET_TID_ADDRESS: u64 = 40;
    const PR_SET_THP_DISABLE: u64 = 41;
    const PR_GET_THP_DISABLE: u64 = 42;
    const MCE_KILL_DEFAULT: u64 = 2;
    const PR_SET_NAME: u64 = 15;
    const PR_GET_NAME: u64 = 16;
    const PR_TASK_PERF_EVENTS_DISABLE: u64 = 31;
    const PR_TASK_PERF_EVENTS_ENABLE: u64 = 32;
    const PR_SET_CHILD_SUBREAPER: u64 = 36;
    const PR_GET_CHILD_SUBREAPER: u64 = 37;
    const PR_GET_TSC: u64 = 25;
    const PR_SET_TSC: u64 = 26;
    const PR_SET_SYSCALL_USER_DISPATCH: u64 = 59;
    const PR_SET_PTRACER: u64 = 0x5961_6d61;

    let [option, value, ..] = *args;
    let now = kernel.now_ns();
    match option & 0xffff_ffff {
        PR_SET_NAME => set_name(kernel, task, value),
        PR_GET_NAME => {
            let mut bytes = [0; TASK_COMM_LEN];
            let name = kernel.tasks.task(task).comm.as_bytes();
            bytes[..name.len()].copy_from_slice(name);
            kernel.copy_to_user(value, &bytes)?;
            Ok(0)
        }
        PR_TASK_PERF_EVENTS_DISABLE => {
            kernel.with_pmu(|perf, pmu| perf.task_events_disable(pmu, now, task));
            Ok(0)
        }
        PR_TASK_PERF_EVENTS_ENABLE => {
            kernel.with_pmu(|perf, pmu| perf.task_events_enable(pmu, now, task));
            Ok(0)
        }
        PR_SET_CHILD_SUBREAPER => {
            kernel.tasks.process_of_mut(task).is_subreaper = value != 0;
            Ok(0)
        }
        PR_GET_CHILD_SUBREAPER => {
            let is_subreaper = kernel.tasks.process_of(task).is_subreaper;
            kernel.write_user_u32(value, u32::from(is_subreaper)).map(|()| 0)
        }
        PR_SET_PDEATHSIG if value > u64::from(NSIG) => Err(Errno::EINVAL),
        PR_SET_PDEATHSIG => {
            kernel.tasks.task_mut(task).pdeath_signal = value as u32;
            Ok(0)
        }
        PR_GET_PDEATHSIG => {
            let signal = kernel.tasks.task(task).pdeath_signal;
            kernel.write_user_u32(value, signal).map(|()| 0)
        }
        PR_SET_TIMERSLACK => {
            let sched = &mut kernel.tasks.task_mut(task).sched;
            let is_default = value as i64 <= 0;
            sched.timer_slack_ns = if is_default { sched.default_slack_ns } else { value };
            Ok(0)
        }
        PR_GET_TIMERSLACK => Ok(kernel.tasks.task(task).sched.timer_slack_ns),
        // Statistical timing, late machine checks.
        PR_GET_TIMING => Ok(0),
        PR_SET_TIMING if value == 0 => Ok(0),
        PR_MCE_KILL_GET if args[1..5] == [0; 4] => Ok(MCE_KILL_DEFAULT),
        PR_GET_THP_DISABLE if args[1..5] == [0; 4] => Ok(0),
        PR_SET_THP_DISABLE if args[2..5] == [0; 3] => Ok(0),
        PR_GET_TID_ADDRESS => {
            let address = kernel.tasks.task(task).clear_child_tid;
            kernel.write_user_u64(value, address).map(|()| 0)
        }
        PR_SET_TSC => {
            let mode = TscMode::from_number(value).ok_or(Errno::EINVAL)?;
            kernel.set_tsc_mode(task, mode);
            Ok(0)
        }
        PR_GET_TSC => {
            let mode = kernel.tasks.task(task).arch.tsc;
            kernel.write_user_u32(value, mode.number()).map(|()| 0)
        }
        PR_SET_SYSCALL_USER_DISPATCH => {
            kernel.prctl_user_dispatch(task, [value, args[2], args[3], args[4]])
        }
        // As where the Yama security module is absent.
        PR_SET_PTRACER => Err(Errno::EINVAL),
        option => crate::seccomp::prctl(kernel, task, option, args)
            .or_else(|| super::cred::prctl(kernel, task, option, args))
            .unwrap_or_else(|| {
                kernel.tell_unsupported(task, Some("prctl: this option"));
                Err(Errno::EINVAL)
            }),
    }
}

/// Up to 15 bytes until a NUL; bytes that are no UTF-8 are replaced.
fn set_name(kernel: &mut Kernel, task: TaskId, addr: u64) -> Result<u64, Errno> {
    let name = kernel.read_user_prefix(addr, TASK_COMM_LEN - 1)?;
    kernel.tasks.task_mut(task).comm = comm_of_bytes(&name);
    kernel.perf_event_comm(task, CommChange::Rename);
    Ok(0)
}

pub(crate) fn comm_of_bytes(name: &[u8]) -> String {
    let mut comm = String::new();
    for letter in String::from_utf8_lossy(name).chars() {
        if comm.len() + letter.len_utf8() >= TASK_COMM_LEN {
            break;
        }
        comm.push(letter);
    }
    comm
}

impl Kernel {
    /// A string of which at most `max` bytes are taken (`strncpy_from_user`).
    fn read_user_prefix(&mut self, addr: u64, max: usize) -> Result<Vec<u8>, Errno> {
        let mut text = Vec::new();
        while text.len() < max {
            let mut byte = [0];
            self.copy_from_user(addr.wrapping_add(text.len() as u64), &mut byte)?;
            if byte == [0] {
                break;
            }
            text.extend(byte);
        }
        Ok(text)
    }
}

fn sys_arch_prctl(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [option, addr, ..] = *args;
    kernel.do_arch_prctl(task, option, addr)?;
    let entry = kernel.tasks.task(task);
    let (selectors, fs, gs) = (entry.arch.selectors, entry.fs_base, entry.gs_base);
    kernel.hw.load_selectors(kernel.this_cpu, &selectors, fs, gs);
    Ok(0)
}

impl Kernel {
    /// Reads or sets a segment base of a task; the caller's memory is read and written
    /// (`do_arch_prctl_64`).
    pub(crate) fn do_arch_prctl(
        &mut self,
        task: TaskId,
        option: u64,
        addr: u64,
    ) -> Result<u64, Errno> {
        const ARCH_SET_GS: u64 = 0x1001;
        const ARCH_SET_FS: u64 = 0x1002;
        const ARCH_GET_FS: u64 = 0x1003;
        const ARCH_GET_GS: u64 = 0x1004;
        const ARCH_GET_CPUID: u64 = 0x1011;
        const ARCH_SET_CPUID: u64 = 0x1012;
        const ARCH_GET_XCOMP_SUPP: u64 = 0x1021;
        const ARCH_GET_XCOMP_PERM: u64 = 0x1022;
        const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
        const XFEATURE_MAX: u64 = 20;

        let entry = self.tasks.task_mut(task);
        match option {
            ARCH_SET_FS | ARCH_SET_GS if addr >= TASK_SIZE_MAX => return Err(Errno::EPERM),
            ARCH_SET_FS => (entry.arch.selectors.fs, entry.fs_base) = (0, addr),
            ARCH_SET_GS => (entry.arch.selectors.gs, entry.gs_base) = (0, addr),
            ARCH_GET_FS | ARCH_GET_GS => {
                let base = if option == ARCH_GET_FS { entry.fs_base } else { entry.gs_base };
                self.write_user_u64(addr, base)?;
            }
            ARCH_GET_CPUID => return Ok(1),
            // The processor has no CPUID faulting.
            ARCH_SET_CPUID => return Err(Errno::ENODEV),
            ARCH_GET_XCOMP_SUPP | ARCH_GET_XCOMP_PERM => {
                let features = match self.hw.fpu_format() {
                    FpuFormat::Fxsave => 0,
                    FpuFormat::Xsave { features } => features,
                };
                self.write_user_u64(addr, features)?;
            }
            // None of the features is one that needs permission.
            ARCH_REQ_XCOMP_PERM if addr < XFEATURE_MAX => return Err(Errno::EOPNOTSUPP),
            _ => return Err(Errno::EINVAL),
        }
        Ok(0)
    }
}

/// Tells the old personality. Addresses are never random, asked for or not.
fn sys_personality(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    const QUERY: u32 = 0xffff_ffff;
    const ADDR_NO_RANDOMIZE: u32 = 0x4_0000;
    let (new, entry) = (args[0] as u32, kernel.tasks.task_mut(task));
    let old = entry.personality;
    match new {
        QUERY => {}
        0 | ADDR_NO_RANDOMIZE => entry.personality = new,
        _ => {
            kernel.tell_unsupported(task, Some("personality"));
            return Err(Errno::EINVAL);
        }
    }
    Ok(u64::from(old))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_to_15_bytes() {
        for (name, want) in [
            (&b"short"[..], "short"),
            (b"123456789abcdefgh", "123456789abcdef"),
            ("123456789abcde\u{e9}".as_bytes(), "123456789abcde"),
            (b"a\xff", "a\u{fffd}"),
        ] {
            assert_eq!(comm_of_bytes(name), want);
        }
    }
}
