//! Bringing the machine up, the first process, and breakpoints asked for from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use perf_core::attr::abi::AttrFlags;
use perf_core::{
    CpuId, Defects, Errno, Generation, Perf, PerfConfig, PerfEventAttr, Target, TaskId,
};

use super::exec::Started;
use super::in_kernel_breakpoint::InKernelBreakpoints;
use super::{Digest, Kernel, Variable, Watch};
use crate::arch::x86::fpu::FpuState;
use crate::arch::x86::hw::{CpuModel, CpuVendor, Hw, TimingChoice};
use crate::arch::x86::hw_breakpoint::AddressRules;
use crate::arch::x86::layout::KernelLayout;
use crate::arch::x86::pt_regs::PtRegs;
use crate::arch::x86::ptrace::{PtraceDebug, StepState};
use crate::arch::x86::segments::ThreadStruct;
use crate::arch::x86::vdso;
use crate::events::bp_slots::SlotReport;
use crate::events::cpu_pmu::{CounterKinds, CpuPmu};
use crate::events::hw_breakpoint::HwBreakpoints;
use crate::events::overflow_handler::OverflowHandler;
use crate::fs::host::HostMount;
use crate::fs::inode::{ROOT, Vfs};
use crate::fs::namei::Node;
use crate::fs::{FdTable, FileTable};
use crate::inputs::{InputError, Inputs};
use crate::mm::address_space::AddressSpace;
use crate::mm::frame::FrameAllocator;
use crate::mm::layout::PAGE_SIZE;
use crate::mm::page_object::PageObject;
use crate::notify::DieChain;
use crate::observe::{ExitStatus, WatchAccess, WatchId, WatchRequest};
use crate::sched::Scheduler;
use crate::seccomp::Mode;
use crate::signal::info::TrapNumbers;
use crate::signal::jobctl::GroupStop;
use crate::signal::{PendingSignals, SigHandlers};
use crate::syscalls::ExecFailure;
use crate::syscalls::UtsNames;
use crate::task::cred::{Cred, Dumpable};
use crate::task::limits::Rlimits;
use crate::task::pid::PID_MAX;
use crate::task::sched_attr::SchedAttr;
use crate::task::{MmId, Process, ProcessId, Task, TaskState, Tasks, TraceState};
use crate::timer::file::TimerFds;
use crate::timer::usage::Usage;
use crate::timer::{ProcessTimers, TimerQueue};
use crate::trace::ksym::{KsymTracer, KsymVersion};

/// The first frame that is handed out: frame 0 stays unused, as on a PC.
const FIRST_FREE_FRAME: u64 = 1;
/// What part of memory may wait in pipes.
const PIPE_PART: u64 = 4;
/// Most CPUs: affinities are one word.
const MAX_CPUS: u32 = 64;
/// The file mode mask of the first process.
const DEFAULT_UMASK: u32 = 0o022;
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
    /// Seed of another interleaving of tasks; the usual one without.
    pub sched_seed: Option<u64>,
    /// Directories and files of the host in the tree of names, in the order of mounting; the
    /// inputs know where they are.
    pub mounts: Vec<HostMount>,
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
            sched_seed: None,
            mounts: Vec::new(),
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
    /// A directory of the host cannot be mounted, or has a file where the machine needs a
    /// directory.
    #[error("the tree of names: {}", .0.name())]
    Mount(Errno),
    /// The date of boot or a seed could not be had.
    #[error(transparent)]
    Input(#[from] InputError),
}

/// Why a program could not be started.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// Its file is not one that can be run, or it is given too much.
    #[error("execve: {0}")]
    Failure(#[from] ExecFailure),
    /// Random bytes could not be had.
    #[error(transparent)]
    Input(#[from] InputError),
}

impl From<Errno> for ExecError {
    fn from(errno: Errno) -> Self {
        Self::Failure(errno.into())
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
        Variable::init_all(&mut hw, &layout);
        for &cpu in &cpus {
            hw.bring_up(cpu, &layout);
        }
        let vdso = build_vdso(&mut hw, &mut frames, boot_realtime_ns)
            .map_err(|_| BootError::Ram(config.ram_bytes))?;
        let (generation, defects) = (config.generation, config.defects);
        let nr_cpus = config.nr_cpus;
        let perf = Perf::new(PerfConfig { nr_cpus, generation, defects, ..PerfConfig::default() });
        let rules = AddressRules::default();
        let breakpoints = HwBreakpoints::of_kernel(nr_cpus, rules, generation, defects);
        let kinds = if hw.counts_branches_and_caches() {
            CounterKinds::WorkBranchesCaches
        } else {
            CounterKinds::Work
        };
        let vfs = Vfs::new(hw.nr_frames(), boot_realtime_ns);
        let mut files = FileTable::default();
        files.set_max_pipe_pages((hw.nr_frames() / PIPE_PART) as usize);
        let mut kernel = Self {
            hw,
            frames,
            vdso,
            layout,
            tasks: Tasks::default(),
            sched: Scheduler::new(config.nr_cpus, config.sched_seed),
            timers: TimerQueue::default(),
            timerfds: TimerFds::default(),
            kicks: 0,
            uts: UtsNames::default(),
            perf,
            breakpoints,
            cpu_pmu: CpuPmu::new(config.nr_cpus, kinds),
            in_kernel: InKernelBreakpoints::default(),
            die_chain: DieChain::default(),
            rings: BTreeMap::new(),
            perf_maps: BTreeMap::new(),
            perf_orphans: BTreeSet::new(),
            seccomp_filters: crate::seccomp::Filters::default(),
            files,
            ksym: KsymTracer::new(KsymVersion::of_kernel(generation, defects)),
            perf_event_paranoid: 2,
            net: crate::net::Net::default(),
            epolls: crate::fs::epoll::Epolls::default(),
            ipc: crate::ipc::Ipc::new(config.ram_bytes),
            locks: crate::fs::lock::Locks::default(),
            vfs,
            inputs,
            boot_realtime_ns,
            watches: Vec::new(),
            counters: Vec::new(),
            ran_on: BTreeMap::new(),
            observations: Vec::new(),
            strace: None,
            told_syscalls: BTreeSet::new(),
            this_cpu: CpuId(0),
            init: None,
            init_process: None,
            init_exit: None,
            killed_at: None,
            stopped: None,
            digest: Digest::default(),
            open_spans: Vec::new(),
            kgdb: None,
            ticks_counted: 0,
        };
        kernel.mount_all(&config.mounts)?.map_err(BootError::Mount)?;
        Ok(kernel)
    }

    /// Creates the first process. `image` is the program's file, which is put at `path`; without
    /// it the program is the one that the tree of names has there. `path` is also what AT_EXECFN
    /// and the process's name come from.
    ///
    /// # Errors
    /// The program cannot be run, or there is no memory for it.
    pub fn spawn_init(
        &mut self,
        path: &str,
        image: Option<&[u8]>,
        argv: &[Vec<u8>],
        envp: &[Vec<u8>],
    ) -> Result<TaskId, ExecError> {
        if let Some(image) = image {
            self.add_program(path.as_bytes(), image.to_vec())?;
        }
        let space = AddressSpace::new(&mut self.hw, &mut self.frames, &self.layout.template)?;
        let mm = self.tasks.add_space(space);
        let nothing = Started { regs: PtRegs::new_user(0, 0), auxv: Vec::new() };
        let task = self.add_first_task(mm, nothing, path)?;
        let mut bprm = self.prepare_first(task, path.as_bytes(), argv, envp)?;
        self.inputs.random(&mut bprm.random)?;
        self.hold_program(task, &bprm);
        self.load_into(task, &bprm)?;
        if let Some(loader) = &bprm.loader {
            self.put_inode(loader.inode);
        }
        self.strace_first_program(task, path.as_bytes(), argv.len());
        self.init = Some(task);
        self.init_process = Some(self.tasks.task(task).process);
        self.enqueue_new(task);
        Ok(task)
    }

    pub(crate) fn add_first_task(
        &mut self,
        mm: MmId,
        started: Started,
        exe_path: &str,
    ) -> Result<TaskId, ExecError> {
        let pid = self.tasks.pids.alloc(PID_MAX).ok_or(Errno::EAGAIN)?;
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
            arch: ThreadStruct::default(),
            seccomp: Mode::Disabled,
            user_dispatch: None,
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
            virtual_dr6: self.fresh_virtual_dr6(),
            ptrace_debug: PtraceDebug::default(),
            step: StepState::default(),
            trace: TraceState::default(),
            personality: 0,
            sched: SchedAttr::default(),
            rseq: None,
            pdeath_signal: 0,
            restart_block: None,
            sigtraps: Vec::new(),
            usage: Usage::default(),
            in_kernel_since_ns: None,
            on_cpu_since_ns: 0,
        };
        self.tasks.tasks.insert(id, task);
        let files = FdTable::with_console(&mut self.files);
        self.tasks.processes.insert(
            process,
            Process {
                pid,
                parent: None,
                parent_thread: None,
                pgid: pid,
                sid: pid,
                threads: vec![id],
                zombie_threads: Vec::new(),
                files,
                handlers: SigHandlers::default(),
                pending: PendingSignals::default(),
                exiting: None,
                group_stop: GroupStop::default(),
                is_subreaper: false,
                zombie: None,
                exit_signal: 0,
                dumpable: Dumpable::default(),
                exe_path: exe_path.to_owned(),
                exe: None,
                cwd: Node::Inode(self.vfs.get(ROOT)),
                root: Node::Inode(self.vfs.get(ROOT)),
                umask: DEFAULT_UMASK,
                auxv: started.auxv,
                exec_task: None,
                leader: id,
                dead_usage: Usage::default(),
                children_usage: Usage::default(),
                timers: ProcessTimers::default(),
                membarrier: 0,
                limits: Rlimits::default(),
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

/// Puts the vDSO into memory (`init_vdso_image`).
fn build_vdso(
    hw: &mut Hw,
    frames: &mut FrameAllocator,
    boot_realtime_ns: u64,
) -> Result<PageObject, Errno> {
    let mut object = PageObject::new(hw, frames)?;
    let image = vdso::image(boot_realtime_ns);
    for (page, bytes) in (0..).zip(image.chunks(PAGE_SIZE as usize)) {
        let frame = object.page_or_zeroed(hw, frames, page)?;
        hw.write_phys(frame.physical(), bytes);
    }
    Ok(object)
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
