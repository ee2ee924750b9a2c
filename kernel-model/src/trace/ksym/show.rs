//! What the tracer's files show (rules 6.2.6 to 6.2.8).

use std::fmt::Write as _;

use super::filter::KsymAccess;
use super::{KsymRecord, KsymTracer};

/// Symbol and offset of a kernel address.
pub type SymbolAt<'a> = &'a dyn Fn(u64) -> Option<(&'static str, u64)>;

/// Header of `trace`.
const TRACE_HEADER: &str = "\
#       TASK-PID   CPU#  Symbol               Type  Function
#          |        |      |                   |      |
";

impl KsymTracer {
    /// `ksym_trace_filter`: an entry a line, newest first.
    #[must_use]
    pub fn show_filter(&self) -> String {
        let mut text = String::new();
        for entry in &self.entries {
            let (name, size) = (entry.symbol.name, entry.symbol.size);
            let _ = writeln!(text, "{name}+0x0/{size:#x}:{}", entry.access.letters());
        }
        text
    }

    /// `trace`: a hit a line, oldest first.
    #[must_use]
    pub fn show_trace(&self, symbol_at: SymbolAt<'_>) -> String {
        let mut text = TRACE_HEADER.to_owned();
        for record in &self.records {
            text.push_str(&trace_line(record, symbol_at));
        }
        text
    }

    /// `ksym_profile`: an entry a line with its hits, newest first.
    #[must_use]
    pub fn show_profile(&self) -> String {
        let (kind, symbol, counter) = ("Access Type", "Symbol", "Counter");
        let mut text = format!("  {kind:<12}  {symbol:<36} {counter:>15}\n");
        let (kind, symbol, counter) = ("-".repeat(11), "-".repeat(6), "-".repeat(7));
        let _ = writeln!(text, "  {kind:<12}  {symbol:<36} {counter:>15}");
        for entry in &self.entries {
            let kind = match entry.access {
                KsymAccess::Read => "R",
                KsymAccess::Write => "W",
                KsymAccess::ReadWrite => "RW",
            };
            let _ = writeln!(text, "  {kind:<12}  {:<36} {:>15}", entry.symbol.name, entry.hits);
        }
        text
    }
}

/// One hit (rule 6.2.7).
#[must_use]
pub fn trace_line(record: &KsymRecord, symbol_at: SymbolAt<'_>) -> String {
    let name = |addr| {
        symbol_at(addr)
            .map_or_else(|| format!("{addr:#x}"), |(name, offset)| format!("{name}+{offset:#x}"))
    };
    let kind = match record.access {
        KsymAccess::Read => " R  ",
        KsymAccess::Write => " W  ",
        KsymAccess::ReadWrite => " RW ",
    };
    let (comm, pid) = (&record.task.comm, record.task.tid);
    let (symbol, function) = (name(record.addr), name(record.ip));
    format!("{comm:>11}-{pid:<5} [{:03}] {symbol}{kind}{function}\n", record.cpu)
}
