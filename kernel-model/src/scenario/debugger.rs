//! The other consumers of breakpoints: the ksym tracer, and a kernel debugger.
//!
//! The debugger is one that lets the machine go on as soon as it has noted why it stands still.

use perf_core::{CpuId, Errno, Mode, TaskId};

use super::op::{Answer, BreakpointSpec, KgdbStep, Op};
use super::{ScenarioError, Stage, answer};
use crate::arch::x86::kgdb::{HwBreak, HwBreakAccess, RegsPlace};
use crate::debug::{KgdbIo, Resume, Stop, StopCause};
use crate::kernel::in_kernel_breakpoint::{InKernelHit, RegistrationId};
use crate::kernel::{KSYM_TRACER, Kernel, Step};

/// Under which number the debugger's stops are noted: no registration gets it.
const STOPS: RegistrationId = RegistrationId(u32::MAX);

/// A debugger that notes its breakpoints and goes on.
#[derive(Debug)]
struct GoesOn;

impl KgdbIo for GoesOn {
    fn stopped(&mut self, kernel: &mut Kernel, stop: &Stop) -> Resume {
        if let StopCause::HwBreakpoint(_) = stop.cause {
            let task = kernel.current_on(stop.cpu).unwrap_or(TaskId(u32::MAX));
            let hit = InKernelHit { registration: STOPS, task, cpu: stop.cpu, mode: Mode::Kernel };
            kernel.in_kernel.note(hit);
        }
        Resume::Continue
    }

    fn wants_stop(&mut self) -> bool {
        false
    }

    fn ended(&mut self, _end: &Step) {}
}

impl Stage {
    pub(super) fn apply_to_consumer(&mut self, op: &Op) -> Result<Answer, ScenarioError> {
        self.enter_for(self.opener);
        match op {
            Op::Ksym { filter } => {
                let written = self
                    .kernel
                    .set_current_tracer(KSYM_TRACER)
                    .and_then(|()| self.kernel.write_ksym_filter(filter.as_bytes()));
                Ok(answer(written.map(|_bytes| ())))
            }
            Op::KsymHits => {
                let nr_records = self.kernel.ksym().records().len() as u64;
                self.kernel.clear_trace();
                Ok(Answer::Count(nr_records))
            }
            Op::Kgdb(step) => self.kgdb(step),
            Op::KgdbStops => Ok(Answer::Count(self.kernel.in_kernel.take_hits(STOPS).len() as u64)),
            _ => unreachable!("apply sends only operations of other consumers here"),
        }
    }

    fn kgdb(&mut self, step: &KgdbStep) -> Result<Answer, ScenarioError> {
        if !self.kernel.kgdb_connected()
            && let Err(errno) = self.kernel.kgdb_attach(Box::new(GoesOn))
        {
            return Ok(Answer::Errno(errno));
        }
        let result = match step {
            KgdbStep::Set(spec) => {
                let Some(want) = self.hw_break(spec)? else { return Ok(REFUSED) };
                self.kernel.kgdb_set_hw_break(want)
            }
            KgdbStep::Remove(spec) => {
                let Some(want) = self.hw_break(spec)? else { return Ok(REFUSED) };
                self.kernel.kgdb_remove_hw_break(want)
            }
        };
        // The registers are written when the machine goes on (rule 6.3.5).
        let cpu: CpuId = self.kernel.this_cpu;
        self.kernel.kgdb_enter(cpu, RegsPlace::Task, StopCause::Interrupt);
        Ok(result.map_or(REFUSED, |()| Answer::Ok))
    }

    /// `None` for an access that the protocol's packets do not have.
    fn hw_break(&self, spec: &BreakpointSpec) -> Result<Option<HwBreak>, ScenarioError> {
        let addr = self.symbols.resolve(&spec.place)?;
        let access = match spec.bp_type {
            2 => HwBreakAccess::Write,
            3 => HwBreakAccess::Access,
            4 => HwBreakAccess::Execute,
            _ => return Ok(None),
        };
        // The length of an execution breakpoint is forced to 1 (rule 6.3.3).
        let len = if spec.bp_type == 4 { 1 } else { spec.bp_len };
        Ok(Some(HwBreak { addr, len, access }))
    }
}

/// E01.
const REFUSED: Answer = Answer::Errno(Errno::EPERM);
