//! A guest for tests: it does what a script says, and asks what the script asks.

use kernel_model::debug::KgdbIo;
use kernel_model::inputs::Inputs;
use kernel_model::observe::{AccessKind, CounterRequest, ExitStatus, WatchAccess, WatchRequest};

use kernel_model::strace::CallSet;

use super::config::MachineConfig;
use super::event::{At, Count, CpuWork, Digest, Event, Hit, Origin, Span, Totals, Who};
use super::guest::{Cause, Guest, GuestError, KsymTexts, Machine, Step, Stop, Told};
use super::plan::{Image, Plan, Watch};

/// What the guest does in one step.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Reads standard input and writes what it read.
    Echo(usize),
    /// Asks for random bytes and writes them.
    Random(usize),
    /// Tells this.
    Tell(Event),
    /// Computes; the state of the machine takes this in.
    Compute(u8),
    /// Ends.
    Exit(ExitStatus),
    /// Cannot go on.
    Fail(&'static str),
}

/// A machine that plays a script.
#[derive(Clone, Debug, Default)]
pub(crate) struct Script {
    pub(crate) acts: Vec<Act>,
    /// Slots that `open_watch` has.
    pub(crate) slots: usize,
}

impl Machine for Script {
    fn boot(
        &self,
        _config: &MachineConfig,
        mut inputs: Box<dyn Inputs>,
    ) -> Result<Box<dyn Guest>, GuestError> {
        let boot_ns = inputs.boot_realtime_ns().map_err(|error| GuestError::Boot(error.into()))?;
        Ok(Box::new(Player {
            counters: 0,
            acts: self.acts.clone().into_iter(),
            free_slots: self.slots,
            inputs,
            events: Vec::new(),
            insns: 0,
            state: boot_ns.to_le_bytes().to_vec(),
        }))
    }
}

struct Player {
    acts: std::vec::IntoIter<Act>,
    free_slots: usize,
    counters: usize,
    inputs: Box<dyn Inputs>,
    events: Vec<Event>,
    insns: u64,
    state: Vec<u8>,
}

impl Player {
    fn write(&mut self, bytes: Vec<u8>) -> Step {
        self.state.extend_from_slice(&bytes);
        self.events.push(Event::Output { fd: 1, bytes });
        Step::Running
    }

    fn act(&mut self, act: Act) -> Step {
        match act {
            Act::Echo(max) => match self.inputs.stdin(max) {
                Ok(bytes) => self.write(bytes),
                Err(error) => Step::Stopped(Stop::Input(error)),
            },
            Act::Random(len) => {
                let mut bytes = vec![0; len];
                match self.inputs.random(&mut bytes) {
                    Ok(()) => self.write(bytes),
                    Err(error) => Step::Stopped(Stop::Input(error)),
                }
            }
            Act::Tell(event) => {
                self.events.push(event);
                Step::Running
            }
            Act::Compute(byte) => {
                self.state.push(byte);
                Step::Running
            }
            Act::Exit(status) => {
                let (at, who) = (at(self.insns), who());
                self.events.push(Event::Exit { at, who, status });
                Step::Finished(status)
            }
            Act::Fail(reason) => Step::Stopped(Stop::Machine { reason: reason.to_owned() }),
        }
    }
}

impl Guest for Player {
    fn trace_ksym(&mut self, _filter: &str) -> Result<(), Cause> {
        Ok(())
    }

    fn ksym_texts(&self) -> KsymTexts {
        KsymTexts::default()
    }

    fn attach_debugger(&mut self, _debugger: Box<dyn KgdbIo>) -> Result<(), Cause> {
        Err("a script has no CPUs".into())
    }

    fn spawn_init(
        &mut self,
        image: &Image,
        _argv: &[Vec<u8>],
        _envp: &[Vec<u8>],
    ) -> Result<(), Cause> {
        if image.bytes.is_empty() { Err("nothing to run".into()) } else { Ok(()) }
    }

    fn open_watch(&mut self, _request: &WatchRequest) -> Result<(), Cause> {
        match self.free_slots.checked_sub(1) {
            Some(left) => {
                self.free_slots = left;
                Ok(())
            }
            None => Err("no free slot: DR0..DR3 are held".into()),
        }
    }

    fn open_counter(&mut self, _request: &CounterRequest) -> Result<(), Cause> {
        self.counters += 1;
        Ok(())
    }

    fn counts(&mut self) -> Vec<Count> {
        let count = Count { value: self.insns, enabled_ns: 4, running_ns: 3 };
        vec![count; self.counters]
    }

    fn step(&mut self) -> Step {
        self.insns += 100;
        match self.acts.next() {
            Some(act) => self.act(act),
            None => Step::Stopped(Stop::Machine { reason: "nothing can run".to_owned() }),
        }
    }

    fn trace_calls(&mut self, _wanted: CallSet) {}

    fn take_events(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.events).into_iter().map(Told::Event).collect()
    }

    fn killed_at(&self) -> Option<u64> {
        None
    }

    fn digest(&mut self) -> Digest {
        Digest(*blake3::hash(&self.state).as_bytes())
    }

    fn totals(&self) -> Totals {
        let cpu = CpuWork { insns: self.insns, cycles: self.insns * 2, time_ns: self.insns };
        Totals { cpus: vec![cpu], time_ns: self.insns }
    }
}

pub(crate) fn at(icount: u64) -> At {
    At { time_ns: icount * 3, cycles: icount * 2, icount, cpu: 0 }
}

pub(crate) fn who() -> Who {
    Who { pid: 1000, tid: 1000, comm: "small".to_owned() }
}

/// A store of 8 bytes by `mov [rdi],rax`.
pub(crate) fn hit(watch: u32, icount: u64, old: u64, new: u64) -> Event {
    Event::Hit(Box::new(Hit {
        watch,
        at: at(icount),
        who: who(),
        insn_ip: 0x40_1000 + icount,
        insn_bytes: vec![0x48, 0x89, 0x07],
        origin: Origin::User,
        kind: AccessKind::Write,
        access_addr: 0x4c_7310,
        access_len: 8,
        old,
        new,
    }))
}

pub(crate) fn span(watch: u32, slot: u8, from_icount: u64, to_icount: u64) -> Event {
    Event::Span(Box::new(Span { watch, cpu: 0, slot, who: who(), from_icount, to_icount }))
}

/// A run that uses every kind of entry.
pub(crate) fn varied() -> Script {
    let kernel_read = Event::Hit(Box::new(Hit {
        watch: 1,
        at: at(150),
        who: who(),
        insn_ip: 0xffff_ffff_8100_0000,
        insn_bytes: Vec::new(),
        origin: Origin::Kernel { syscall: Some("read".to_owned()) },
        kind: AccessKind::Write,
        access_addr: 0x4c_7400,
        access_len: 4,
        old: 0,
        new: 0x6968,
    }));
    let unsupported =
        Event::UnsupportedSyscall { nr: 334, name: Some("rseq".to_owned()), who: who() };
    let acts = vec![
        Act::Tell(unsupported),
        Act::Random(16),
        Act::Echo(64),
        Act::Tell(kernel_read),
        Act::Compute(1),
        Act::Tell(hit(0, 250, 1, 2)),
        Act::Tell(span(0, 0, 10, 600)),
        Act::Tell(hit(0, 300, 2, 3)),
        Act::Tell(span(1, 1, 10, 600)),
        Act::Exit(ExitStatus::Exited(3)),
    ];
    Script { acts, slots: 4 }
}

/// The plan that goes with [`varied`].
pub(crate) fn plan() -> Plan {
    let watch = |text: &str, addr, access| Watch {
        text: text.to_owned(),
        request: WatchRequest { addr, len: 8, access },
    };
    Plan {
        machine: MachineConfig::default(),
        image: Image { path: "/bin/small".to_owned(), bytes: tiny_elf() },
        argv: vec![b"small".to_vec(), b"--fast".to_vec()],
        envp: vec![b"LANG=C".to_vec()],
        watches: vec![
            watch("mem:counter/8:w", 0x4c_7310, WatchAccess::Write),
            watch("mem:0x4c7400/8", 0x4c_7400, WatchAccess::ReadWrite),
        ],
        counters: Vec::new(),
        mark_every: 2,
        max_insns: None,
    }
}

/// An ELF header with one PT_LOAD of the whole file.
pub(crate) fn tiny_elf() -> Vec<u8> {
    let mut elf = vec![0; 120];
    elf[..6].copy_from_slice(&[0x7f, b'E', b'L', b'F', 2, 1]);
    elf[16] = 2;
    elf[18] = 62;
    elf[32] = 64;
    elf[54] = 56;
    elf[56] = 1;
    elf[64] = 1;
    elf[64 + 32] = 120;
    elf
}
