//! What the image printed, read back.
//!
//! A line is `VERDICT RULES NAME` with `: reason` behind it where there is one; RULES are
//! separated by commas; the last line has the totals.

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// As the rule says.
    Pass,
    /// Otherwise.
    Fail,
    /// Told and not judged: processors may differ.
    Info,
    /// Not run.
    Skip,
}

/// A line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The outcome.
    pub verdict: Verdict,
    /// The rules that the check is about.
    pub rules: Vec<String>,
    /// The check, and behind a slash where it ran.
    pub name: String,
    /// What was expected and what came instead, or why it was skipped.
    pub reason: String,
}

impl Line {
    /// The check without the place where it ran and without the number of the CPU.
    #[must_use]
    pub fn check(&self) -> &str {
        let name = self.name.split_once('/').map_or(self.name.as_str(), |(check, _)| check);
        match name.split_once(':') {
            Some((cpu, check)) if cpu.starts_with("cpu") => check,
            _ => name,
        }
    }

    /// Where it ran: privilege level or mode, with the number of the CPU if not the first.
    #[must_use]
    pub fn place(&self) -> String {
        let mode = self.name.split_once('/').map_or("", |(_, mode)| mode);
        match self.name.split_once(':') {
            Some((cpu, _)) if cpu.starts_with("cpu") => format!("{cpu} {mode}").trim().to_owned(),
            _ => mode.to_owned(),
        }
    }
}

/// The last line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Checks that passed.
    pub passed: u64,
    /// Checks that failed.
    pub failed: u64,
    /// Checks that were not run.
    pub skipped: u64,
}

/// A report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Results {
    /// Its lines.
    pub lines: Vec<Line>,
    /// The totals, which only an image that came to its end prints.
    pub totals: Option<Totals>,
    /// Lines that are none of the report's, such as its words before it gives up.
    pub other: Vec<String>,
}

impl Results {
    /// Reads a serial port's output. Comments (`#`) are left out.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut results = Self::default();
        for line in text.lines().map(str::trim_end) {
            if let Some(read) = read_line(line) {
                results.lines.push(read);
            } else if let Some(totals) = read_totals(line) {
                results.totals = Some(totals);
            } else if !line.is_empty() && !line.starts_with('#') {
                results.other.push(line.to_owned());
            }
        }
        results
    }

    /// Lines with a verdict.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.lines.iter().filter(|line| line.verdict == verdict).count()
    }

    /// Whether the image came to its end and nothing failed.
    #[must_use]
    pub fn all_passed(&self) -> bool {
        self.totals.is_some_and(|totals| totals.failed == 0 && totals.passed > 0)
            && self.count(Verdict::Fail) == 0
    }
}

fn read_line(line: &str) -> Option<Line> {
    let (verdict, rest) = line.split_once(' ')?;
    let verdict = match verdict {
        "PASS" => Verdict::Pass,
        "FAIL" => Verdict::Fail,
        "INFO" => Verdict::Info,
        "SKIP" => Verdict::Skip,
        _ => return None,
    };
    let (rules, rest) = rest.split_once(' ')?;
    let (name, reason) = rest.split_once(": ").unwrap_or((rest, ""));
    let rules = rules.split(',').map(str::to_owned).collect();
    Some(Line { verdict, rules, name: name.to_owned(), reason: reason.to_owned() })
}

fn read_totals(line: &str) -> Option<Totals> {
    let mut numbers = line.split(", ").zip(["passed", "failed", "skipped"]).map(|(part, what)| {
        let (number, word) = part.split_once(' ')?;
        (word == what).then(|| number.parse::<u64>().ok())?
    });
    let (passed, failed, skipped) = (numbers.next()??, numbers.next()??, numbers.next()??);
    Some(Totals { passed, failed, skipped })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
# M1,T1 execute
PASS M1,T1 execute/cpl0\r
FAIL T3 cpu2:rf-of-ud/cpl3: expected [#UD P0 RF] got [#UD P0]: twice
INFO S6 hit-then-int3/cpl0: the kept hit is lost
SKIP X3 taken-branch-only: IA32_DEBUGCTL.BTF cannot be set
PASS R1,SMP registers-of-each-cpu
FATAL: exceptions without end
2 passed, 1 failed, 1 skipped
";

    #[test]
    fn lines_are_read() {
        let results = Results::parse(REPORT);
        assert_eq!(results.lines.len(), 5);
        let first = &results.lines[0];
        assert_eq!((first.verdict, first.reason.as_str()), (Verdict::Pass, ""));
        assert_eq!(first.rules, ["M1", "T1"]);
        assert_eq!((first.check(), first.place().as_str()), ("execute", "cpl0"));
        let second = &results.lines[1];
        assert_eq!(second.reason, "expected [#UD P0 RF] got [#UD P0]: twice");
        assert_eq!((second.check(), second.place().as_str()), ("rf-of-ud", "cpu2 cpl3"));
        assert_eq!(results.lines[4].place(), "");
        assert_eq!(results.other, ["FATAL: exceptions without end"]);
        assert_eq!(results.totals, Some(Totals { passed: 2, failed: 1, skipped: 1 }));
        assert!(!results.all_passed());
    }

    #[test]
    fn a_report_that_breaks_off_has_not_passed() {
        let whole = "PASS M1 execute/cpl0\n1 passed, 0 failed, 0 skipped\n";
        assert!(Results::parse(whole).all_passed());
        for end in 0..whole.len() - 1 {
            assert!(!Results::parse(&whole[..end]).all_passed(), "{end}");
        }
        assert!(!Results::parse("0 passed, 0 failed, 0 skipped").all_passed());
    }
}
