//! Files of `/proc` that belong to no process: the machine's state and `/proc/sys`.
//! Source: Linux 6.18 `fs/proc/`, `kernel/sysctl.c`, `Documentation/filesystems/proc.rst`.

use perf_core::Errno;

use super::pseudo::PseudoFile;
use crate::arch::x86::hw::PAGE_SIZE;
use crate::kernel::Kernel;
use crate::syscalls::UTS;
use crate::task::TaskState;
use crate::task::pid::PID_MAX;
use crate::uapi::time::NSEC_PER_SEC;

/// The largest number of an `int` sysctl.
const MAX_INT: u64 = i32::MAX as u64;

const fn fixed(path: &'static str, show: super::pseudo::Show) -> PseudoFile {
    PseudoFile::text(path, show)
}

pub(super) const FILES: &[PseudoFile] = &[
    fixed("/proc/cpuinfo", |kernel, _| cpu_info(kernel)),
    fixed("/proc/filesystems", |_, _| {
        b"nodev\tsysfs\nnodev\ttmpfs\nnodev\tproc\nnodev\tdevtmpfs\nnodev\ttracefs\nnodev\toverlay\n"
            .to_vec()
    }),
    fixed("/proc/loadavg", |kernel, _| load_average(kernel)),
    fixed("/proc/meminfo", |kernel, _| memory_info(kernel)),
    fixed("/proc/stat", |kernel, _| machine_stat(kernel)),
    fixed("/proc/uptime", |kernel, _| {
        let centiseconds = kernel.now_ns() / 10_000_000;
        let text = format!("{}.{:02}", centiseconds / 100, centiseconds % 100);
        format!("{text} 0.00\n").into_bytes()
    }),
    fixed("/proc/version", |_, _| {
        format!("{} version {} (dr7) {}\n", UTS[0], UTS[2], UTS[3]).into_bytes()
    }),
    fixed("/proc/cmdline", |_, _| b"\n".to_vec()),
    fixed("/proc/sys/fs/file-max", |_, _| b"9223372036854775807\n".to_vec()),
    fixed("/proc/sys/fs/nr_open", |_, _| b"1048576\n".to_vec()),
    fixed("/proc/sys/fs/pipe-max-size", |_, _| b"1048576\n".to_vec()),
    fixed("/proc/sys/kernel/hostname", |kernel, _| [kernel.uts.host.as_slice(), b"\n"].concat()),
    fixed("/proc/sys/kernel/osrelease", |_, _| format!("{}\n", UTS[2]).into_bytes()),
    fixed("/proc/sys/kernel/ostype", |_, _| format!("{}\n", UTS[0]).into_bytes()),
    fixed("/proc/sys/kernel/version", |_, _| format!("{}\n", UTS[3]).into_bytes()),
    fixed("/proc/sys/kernel/pid_max", |_, _| format!("{PID_MAX}\n").into_bytes()),
    fixed("/proc/sys/kernel/ngroups_max", |_, _| b"65536\n".to_vec()),
    fixed("/proc/sys/kernel/cap_last_cap", |_, _| b"40\n".to_vec()),
    fixed("/proc/sys/kernel/perf_cpu_time_max_percent", |_, _| b"25\n".to_vec()),
    fixed("/proc/sys/kernel/perf_event_max_contexts_per_stack", |_, _| b"8\n".to_vec()),
    fixed("/proc/sys/kernel/perf_event_max_sample_rate", |kernel, _| {
        format!("{}\n", kernel.perf.config.limits.max_sample_rate).into_bytes()
    })
    .writable(|kernel, _, bytes| {
        let rate = parse_number(bytes)?;
        let rate = u64::try_from(rate).ok().filter(|rate| (1..=MAX_INT).contains(rate));
        kernel.perf.config.limits.max_sample_rate = rate.ok_or(Errno::EINVAL)?;
        Ok(bytes.len())
    }),
    fixed("/proc/sys/kernel/perf_event_max_stack", |_, _| b"127\n".to_vec()),
    fixed("/proc/sys/kernel/perf_event_mlock_kb", |_, _| b"516\n".to_vec()),
    fixed("/proc/sys/kernel/perf_event_paranoid", |kernel, _| {
        format!("{}\n", kernel.perf_event_paranoid).into_bytes()
    })
    .writable(|kernel, _, bytes| {
        let level = i32::try_from(parse_number(bytes)?).map_err(|_| Errno::EINVAL)?;
        kernel.perf_event_paranoid = level;
        Ok(bytes.len())
    }),
    fixed("/proc/sys/kernel/randomize_va_space", |_, _| b"0\n".to_vec()),
    fixed("/proc/sys/vm/max_map_count", |_, _| b"65530\n".to_vec()),
    fixed("/proc/sys/vm/mmap_min_addr", |_, _| b"65536\n".to_vec()),
    fixed("/proc/sys/vm/overcommit_memory", |_, _| b"0\n".to_vec()),
];

/// A paragraph for each CPU.
fn cpu_info(kernel: &Kernel) -> Vec<u8> {
    let paragraph =
        |cpu| format!("processor\t: {cpu}\nflags\t\t: fpu tsc cx8 cmov sse sse2 lm\n\n");
    (0..kernel.hw.nr_cpus()).map(paragraph).collect::<String>().into_bytes()
}

fn load_average(kernel: &Kernel) -> Vec<u8> {
    let tasks = kernel.tasks.tasks.values();
    let nr_runnable = tasks.filter(|task| task.state == TaskState::Runnable).count();
    let nr_tasks = kernel.tasks.tasks.len();
    let last = kernel.tasks.tasks.values().map(|task| task.tid).max().unwrap_or(0);
    format!("0.00 0.00 0.00 {nr_runnable}/{nr_tasks} {last}\n").into_bytes()
}

fn memory_info(kernel: &Kernel) -> Vec<u8> {
    let kib = |pages: u64| pages * (PAGE_SIZE / 1024);
    let (total, free) = (kib(kernel.frames.nr_managed()), kib(kernel.frames.nr_free()));
    let lines = [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", free),
        ("Buffers", 0),
        ("Cached", 0),
        ("SwapCached", 0),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Shmem", 0),
        ("SReclaimable", 0),
    ];
    let line = |(name, kib): (&str, u64)| format!("{:<16}{kib:>8} kB\n", format!("{name}:"));
    lines.into_iter().map(line).collect::<String>().into_bytes()
}

/// Ticks of a hundredth of a second.
fn ticks(ns: u64) -> u64 {
    ns / 10_000_000
}

fn machine_stat(kernel: &Kernel) -> Vec<u8> {
    let times: Vec<u64> = kernel.hw.cpus().map(|cpu| ticks(kernel.hw.time_ns(cpu))).collect();
    let line = |name: &str, user: u64| format!("{name} {user} 0 0 0 0 0 0 0 0 0\n");
    let mut text = line("cpu ", times.iter().sum());
    for (cpu, user) in times.iter().enumerate() {
        text += &line(&format!("cpu{cpu}"), *user);
    }
    let processes = kernel.tasks.processes.len();
    let boot = kernel.boot_realtime_ns / NSEC_PER_SEC;
    text += &format!(
        "intr 0\nctxt 0\nbtime {boot}\nprocesses {processes}\nprocs_running 1\nprocs_blocked 0\n"
    );
    text.into_bytes()
}

/// A number written to a file, as `kstrtoint` reads it: decimal, with spaces around.
///
/// # Errors
/// EINVAL for anything else.
pub(crate) fn parse_number(bytes: &[u8]) -> Result<i64, Errno> {
    let text = std::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?;
    text.trim_matches(['\n', ' ', '\t', '\0']).parse().map_err(|_| Errno::EINVAL)
}
