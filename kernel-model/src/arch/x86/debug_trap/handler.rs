//! The breakpoint notifier: which events a #DB hit (rules 4.3.5 to 4.3.7).
//!
//! Source: `hw_breakpoint_handler`, Linux 6.x arch/x86/kernel/hw_breakpoint.c.

use perf_core::{Defect, Defects, Mode};

use super::{ResumeFlag, TrapHit, TrapOwners};
use crate::arch::x86::debugreg::{BreakpointType, DR_STEP, DR_TRAP_BITS};

/// What a notifier says to the rest of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notify {
    /// `NOTIFY_DONE`: go on.
    Done,
    /// `NOTIFY_STOP`: all is said, no signal.
    Stop,
}

/// What the breakpoint notifier did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Handled {
    /// The events that were hit, by rising register number.
    pub hits: Vec<TrapHit>,
    /// For the saved flags.
    pub resume_flag: ResumeFlag,
    /// DR6 after the flip, less the B bits that were dealt with.
    pub dr6: u64,
    /// The virtual DR6 after the overflow handlers.
    pub virtual_dr6: u64,
    /// B bits of registers without an owner.
    pub spurious: u64,
    /// Whether the chain goes on.
    pub notify: Notify,
}

/// Looks at B0 to B3 of `dr6` (after the flip) and decides what was hit. `virtual_dr6` is the
/// current task's, which the consumers' overflow handlers add to. S12 and S14 of `defects` show
/// here.
pub fn hw_breakpoint_handler(
    dr6: u64,
    mode: Mode,
    owners: &TrapOwners,
    virtual_dr6: u64,
    defects: Defects,
) -> Handled {
    let mut handled = Handled {
        hits: Vec::new(),
        resume_flag: ResumeFlag::Keep,
        dr6,
        virtual_dr6,
        spurious: 0,
        notify: Notify::Done,
    };
    if dr6 & DR_TRAP_BITS == 0 {
        return handled;
    }
    for (register, owner) in owners.iter().enumerate() {
        let bit = 1 << register;
        if dr6 & bit == 0 {
            continue;
        }
        let Some(owner) = owner else {
            if defects.has(Defect::HandlerStopsAtEmpty) {
                // The bits above are never looked at and cause no signal (rule 4.3.9).
                handled.dr6 &= !DR_TRAP_BITS;
                break;
            }
            handled.spurious |= bit;
            continue;
        };
        let executes = owner.kind == BreakpointType::Execute;
        if executes && dr6 & DR_STEP != 0 {
            // Data breakpoints and steps are traps and come together; this one is a fault, will
            // be raised by the next attempt, and has not happened yet.
            continue;
        }
        handled.dr6 &= !bit;
        handled.virtual_dr6 |= owner.consumer.virtual_bits(mode);
        handled.hits.push(TrapHit { register, event: owner.event });
        if executes && !defects.has(Defect::NoResumeFlag) {
            handled.resume_flag = ResumeFlag::Set;
        }
    }
    handled.notify = handled.verdict(dr6);
    handled
}

impl Handled {
    /// Rule 4.3.6, given what DR6 was. A bit without an owner keeps the chain going as well,
    /// since rule 4.3.9 wants a signal for it.
    fn verdict(&self, dr6: u64) -> Notify {
        let signal_wanted = self.virtual_dr6 & DR_TRAP_BITS != 0;
        let other_causes = dr6 & !DR_TRAP_BITS != 0;
        if signal_wanted || other_causes || self.spurious != 0 {
            Notify::Done
        } else {
            Notify::Stop
        }
    }
}
