//! Other programs' runs, and the processor time that they took.
//!
//! Linux tells the nanoseconds that a thread has been on a processor in
//! `/proc/PID/schedstat` (Documentation/scheduler/sched-stats.rst), also of one
//! that has ended and has not been waited for: finer than the ticks of
//! `getrusage`, and not disturbed by what else the host does, as a clock would be.
//! Where there is no such file, the wall clock serves.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::BenchError;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// Time on a processor, of the program's first thread.
    Processor,
    /// Time of day.
    Wall,
}

impl Clock {
    /// The finest that the host has.
    pub(super) fn of_this_host() -> Self {
        if on_processor("thread-self").is_some() { Self::Processor } else { Self::Wall }
    }

    /// For people.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Processor => "processor time",
            Self::Wall => "wall-clock time",
        }
    }
}

/// What a program printed, how long it took, and whether it ended well.
#[derive(Debug)]
pub(super) struct ChildRun {
    pub(super) output: Vec<u8>,
    pub(super) time: Duration,
    pub(super) success: bool,
}

/// A stopwatch for the calling thread.
#[derive(Debug)]
pub(super) struct OwnTime {
    clock: Clock,
    wall: Instant,
    processor: Duration,
}

impl OwnTime {
    pub(super) fn start(clock: Clock) -> Self {
        let processor = on_processor("thread-self").unwrap_or_default();
        Self { clock, wall: Instant::now(), processor }
    }

    /// Time since the start. The kernel brings a running thread's account up to
    /// date at its ticks, so this may lack a few milliseconds.
    pub(super) fn elapsed(&self) -> Duration {
        match self.clock {
            Clock::Wall => self.wall.elapsed(),
            Clock::Processor => {
                on_processor("thread-self").unwrap_or_default().saturating_sub(self.processor)
            }
        }
    }
}

/// Runs a program to its end.
pub(super) fn run(mut command: Command, clock: Clock) -> Result<ChildRun, BenchError> {
    let start = Instant::now();
    let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(source) => {
            return Err(BenchError::Spawn { program: command_name(&command), source });
        }
    };
    let mut output = Vec::new();
    if let Some(mut stdout) = child.stdout.take() {
        // What came before an error is what there is; the comparison tells.
        let _ = stdout.read_to_end(&mut output);
    }
    let processor = await_end(&child);
    let ended = child.wait();
    let time = match clock {
        Clock::Processor => processor.unwrap_or_default(),
        Clock::Wall => start.elapsed(),
    };
    Ok(ChildRun { output, time, success: ended.is_ok_and(|status| status.success()) })
}

fn command_name(command: &Command) -> String {
    command.get_program().to_string_lossy().into_owned()
}

/// Waits until the child has ended, and leaves it to be waited for; the time
/// that it had a processor.
#[cfg(target_os = "linux")]
fn await_end(child: &Child) -> Option<Duration> {
    use nix::sys::wait::{Id, WaitPidFlag, waitid};
    use nix::unistd::Pid;

    let pid = i32::try_from(child.id()).ok()?;
    waitid(Id::Pid(Pid::from_raw(pid)), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).ok()?;
    on_processor(&pid.to_string())
}

/// Other systems have no such account.
#[cfg(not(target_os = "linux"))]
fn await_end(_: &Child) -> Option<Duration> {
    None
}

/// The first figure of a thread's `schedstat`.
fn on_processor(thread: &str) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{thread}/schedstat")).ok()?;
    let nanoseconds = text.split_whitespace().next()?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}
