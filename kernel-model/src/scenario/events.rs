//! Events of a stage: what the opener's system calls do.

use perf_core::{Errno, PerfEvent, PerfEventAttr};

use super::op::{Answer, BreakpointSpec, Enabled, EventName, Op, OpenOp, OpenTarget};
use super::{Descriptor, ScenarioError, Stage, answer};
use crate::events::perf_bridge::OpenArgs;
use crate::syscalls::perf::{event_of_fd, open_event};

/// Most slots that are tried for.
const MAX_FREE: u64 = 16;

impl Stage {
    /// `perf_event_open`.
    pub(super) fn open(&mut self, open: &OpenOp) -> Result<Answer, ScenarioError> {
        if self.events.contains_key(&open.event) {
            return Err(ScenarioError::NameTaken(open.event.0.clone()));
        }
        let (attr, group_fd) = self.attr_of(open)?;
        match self.open_attr(&attr, &open.target, group_fd)? {
            Ok(fd) => {
                let event = self.event_of(fd)?;
                self.events.insert(open.event.clone(), Descriptor { fd, event });
                self.event_names.insert(event, open.event.clone());
                Ok(Answer::Ok)
            }
            Err(errno) => Ok(Answer::Errno(errno)),
        }
    }

    fn event_of(&self, fd: i32) -> Result<perf_core::EventId, ScenarioError> {
        let (tasks, files) = (&self.kernel.tasks, &self.kernel.files);
        event_of_fd(tasks, files, self.opener, fd).map_err(ScenarioError::Setup)
    }

    fn open_attr(
        &mut self,
        attr: &PerfEventAttr,
        target: &OpenTarget,
        group_fd: i32,
    ) -> Result<Result<i32, Errno>, ScenarioError> {
        let (pid, cpu) = match target {
            OpenTarget::Task(name) => (self.task(name)?.tid as i32, -1),
            OpenTarget::TaskOnCpu(name, cpu) => (self.task(name)?.tid as i32, cpu.0 as i32),
            OpenTarget::Cpu(cpu) => (-1, cpu.0 as i32),
        };
        self.enter_for(self.opener);
        let args = OpenArgs { attr: &attr.to_bytes(), pid, cpu, group_fd, flags: 0 };
        let opened = open_event(&mut self.kernel, self.opener, &args);
        Ok(opened.map_err(crate::events::perf_bridge::OpenError::errno))
    }

    /// The attribute that an open asks for, and the descriptor of its group.
    fn attr_of(&self, open: &OpenOp) -> Result<(PerfEventAttr, i32), ScenarioError> {
        let attr = open.attr(|place| self.symbols.resolve(place))?;
        let group_fd = match open.group() {
            Some(leader) => self.descriptor(leader)?.fd,
            None => -1,
        };
        Ok((attr, group_fd))
    }

    pub(super) fn apply_to_event(&mut self, op: &Op) -> Result<Answer, ScenarioError> {
        self.enter_for(self.opener);
        let now = self.kernel.now_ns();
        match op {
            Op::Dup { event, copy } => self.dup(event, copy),
            Op::Close { event } => self.close(event),
            Op::Enable { event, scope } => {
                let id = self.descriptor(event)?.event;
                self.kernel.with_pmu(|perf, pmu| perf.enable(pmu, now, id, *scope));
                Ok(Answer::Ok)
            }
            Op::Disable { event, scope } => {
                let id = self.descriptor(event)?.event;
                self.kernel.with_pmu(|perf, pmu| perf.disable(pmu, now, id, *scope));
                Ok(Answer::Ok)
            }
            Op::Reset { event, scope } => {
                let id = self.descriptor(event)?.event;
                self.kernel.with_pmu(|perf, pmu| perf.reset(pmu, now, id, *scope));
                Ok(Answer::Ok)
            }
            Op::Refresh { event, budget } => {
                let id = self.descriptor(event)?.event;
                Ok(answer(self.kernel.with_pmu(|perf, pmu| perf.refresh(pmu, now, id, *budget))))
            }
            Op::Period { event, period } => {
                let id = self.descriptor(event)?.event;
                let set = self.kernel.with_pmu(|perf, pmu| perf.set_period(pmu, now, id, *period));
                Ok(answer(set))
            }
            Op::Modify { event, breakpoint, enabled } => self.modify(event, breakpoint, *enabled),
            Op::Read { event } => self.read(event),
            Op::State { event } => {
                let id = self.descriptor(event)?.event;
                let state = self.kernel.perf.event(id).map(PerfEvent::state);
                Ok(state.map_or(Answer::Errno(Errno::EBADF), Answer::State))
            }
            Op::Poll { event } => {
                let id = self.descriptor(event)?.event;
                Ok(Answer::Poll(self.kernel.perf.poll(id).0 as u16))
            }
            _ => unreachable!("apply sends only operations on events here"),
        }
    }

    fn dup(&mut self, event: &EventName, copy: &EventName) -> Result<Answer, ScenarioError> {
        if self.events.contains_key(copy) {
            return Err(ScenarioError::NameTaken(copy.0.clone()));
        }
        let descriptor = self.descriptor(event)?;
        let files = &mut self.kernel.tasks.process_of_mut(self.opener).files;
        match files.dup(&mut self.kernel.files, descriptor.fd) {
            Ok(fd) => {
                self.events.insert(copy.clone(), Descriptor { fd, ..descriptor });
                Ok(Answer::Ok)
            }
            Err(errno) => Ok(Answer::Errno(errno)),
        }
    }

    fn close(&mut self, event: &EventName) -> Result<Answer, ScenarioError> {
        let descriptor = self.descriptor(event)?;
        self.events.remove(event);
        Ok(answer(self.close_fd(descriptor.fd)))
    }

    fn close_fd(&mut self, fd: i32) -> Result<(), Errno> {
        let files = &mut self.kernel.tasks.process_of_mut(self.opener).files;
        let closed = files.close(&mut self.kernel.files, fd)?;
        self.kernel.after_close(closed);
        Ok(())
    }

    /// The attribute of the event with another breakpoint, as a program would pass it.
    fn modify(
        &mut self,
        event: &EventName,
        spec: &BreakpointSpec,
        enabled: Enabled,
    ) -> Result<Answer, ScenarioError> {
        let id = self.descriptor(event)?.event;
        let bp_addr = self.symbols.resolve(&spec.place)?;
        let Some(old) = self.kernel.perf.event(id).map(|event| event.attr().clone()) else {
            return Ok(Answer::Errno(Errno::EBADF));
        };
        let attr = spec.modified(&old, bp_addr, enabled);
        let now = self.kernel.now_ns();
        let result = attr.check(&self.kernel.perf.config.limits).and_then(|()| {
            self.kernel.with_pmu(|perf, pmu| perf.modify_attributes(pmu, now, id, &attr))
        });
        Ok(answer(result))
    }

    fn read(&mut self, event: &EventName) -> Result<Answer, ScenarioError> {
        let id = self.descriptor(event)?.event;
        let now = self.kernel.now_ns();
        let read = self.kernel.with_pmu(|perf, pmu| perf.read(pmu, now, id, 8));
        Ok(match read.as_deref() {
            Ok(bytes) => bytes.first_chunk().map_or(Answer::Errno(Errno::ENODATA), |word| {
                Answer::Count(u64::from_le_bytes(*word))
            }),
            Err(errno) => Answer::Errno(*errno),
        })
    }

    /// Opens until refused, then closes what was opened.
    pub(super) fn free_slots(&mut self, target: &OpenTarget) -> Result<Answer, ScenarioError> {
        let mut opened = Vec::new();
        let attr = PerfEventAttr::breakpoint(super::symbols::DATA, 1, 2);
        while (opened.len() as u64) < MAX_FREE
            && let Ok(fd) = self.open_attr(&attr, target, -1)?
        {
            opened.push(fd);
        }
        let free = opened.len() as u64;
        for fd in opened {
            self.close_fd(fd).map_err(ScenarioError::Setup)?;
        }
        // The refusal that ended it is nobody's.
        let _probing = self.kernel.breakpoints.take_slot_report();
        Ok(Answer::Count(free))
    }
}
