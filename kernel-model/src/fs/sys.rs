//! Files of `/sys`.
//! Source: Linux 6.18 `drivers/base/cpu.c`, `kernel/events/hw_breakpoint.c` (the PMU's type).

use super::pseudo::PseudoFile;
use crate::kernel::Kernel;

/// The CPUs that there are, as a list of ranges.
fn cpu_list(kernel: &Kernel) -> Vec<u8> {
    match kernel.hw.nr_cpus() {
        0 | 1 => b"0\n".to_vec(),
        nr_cpus => format!("0-{}\n", nr_cpus - 1).into_bytes(),
    }
}

pub(super) const FILES: &[PseudoFile] = &[
    PseudoFile::text("/sys/bus/event_source/devices/breakpoint/type", |_, _| b"5\n".to_vec()),
    PseudoFile::text("/sys/bus/event_source/devices/cpu/perf_event_mux_interval_ms", |_, _| {
        b"4\n".to_vec()
    }),
    PseudoFile::text("/sys/bus/event_source/devices/cpu/type", |_, _| b"4\n".to_vec()),
    PseudoFile::text("/sys/bus/event_source/devices/software/type", |_, _| b"1\n".to_vec()),
    PseudoFile::text("/sys/devices/system/cpu/online", |kernel, _| cpu_list(kernel)),
    PseudoFile::text("/sys/devices/system/cpu/possible", |kernel, _| cpu_list(kernel)),
    PseudoFile::text("/sys/devices/system/cpu/present", |kernel, _| cpu_list(kernel)),
    PseudoFile::text("/sys/kernel/mm/transparent_hugepage/enabled", |_, _| {
        b"always madvise [never]\n".to_vec()
    }),
];
