//! Plays one case and compares every stop.

use emulator::debug::{EntryKind, dr6};
use emulator::regs::RFlags;
use emulator::regs::gpr::reg::{R11, RAX, RBX, RCX, RDX, RSP};

use super::case::{Action, Bytes, Case, GPR_NAMES, GprValues, StopRow};
use super::layout;
use crate::stand::paging::Rights;
use crate::stand::{Frame, Stand, Stop};

/// What became of a case.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Everything is as measured.
    Passed,
    /// Something is not.
    Failed(String),
    /// It was not played to the end, and why.
    Skipped(String),
}

/// INT 0x80, a system call to Linux.
const SYSTEM_CALL: u8 = 0x80;
/// What an unknown system call returns: -ENOSYS.
const ENOSYS: u64 = (-38i64) as u64;
/// Cases whose registers name the processor: CPUID.
const NAMES_PROCESSOR: [&str; 2] = ["x_on_cpuid", "s_data_cpuid"];
/// Kinds of `microarch` results that this model does not share: it reports string hits
/// exactly (rule R8.4), and it has no TSX.
const OTHER_CORES: [&str; 4] = ["fast-string", "short REP STOS", "TSX", "partial"];

/// What a stop looked like.
struct Seen {
    vector: u8,
    frame: Frame,
    dr6: u64,
}

/// How long the emulator runs at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Slices {
    /// From stop to stop.
    Whole,
    /// One instruction: pending events, shadows and repetitions outlive a run.
    Single,
}

/// Plays a case.
pub(crate) fn play(case: &Case, slices: Slices) -> Verdict {
    let other = |why: &&String| OTHER_CORES.iter().any(|kind| why.starts_with(kind));
    if let Some(why) = case.microarch.as_ref().filter(other) {
        return Verdict::Skipped(format!("microarchitectural: {why}"));
    }
    let mut player = Player::new(case);
    if slices == Slices::Single {
        player.stand.slice = 1;
    }
    match player.run() {
        Ok(()) => Verdict::Passed,
        Err(verdict) => verdict,
    }
}

struct Player<'a> {
    case: &'a Case,
    stand: Stand,
    /// General registers at the last stop.
    gpr: [u64; 16],
    before: Vec<Bytes>,
}

impl<'a> Player<'a> {
    fn new(case: &'a Case) -> Self {
        let mut stand = layout::prepare(&case.code, &case.mem, &case.regs);
        for (page, name) in &case.prot {
            let rights = match name.as_str() {
                "rw" => Rights::Write,
                "none" => Rights::None,
                other => panic!("unknown protection {other}"),
            };
            stand.protect(*page, rights);
        }
        let rsp = layout::initial_rsp(&case.regs);
        let mut gpr = std::array::from_fn(|reg| stand.gpr(reg as u8));
        gpr[usize::from(RSP)] = rsp;
        let before = layout::snapshot(&stand);
        let step = if case.stepped { RFlags::TF } else { 0 };
        stand.start(Stand::user_frame(layout::CODE, case.rflags | step, rsp));
        let cpu = stand.machine.cpu_mut(0);
        for (index, &address) in case.dr.iter().enumerate() {
            cpu.set_dr_address(index, address);
        }
        cpu.set_dr7(case.dr7);
        Self { case, stand, gpr, before }
    }

    fn run(&mut self) -> Result<(), Verdict> {
        for (nth, row) in self.case.stops.iter().enumerate() {
            let seen = self.next_stop()?;
            self.compare(row, &seen)
                .map_err(|why| Verdict::Failed(format!("stop {nth}: {why}")))?;
            if !self.go_on(row, seen.frame) {
                break;
            }
        }
        self.compare_memory().map_err(Verdict::Failed)
    }

    /// Runs to the next stop that the tracer would see.
    fn next_stop(&mut self) -> Result<Seen, Verdict> {
        loop {
            match self.stand.run() {
                Stop::Exception(SYSTEM_CALL, _) => self.stand.set_gpr(RAX, ENOSYS),
                Stop::Exception(13, _) if self.is_answered_by_linux() => {
                    return Err(Verdict::Skipped(String::from("answered by Linux (UMIP)")));
                }
                Stop::Exception(vector, _) => {
                    let dr6 = self.stand.machine.cpu(0).debug().dr6();
                    return Ok(Seen { vector, frame: self.stand.frame(), dr6 });
                }
                Stop::Syscall => {
                    self.stand.set_gpr(RAX, ENOSYS);
                    self.stand.leave_syscall();
                    if self.case.stepped {
                        return Ok(self.invented_stop());
                    }
                }
                Stop::Unsupported(what) => return Err(Verdict::Skipped(what.name)),
                Stop::Ended(exit) => return Err(Verdict::Failed(format!("ended: {exit:?}"))),
            }
        }
    }

    /// Whether Linux carries out the instruction that faulted (`fixup_umip_exception`).
    fn is_answered_by_linux(&self) -> bool {
        use iced_x86::Mnemonic::{Sgdt, Sidt, Sldt, Smsw, Str};
        matches!(self.stand.instruction().mnemonic(), Sgdt | Sidt | Sldt | Smsw | Str)
    }

    /// The stop after a system call that Linux makes up for PTRACE_SINGLESTEP (K6).
    fn invented_stop(&self) -> Seen {
        let (rip, rflags) = (self.stand.gpr(RCX), self.stand.gpr(R11));
        let rsp = self.stand.frame().rsp;
        Seen { vector: 1, frame: Stand::user_frame(rip, rflags, rsp), dr6: dr6::RESET }
    }

    fn compare(&mut self, row: &StopRow, seen: &Seen) -> Result<(), String> {
        equal("vector", u64::from(row.vector), u64::from(seen.vector))?;
        equal("rip", row.rip, seen.frame.rip)?;
        equal("cs", row.cs, seen.frame.cs)?;
        // RF as pushed is 0 where Linux set it afterwards (K4); its own TF is hidden (K6).
        let by_linux = if row.rf_by_linux { RFlags::RF } else { 0 };
        let hidden = if self.case.stepped { RFlags::TF } else { 0 };
        equal("rflags", row.rflags & !by_linux, seen.frame.rflags & !hidden)?;
        if row.vector == 1 {
            self.compare_dr6(row, seen)?;
        }
        if let Some(cr2) = row.cr2 {
            equal("cr2", cr2, self.stand.machine.cpu(0).regs.control.cr2)?;
        }
        for (reg, bytes) in row.ymm.iter().enumerate() {
            let value = self.stand.machine.cpu(0).regs.vector.ymm(reg as u8);
            if [value.lo.to_le_bytes(), value.hi.to_le_bytes()].concat() != *bytes {
                return Err(format!("ymm{reg} is {value:x?}"));
            }
        }
        self.compare_gprs(row, seen)
    }

    fn compare_dr6(&self, row: &StopRow, seen: &Seen) -> Result<(), String> {
        equal("bs", u64::from(row.bs), u64::from(seen.dr6 & dr6::BS != 0))?;
        let mut bits = seen.dr6 & dr6::B_MASK;
        if row.hidden_exec {
            bits &= !self.executes_at(seen.frame.rip);
        }
        equal("B0..3", row.b, bits)?;
        let rest = !(dr6::BS | dr6::B_MASK);
        equal("rest of dr6", dr6::RESET & rest, seen.dr6 & rest)
    }

    /// B bits of the execute breakpoints at an address.
    fn executes_at(&self, rip: u64) -> u64 {
        let debug = self.stand.machine.cpu(0).debug();
        (0..4)
            .filter(|&index| {
                debug.dr7().is_enabled(index)
                    && debug.dr7().kind(index) == EntryKind::Execute
                    && debug.address(index) == rip
            })
            .fold(0, |bits, index| bits | 1 << index)
    }

    /// Compares the set of registers that changed.
    fn compare_gprs(&mut self, row: &StopRow, seen: &Seen) -> Result<(), String> {
        let mut now: [u64; 16] = std::array::from_fn(|reg| self.stand.gpr(reg as u8));
        now[usize::from(RSP)] = seen.frame.rsp;
        let mut changed = GprValues::new();
        for (reg, (old, new)) in (0..).zip(self.gpr.iter().zip(now)) {
            if *old != new {
                changed.insert(reg, new);
            }
        }
        self.gpr = now;
        let mut expected = row.regs.clone();
        if NAMES_PROCESSOR.contains(&self.case.name.as_str()) {
            for reg in [RAX, RBX, RCX, RDX] {
                expected.remove(&reg);
                changed.remove(&reg);
            }
        }
        if changed == expected { Ok(()) } else { Err(differing(&expected, &changed)) }
    }

    /// Does what Linux and the tracer do before the program goes on; whether it does.
    fn go_on(&mut self, row: &StopRow, mut frame: Frame) -> bool {
        // Linux reads and resets DR6 at each #DB (K2).
        self.stand.machine.cpu_mut(0).set_dr6(dr6::RESET);
        if row.rf_by_linux {
            frame.rflags |= RFlags::RF;
        }
        match row.action {
            None => {}
            Some(Action::Stop) => return false,
            Some(Action::Goto(to)) => {
                frame.rip = to;
                frame.rflags &= !RFlags::RF;
            }
            Some(Action::GotoRf(to)) => frame.rip = to,
            Some(Action::ClearRf) => frame.rflags &= !RFlags::RF,
            Some(Action::OpenPage(page)) => self.stand.protect(page, Rights::Write),
        }
        self.stand.set_frame(frame);
        true
    }

    /// Compares all memory of the layout: what was measured is the whole difference.
    fn compare_memory(&self) -> Result<(), String> {
        let mut expected = self.before.clone();
        for (at, bytes) in &self.case.final_mem {
            let holds = |range: &&mut Bytes| (range.0..range.0 + range.1.len() as u64).contains(at);
            let range = expected.iter_mut().find(holds).expect("within the layout");
            let from = (at - range.0) as usize;
            range.1[from..from + bytes.len()].copy_from_slice(bytes);
        }
        for ((start, wanted), (_, found)) in expected.iter().zip(layout::snapshot(&self.stand)) {
            if let Some(at) = wanted.iter().zip(&found).position(|(a, b)| a != b) {
                let address = start + at as u64;
                let (a, b) = (wanted[at], found[at]);
                return Err(format!("byte {address:#x}: measured {a:#x}, emulated {b:#x}"));
            }
        }
        Ok(())
    }
}

fn equal(what: &str, measured: u64, emulated: u64) -> Result<(), String> {
    if measured == emulated {
        return Ok(());
    }
    Err(format!("{what}: measured {measured:#x}, emulated {emulated:#x}"))
}

fn differing(measured: &GprValues, emulated: &GprValues) -> String {
    let show = |values: &GprValues| {
        let one =
            |(reg, value): (&u8, &u64)| format!("{}={value:#x}", GPR_NAMES[usize::from(*reg)]);
        values.iter().map(one).collect::<Vec<_>>().join(" ")
    };
    format!("registers: measured [{}], emulated [{}]", show(measured), show(emulated))
}
