//! `dr7 bench linux`: what the kernel layer costs: system calls, processes, context switches,
//! page faults and threads, natively and under dr7 in turns.
//!
//! The programs are in `workloads/speed/linux`; each does one operation a given number of times.
//! Several processes take part in some, so the wall clock counts, here and there.

use std::fmt::Write;
use std::time::Duration;

use serde_json::json;

use super::build::Workshop;
use super::child::Clock;
use super::field::{Field, Present, look_for};
use super::figures::Cell;
use super::kernels::Kernel;
use super::{Outcome, Rounds, Row, measure, tell};
use crate::cli::bench::{BenchFormat, Contender, LinuxArgs};
use crate::cmd::CommandError;
use crate::report::Streams;
use crate::session::guest::Machine;

/// An operation of the kernel.
struct Operation {
    kernel: Kernel,
    /// Operations of this kind in one count of the program.
    times: u64,
    /// What one is called.
    name: &'static str,
}

const fn operation(name: &'static str, source: &'static str, count: u64, times: u64) -> Operation {
    Operation { kernel: Kernel { name, source, count }, times, name }
}

/// All, in the order of the table.
const OPERATIONS: [Operation; 5] = [
    operation("getppid", include_str!("../../../workloads/speed/linux/getppid.c"), 200_000, 1),
    operation("fork+exit+wait", include_str!("../../../workloads/speed/linux/fork.c"), 1_000, 1),
    operation("context switch", include_str!("../../../workloads/speed/linux/pipe.c"), 20_000, 2),
    operation("page fault", include_str!("../../../workloads/speed/linux/fault.c"), 51_200, 1),
    operation("thread+join", include_str!("../../../workloads/speed/linux/thread.c"), 4_000, 1),
];

/// Measures and shows.
pub(super) fn bench(
    args: &LinuxArgs,
    machine: &dyn Machine,
    streams: &mut Streams<'_>,
) -> Result<Outcome, CommandError> {
    let Some(workshop) = Workshop::open()? else {
        return tell(streams, "skipped: no static C compiler (musl-gcc, cc)\n");
    };
    let field = Field { machine, unicorn_script: workshop.unicorn_script(), clock: Clock::Wall };
    let present: Vec<Present> = look_for(Contender::Dr7).into_iter().collect();
    let rounds = Rounds { runs: args.runs, divide: args.divide };
    let mut rows = Vec::new();
    for operation in &OPERATIONS {
        let program = workshop.build(&operation.kernel)?;
        rows.push(measure(&field, &present, &operation.kernel, &program, rounds)?);
    }
    let all_alike =
        rows.iter().flat_map(|row| &row.cells).all(|cell| matches!(cell, Cell::Timed(_)));
    let figures = OPERATIONS.iter().zip(&rows).map(|(operation, row)| {
        let count = (operation.kernel.count / args.divide).max(1) * operation.times;
        Figure { name: operation.name, count, row }
    });
    let figures: Vec<_> = figures.collect();
    let text = match args.format() {
        BenchFormat::Table => table(&figures, args.runs, &workshop.command_line()),
        BenchFormat::Json => json_lines(&figures),
    };
    tell(streams, &text)?;
    Ok(if all_alike { Outcome::Shown } else { Outcome::Diverged })
}

/// What came out for one operation.
struct Figure<'a> {
    name: &'static str,
    /// Operations that were timed.
    count: u64,
    row: &'a Row,
}

impl Figure<'_> {
    /// Operations a second.
    fn rate(&self, time: Duration) -> f64 {
        self.count as f64 / time.as_secs_f64().max(1e-6)
    }
}

fn table(figures: &[Figure<'_>], runs: u32, compiler: &str) -> String {
    let mut text = format!("wall-clock time, start-up subtracted; median of {runs}; {compiler}\n");
    let _ =
        writeln!(text, "{:<16}{:>14}{:>14}{:>10}", "operation", "native/s", "dr7/s", "slowdown");
    for figure in figures {
        let native = figure.row.native;
        let _ = write!(text, "{:<16}{:>14.0}", figure.name, figure.rate(native));
        for cell in &figure.row.cells {
            let _ = match cell {
                Cell::Timed(timed) => {
                    write!(text, "{:>14.0}{:>9.2}x", figure.rate(timed.time), timed.slowdown)
                }
                Cell::Differs => write!(text, "{:>14}", "DIFFERS"),
                Cell::Failed(reason) => write!(text, "  FAILED: {reason}"),
            };
        }
        text.push('\n');
    }
    text
}

fn json_lines(figures: &[Figure<'_>]) -> String {
    let mut text = String::new();
    for figure in figures {
        let mut line = json!({
            "operation": figure.name,
            "operations": figure.count,
            "native_per_second": figure.rate(figure.row.native),
        });
        for cell in &figure.row.cells {
            match cell {
                Cell::Timed(timed) => {
                    line["dr7_per_second"] = json!(figure.rate(timed.time));
                    line["slowdown"] = json!(timed.slowdown);
                }
                Cell::Differs => line["failed"] = json!("the output differs"),
                Cell::Failed(reason) => line["failed"] = json!(reason),
            }
        }
        text.push_str(&line.to_string());
        text.push('\n');
    }
    text
}
