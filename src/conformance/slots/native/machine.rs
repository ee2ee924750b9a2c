//! The running kernel as a stage: the twin of `kernel_model::scenario::Stage`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use kernel_model::scenario::op::{Answer, EventName, Op, Place, PlaceBase, SymbolName, TaskName};
use perf_core::{Errno, PerfEventAttr};

use super::agent::Agent;
use super::places::*;
use super::tasks::NativeTask;
use super::{NativeError, image, stub};

/// The native program in a file of its own, which goes away with this.
#[derive(Debug)]
pub struct Program {
    directory: tempfile::TempDir,
}

impl Program {
    /// Writes the program.
    ///
    /// # Errors
    /// [`NativeError::Program`] where there is no room for it.
    pub fn write() -> Result<Self, NativeError> {
        use std::os::unix::fs::PermissionsExt;
        let bytes = image::image(&stub::assemble()?);
        let directory = tempfile::tempdir().map_err(NativeError::Program)?;
        let program = Self { directory };
        std::fs::write(program.path(), bytes).map_err(NativeError::Program)?;
        let executable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(program.path(), executable).map_err(NativeError::Program)?;
        Ok(program)
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("dr7-slots-task")
    }
}

/// A descriptor of the opener.
#[derive(Clone, Copy, Debug)]
pub(super) struct Descriptor {
    pub(super) fd: u64,
    /// Number of the event in [`Machine::opened`].
    pub(super) event: usize,
}

/// An event that was opened.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    /// Its attribute as it is now.
    pub(super) attr: PerfEventAttr,
    /// Its target, or -1.
    pub(super) tid: i64,
    /// Descriptors that keep it.
    pub(super) nr_descriptors: usize,
    /// Its count when it was last read.
    pub(super) count: u64,
}

/// The running kernel, with tasks and events of a scenario. All end when this is dropped.
#[derive(Debug)]
pub struct Machine {
    pub(super) program: PathBuf,
    pub(super) opener: Agent,
    pub(super) tasks: BTreeMap<TaskName, NativeTask>,
    pub(super) events: BTreeMap<EventName, Descriptor>,
    pub(super) opened: Vec<Opened>,
    /// Whether [`Opened::count`] is what a read would give.
    pub(super) are_counts_known: bool,
    symbols: BTreeMap<SymbolName, u64>,
    nr_vars: u64,
    nr_functions: u64,
    pub(super) nr_threads: u64,
    /// SIGTRAPs that no breakpoint explains (linux-hw-breakpoint E1).
    pub(super) nr_spurious: u64,
}

impl Machine {
    /// A machine with no task and no event.
    ///
    /// # Errors
    /// [`NativeError`] where the program cannot be started.
    pub fn new(program: &Program) -> Result<Self, NativeError> {
        let program = program.path();
        let opener = start(&program)?;
        Ok(Self {
            program,
            opener,
            tasks: BTreeMap::new(),
            events: BTreeMap::new(),
            opened: Vec::new(),
            are_counts_known: true,
            symbols: BTreeMap::new(),
            nr_vars: 0,
            nr_functions: 0,
            nr_threads: 1,
            nr_spurious: 0,
        })
    }

    /// SIGTRAPs so far that no breakpoint explains: a hit was probably lost with each.
    #[must_use]
    pub fn nr_spurious(&self) -> u64 {
        self.nr_spurious
    }

    /// Plays one operation. What the kernel refuses is an answer.
    ///
    /// # Errors
    /// [`NativeError`]: the operation is not for programs, or a task is gone.
    pub fn apply(&mut self, op: &Op) -> Result<Answer, NativeError> {
        match op {
            Op::Var { name } => {
                let address = DATA + self.nr_vars * VAR_BYTES;
                self.nr_vars += 1;
                self.declare(name, address, DATA + DATA_BYTES)
            }
            Op::Code { name } => {
                let address = FUNCTIONS + self.nr_functions * PIECE_BYTES;
                self.nr_functions += 1;
                self.declare(name, address, FUNCTIONS + FUNCTIONS_BYTES)
            }
            Op::Task { task } => self.make_task(task),
            Op::Run { task, cpu } => self.run(task, *cpu),
            // A native task that has no message waits by itself.
            Op::Idle { .. } => Ok(Answer::Ok),
            Op::Fork { parent, child, kind } => self.fork(parent, child, *kind),
            Op::Exec { task } => self.exec(task),
            Op::Exit { task } => self.exit(task),
            Op::Reap { task } => self.reap(task),
            Op::OnTrap { task, action } => self.on_trap(task, *action),
            Op::Signals { task } => self.signals(task),
            Op::Hit { task, access } => self.hit(task, access),
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
            | Op::Poll { .. } => self.apply_to_event(op),
            Op::Free { target } => self.free_slots(target),
            Op::State { .. } => Err(NativeError::NotForPrograms("the state of an event")),
            Op::CpuDown { .. } | Op::CpuUp { .. } => Err(NativeError::NotForPrograms("a CPU")),
            Op::Registers { .. } | Op::DebugRegister { .. } => {
                Err(NativeError::NotForPrograms("debug registers"))
            }
            Op::Poke { .. } | Op::Peek { .. } => Err(NativeError::NotForPrograms("a tracer")),
            Op::Slots | Op::Used | Op::Explain { .. } => {
                Err(NativeError::NotForPrograms("slots of all CPUs"))
            }
            Op::Register { .. }
            | Op::ModifyRegistered { .. }
            | Op::Unregister { .. }
            | Op::Log { .. }
            | Op::Notifier { .. }
            | Op::Calls { .. }
            | Op::Ksym { .. }
            | Op::KsymHits
            | Op::Kgdb(_)
            | Op::KgdbStops
            | Op::Suspend
            | Op::Resume
            | Op::Guest { .. }
            | Op::TextPoke { .. }
            | Op::Kexec => Err(NativeError::NotForPrograms("the kernel")),
        }
    }

    fn declare(
        &mut self,
        name: &SymbolName,
        address: u64,
        end: u64,
    ) -> Result<Answer, NativeError> {
        if address >= end {
            return Err(NativeError::TooMany);
        }
        self.symbols.insert(name.clone(), address);
        Ok(Answer::Ok)
    }

    /// The linear address of a place.
    pub(super) fn resolve(&self, place: &Place) -> Result<u64, NativeError> {
        let base = match &place.base {
            PlaceBase::Address(address) => *address,
            PlaceBase::Symbol(name) => {
                *self.symbols.get(name).ok_or_else(|| NativeError::NoSuchSymbol(name.clone()))?
            }
        };
        Ok(base.wrapping_add(place.offset))
    }
}

/// Starts a process. A file that was just written may still be open in a child of another
/// thread of ours, and then cannot be executed yet.
pub(super) fn start(program: &Path) -> Result<Agent, NativeError> {
    const TRIES: u32 = 50;
    const PAUSE: std::time::Duration = std::time::Duration::from_millis(10);
    for _ in 0..TRIES {
        match Agent::spawn(program) {
            Err(NativeError::Spawn(error))
                if error.kind() == std::io::ErrorKind::ExecutableFileBusy =>
            {
                std::thread::sleep(PAUSE);
            }
            other => return other,
        }
    }
    Agent::spawn(program)
}

/// The error of a result that is one.
pub(super) fn error_of(result: i64) -> Option<Errno> {
    (result < 0).then(|| Errno::from_number(-result as i32).unwrap_or(Errno::ENOSYS))
}

/// Success or the error.
pub(super) fn answer_of(result: i64) -> Answer {
    error_of(result).map_or(Answer::Ok, Answer::Errno)
}
