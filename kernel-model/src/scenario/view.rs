//! What the debug registers of a CPU hold, with the scenario's names.

use perf_core::{CpuId, EventId, Target, TaskId};

use super::op::{Answer, OpenTarget, RegisterHolder, RegistersView};
use super::{ScenarioError, Stage};
use crate::arch::x86::debugreg::{DR_CONTROL, DR_STATUS, HBP_NUM};
use crate::arch::x86::hw_breakpoint::Owner;
use crate::events::bp_slots::{BpTypeIdx, HolderNames};

impl HolderNames for Stage {
    fn task(&self, task: TaskId) -> String {
        self.task_name(task)
    }

    fn event(&self, event: EventId) -> String {
        self.event_name(event)
    }
}

impl Stage {
    /// Who holds the slots, for the last refusal or for a target.
    pub(super) fn explain(&mut self, target: Option<&OpenTarget>) -> Result<Answer, ScenarioError> {
        let report = match target {
            None => self.kernel.breakpoints.take_slot_report(),
            Some(target) => {
                let target = self.target_of(target)?;
                Some(self.kernel.breakpoints.slots().explain(target, BpTypeIdx::Data))
            }
        };
        Ok(Answer::Report(report.map(|report| Box::new(report.with_names(&*self)))))
    }

    fn target_of(&self, target: &OpenTarget) -> Result<Target, ScenarioError> {
        Ok(match target {
            OpenTarget::Task(name) => Target::Task(self.task(name)?.id, None),
            OpenTarget::TaskOnCpu(name, cpu) => {
                Target::Task(self.task(name)?.id, Some(self.existing(*cpu)?))
            }
            OpenTarget::Cpu(cpu) => Target::Cpu(self.existing(*cpu)?),
        })
    }

    pub(super) fn registers(&self, cpu: CpuId) -> Result<Answer, ScenarioError> {
        self.existing(cpu)?;
        Ok(Answer::Registers(Box::new(self.registers_view(cpu))))
    }

    /// The debug registers of a CPU that exists.
    #[must_use]
    pub fn registers_view(&self, cpu: CpuId) -> RegistersView {
        let hw = &self.kernel.hw;
        let state = self.kernel.breakpoints.cpu(cpu);
        let owners = state.map(|state| *state.owners()).unwrap_or_default();
        let dr7 = hw.get_debugreg(cpu, DR_CONTROL);
        RegistersView {
            slots: owners.map(|owner| owner.map(|owner| self.holder(owner))),
            dr7,
            dr6: hw.get_debugreg(cpu, DR_STATUS),
            is_shadow_equal: state.is_some_and(|state| {
                let addresses = (0..HBP_NUM).map(|number| hw.get_debugreg(cpu, number));
                dr7 == state.cpu_dr7() && addresses.eq(state.cpu_debugreg().iter().copied())
            }),
        }
    }

    fn holder(&self, owner: Owner) -> RegisterHolder {
        let (bp_type, len) = self
            .kernel
            .perf
            .event(owner.event)
            .map_or((0, 0), |event| (event.attr().bp_type, event.attr().bp_len));
        let address = owner.info.address;
        RegisterHolder {
            owner: self.event_name(owner.event),
            bp_type,
            len,
            address,
            symbol: self.symbols.name_of(address),
        }
    }

    /// An event's name; a copy's is its root's with the copy's task.
    pub(super) fn event_name(&self, event: EventId) -> String {
        let Some(known) = self.kernel.perf.event(event) else { return event.to_string() };
        let root = known.parent().unwrap_or(event);
        let name =
            self.event_names.get(&root).map_or_else(|| root.to_string(), ToString::to_string);
        match known.target().task().filter(|_| root != event) {
            Some(task) => format!("{name}/{}", self.task_name(task)),
            None => name,
        }
    }
}
