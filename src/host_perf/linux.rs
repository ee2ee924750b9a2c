//! An open breakpoint event of the running kernel.
//! Source: Linux 6.18 include/uapi/linux/perf_event.h; perf-event2's `Builder`.

use std::io;

use perf_core::Errno;
use perf_core::attr::{PERF_ATTR_SIZE, PerfEventAttr};
use perf_event::events::Breakpoint;
use perf_event::{Builder, Counter, ReadFormat};

use super::{HostCount, HostPerfError, HostTarget};

/// An event of the running kernel; closed when dropped.
#[derive(Debug)]
pub struct HostEvent(Counter);

impl HostEvent {
    /// Opens an event, as a sibling of `leader` if there is one. `read_format` is this
    /// function's: value and both times.
    ///
    /// # Errors
    /// What `perf_event_open` answers. An attribute of more than 136 bytes is E2BIG here
    /// already.
    pub fn open(
        attr: &PerfEventAttr,
        target: HostTarget,
        leader: Option<&mut HostEvent>,
    ) -> Result<Self, HostPerfError> {
        if attr.size > PERF_ATTR_SIZE {
            return Err(HostPerfError::Refused(Errno::E2BIG));
        }
        let builder = builder(attr, target);
        let counter = match leader {
            Some(leader) => builder.build_with_group(&mut leader.0),
            None => builder.build(),
        };
        counter.map(Self).map_err(refused)
    }

    /// Count and times.
    ///
    /// # Errors
    /// What `read` answers.
    pub fn read(&mut self) -> Result<HostCount, HostPerfError> {
        let read = self.0.read_count_and_time().map_err(refused)?;
        Ok(HostCount {
            value: read.count,
            time_enabled_ns: read.time_enabled,
            time_running_ns: read.time_running,
        })
    }

    /// `PERF_EVENT_IOC_ENABLE`.
    ///
    /// # Errors
    /// What the call answers.
    pub fn enable(&mut self) -> Result<(), HostPerfError> {
        self.0.enable().map_err(refused)
    }

    /// `PERF_EVENT_IOC_DISABLE`.
    ///
    /// # Errors
    /// What the call answers.
    pub fn disable(&mut self) -> Result<(), HostPerfError> {
        self.0.disable().map_err(refused)
    }

    /// `PERF_EVENT_IOC_RESET`.
    ///
    /// # Errors
    /// What the call answers.
    pub fn reset(&mut self) -> Result<(), HostPerfError> {
        self.0.reset().map_err(refused)
    }
}

/// perf-event2 refuses to carry fields that it does not know, so each is set by name.
fn builder(attr: &PerfEventAttr, target: HostTarget) -> Builder<'static> {
    let mut builder = Builder::new(Breakpoint::write(attr.bp_addr, attr.bp_len));
    let raw = builder.attrs_mut();
    raw.type_ = attr.attr_type;
    raw.size = attr.size;
    raw.config = attr.config;
    raw.__bindgen_anon_1.sample_period = attr.sample_period;
    raw.sample_type = attr.sample_type;
    raw.read_format = (ReadFormat::TOTAL_TIME_ENABLED | ReadFormat::TOTAL_TIME_RUNNING).bits();
    for bit in 0..u64::BITS {
        raw._bitfield_1.set_bit(bit as usize, attr.flags.0 >> bit & 1 != 0);
    }
    raw.__bindgen_anon_2.wakeup_events = attr.wakeup_events;
    raw.bp_type = attr.bp_type;
    raw.branch_sample_type = attr.branch_sample_type;
    raw.sample_regs_user = attr.sample_regs_user;
    raw.sample_stack_user = attr.sample_stack_user;
    raw.clockid = attr.clockid;
    raw.sample_regs_intr = attr.sample_regs_intr;
    raw.aux_watermark = attr.aux_watermark;
    raw.sample_max_stack = attr.sample_max_stack;
    raw.__reserved_2 = attr.reserved_2;
    raw.aux_sample_size = attr.aux_sample_size;
    raw.__reserved_3 = attr.aux_action;
    raw.sig_data = attr.sig_data;
    raw.config3 = attr.config3;
    match target {
        HostTarget::Task(pid) => builder.observe_pid(pid).any_cpu(),
        HostTarget::TaskOnCpu(pid, cpu) => builder.observe_pid(pid).one_cpu(cpu as usize),
        HostTarget::Cpu(cpu) => builder.any_pid().one_cpu(cpu as usize),
    };
    builder
}

/// perf-event2 makes an error of its own out of E2BIG.
fn refused(error: io::Error) -> HostPerfError {
    match error.raw_os_error() {
        Some(number) => {
            Errno::from_number(number).map_or(HostPerfError::Unknown, HostPerfError::Refused)
        }
        None if error.kind() == io::ErrorKind::Unsupported => HostPerfError::Refused(Errno::E2BIG),
        None => HostPerfError::Unknown,
    }
}
