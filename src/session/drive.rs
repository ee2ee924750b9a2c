//! Runs a guest to its end and tells an observer everything, in order.
//!
//! A run, a recording and a replay are this one loop with other observers, so
//! what they see cannot differ by how they look.

use kernel_model::debug::KgdbIo;
use kernel_model::inputs::{InputError, Inputs};
use kernel_model::strace::{CallSet, CallTold};

use super::event::{Done, Ending, Entry, Event, Mark, Position};
use super::guest::{Guest, GuestError, KsymTexts, Machine, Step, Stop, Told};
use super::inputs::{RecordingInputs, Tap};
use super::plan::Plan;

/// Output longer than this is told in several pieces.
const OUTPUT_PIECE_BYTES: usize = 1 << 20;

/// Whether an observer wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// Go on.
    Continue,
    /// It has seen enough.
    Enough,
}

/// Someone who watches a run.
pub trait Observer {
    /// What can go wrong in telling it.
    type Error;

    /// One more entry of the log.
    fn entry(&mut self, at: Position, entry: &Entry) -> Result<Flow, Self::Error>;

    /// A system call, a signal or the end of a task, which no recording holds.
    ///
    /// # Errors
    /// If it cannot be told.
    fn call(&mut self, _told: &CallTold) -> Result<(), Self::Error> {
        Ok(())
    }

    /// A step was run.
    fn progress(&mut self, at: Position);
}

/// How driving ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Driven {
    /// The run came to its end.
    Done(Done),
    /// A question of the guest could not be answered.
    InputFailed(Position, InputError),
    /// The observer had enough.
    Enough,
    /// `max_steps` were run and there is more to do.
    StillRunning(Position),
}

/// What no recording keeps: who decides what happens in a live run, and what is only shown.
#[derive(Default)]
pub struct Companions<'a> {
    /// A debugger, for which the machine stops before the first user instruction.
    pub debugger: Option<Box<dyn KgdbIo>>,
    /// System calls that are told of.
    pub calls: Option<CallSet>,
    /// Symbols for the ksym tracer, `SYMBOL:rw-` each.
    pub ksym: &'a [String],
}

impl std::fmt::Debug for Companions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Companions").field("ksym", &self.ksym).finish_non_exhaustive()
    }
}

/// A guest that is ready to run, with its plan.
pub struct Session<'p> {
    plan: &'p Plan,
    guest: Box<dyn Guest>,
    tap: Tap,
}

impl std::fmt::Debug for Session<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("plan", self.plan).finish_non_exhaustive()
    }
}

impl<'p> Session<'p> {
    /// Boots the machine, loads the program and opens the breakpoints.
    ///
    /// # Errors
    /// If one of the three is refused.
    pub fn start(
        machine: &dyn Machine,
        plan: &'p Plan,
        inputs: impl Inputs + 'static,
    ) -> Result<Self, GuestError> {
        Self::start_with(machine, plan, inputs, Companions::default())
    }

    /// The same with what no recording can hold.
    ///
    /// # Errors
    /// If any of it is refused.
    pub fn start_with(
        machine: &dyn Machine,
        plan: &'p Plan,
        inputs: impl Inputs + 'static,
        with: Companions<'_>,
    ) -> Result<Self, GuestError> {
        let (inputs, tap) = RecordingInputs::new(inputs);
        let mut guest = machine.boot(&plan.machine, Box::new(inputs))?;
        if let Some(debugger) = with.debugger {
            guest.attach_debugger(debugger).map_err(GuestError::Debugger)?;
        }
        if let Some(calls) = with.calls {
            guest.trace_calls(calls);
        }
        guest
            .spawn_init(&plan.image, &plan.argv, &plan.envp)
            .map_err(|cause| GuestError::Exec { path: plan.image.path.clone(), cause })?;
        for watch in &plan.watches {
            guest
                .open_watch(&watch.request)
                .map_err(|cause| GuestError::Watch { text: watch.text.clone(), cause })?;
        }
        for counter in &plan.counters {
            guest
                .open_counter(&counter.request)
                .map_err(|cause| GuestError::Watch { text: counter.text.clone(), cause })?;
        }
        for filter in with.ksym {
            guest
                .trace_ksym(filter)
                .map_err(|cause| GuestError::Ksym { text: filter.clone(), cause })?;
        }
        Ok(Self { plan, guest, tap })
    }

    /// What the ksym tracer has seen.
    #[must_use]
    pub fn ksym_texts(&self) -> KsymTexts {
        self.guest.ksym_texts()
    }

    /// The address of the instruction at which a signal of its own ended the first process.
    #[must_use]
    pub fn killed_at(&self) -> Option<u64> {
        self.guest.killed_at()
    }

    /// Runs to the end, or until the observer has enough, or for `max_steps`.
    ///
    /// # Errors
    /// The observer's.
    pub fn drive<O: Observer>(
        &mut self,
        observer: &mut O,
        max_steps: Option<u64>,
    ) -> Result<Driven, O::Error> {
        let mut at = Position::default();
        loop {
            let step = if at.step == 0 { Step::Running } else { self.guest.step() };
            at.insns = self.guest.totals().insns();
            if self.tell(at, observer)? == Flow::Enough {
                return Ok(Driven::Enough);
            }
            observer.progress(at);
            let ending = match step {
                Step::Finished(status) => Some(Ending::Exited(status)),
                Step::Stopped(Stop::Machine { reason }) => Some(Ending::Stopped { reason }),
                Step::Stopped(Stop::Input(error)) => return Ok(Driven::InputFailed(at, error)),
                Step::Running => self.limit_reached(at),
            };
            if let Some(ending) = ending {
                return Ok(Driven::Done(self.done(at, ending)));
            }
            if at.step > 0
                && at.step.is_multiple_of(self.plan.mark_every)
                && self.mark(at, observer)? == Flow::Enough
            {
                return Ok(Driven::Enough);
            }
            if max_steps.is_some_and(|max| at.step >= max) {
                return Ok(Driven::StillRunning(at));
            }
            at.step += 1;
        }
    }

    /// Tells the answers that the step was given, then what happened in it.
    fn tell<O: Observer>(&mut self, at: Position, observer: &mut O) -> Result<Flow, O::Error> {
        for input in self.tap.take() {
            if observer.entry(at, &Entry::Input(input))? == Flow::Enough {
                return Ok(Flow::Enough);
            }
        }
        for told in self.guest.take_events() {
            let event = match told {
                Told::Event(event) => event,
                Told::Call(call) => {
                    observer.call(&call)?;
                    continue;
                }
            };
            for piece in pieces(event) {
                if observer.entry(at, &Entry::Event(piece))? == Flow::Enough {
                    return Ok(Flow::Enough);
                }
            }
        }
        Ok(Flow::Continue)
    }

    fn mark<O: Observer>(&mut self, at: Position, observer: &mut O) -> Result<Flow, O::Error> {
        let digest = self.guest.digest();
        observer.entry(at, &Entry::Mark(Mark { at, digest }))
    }

    fn limit_reached(&self, at: Position) -> Option<Ending> {
        let max_insns = self.plan.max_insns?;
        (at.insns >= max_insns).then_some(Ending::Limit { max_insns })
    }

    fn done(&mut self, at: Position, ending: Ending) -> Done {
        let digest = self.guest.digest();
        let (totals, counts) = (self.guest.totals(), self.guest.counts());
        Done { ending, steps: at.step, totals, counts, digest }
    }
}

/// Cuts long output, so that an entry has a bounded size.
fn pieces(event: Event) -> Vec<Event> {
    match event {
        Event::Output { fd, bytes } if bytes.len() > OUTPUT_PIECE_BYTES => bytes
            .chunks(OUTPUT_PIECE_BYTES)
            .map(|piece| Event::Output { fd, bytes: piece.to_vec() })
            .collect(),
        other => vec![other],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_output_is_told_in_pieces() {
        let bytes: Vec<u8> = (0..=OUTPUT_PIECE_BYTES).map(|n| n as u8).collect();
        let told = pieces(Event::Output { fd: 2, bytes: bytes.clone() });
        assert_eq!(told.len(), 2);
        let joined = told.into_iter().flat_map(|piece| match piece {
            Event::Output { fd: 2, bytes } => bytes,
            other => panic!("{other:?}"),
        });
        assert!(joined.eq(bytes));
        let short = Event::Output { fd: 1, bytes: vec![0; OUTPUT_PIECE_BYTES] };
        assert_eq!(pieces(short.clone()), [short]);
    }
}
