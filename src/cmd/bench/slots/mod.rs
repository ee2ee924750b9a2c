//! `dr7 bench slots`: what the slot constraints and the paths behind them cost, and that opening a
//! breakpoint costs the same however many tasks hold one.
//!
//! All cells are measured in turns, round by round, so that what else the host does falls on all
//! of them alike; the median of the rounds counts. `cells` says what is measured, `table` shows
//! it.

mod cells;
mod table;

use std::time::{Duration, Instant};

use super::BenchError;
use crate::cli::bench::{BenchFormat, SlotsArgs};
use crate::host_perf::{self, BreakpointLock};
use cells::Cell;

/// How long a cell is measured at a time.
const BATCH: Duration = Duration::from_micros(60);
/// The most operations at a time.
const MAX_OPERATIONS: u32 = 1 << 20;

/// Measures and shows.
pub(super) fn measure(args: &SlotsArgs) -> Result<String, BenchError> {
    let (host, _lock) = host();
    let mut cells = cells::cells(args.tasks, host.is_ok())?;
    for cell in &mut cells {
        cell.calibrate();
    }
    for _ in 0..args.rounds {
        for cell in &mut cells {
            cell.sample();
        }
    }
    Ok(match args.format() {
        BenchFormat::Table => table::table(&cells, args, host.err().as_deref()),
        BenchFormat::Json => table::json_lines(&cells),
    })
}

/// Whether the running kernel takes part, or why not; and what keeps others away meanwhile.
fn host() -> (Result<(), String>, Option<BreakpointLock>) {
    match BreakpointLock::take() {
        Err(error) => (Err(format!("the lock on breakpoints: {error}")), None),
        Ok(lock) => (host_perf::probe().map_err(|reason| reason.to_string()), Some(lock)),
    }
}

impl Cell {
    /// Runs the operation so many times; the time for one in ns.
    fn run(&mut self, operations: u32) -> f64 {
        let start = Instant::now();
        let mut all_done = true;
        for _ in 0..operations {
            all_done &= (self.operation)();
        }
        self.failed |= !all_done;
        start.elapsed().as_nanos() as f64 / f64::from(operations)
    }

    /// Finds how many operations take about [`BATCH`].
    fn calibrate(&mut self) {
        while self.operations < MAX_OPERATIONS {
            let ns = self.run(self.operations) * f64::from(self.operations);
            if ns >= BATCH.as_nanos() as f64 {
                break;
            }
            self.operations *= 2;
        }
    }

    fn sample(&mut self) {
        let ns = self.run(self.operations);
        self.samples.push(ns);
    }

    /// The median of the samples, in ns; of an even number, the later of the middle two.
    fn median(&self) -> f64 {
        let mut samples = self.samples.clone();
        samples.sort_unstable_by(f64::total_cmp);
        samples.get(samples.len() / 2).copied().unwrap_or(0.0)
    }
}
