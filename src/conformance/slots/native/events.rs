//! Events of the native machine: what the opener's system calls answer.

use kernel_model::scenario::op::{
    Answer, BreakpointSpec, Enabled, EventName, Op, OpenOp, OpenTarget,
};
use nix::libc;
use perf_core::attr::abi::{AttrFlags, HW_BREAKPOINT_W};
use perf_core::{Errno, PerfEventAttr, Scope};

use super::NativeError;
use super::machine::{Descriptor, Machine, Opened, answer_of, error_of};
use super::message::Message;
use super::places::DATA;
use crate::host_perf::HBP_NUM;

/// ioctl requests of `include/uapi/linux/perf_event.h`.
const ENABLE: u64 = 0x2400;
const DISABLE: u64 = 0x2401;
const REFRESH: u64 = 0x2402;
const RESET: u64 = 0x2403;
const PERIOD: u64 = 0x4008_2404;
const MODIFY_ATTRIBUTES: u64 = 0x4008_240b;
/// `PERF_IOC_FLAG_GROUP`.
const FLAG_GROUP: u64 = 1;

fn argument(scope: Scope) -> u64 {
    match scope {
        Scope::Event => 0,
        Scope::Group => FLAG_GROUP,
    }
}

impl Machine {
    fn descriptor(&self, name: &EventName) -> Result<Descriptor, NativeError> {
        self.events.get(name).copied().ok_or_else(|| NativeError::NoSuchEvent(name.clone()))
    }

    /// Has the opener make one call with these bytes, whose address follows the arguments.
    fn opener_call(
        &mut self,
        number: i64,
        arguments: &[u64],
        bytes: Option<&[u8]>,
    ) -> Result<i64, NativeError> {
        let mut message = Message::default();
        let mut arguments = arguments.to_vec();
        if let Some(bytes) = bytes {
            arguments.push(message.bytes(bytes).address(self.opener.buffer));
        }
        message.call(number, &arguments);
        Ok(self.opener.send(&message)?.result(0))
    }

    fn ioctl(&mut self, event: &EventName, request: u64, arg: u64) -> Result<Answer, NativeError> {
        let fd = self.descriptor(event)?.fd;
        self.opener_call(libc::SYS_ioctl, &[fd, request, arg], None).map(answer_of)
    }

    fn ioctl_with(
        &mut self,
        event: &EventName,
        request: u64,
        bytes: &[u8],
    ) -> Result<Answer, NativeError> {
        let fd = self.descriptor(event)?.fd;
        self.opener_call(libc::SYS_ioctl, &[fd, request], Some(bytes)).map(answer_of)
    }

    fn target(&mut self, target: &OpenTarget) -> Result<(i64, i64), NativeError> {
        Ok(match target {
            OpenTarget::Task(name) => (self.task(name)?.agent.tid.into(), -1),
            OpenTarget::TaskOnCpu(name, cpu) => (self.task(name)?.agent.tid.into(), cpu.0.into()),
            OpenTarget::Cpu(cpu) => (-1, cpu.0.into()),
        })
    }

    /// `perf_event_open`: the descriptor or the error.
    pub(super) fn open_raw(
        &mut self,
        attr: &PerfEventAttr,
        (pid, cpu): (i64, i64),
        group_fd: i64,
    ) -> Result<i64, NativeError> {
        let mut message = Message::default();
        let at = message.bytes(&attr.to_bytes()).address(self.opener.buffer);
        let arguments = [at, pid as u64, cpu as u64, group_fd as u64, 0];
        message.call(libc::SYS_perf_event_open, &arguments);
        Ok(self.opener.send(&message)?.result(0))
    }

    pub(super) fn open(&mut self, open: &OpenOp) -> Result<Answer, NativeError> {
        let attr = open.attr(|place| self.resolve(place))?;
        let target = self.target(&open.target)?;
        let group_fd = match open.group() {
            Some(leader) => self.descriptor(leader)?.fd as i64,
            None => -1,
        };
        let result = self.open_raw(&attr, target, group_fd)?;
        if result >= 0 {
            let event = self.opened.len();
            self.opened.push(Opened { attr, tid: target.0, nr_descriptors: 1, count: 0 });
            self.events.insert(open.event.clone(), Descriptor { fd: result as u64, event });
        }
        Ok(answer_of(result))
    }

    pub(super) fn apply_to_event(&mut self, op: &Op) -> Result<Answer, NativeError> {
        match op {
            Op::Dup { event, copy } => self.dup(event, copy),
            Op::Close { event } => self.close(event),
            Op::Enable { event, scope } => self.ioctl(event, ENABLE, argument(*scope)),
            Op::Disable { event, scope } => self.ioctl(event, DISABLE, argument(*scope)),
            Op::Reset { event, scope } => {
                self.are_counts_known = false;
                self.ioctl(event, RESET, argument(*scope))
            }
            Op::Refresh { event, budget } => self.ioctl(event, REFRESH, *budget as u64),
            Op::Period { event, period } => self.period(event, *period),
            Op::Modify { event, breakpoint, enabled } => self.modify(event, breakpoint, *enabled),
            Op::Read { event } => self.read(event),
            Op::Poll { event } => self.poll(event),
            _ => unreachable!("apply sends only operations on events here"),
        }
    }

    fn dup(&mut self, event: &EventName, copy: &EventName) -> Result<Answer, NativeError> {
        let descriptor = self.descriptor(event)?;
        let result = self.opener_call(libc::SYS_dup, &[descriptor.fd], None)?;
        if result >= 0 {
            self.opened[descriptor.event].nr_descriptors += 1;
            self.events.insert(copy.clone(), Descriptor { fd: result as u64, ..descriptor });
        }
        Ok(answer_of(result))
    }

    fn close(&mut self, event: &EventName) -> Result<Answer, NativeError> {
        let descriptor = self.descriptor(event)?;
        self.events.remove(event);
        self.opened[descriptor.event].nr_descriptors -= 1;
        self.opener_call(libc::SYS_close, &[descriptor.fd], None).map(answer_of)
    }

    /// A program that changes the period asks for the new one from then on. The kernel does not
    /// change it when the event's task has ended, though it says so.
    fn period(&mut self, event: &EventName, period: u64) -> Result<Answer, NativeError> {
        let answer = self.ioctl_with(event, PERIOD, &period.to_le_bytes())?;
        let number = self.descriptor(event)?.event;
        if answer == Answer::Ok && !self.has_ended(self.opened[number].tid) {
            self.opened[number].attr.sample_period = period;
        }
        Ok(answer)
    }

    /// An exec clears `enable_on_exec` in the attributes of the task's events (rule 3.12.1).
    pub(super) fn clear_enable_on_exec(&mut self, tid: i32) {
        for opened in self.opened.iter_mut().filter(|opened| opened.tid == i64::from(tid)) {
            opened.attr.flags = opened.attr.flags.without(AttrFlags::ENABLE_ON_EXEC);
        }
    }

    fn modify(
        &mut self,
        event: &EventName,
        spec: &BreakpointSpec,
        enabled: Enabled,
    ) -> Result<Answer, NativeError> {
        let number = self.descriptor(event)?.event;
        let bp_addr = self.resolve(&spec.place)?;
        let attr = spec.modified(&self.opened[number].attr, bp_addr, enabled);
        let answer = self.ioctl_with(event, MODIFY_ATTRIBUTES, &attr.to_bytes())?;
        if answer == Answer::Ok {
            self.opened[number].attr = attr;
        }
        Ok(answer)
    }

    fn read(&mut self, event: &EventName) -> Result<Answer, NativeError> {
        let fd = self.descriptor(event)?.fd;
        let mut message = Message::default();
        let value = message.bytes(&[0; 8]);
        message.call(libc::SYS_read, &[fd, value.address(self.opener.buffer), 8]);
        let reply = self.opener.send(&message)?;
        Ok(match (error_of(reply.result(0)), reply.bytes(value).first_chunk()) {
            (Some(errno), _) => Answer::Errno(errno),
            (None, Some(word)) if reply.result(0) == 8 => Answer::Count(u64::from_le_bytes(*word)),
            (None, _) => Answer::Errno(Errno::ENODATA),
        })
    }

    fn poll(&mut self, event: &EventName) -> Result<Answer, NativeError> {
        let fd = self.descriptor(event)?.fd;
        let mut message = Message::default();
        let request = fd | u64::from(u16::MAX) << 32;
        let bits = message.bytes(&request.to_le_bytes());
        message.call(libc::SYS_poll, &[bits.address(self.opener.buffer), 1, 0]);
        let reply = self.opener.send(&message)?;
        let revents = reply.bytes(bits).last_chunk().map_or(0, |half| u16::from_le_bytes(*half));
        Ok(error_of(reply.result(0)).map_or(Answer::Poll(revents), Answer::Errno))
    }

    /// Counts of all events, each once.
    pub(super) fn total_count(&mut self) -> Result<u64, NativeError> {
        if !self.are_counts_known {
            self.read_all()?;
            self.are_counts_known = true;
        }
        let live = self.opened.iter().filter(|opened| opened.nr_descriptors > 0);
        Ok(live.map(|opened| opened.count).fold(0, u64::wrapping_add))
    }

    fn read_all(&mut self) -> Result<(), NativeError> {
        let mut message = Message::default();
        let descriptors: Vec<Descriptor> = self.events.values().copied().collect();
        let values: Vec<_> = descriptors.iter().map(|_| message.bytes(&[0; 8])).collect();
        for (descriptor, value) in descriptors.iter().zip(&values) {
            let at = value.address(self.opener.buffer);
            message.call(libc::SYS_read, &[descriptor.fd, at, 8]);
        }
        let reply = self.opener.send(&message)?;
        for (descriptor, value) in descriptors.iter().zip(values) {
            let word = reply.bytes(value).first_chunk();
            self.opened[descriptor.event].count = word.map_or(0, |word| u64::from_le_bytes(*word));
        }
        Ok(())
    }

    /// Opens until refused, then closes what was opened.
    pub(super) fn free_slots(&mut self, target: &OpenTarget) -> Result<Answer, NativeError> {
        let (pid, cpu) = self.target(target)?;
        let attr = PerfEventAttr::breakpoint(DATA, 1, HW_BREAKPOINT_W);
        let mut opens = Message::default();
        let at = opens.bytes(&attr.to_bytes()).address(self.opener.buffer);
        for _ in 0..=HBP_NUM {
            let arguments = [at, pid as u64, cpu as u64, u64::MAX, 0];
            opens.call(libc::SYS_perf_event_open, &arguments);
        }
        let reply = self.opener.send(&opens)?;
        let mut closes = Message::default();
        let opened: Vec<i64> = (0..=HBP_NUM).map(|nth| reply.result(nth)).collect();
        for fd in opened.iter().filter(|fd| **fd >= 0) {
            closes.call(libc::SYS_close, &[*fd as u64]);
        }
        self.opener.send(&closes)?;
        let free = opened.iter().take_while(|fd| **fd >= 0).count();
        Ok(Answer::Count(free as u64))
    }
}
