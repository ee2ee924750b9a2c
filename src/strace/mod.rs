//! System calls as strace shows them: [`Lines`] makes lines of what the kernel model tells,
//! [`filter`] says which calls are wanted.
//!
//! A line is held until its call returns, so that the guest's own output does not break it, or
//! until another task has something to say; then it ends with `<unfinished ...>` and goes on
//! later with `<... NAME resumed>`.

pub mod filter;

use std::collections::BTreeMap;
use std::fmt::Write;

use kernel_model::observe::ExitStatus;
use kernel_model::strace::text::quote;
use kernel_model::strace::{CallArg, CallEvent, CallResult, CallTold, Rest, Value, signal_name};

/// Where results stand in their lines.
const RESULT_COLUMN: usize = 40;

/// The line that is being written.
#[derive(Debug)]
struct Line {
    tid: u32,
    text: String,
}

/// A call that has not returned.
#[derive(Debug)]
struct Open {
    name: String,
    rest: Rest,
    /// Whether its line was ended for another task's.
    is_interrupted: bool,
}

/// Makes lines.
#[derive(Debug, Default)]
pub struct Lines {
    line: Option<Line>,
    open: BTreeMap<u32, Open>,
}

impl Lines {
    /// What is to be shown now: lines that are complete, if any.
    pub fn told(&mut self, told: &CallTold) -> String {
        let tid = told.task.tid;
        let mut text = String::new();
        if self.line.as_ref().is_some_and(|line| line.tid != tid) {
            text = self.interrupt();
        }
        let prefix = prefix(told);
        match &told.event {
            CallEvent::Entry { name, args, rest } => {
                let mut line = format!("{prefix}{name}({}", joined(args));
                if *rest == Rest::Arguments && !args.is_empty() {
                    line.push_str(", ");
                }
                self.line = Some(Line { tid, text: line });
                let name = name.clone();
                self.open.insert(tid, Open { name, rest: *rest, is_interrupted: false });
            }
            CallEvent::Exit { change, args, result } => {
                if let Some((mut line, open)) = self.resume(tid, &prefix) {
                    if let Some(change) = change {
                        let _ = write!(line, " => {}", shown(change));
                    }
                    if open.rest == Rest::Change && !args.is_empty() {
                        line.push_str(", ");
                    }
                    line.push_str(&joined(args));
                    text.push_str(&with_result(line, &result_text(result)));
                }
            }
            CallEvent::Signal { name, info } => {
                let _ = writeln!(text, "{prefix}--- {name} {} ---", shown(info));
            }
            CallEvent::Stopped { name } => {
                let _ = writeln!(text, "{prefix}--- stopped by {name} ---");
            }
            CallEvent::Ended(status) => {
                if let Some((mut line, open)) = self.resume(tid, &prefix) {
                    if open.rest != Rest::Nothing {
                        line.push_str(" <unfinished ...>");
                    }
                    text.push_str(&with_result(line, "?"));
                }
                let _ = writeln!(text, "{prefix}+++ {} +++", ending(*status));
            }
        }
        text
    }

    /// What is left at the end of the run.
    pub fn end(&mut self) -> String {
        self.interrupt()
    }

    /// Ends the line of a call that has not returned.
    fn interrupt(&mut self) -> String {
        let Some(Line { tid, text }) = self.line.take() else { return String::new() };
        if let Some(open) = self.open.get_mut(&tid) {
            open.is_interrupted = true;
        }
        format!("{text} <unfinished ...>\n")
    }

    /// The line of the call that a task is in, to be ended.
    fn resume(&mut self, tid: u32, prefix: &str) -> Option<(String, Open)> {
        let open = self.open.remove(&tid)?;
        let line = self.line.take().filter(|line| line.tid == tid);
        let text = match line {
            Some(line) if !open.is_interrupted => line.text,
            _ => format!("{prefix}<... {} resumed>", open.name),
        };
        Some((text, open))
    }
}

/// Which task it is, where there are several.
fn prefix(told: &CallTold) -> String {
    if told.nr_tasks > 1 { format!("[pid {:5}] ", told.task.tid) } else { String::new() }
}

fn with_result(mut line: String, result: &str) -> String {
    line.push_str(") ");
    let pad = RESULT_COLUMN.saturating_sub(line.len());
    let _ = writeln!(line, "{:pad$}= {result}", "");
    line
}

fn result_text(result: &CallResult) -> String {
    match result {
        CallResult::Value { number, note: None } => number.clone(),
        CallResult::Value { number, note: Some(note) } => format!("{number} ({})", shown(note)),
        CallResult::Error(errno) => format!("-1 {} ({})", errno.name(), errno.description()),
        CallResult::Restart { name, when } => format!("? {name} ({when})"),
    }
}

fn ending(status: ExitStatus) -> String {
    match status {
        ExitStatus::Exited(code) => format!("exited with {code}"),
        ExitStatus::Signaled { signal, core } => {
            let core = if core { " (core dumped)" } else { "" };
            format!("killed by {}{core}", signal_name(signal.into()))
        }
    }
}

fn joined(args: &[CallArg]) -> String {
    let mut text = String::new();
    for (index, arg) in args.iter().enumerate() {
        let lead = if index == 0 { "" } else { ", " };
        let equals = if arg.label.is_empty() { "" } else { "=" };
        let _ = write!(text, "{lead}{}{equals}{}", arg.label, shown(&arg.value));
    }
    text
}

/// A value as C would have it.
fn shown(value: &Value) -> String {
    match value {
        Value::Word(word) => word.clone(),
        Value::Bytes { bytes, is_cut } => {
            format!("{}{}", quote(bytes), if *is_cut { "..." } else { "" })
        }
        Value::Binary { bytes, is_cut } => {
            let digits: String = bytes.iter().map(|byte| format!("\\x{byte:02x}")).collect();
            format!("\"{digits}\"{}", if *is_cut { "..." } else { "" })
        }
        Value::Struct { fields, is_cut } => {
            let fields = fields.iter().map(|(name, value)| format!("{name}={}", shown(value)));
            format!("{{{}}}", with_dots(fields, *is_cut))
        }
        Value::List { items, is_cut } => {
            format!("[{}]", with_dots(items.iter().map(shown), *is_cut))
        }
        Value::Becomes(before, after) => format!("{} => {}", shown(before), shown(after)),
    }
}

fn with_dots(words: impl Iterator<Item = String>, is_cut: bool) -> String {
    let dots = is_cut.then(|| String::from("..."));
    words.chain(dots).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
