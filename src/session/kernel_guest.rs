//! The kernel model as a guest: the one place of this crate that runs
//! [`kernel_model::kernel`], and where its observations become the values that
//! reports and recordings hold.

use kernel_model::debug::KgdbIo;
use kernel_model::inputs::Inputs;
use kernel_model::kernel::{self, Kernel, KernelConfig, StopReason};
use kernel_model::observe::{
    ArmedSpan, CounterRequest, Hit as KernelHit, HitOrigin, Moment, Observation, TaskTag,
    WatchRequest,
};
use kernel_model::strace::CallSet;
use perf_core::{Errno, TaskId};

use super::config::MachineConfig;
use super::event::{At, Count, CpuWork, Digest, Event, Hit, Origin, Span, Totals, Who};
use super::guest::{Cause, Guest, GuestError, KsymTexts, Machine, Step, Stop, Told};
use super::plan::Image;

/// The kernel model on the emulator.
#[derive(Clone, Copy, Debug, Default)]
pub struct KernelMachine;

impl Machine for KernelMachine {
    fn boot(
        &self,
        machine: &MachineConfig,
        inputs: Box<dyn Inputs>,
    ) -> Result<Box<dyn Guest>, GuestError> {
        let config = machine;
        // Both sides name their timing models alike, so the name carries over.
        let timing =
            config.timing.name().parse().map_err(|error| GuestError::Boot(Cause::from(error)))?;
        let config = KernelConfig {
            nr_cpus: config.nr_cpus,
            ram_bytes: config.ram_bytes,
            timing,
            model: config.model,
            vendor: config.vendor,
            generation: config.generation,
            defects: config.defects,
            seed: config.seed,
            sched_seed: config.sched_seed,
            mounts: config.mounts.iter().map(|mount| mount.guest.clone()).collect(),
        };
        let has_root = machine.has_root();
        let kernel =
            Kernel::boot(&config, inputs).map_err(|error| GuestError::Boot(error.into()))?;
        Ok(Box::new(KernelGuest { kernel, init: None, has_root }))
    }
}

/// A kernel with its first process.
struct KernelGuest {
    kernel: Kernel,
    init: Option<TaskId>,
    /// Whether the program is in the tree of names already.
    has_root: bool,
}

/// A breakpoint was asked for before there was a process.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("there is no process to watch yet")]
struct NoProcess;

/// The debugger's events cannot be made.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("its breakpoint events are refused ({})", .0.name())]
struct NoDebugEvents(Errno);

impl Guest for KernelGuest {
    fn attach_debugger(&mut self, debugger: Box<dyn KgdbIo>) -> Result<(), Cause> {
        Ok(self.kernel.kgdb_attach(debugger).map_err(NoDebugEvents)?)
    }

    fn spawn_init(
        &mut self,
        image: &Image,
        argv: &[Vec<u8>],
        envp: &[Vec<u8>],
    ) -> Result<(), Cause> {
        let bytes = (!self.has_root).then_some(image.bytes.as_slice());
        let init = self.kernel.spawn_init(&image.path, bytes, argv, envp)?;
        self.init = Some(init);
        Ok(())
    }

    fn open_watch(&mut self, request: &WatchRequest) -> Result<(), Cause> {
        let init = self.init.ok_or(NoProcess)?;
        self.kernel.open_watch(init, request)?;
        Ok(())
    }

    fn trace_ksym(&mut self, filter: &str) -> Result<(), Cause> {
        Ok(self.kernel.trace_ksym(filter)?)
    }

    fn ksym_texts(&self) -> KsymTexts {
        let profile = self.kernel.ksym().show_profile();
        KsymTexts { trace: self.kernel.ksym_trace(), profile }
    }

    fn open_counter(&mut self, request: &CounterRequest) -> Result<(), Cause> {
        let init = self.init.ok_or(NoProcess)?;
        self.kernel.open_counter(init, request)?;
        Ok(())
    }

    fn counts(&mut self) -> Vec<Count> {
        let readings = self.kernel.read_counters().into_iter();
        readings
            .map(|reading| Count {
                value: reading.value,
                enabled_ns: reading.enabled_ns,
                running_ns: reading.running_ns,
            })
            .collect()
    }

    fn step(&mut self) -> Step {
        match self.kernel.step() {
            kernel::Step::Running => Step::Running,
            kernel::Step::Finished(status) => Step::Finished(status),
            kernel::Step::Stopped(StopReason::Input(error)) => Step::Stopped(Stop::Input(error)),
            kernel::Step::Stopped(reason) => {
                Step::Stopped(Stop::Machine { reason: reason.to_string() })
            }
        }
    }

    fn trace_calls(&mut self, wanted: CallSet) {
        self.kernel.trace_calls(wanted);
    }

    fn take_events(&mut self) -> Vec<Told> {
        self.kernel.take_observations().into_iter().map(told).collect()
    }

    fn killed_at(&self) -> Option<u64> {
        self.kernel.killed_at()
    }

    fn digest(&mut self) -> Digest {
        Digest(self.kernel.digest().0)
    }

    fn totals(&self) -> Totals {
        let totals = self.kernel.totals();
        let cpus = totals.cpus.iter().map(|cpu| CpuWork {
            insns: cpu.insns,
            cycles: cpu.cycles,
            time_ns: cpu.time_ns,
        });
        Totals { cpus: cpus.collect(), time_ns: totals.time_ns }
    }
}

fn told(observation: Observation) -> Told {
    let event = match observation {
        Observation::Call(told) => return Told::Call(told),
        Observation::Hit(told) => Event::Hit(Box::new(hit(*told))),
        Observation::Span(told) => Event::Span(Box::new(span(*told))),
        Observation::Output { fd, bytes } => Event::Output { fd, bytes },
        Observation::ProcessExit { at: moment, task, status } => {
            Event::Exit { at: at(moment), who: who(task), status }
        }
        Observation::UndefinedInsn { ip, insn_bytes, task } => {
            Event::UndefinedInsn { ip, insn_bytes, who: who(task) }
        }
        Observation::OutOfMemory { task, resident_bytes, ram_bytes } => {
            Event::OutOfMemory { who: who(task), resident_bytes, ram_bytes }
        }
        Observation::UnsupportedSyscall { nr, name, task } => {
            Event::UnsupportedSyscall { nr, name: name.map(str::to_owned), who: who(task) }
        }
    };
    Told::Event(event)
}

fn hit(told: KernelHit) -> Hit {
    Hit {
        watch: told.watch.0,
        at: at(told.at),
        who: who(told.task),
        insn_ip: told.insn_ip,
        insn_bytes: told.insn_bytes,
        origin: match told.origin {
            HitOrigin::User => Origin::User,
            HitOrigin::Kernel { syscall } => Origin::Kernel { syscall: syscall.map(str::to_owned) },
        },
        kind: told.kind,
        access_addr: told.access_addr,
        access_len: told.access_len,
        old: told.old,
        new: told.new,
    }
}

fn span(told: ArmedSpan) -> Span {
    Span {
        watch: told.watch.0,
        cpu: told.cpu.0,
        slot: told.slot,
        who: who(told.task),
        from_icount: told.from_icount,
        to_icount: told.to_icount,
    }
}

fn at(moment: Moment) -> At {
    At { time_ns: moment.time_ns, cycles: moment.cycles, icount: moment.icount, cpu: moment.cpu.0 }
}

fn who(task: TaskTag) -> Who {
    Who { pid: task.pid, tid: task.tid, comm: task.comm }
}
