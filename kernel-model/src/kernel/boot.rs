//! Bringing the machine up, the first process, and breakpoints asked for from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use perf_core::attr::abi::AttrFlags;
use perf_core::{
    CpuId, Defects, Errno, Generation, Perf, PerfConfig, PerfEventAttr, Target, TaskId,
};

use super::exec::{Bprm, Started};
use super::{Digest, Kernel, Watch};
use crate::arch::x86::fpu::FpuState;
use crate::arch::x86::hw::{CpuModel, CpuVendor, Hw, TimingChoice};
use crate::arch::x86::hw_breakpoint::AddressRules;
use crate::arch::x86::layout::KernelLayout;
use crate::events::bp_slots::SlotReport;
use crate::events::hw_breakpoint::HwBreakpoints;
use crate::events::overflow_handler::OverflowHandler;
use crate::exec::elf::{self, ElfError};
use crate::fs::{FdTable, FileTable};
use crate::inputs::{InputError, Inputs};
use crate::mm::address_space::AddressSpace;
use crate::mm::frame::FrameAllocator;
use crate::observe::{ExitStatus, WatchAccess, WatchId, WatchRequest};
use crate::sched::Scheduler;
use crate::signal::info::TrapNumbers;
use crate::signal::{PendingSignals, SigHandlers};
use crate::syscalls::fs_path::absolute;
use crate::task::cred::{Cred, Dumpable};
use crate::task::{MmId, Process, ProcessId, Task, TaskState, Tasks};

/// The first frame that is handed out: frame 0 stays unused, as on a PC.
const FIRST_FREE_FRAME: u64 = 1;
/// Most CPUs: affinities are one word.
const MAX_CPUS: u32 = 64;
/// `bp_type` of stores, loads and stores, and execution.
const HW_BREAKPOINT_W: u32 = 2;
const HW_BREAKPOINT_RW: u32 = 3;
const HW_BREAKPOINT_X: u32 = 4;

/// What a machine and its kernel are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelConfig {
    /// CPUs, 1 to 64.
    pub nr_cpus: u32,
    /// Bytes of RAM, at least 4 MiB.
    pub ram_bytes: u64,
    /// Timing model.
    pub timing: TimingChoice,
    /// The processor: what CPUID offers, and what instructions there are.
    pub model: CpuModel,
    /// Whose rules hold where processors' makers differ.
    pub vendor: CpuVendor,
    /// The generation of the kernel layer.
    pub generation: Generation,
    /// Which of Linux's defects it shows.
    pub defects: Defects,
    /// Seed of what the guest sees as random; the inputs use it.
    pub seed: u64,
}

impl Default for KernelConfig {
    fn default() -> Self {
        Self {
            nr_cpus: 1,
            ram_bytes: 512 << 20,
            timing: TimingChoice::None,
            model: CpuModel::default(),
            vendor: CpuVendor::default(),
            generation: Generation::default(),
            defects: Defects::default(),
            seed: 0,
        }
    }
}

/// Why a machine could not be brought up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    /// Too few or too many CPUs.
    #[error("{0} CPUs: 1 to {MAX_CPUS} are possible")]
    NrCpus(u32),
    /// RAM cannot hold the kernel.
    #[error("{0} bytes of RAM are too few for the kernel")]
    Ram(u64),
    /// The date of boot or a seed could not be had.
    #[error(transparent)]
    Input(#[from] InputError),
}

/// Why a program could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// Its file is not one that can be run.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// Memory or arguments: the errno of execve.
    #[error("execve: {}", .0.name())]
    Errno(Errno),
    /// Random bytes could not be had.
    #[error(transparent)]
    Input(#[from] InputError),
}

impl From<Errno> for ExecError {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

/// Why a breakpoint was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchError {
    /// All slots are taken.
    NoSlot {
        /// Who holds them.
        holders: Box<SlotReport>,
    },
    /// `perf_event_open` refuses it for another reason.
    Refused {
        /// Which.
        errno: Errno,
        /// What was asked for.
        request: WatchRequest,
    },
}

impl fmt::Display for WatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSlot { holders } => write!(f, "no debug register is free (ENOSPC)\n{holders}"),
            Self::Refused { errno, request } => write!(
                f,
                "a breakpoint of {} bytes at {:#x} is refused ({})",
                request.len,
                request.addr,
                errno.name()
            ),
        }
    }
}

impl std::error::Error for WatchError {}

impl Kernel {
    /// Brings a machine up, with no process yet.
    ///
    /// # Errors
    /// A configuration that is not possible.
    pub fn boot(config: &KernelConfig, mut inputs: Box<dyn Inputs>) -> Result<Self, BootError> {
        if !(1..=MAX_CPUS).contains(&config.nr_cpus) {
            return Err(BootError::NrCpus(config.nr_cpus));
        }
        let boot_realtime_ns = inputs.boot_realtime_ns()?;
        let mut hw = Hw::new(config.nr_cpus, config.ram_bytes, config.timing, config.model);
        hw.set_vendor(config.vendor);
        if hw.has_random_numbers() {
            let mut seed = [0; 8];
            inputs.random(&mut seed)?;
            hw.seed_random(u64::from_le_bytes(seed));
        }
        let mut frames = FrameAllocator::new(FIRST_FREE_FRAME, hw.nr_frames());
        let layout = KernelLayout::build(&mut hw, &mut frames)
            .map_err(|_| BootError::Ram(config.ram_bytes))?;
        let cpus: Vec<CpuId> = hw.cpus().collect();
        for &cpu in &cpus {
            hw.bring_up(cpu, &layout);
        }
        let (generation, defects) = (config.generation, config.defects);
        let nr_cpus = config.nr_cpus;
        let perf = Perf::new(PerfConfig { nr_cpus, generation, defects, ..PerfConfig::default() });
        let rules = AddressRules::default();
        let breakpoints = HwBreakpoints::of_kernel(nr_cpus, rules, generation, defects);
        Ok(Self {
            hw,
            frames,
            layout,
            tasks: Tasks::default(),
            sched: Scheduler::new(config.nr_cpus),
            perf,
            breakpoints,
            rings: BTreeMap::new(),
            perf_maps: BTreeMap::new(),
            perf_orphans: BTreeSet::new(),
            files: FileTable::default(),
            programs: BTreeMap::new(),
            inputs,
            boot_realtime_ns,
            watches: Vec::new(),
            observations: Vec::new(),
            told_syscalls: BTreeSet::new(),
            this_cpu: CpuId(0),
            init: None,
            init_process: None,
            init_exit: None,
            stopped: None,
            digest: Digest::default(),
            open_spans: Vec::new(),
        })
    }

    /// Creates the first process from a static program. `exe_path` is what AT_EXECFN
    /// and the process's name come from.
    ///
    /// # Errors
    /// The program cannot be run, or there is no memory for it.
    pub fn spawn_init(
        &mut self,
        exe_path: &str,
        image: &[u8],
        argv: &[Vec<u8>],
        envp: &[Vec<u8>],
    ) -> Result<TaskId, ExecError> {
        let elf = elf::parse(image)?;
        let mut random = [0; 16];
        self.inputs.random(&mut random)?;
        let (hw, frames) = (&mut self.hw, &mut self.frames);
        let mut space = AddressSpace::new(hw, frames, &self.layout.template)?;
        let bprm = Bprm {
            filename: exe_path.as_bytes().to_vec(),
            exe_path: exe_path.to_owned(),
            file: image.to_vec(),
            elf,
            argv: argv.to_vec(),
            envp: envp.to_vec(),
            random,
        };
        let started = self.load_binary(&mut space, &bprm, &Cred::default())?;
        self.programs.insert(absolute(exe_path), bprm.file);
        let mm = self.tasks.add_space(space);
        let task = self.add_first_task(mm, started, exe_path)?;
        self.init = Some(task);
        self.init_process = Some(self.tasks.task(task).process);
        self.enqueue_new(task);
        Ok(task)
    }

    fn add_first_task(
        &mut self,
        mm: MmId,
        started: Started,
        exe_path: &str,
    ) -> Result<TaskId, ExecError> {
        let pid = self.tasks.pids.alloc().ok_or(Errno::EAGAIN)?;
        let id = self.tasks.new_task_id();
        let process = ProcessId(pid);
        let nr_cpus = self.hw.nr_cpus();
        let task = Task {
            id,
            tid: pid,
            process,
            comm: comm_of(exe_path),
            state: TaskState::Runnable,
            regs: started.regs,
            fpu: FpuState::default(),
            fs_base: 0,
            gs_base: 0,
            cred: Cred::default(),
            mm,
            cpu: CpuId(0),
            affinity: u64::MAX >> (64 - nr_cpus),
            syscall: None,
            blocked: 0,
            saved_mask: None,
            pending: PendingSignals::default(),
            altstack: (0, 0, 0),
            clear_child_tid: 0,
            robust_list: (0, 0),
            trap: TrapNumbers::default(),
            virtual_dr6: 0,
            sigtraps: Vec::new(),
            runtime_ns: 0,
            on_cpu_since_ns: 0,
        };
        self.tasks.tasks.insert(id, task);
        let files = FdTable::with_console(&mut self.files);
        self.tasks.processes.insert(
            process,
            Process {
                pid,
                parent: None,
                pgid: pid,
                sid: pid,
                threads: vec![id],
                files,
                handlers: SigHandlers::default(),
                pending: PendingSignals::default(),
                exiting: None,
                zombie: None,
                exit_signal: 0,
                dumpable: Dumpable::default(),
                exe_path: exe_path.to_owned(),
                auxv: started.auxv,
                exec_task: None,
                leader: id,
                dead_runtime_ns: 0,
                vfork_parent: None,
            },
        );
        Ok(id)
    }

    /// How the first process ended, once it has.
    pub(crate) fn init_status(&self) -> Option<ExitStatus> {
        self.init_exit
    }

    /// Opens a breakpoint on a task as `perf record -e mem:` would: inherited by its
    /// children, every hit a sample.
    ///
    /// # Errors
    /// No slot is free, or the request is not one that the processor can watch.
    pub fn open_watch(
        &mut self,
        task: TaskId,
        request: &WatchRequest,
    ) -> Result<WatchId, WatchError> {
        let id = WatchId(self.watches.len() as u32);
        let bp_type = match request.access {
            WatchAccess::Write => HW_BREAKPOINT_W,
            WatchAccess::ReadWrite => HW_BREAKPOINT_RW,
            WatchAccess::Execute => HW_BREAKPOINT_X,
        };
        let mut attr =
            PerfEventAttr::breakpoint(request.addr, request.len, bp_type).with(AttrFlags::INHERIT);
        attr.sample_period = 1;
        let now = self.now_ns();
        let target = Target::Task(task, None);
        let handler = Some(OverflowHandler::Watch(id).id());
        let opened =
            self.with_pmu(|perf, pmu| perf.create_kernel_counter(pmu, now, &attr, target, handler));
        match opened {
            Ok(event) => {
                self.watches.push(Watch { request: *request, event });
                Ok(id)
            }
            Err(errno) => Err(match self.breakpoints.take_slot_report() {
                Some(holders) => WatchError::NoSlot { holders: Box::new(holders) },
                None => WatchError::Refused { errno, request: *request },
            }),
        }
    }
}

/// A task's name from its program's path: the last part, cut to 15 bytes.
#[must_use]
pub(crate) fn comm_of(path: &str) -> String {
    let name = path.rsplit('/').next().unwrap_or(path);
    let mut end = name.len().min(15);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    name[..end].to_owned()
}
