//! What the debug registers of a CPU hold, with the scenario's names.

use perf_core::{CpuId, EventId};

use super::op::{Answer, RegisterHolder, RegistersView};
use super::{ScenarioError, Stage};
use crate::arch::x86::debugreg::{DR_CONTROL, DR_STATUS, HBP_NUM};
use crate::arch::x86::hw_breakpoint::Owner;

impl Stage {
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
            Some(task) => {
                let of_task = self.tasks.iter().find(|(_, known)| known.id == task);
                let task = of_task.map_or_else(|| task.to_string(), |(name, _)| name.to_string());
                format!("{name}/{task}")
            }
            None => name,
        }
    }
}
