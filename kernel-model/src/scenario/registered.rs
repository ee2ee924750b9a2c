//! What kernel code does: breakpoints of its own, and die notifiers.

use perf_core::attr::abi::AttrFlags;
use perf_core::{PerfEventAttr, TaskId};

use super::op::{
    Answer, BreakpointSpec, Enabled, EventName, LoggedHit, NotifierVerdict, Op, RegisterTarget,
};
use super::{ScenarioError, Stage, answer};
use crate::arch::x86::debug_trap::Notify;
use crate::kernel::in_kernel_breakpoint::{RegistrationId, hw_breakpoint_init};

impl Stage {
    pub(super) fn apply_in_kernel(&mut self, op: &Op) -> Result<Answer, ScenarioError> {
        match op {
            Op::Register { name, target, breakpoint, enabled } => {
                self.register(name, target, breakpoint, *enabled)
            }
            Op::ModifyRegistered { name, breakpoint, enabled } => {
                let attr = self.kernel_attr(breakpoint, *enabled)?;
                self.enter_for(self.opener);
                match self.registration(name)? {
                    Some(id) => Ok(answer(self.kernel.modify_user_hw_breakpoint(id, &attr))),
                    // Where nothing can be registered there is nothing to be modified either.
                    None => Ok(Answer::Errno(perf_core::Errno::ENOSYS)),
                }
            }
            Op::Unregister { name } => {
                let id = self.registration(name)?;
                self.enter_for(self.opener);
                self.registered.remove(name);
                self.kernel.unregister_hw_breakpoint(id);
                Ok(Answer::Ok)
            }
            Op::Log { name } => self.log(name),
            Op::Notifier { name, priority, verdict } => {
                if self.notifiers.contains_key(name) {
                    return Err(ScenarioError::NameTaken(name.0.clone()));
                }
                let verdict = match verdict {
                    NotifierVerdict::Done => Notify::Done,
                    NotifierVerdict::Stop => Notify::Stop,
                };
                let id = self.kernel.die_chain.register(*priority, verdict);
                self.notifiers.insert(name.clone(), id);
                Ok(Answer::Ok)
            }
            Op::Calls { name } => {
                let id = self.notifiers.get(name);
                let calls = id.and_then(|id| self.kernel.die_chain.nr_calls(*id));
                calls.map(Answer::Count).ok_or_else(|| ScenarioError::NoSuchNotifier(name.clone()))
            }
            _ => unreachable!("apply sends only operations of kernel code here"),
        }
    }

    /// A null pointer, which a kernel without support returns, is no error: `ok`.
    fn register(
        &mut self,
        name: &EventName,
        target: &RegisterTarget,
        breakpoint: &BreakpointSpec,
        enabled: Enabled,
    ) -> Result<Answer, ScenarioError> {
        if self.events.contains_key(name) || self.registered.contains_key(name) {
            return Err(ScenarioError::NameTaken(name.0.clone()));
        }
        let attr = self.kernel_attr(breakpoint, enabled)?;
        let task = match target {
            RegisterTarget::User(task) => Some(self.live_task(task)?),
            RegisterTarget::Wide => None,
        };
        self.enter_for(self.opener);
        let registered = match task {
            Some(task) => self.kernel.register_user_hw_breakpoint(&attr, task),
            None => self.kernel.register_wide_in_kernel(&attr),
        };
        match registered {
            Ok(id) => {
                self.registered.insert(name.clone(), id);
                let events = id.map(|id| self.kernel.in_kernel.events(id).to_vec());
                for event in events.unwrap_or_default() {
                    self.event_names.insert(event, name.clone());
                }
                Ok(Answer::Ok)
            }
            Err(errno) => Ok(Answer::Errno(errno)),
        }
    }

    fn registration(&self, name: &EventName) -> Result<Option<RegistrationId>, ScenarioError> {
        let known = self.registered.get(name).copied();
        known.ok_or_else(|| ScenarioError::NoSuchEvent(name.clone()))
    }

    fn kernel_attr(
        &self,
        spec: &BreakpointSpec,
        enabled: Enabled,
    ) -> Result<PerfEventAttr, ScenarioError> {
        let mut attr = hw_breakpoint_init();
        attr.bp_addr = self.symbols.resolve(&spec.place)?;
        attr.bp_len = spec.bp_len;
        attr.bp_type = spec.bp_type;
        Ok(match enabled {
            Enabled::Yes => attr,
            Enabled::No => attr.with(AttrFlags::DISABLED),
        })
    }

    fn log(&mut self, name: &EventName) -> Result<Answer, ScenarioError> {
        let hits = self.registration(name)?.map(|id| self.kernel.in_kernel.take_hits(id));
        let hits = hits.unwrap_or_default();
        let hits = hits.into_iter().map(|hit| LoggedHit {
            task: self.task_name(hit.task),
            cpu: hit.cpu,
            mode: hit.mode,
        });
        Ok(Answer::Log(hits.collect()))
    }

    /// A task's name in the scenario.
    pub(super) fn task_name(&self, task: TaskId) -> String {
        let known = self.tasks.iter().find(|(_, known)| known.id == task);
        known.map_or_else(|| task.to_string(), |(name, _)| name.to_string())
    }
}
