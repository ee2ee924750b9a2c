//! The summary at the end of a run, in the style of `perf stat`.

use std::fmt::Write;
use std::time::Duration;

use kernel_model::observe::WatchAccess;

use super::describe::ending_text;
use super::numbers::{counted, grouped, seconds};
use super::tally::{ArmedIn, Exited, WatchTally, status_text, task_name};
use crate::session::event::{Count, Done};
use crate::session::plan::{Counter, Plan, Watch, access_letters};
use crate::symbols::Symbols;

/// Registers or exits of one kind that are listed; the JSON lines have all.
const LISTED: usize = 8;

/// What the summary is made from.
pub(super) struct Summary<'a, 'image> {
    pub(super) plan: &'a Plan,
    pub(super) symbols: &'a Symbols<'image>,
    pub(super) tallies: &'a [WatchTally],
    pub(super) exits: &'a [Exited],
    pub(super) done: &'a Done,
    /// Time that the run took on the host.
    pub(super) elapsed: Duration,
}

impl Summary<'_, '_> {
    /// The whole text.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\n Performance counter stats for '{}':\n", self.plan.command_line())?;
        for (watch, tally) in self.plan.watches.iter().zip(self.tallies) {
            self.write_watch(text, watch, tally)?;
        }
        for (counter, count) in self.plan.counters.iter().zip(&self.done.counts) {
            write_counter(text, counter, count)?;
        }
        self.write_work(text)?;
        self.write_exits(text)?;
        self.write_times(text)
    }

    fn write_watch(
        &self,
        text: &mut String,
        watch: &Watch,
        tally: &WatchTally,
    ) -> std::fmt::Result {
        let split = format!("{} user, {} kernel", grouped(tally.user), grouped(tally.kernel));
        row(text, &grouped(tally.hits), &watch.text, &split)?;
        let request = &watch.request;
        let name = self.symbols.near(request.addr).map_or(String::new(), |near| format!(" {near}"));
        let len = match request.access {
            WatchAccess::Execute => String::new(),
            WatchAccess::Write | WatchAccess::ReadWrite => {
                format!(", {}", counted(request.len, "byte", "bytes"))
            }
        };
        let access = access_letters(request.access);
        writeln!(text, "{:25}{:#x}{name}{len}, {access}", "", request.addr)?;
        if tally.armed.is_empty() {
            return writeln!(text, "{:25}never armed in a debug register", "");
        }
        for ((cpu, slot), armed) in tally.armed.iter().take(LISTED) {
            writeln!(text, "{:25}DR{slot} of CPU {cpu}: {}", "", armed_text(armed))?;
        }
        write_more(text, tally.armed.len(), "registers")
    }

    fn write_work(&self, text: &mut String) -> std::fmt::Result {
        let (insns, cycles) = (self.done.totals.insns(), self.done.totals.cycles());
        let per_cycle = hundredths(insns, cycles);
        row(text, &grouped(insns), "instructions", &format!("{per_cycle} insn per cycle"))?;
        let model = format!("timing model {}", self.plan.machine.timing.name());
        row(text, &grouped(cycles), "cycles", &model)?;
        if self.done.totals.cpus.len() > 1 {
            for (cpu, work) in self.done.totals.cpus.iter().enumerate() {
                let insns = counted(work.insns, "instruction", "instructions");
                let cycles = counted(work.cycles, "cycle", "cycles");
                writeln!(text, "{:25}CPU {cpu}: {insns}, {cycles}", "")?;
            }
        }
        Ok(())
    }

    fn write_exits(&self, text: &mut String) -> std::fmt::Result {
        let noun = if self.exits.len() == 1 { "task exit" } else { "task exits" };
        row(text, &self.exits.len().to_string(), noun, &ending_text(&self.done.ending))?;
        for exited in self.exits.iter().take(LISTED) {
            let (who, how) = (task_name(&exited.who), status_text(exited.status));
            writeln!(text, "{:25}{who} {how}", "")?;
        }
        write_more(text, self.exits.len(), "tasks")
    }

    fn write_times(&self, text: &mut String) -> std::fmt::Result {
        let guest = seconds(self.done.totals.time_ns);
        writeln!(text, "\n{guest:>18} seconds of guest time")?;
        let elapsed = u64::try_from(self.elapsed.as_nanos()).unwrap_or(u64::MAX);
        let rate = rate_text(self.done.totals.insns(), elapsed);
        writeln!(text, "{:>18} seconds elapsed{rate}\n", seconds(elapsed))
    }
}

/// An event as `perf stat` prints it: what it would have counted in all of its time, and the
/// share of that in which it was on a counter.
fn write_counter(text: &mut String, counter: &Counter, count: &Count) -> std::fmt::Result {
    let name = &counter.text;
    let Some(scaled) = count.scaled() else {
        return writeln!(text, "{:>18}      {name}", "<not counted>");
    };
    let shown = match counter.request.is_clock() {
        true => format!("{}.{:02} msec", grouped(scaled / 1_000_000), scaled / 10_000 % 100),
        false => grouped(scaled),
    };
    if count.running_ns == count.enabled_ns {
        return writeln!(text, "{shown:>18}      {name}");
    }
    let percent = hundredths(count.running_ns.saturating_mul(100), count.enabled_ns);
    row(text, &shown, name, &format!("{} counted  ({percent}%)", grouped(count.value)))
}

fn row(text: &mut String, count: &str, name: &str, remark: &str) -> std::fmt::Result {
    writeln!(text, "{count:>18}      {name:<32} #  {remark}")
}

fn write_more(text: &mut String, all: usize, what: &str) -> std::fmt::Result {
    match all.checked_sub(LISTED) {
        None | Some(0) => Ok(()),
        Some(more) => writeln!(text, "{:25}and {more} more {what}", ""),
    }
}

/// `insns 10..600 for small/1000`, or the part of a range that several spans cover.
fn armed_text(armed: &ArmedIn) -> String {
    let range = format!("{}..{}", grouped(armed.from_icount), grouped(armed.to_icount));
    let whole = armed.to_icount.saturating_sub(armed.from_icount);
    let insns = if armed.insns == whole {
        format!("insns {range}")
    } else {
        let spans = counted(armed.spans, "span", "spans");
        format!("{} insns of {range} in {spans}", grouped(armed.insns))
    };
    let tasks = armed.tasks.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    let more = armed.tasks.len().saturating_sub(LISTED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{insns} for {tasks}{more}")
}

/// A quotient with two decimals, without floating point.
fn hundredths(dividend: u64, divisor: u64) -> String {
    if divisor == 0 {
        return "0.00".to_owned();
    }
    let scaled = u128::from(dividend) * 100 / u128::from(divisor);
    format!("{}.{:02}", scaled / 100, scaled % 100)
}

/// Millions of instructions a second; none for a run too short to tell.
fn rate_text(insns: u64, elapsed_ns: u64) -> String {
    if elapsed_ns == 0 {
        return String::new();
    }
    let mips_tenths = u128::from(insns) * 10_000 / u128::from(elapsed_ns);
    format!("  #  {}.{} MIPS", mips_tenths / 10, mips_tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_quotients() {
        assert_eq!(hundredths(1, 3), "0.33");
        assert_eq!(hundredths(5, 0), "0.00");
        assert_eq!(hundredths(u64::MAX, 1), "18446744073709551615.00");
        assert_eq!(rate_text(250_000_000, 1_000_000_000), "  #  250.0 MIPS");
        assert_eq!(rate_text(5, 0), "");
    }

    #[test]
    fn counters_as_perf_stat_prints_them() {
        let row = |text: &str, value, enabled_ns, running_ns| {
            let specs = crate::cli::count_spec::CountSpec::parse_list(text).unwrap();
            let counter = Counter { text: text.to_owned(), request: specs[0].request };
            let mut row = String::new();
            write_counter(&mut row, &counter, &Count { value, enabled_ns, running_ns }).unwrap();
            row.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(row("cycles:u", 1_234, 50, 50), "1,234 cycles:u");
        assert_eq!(row("cycles", 3_000, 4_000, 3_000), "4,000 cycles # 3,000 counted (75.00%)");
        assert_eq!(row("cycles", 0, 4_000, 0), "<not counted> cycles");
        assert_eq!(row("task-clock", 12_345_678, 5, 5), "12.34 msec task-clock");
    }

    #[test]
    fn armed_ranges() {
        let armed = |spans, insns| ArmedIn {
            spans,
            from_icount: 10,
            to_icount: 2000,
            insns,
            tasks: vec!["small/1000".to_owned()],
        };
        assert_eq!(armed_text(&armed(1, 1990)), "insns 10..2,000 for small/1000");
        assert_eq!(armed_text(&armed(3, 900)), "900 insns of 10..2,000 in 3 spans for small/1000");
    }
}
