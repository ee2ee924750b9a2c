//! The figures for people and for programs.

use std::fmt::Write;

use serde_json::json;

use super::Row;
use super::field::Present;
use super::figures::{Cell, geometric_mean};
use crate::cli::bench::Contender;

const NAME_WIDTH: usize = 14;
const WIDTH: usize = 11;

/// Kernels down, contenders across, the slowdown in each cell.
pub(super) fn table(rows: &[Row], present: &[Present]) -> String {
    let mut text = format!("{:<NAME_WIDTH$}{:>WIDTH$}", "kernel", "native");
    for Present { contender, .. } in present {
        let _ = write!(text, "{:>WIDTH$}", contender.name());
    }
    let counts_insns = present.iter().any(|present| present.contender == Contender::Dr7);
    text.push_str(if counts_insns { "   dr7 Minsn/s\n" } else { "\n" });
    for row in rows {
        let native = row.native.as_secs_f64() * 1e3;
        let _ = write!(text, "{:<NAME_WIDTH$}{:>WIDTH$}", row.kernel, format!("{native:.1} ms"));
        for cell in &row.cells {
            let _ = write!(text, "{:>WIDTH$}", cell_text(cell));
        }
        if let Some(mips) = dr7_mips(row, present) {
            let _ = write!(text, "{mips:>14.0}");
        }
        text.push('\n');
    }
    let _ = write!(text, "{:<NAME_WIDTH$}{:>WIDTH$}", "geometric mean", "");
    for at in 0..present.len() {
        let mean = geometric_mean(column(rows, at));
        let _ = write!(text, "{:>WIDTH$}", mean.map_or_else(|| "-".to_owned(), times));
    }
    text.push('\n');
    for row in rows {
        for (cell, Present { contender, .. }) in row.cells.iter().zip(present) {
            if let Cell::Failed(reason) = cell {
                let _ = writeln!(text, "{}: {}: {reason}", row.kernel, contender.name());
            }
        }
    }
    text
}

fn column(rows: &[Row], at: usize) -> impl Iterator<Item = &Cell> {
    rows.iter().filter_map(move |row| row.cells.get(at))
}

fn dr7_mips(row: &Row, present: &[Present]) -> Option<f64> {
    let at = present.iter().position(|present| present.contender == Contender::Dr7)?;
    match row.cells.get(at)? {
        Cell::Timed(timed) => timed.mips(),
        Cell::Differs | Cell::Failed(_) => None,
    }
}

fn cell_text(cell: &Cell) -> String {
    match cell {
        Cell::Timed(timed) => times(timed.slowdown),
        Cell::Differs => "DIFFERS".to_owned(),
        Cell::Failed(_) => "FAILED".to_owned(),
    }
}

fn times(slowdown: f64) -> String {
    format!("{slowdown:.1}x")
}

/// One line for each kernel and contender, and one for each mean.
pub(super) fn json_lines(rows: &[Row], present: &[Present]) -> String {
    let mut text = String::new();
    for row in rows {
        for (cell, Present { contender, .. }) in row.cells.iter().zip(present) {
            let mut line = json!({
                "kernel": row.kernel,
                "contender": contender.name(),
                "native_s": row.native.as_secs_f64(),
            });
            match cell {
                Cell::Timed(timed) => {
                    line["time_s"] = json!(timed.time.as_secs_f64());
                    line["slowdown"] = json!(timed.slowdown);
                    line["insns"] = json!(timed.insns);
                }
                Cell::Differs => line["differs"] = json!(true),
                Cell::Failed(reason) => line["failed"] = json!(reason),
            }
            let _ = writeln!(text, "{line}");
        }
    }
    for (at, Present { contender, version }) in present.iter().enumerate() {
        let mean = geometric_mean(column(rows, at));
        let line =
            json!({"contender": contender.name(), "version": version, "geometric_mean": mean});
        let _ = writeln!(text, "{line}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmd::bench::figures::Timed;
    use std::time::Duration;

    fn rows() -> Vec<Row> {
        let timed = |ms: u64, slowdown| {
            let time = Duration::from_millis(ms);
            Cell::Timed(Timed { time, slowdown, insns: Some(80_000_000) })
        };
        let native = Duration::from_millis(20);
        vec![
            Row { kernel: "sieve", native, cells: vec![timed(400, 20.0), timed(80, 4.0)] },
            Row { kernel: "hash", native, cells: vec![timed(100, 5.0), Cell::Differs] },
        ]
    }

    fn present() -> Vec<Present> {
        [Contender::Dr7, Contender::Qemu]
            .map(|contender| Present { contender, version: "1".to_owned() })
            .into()
    }

    #[test]
    fn the_table_has_a_column_for_each_contender() {
        let text = table(&rows(), &present());
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(lines[0], ["kernel", "native", "dr7", "qemu", "dr7", "Minsn/s"]);
        assert_eq!(lines[1], ["sieve", "20.0", "ms", "20.0x", "4.0x", "200"]);
        assert_eq!(lines[2], ["hash", "20.0", "ms", "5.0x", "DIFFERS", "800"]);
        assert_eq!(lines[3], ["geometric", "mean", "10.0x", "4.0x"]);
    }

    #[test]
    fn every_line_is_json() {
        let text = json_lines(&rows(), &present());
        let lines: Vec<serde_json::Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0]["insns"], 80_000_000);
        assert_eq!(lines[3]["differs"], true);
        assert_eq!(lines[5]["contender"], "qemu");
    }
}
