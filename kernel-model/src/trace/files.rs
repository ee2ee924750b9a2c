//! The files of the tracing directory, `/sys/kernel/tracing`.
//! Source: Linux 2.6.33 `kernel/trace/trace.c`, `kernel/trace/trace_ksym.c`; tracefs is where
//! Linux has them since 4.1, and `/sys/kernel/debug/tracing` leads there.

use perf_core::Errno;

use crate::fs::pseudo::PseudoFile;
use crate::kernel::{KSYM_TRACER, Kernel, NOP_TRACER};

pub(crate) const FILES: &[PseudoFile] = &[
    PseudoFile::text("/sys/kernel/tracing/available_tracers", |_, _| {
        format!("{KSYM_TRACER} {NOP_TRACER}\n").into_bytes()
    }),
    PseudoFile::text("/sys/kernel/tracing/current_tracer", |kernel, _| {
        format!("{}\n", kernel.current_tracer()).into_bytes()
    })
    .writable(|kernel, _, bytes| {
        let name = std::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?;
        kernel.set_current_tracer(name.trim())?;
        Ok(bytes.len())
    }),
    PseudoFile::text("/sys/kernel/tracing/ksym_trace_filter", |kernel, _| {
        kernel.ksym().show_filter().into_bytes()
    })
    .writable(|kernel, _, bytes| kernel.write_ksym_filter(bytes).map(|taken| taken as usize)),
    PseudoFile::text("/sys/kernel/tracing/ksym_profile", |kernel, _| {
        kernel.ksym().show_profile().into_bytes()
    }),
    // What is written is ignored; truncating empties it.
    PseudoFile::text("/sys/kernel/tracing/trace", |kernel, _| kernel.ksym_trace().into_bytes())
        .writable(|_, _, bytes| Ok(bytes.len()))
        .truncating(|kernel: &mut Kernel, _| kernel.clear_trace()),
];
