//! Plays one case: runs from stop to stop, compares each, does what the tracer did.

use emulator::debug::dr6;
use emulator::regs::RFlags;

use super::linux::{self, HasLdt};
use super::row::{Action, Bytes, Case, Stepping, StopRow};
use super::stand::{Frame, Stand, Stop};
use super::verdict::{Difference, Mismatch, Skip, Verdict};
use super::{Options, Slices, answers, compare, layout};

/// Runs of the stand between two exceptions after which a case is given up: system
/// calls and kernel hits are none that the tracer sees.
const MAX_UNSEEN: usize = 10_000;

/// What a stop looked like.
pub(super) struct Seen {
    /// The vector.
    pub(super) vector: u8,
    /// The frame.
    pub(super) frame: Frame,
    /// DR6.
    pub(super) dr6: u64,
}

/// Plays a case.
pub(super) fn play(case: &Case, options: &Options) -> Verdict {
    let verdict = match Player::new(case, options).and_then(|mut player| player.run()) {
        Ok(()) => Verdict::Passed,
        Err(verdict) => verdict,
    };
    match (&case.microarch, verdict) {
        (Some(why), Verdict::Failed(_)) => Skip::Microarchitectural(why.clone()).into(),
        (_, verdict) => verdict,
    }
}

/// A case at some point of its run.
pub(super) struct Player<'a> {
    pub(super) case: &'a Case,
    pub(super) stand: Stand,
    /// General registers at the last stop.
    pub(super) gpr: [u64; 16],
    /// General registers, as bits, that hold what another processor said.
    pub(super) answered: u16,
    /// Whether instructions that fill these are looked for.
    looks_for_answers: bool,
    before: Vec<Bytes>,
}

impl<'a> Player<'a> {
    fn new(case: &'a Case, options: &Options) -> Result<Self, Verdict> {
        if case.stops.is_empty() {
            return Err(Skip::NoStops.into());
        }
        let step = if case.stepping == Stepping::ByTracer { RFlags::TF } else { 0 };
        let prepared = layout::prepare(&case.program, case.rflags | step)?;
        let mut stand = prepared.stand;
        let looks_for_answers = answers::may_be_in(&case.program.code);
        if options.slices == Slices::Single || looks_for_answers {
            stand.slice = 1;
        }
        let cpu = stand.machine.cpu_mut(0);
        cpu.set_kept_hits(options.kept_hits);
        for (index, &address) in case.dr.iter().enumerate() {
            cpu.set_dr_address(index, address);
        }
        cpu.set_dr7(case.dr7);
        let before = layout::snapshot(&stand);
        Ok(Self { case, stand, gpr: prepared.gpr, answered: 0, looks_for_answers, before })
    }

    fn run(&mut self) -> Result<(), Verdict> {
        for (nth, row) in self.case.stops.iter().enumerate() {
            let at = |mismatch| Verdict::Failed(Difference { stop: Some(nth), mismatch });
            let seen = self.next_stop().map_err(|verdict| match verdict {
                Verdict::Failed(Difference { mismatch, .. }) => at(mismatch),
                other => other,
            })?;
            compare::stop(self, row, &seen).map_err(at)?;
            if !self.go_on(row, seen.frame)? {
                break;
            }
        }
        let expected = layout::changed(self.before.clone(), &self.case.final_mem)?;
        compare::memory(&expected, &layout::snapshot(&self.stand))?;
        Ok(())
    }

    /// Runs to the next stop that the tracer would see.
    fn next_stop(&mut self) -> Result<Seen, Verdict> {
        for _ in 0..MAX_UNSEEN {
            match self.run_to_stop() {
                Stop::Exception(linux::SYSTEM_CALL, _) => {
                    linux::interrupt_call(&mut self.stand);
                    if self.case.stepping == Stepping::ByTracer {
                        let frame = self.stand.frame();
                        return Ok(Seen { vector: 1, frame, dr6: dr6::RESET });
                    }
                }
                Stop::Syscall if self.case.stepping == Stepping::ByTracer => {
                    let frame = linux::stepped_syscall(&mut self.stand);
                    return Ok(Seen { vector: 1, frame, dr6: dr6::RESET });
                }
                Stop::Syscall => linux::syscall(&mut self.stand),
                Stop::Exception(vector, error) => {
                    let frame = self.stand.frame();
                    let hidden = match vector {
                        1 => linux::is_kernels(&frame),
                        13 => error == Some(0) && self.is_carried_out(),
                        _ => false,
                    };
                    let dr6 = self.stand.machine.cpu(0).debug().dr6();
                    if !hidden {
                        return Ok(Seen { vector, frame, dr6 });
                    }
                    if vector == 1 {
                        self.stand.machine.cpu_mut(0).set_dr6(dr6::RESET);
                    }
                }
                other => return Err(layout::unexpected(other)),
            }
        }
        Err(Mismatch::Endless.into())
    }

    fn is_carried_out(&mut self) -> bool {
        let has_ldt = if self.case.program.ldt.is_empty() { HasLdt::No } else { HasLdt::Yes };
        linux::carry_out_refused(&mut self.stand, has_ldt)
    }

    fn run_to_stop(&mut self) -> Stop {
        if !self.looks_for_answers {
            return self.stand.run();
        }
        for _ in 0..MAX_UNSEEN {
            let next = self.user_instruction();
            let stop = self.stand.run_slice();
            if let Some(insn) = next
                && self.stand.machine.cpu(0).regs.rip == insn.next_ip()
            {
                self.answered |= answers::registers(&insn);
            }
            if let Some(stop) = stop {
                return stop;
            }
        }
        self.stand.run()
    }

    /// The instruction that a user program runs next.
    fn user_instruction(&self) -> Option<iced_x86::Instruction> {
        let regs = &self.stand.machine.cpu(0).regs;
        let cs = regs.seg[emulator::regs::SegmentReg::Cs as usize].selector;
        (cs & 3 == 3).then(|| self.stand.instruction_at(cs, regs.rip))
    }

    /// Does what Linux and the tracer do before the program goes on; whether it does.
    fn go_on(&mut self, row: &StopRow, mut frame: Frame) -> Result<bool, Verdict> {
        // Linux reads and resets DR6 at each #DB (K2).
        self.stand.machine.cpu_mut(0).set_dr6(dr6::RESET);
        if row.rf_by_linux {
            frame.rflags |= RFlags::RF;
        }
        match row.action {
            None => {}
            Some(Action::Stop) => return Ok(false),
            Some(Action::Goto(to)) => {
                frame.rip = to;
                frame.rflags &= !RFlags::RF;
            }
            Some(Action::GotoRf(to)) => frame.rip = to,
            Some(Action::ClearRf) => frame.rflags &= !RFlags::RF,
            Some(Action::SetRf) => frame.rflags |= RFlags::RF,
            Some(Action::ClearTf) => frame.rflags &= !RFlags::TF,
            Some(Action::SetTf) => frame.rflags |= RFlags::TF,
            Some(Action::Protect(page, protection)) => {
                layout::protect(&mut self.stand, page, protection)?;
            }
        }
        self.stand.set_frame(frame);
        Ok(true)
    }
}
