//! Scenarios: breakpoint operations by name, played on the whole kernel model.
//!
//! A [`Stage`] is a booted machine whose tasks run a tiny program
//! ([`crate::arch::x86::scenario_program`]) one instruction at a time. [`Stage::apply`] plays an
//! [`op::Op`] through the code that system calls, context switches and debug exceptions use, and
//! answers what the kernel answered: nothing is computed here.
//!
//! Events are opened by a process of the stage's own that is on no CPU and whose descriptors they
//! are; tasks are children of another. Neighbours: `dr7 scenario` reads and prints the language,
//! `op` has the operations as data.

mod debugger;
mod error;
mod events;
mod machine;
pub mod op;
mod play;
mod registered;
mod symbols;
mod tasks;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;

use perf_core::{CpuId, Errno, EventId, TaskId};

use crate::arch::x86::hw::{CpuModel, CpuVendor, TimingChoice};
use crate::events::hw_breakpoint::Support;
use crate::inputs::FixedInputs;
use crate::kernel::in_kernel_breakpoint::RegistrationId;
use crate::kernel::{BootError, Kernel, KernelConfig};
use crate::notify::NotifierId;
pub use error::ScenarioError;
use op::{Answer, EventName, NotifierName, Op, SignalSeen, TaskName};
use symbols::Symbols;

/// RAM of a stage: room for some hundreds of tasks.
const RAM_BYTES: u64 = 64 << 20;

/// What a stage is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageConfig {
    /// CPUs, 1 to 64. All are up at first.
    pub nr_cpus: u32,
    /// Whether the kernel has breakpoint support.
    pub support: Support,
    /// The generation of the kernel.
    pub generation: perf_core::Generation,
    /// Which defects of Linux show.
    pub defects: perf_core::Defects,
}

impl Default for StageConfig {
    /// Two CPUs, Linux 6.18 as measured.
    fn default() -> Self {
        let generation = perf_core::Generation::default();
        let defects = perf_core::Defects::of(generation);
        Self { nr_cpus: 2, support: Support::Built, generation, defects }
    }
}

/// A task of the scenario.
#[derive(Clone, Copy, Debug)]
struct StageTask {
    id: TaskId,
    tid: u32,
}

/// A descriptor of the opener.
#[derive(Clone, Copy, Debug)]
struct Descriptor {
    fd: i32,
    event: EventId,
}

/// A machine on which a scenario is played.
#[derive(Debug)]
pub struct Stage {
    kernel: Kernel,
    /// Parent of all tasks that a scenario makes.
    parent: TaskId,
    /// Holds the descriptors.
    opener: TaskId,
    tasks: BTreeMap<TaskName, StageTask>,
    events: BTreeMap<EventName, Descriptor>,
    /// Names that events were opened under, also of those that are closed.
    event_names: BTreeMap<EventId, EventName>,
    symbols: Symbols,
    signals: BTreeMap<TaskId, Vec<SignalSeen>>,
    /// What kernel code has registered; `None` for what was refused.
    registered: BTreeMap<EventName, Option<RegistrationId>>,
    notifiers: BTreeMap<NotifierName, NotifierId>,
    /// CPUs that come up when the machine wakes up.
    asleep: Vec<CpuId>,
}

impl Stage {
    /// Boots a machine with no task and no event.
    ///
    /// # Errors
    /// A number of CPUs that is not possible.
    pub fn new(config: StageConfig) -> Result<Self, BootError> {
        let kernel_config = KernelConfig {
            nr_cpus: config.nr_cpus,
            ram_bytes: RAM_BYTES,
            timing: TimingChoice::None,
            model: CpuModel::default(),
            vendor: CpuVendor::default(),
            generation: config.generation,
            defects: config.defects,
            seed: 0,
            sched_seed: None,
            mounts: Vec::new(),
        };
        let mut kernel = Kernel::boot(&kernel_config, Box::new(FixedInputs::new(0)))?;
        kernel.breakpoints.set_support(config.support);
        let (parent, opener) =
            tasks::first_tasks(&mut kernel).map_err(|_| BootError::Ram(RAM_BYTES))?;
        Ok(Self {
            kernel,
            parent,
            opener,
            tasks: BTreeMap::new(),
            events: BTreeMap::new(),
            event_names: BTreeMap::new(),
            symbols: Symbols::default(),
            signals: BTreeMap::new(),
            registered: BTreeMap::new(),
            notifiers: BTreeMap::new(),
            asleep: Vec::new(),
        })
    }

    /// Plays one operation. What the kernel refuses is an answer ([`Answer::Errno`]).
    ///
    /// # Errors
    /// [`ScenarioError`]: the operation makes no sense here, and nothing has happened; or the
    /// machine stopped.
    pub fn apply(&mut self, op: &Op) -> Result<Answer, ScenarioError> {
        self.align_clocks();
        let answer = match op {
            Op::Var { name } => self.symbols.add_var(name).map(|()| Answer::Ok),
            Op::Code { name } => self.symbols.add_function(name).map(|()| Answer::Ok),
            Op::Task { .. }
            | Op::Run { .. }
            | Op::Idle { .. }
            | Op::Fork { .. }
            | Op::Exec { .. }
            | Op::Exit { .. }
            | Op::Reap { .. }
            | Op::OnTrap { .. } => self.apply_to_task(op),
            Op::Open(open) => self.open(open),
            Op::Dup { .. }
            | Op::Close { .. }
            | Op::Enable { .. }
            | Op::Disable { .. }
            | Op::Reset { .. }
            | Op::Refresh { .. }
            | Op::Period { .. }
            | Op::Modify { .. }
            | Op::Read { .. }
            | Op::State { .. }
            | Op::Poll { .. } => self.apply_to_event(op),
            Op::Hit { task, access } => self.hit(task, access),
            Op::Signals { task } => {
                let id = self.task(task)?.id;
                Ok(Answer::Signals(self.signals.remove(&id).unwrap_or_default()))
            }
            Op::Poke { .. } | Op::Peek { .. } => self.apply_to_debugreg(op),
            Op::Register { .. }
            | Op::ModifyRegistered { .. }
            | Op::Unregister { .. }
            | Op::Log { .. }
            | Op::Notifier { .. }
            | Op::Calls { .. } => self.apply_in_kernel(op),
            Op::CpuDown { .. }
            | Op::CpuUp { .. }
            | Op::Suspend
            | Op::Resume
            | Op::Guest { .. }
            | Op::TextPoke { .. }
            | Op::Kexec => self.apply_to_machine(op),
            Op::Registers { cpu } => self.registers(*cpu),
            Op::DebugRegister { cpu, number } => self.debug_register(*cpu, *number),
            Op::Ksym { .. } | Op::KsymHits | Op::Kgdb(_) | Op::KgdbStops => {
                self.apply_to_consumer(op)
            }
            Op::Used => Ok(Answer::Used(self.kernel.breakpoints.slots().is_used())),
            Op::Explain { target } => self.explain(target.as_ref()),
            Op::Slots => Ok(Answer::Count(self.kernel.breakpoints.slots().nr_held() as u64)),
            Op::Free { target } => self.free_slots(target),
        }?;
        match &self.kernel.stopped {
            Some(reason) => Err(reason.clone().into()),
            None => Ok(answer),
        }
    }

    /// The kernel, for invariants that a test checks after each operation.
    #[must_use]
    pub fn kernel(&self) -> &Kernel {
        &self.kernel
    }

    /// Lets every CPU's clock catch up with the one that is ahead, so that operations on different
    /// CPUs follow one another in time.
    fn align_clocks(&mut self) {
        let now = self.kernel.totals().time_ns;
        for cpu in self.kernel.hw.cpus() {
            self.kernel.hw.idle_until(cpu, now);
        }
    }

    fn task(&self, name: &TaskName) -> Result<StageTask, ScenarioError> {
        self.tasks.get(name).copied().ok_or_else(|| ScenarioError::NoSuchTask(name.clone()))
    }

    fn descriptor(&self, name: &EventName) -> Result<Descriptor, ScenarioError> {
        self.events.get(name).copied().ok_or_else(|| ScenarioError::NoSuchEvent(name.clone()))
    }

    /// A CPU that exists and is up.
    fn online(&self, cpu: CpuId) -> Result<CpuId, ScenarioError> {
        self.existing(cpu)?;
        if self.kernel.perf.is_cpu_online(cpu) { Ok(cpu) } else { Err(ScenarioError::CpuDown(cpu)) }
    }

    fn existing(&self, cpu: CpuId) -> Result<CpuId, ScenarioError> {
        if cpu.0 < self.kernel.hw.nr_cpus() { Ok(cpu) } else { Err(ScenarioError::NoSuchCpu(cpu)) }
    }
}

/// Refusals by the kernel are answers.
fn answer(result: Result<(), Errno>) -> Answer {
    result.map_or_else(Answer::Errno, |()| Answer::Ok)
}
