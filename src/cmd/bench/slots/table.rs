//! The figures of `dr7 bench slots`, for people and for programs.

use std::fmt::Write;

use serde_json::json;

use super::cells::{Cell, Column, HOST_OPEN_CLOSE, OPEN_CLOSE};
use crate::cli::bench::SlotsArgs;

const NAME_WIDTH: usize = 36;
const WIDTH: usize = 11;

/// A table for each thing that is varied: medians in ns, and the ratio of the last to the first
/// that is not 0.
pub(super) fn table(cells: &[Cell], args: &SlotsArgs, no_host: Option<&str>) -> String {
    let mut text = format!("ns an operation, median of {} rounds\n", args.rounds);
    let mut rest = cells;
    let mut last = None;
    while let Some(first) = rest.first() {
        let same = |cell: &Cell| cell.row == first.row && cell.column == first.column;
        let len = rest.iter().take_while(|cell| same(cell)).count();
        let (row, others) = rest.split_at(len);
        if last != Some(first.column) {
            heading(&mut text, row);
            last = Some(first.column);
        }
        line(&mut text, row);
        rest = others;
    }
    summary(&mut text, cells, no_host);
    text
}

fn heading(text: &mut String, row: &[Cell]) {
    let Some(column) = row.first().map(|cell| cell.column) else { return };
    let _ = write!(text, "\n{:<NAME_WIDTH$}", column.title().split(',').next().unwrap_or(""));
    if column == Column::Once {
        let _ = write!(text, "{:>WIDTH$}", "ns");
    } else {
        for cell in row {
            let _ = write!(text, "{:>WIDTH$}", cell.number);
        }
        let _ = write!(text, "{:>WIDTH$}", "ratio");
    }
    text.push('\n');
}

fn line(text: &mut String, row: &[Cell]) {
    let Some(first) = row.first() else { return };
    let _ = write!(text, "{:<NAME_WIDTH$}", first.row);
    for cell in row {
        let shown = if cell.failed { "FAILED".to_owned() } else { format!("{:.1}", cell.median()) };
        let _ = write!(text, "{shown:>WIDTH$}");
    }
    if let Some((_, ratio)) = ratio(row) {
        let _ = write!(text, "{:>WIDTH$}", format!("{ratio:.2}"));
    }
    text.push('\n');
}

/// The last cell against the first whose number is not 0, or the first; and the former's number.
fn ratio(row: &[Cell]) -> Option<(u64, f64)> {
    let base = row.iter().find(|cell| cell.number > 0)?;
    let last = row.last().filter(|last| last.number > base.number)?;
    Some((last.number, last.median() / base.median()))
}

/// What the tables are for, in a sentence each.
fn summary(text: &mut String, cells: &[Cell], no_host: Option<&str>) {
    let by_tasks = |row: &str| -> Option<(u64, f64)> {
        let of_row = |cell: &&Cell| cell.column == Column::Tasks && cell.row == row;
        let from = cells.iter().position(|cell| of_row(&cell))?;
        let len = cells[from..].iter().take_while(of_row).count();
        ratio(&cells[from..from + len])
    };
    text.push('\n');
    for row in ["reserve + release, any CPU", OPEN_CLOSE] {
        if let Some((most, ratio)) = by_tasks(row) {
            let _ = writeln!(text, "{row}: {most} tasks cost {ratio:.2} times what 1 task costs");
        }
    }
    let host = cells.iter().find(|cell| cell.row == HOST_OPEN_CLOSE && !cell.failed);
    let own = cells.iter().find(|cell| cell.row == OPEN_CLOSE && cell.number == 1 && !cell.failed);
    if let (Some(host), Some(own)) = (host, own) {
        let (host, own) = (host.median(), own.median());
        let _ = writeln!(
            text,
            "{OPEN_CLOSE}: {own:.0} ns in the model, {host:.0} ns in the running kernel ({:.1} times)",
            host / own
        );
    } else if let Some(reason) = no_host {
        let _ = writeln!(text, "this kernel: skipped: {reason}");
    }
}

/// One line for each cell.
pub(super) fn json_lines(cells: &[Cell]) -> String {
    let mut text = String::new();
    for cell in cells {
        let by = match cell.column {
            Column::Once => None,
            column => Some(column.title()),
        };
        let line = json!({
            "operation": cell.row,
            "by": by,
            "number": by.map(|_| cell.number),
            "ns": cell.median(),
            "failed": cell.failed,
        });
        let _ = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, column: Column, figures: &[(u64, f64)]) -> Vec<Cell> {
        let cell = |&(number, ns): &(u64, f64)| Cell {
            row: name.to_owned(),
            column,
            number,
            operation: Box::new(|| true),
            operations: 1,
            samples: vec![ns, ns * 9.0, ns / 9.0],
            failed: false,
        };
        figures.iter().map(cell).collect()
    }

    #[test]
    fn ratios_are_those_of_medians() {
        let mut cells = row(
            "reserve + release, any CPU",
            Column::Tasks,
            &[(0, 10.0), (1, 20.0), (100_000, 25.0)],
        );
        cells.extend(row(OPEN_CLOSE, Column::Tasks, &[(0, 1.0), (1, 100.0), (100_000, 110.0)]));
        cells.extend(row(HOST_OPEN_CLOSE, Column::Once, &[(0, 2000.0)]));
        let args = SlotsArgs { rounds: 3, tasks: 100_000, json: false };
        let text = table(&cells, &args, None);
        assert!(text.contains("any CPU: 100000 tasks cost 1.25 times what 1 task costs"), "{text}");
        assert!(
            text.contains("100 ns in the model, 2000 ns in the running kernel (20.0"),
            "{text}"
        );
        let first = text.lines().find(|line| line.starts_with("reserve + release, any")).unwrap();
        assert!(first.split_whitespace().rev().take(4).eq(["1.25", "25.0", "20.0", "10.0"]));
        assert!(table(&cells[..6], &args, Some("no rights")).contains("skipped: no rights"));
        assert_eq!(json_lines(&cells).lines().count(), 7);
    }
}
