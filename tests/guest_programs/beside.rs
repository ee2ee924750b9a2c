//! A program's native run beside its run under dr7: the same output, byte by
//! byte, and the same end.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};

use super::{dr7, run, text};

/// The environment that `dr7 run` gives its guests, for native runs too.
const ENVIRONMENT: [(&str, &str); 4] =
    [("PATH", "/usr/local/bin:/usr/bin:/bin"), ("HOME", "/"), ("LANG", "C"), ("TERM", "dumb")];

/// What a program printed, and its status as a shell shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) stdout: Vec<u8>,
    pub(crate) status: i32,
}

impl Answer {
    fn of(output: &Output) -> Self {
        let code = output.status.code();
        let signal = output.status.signal().map(|signal| 128 + signal);
        Self { stdout: output.stdout.clone(), status: code.or(signal).unwrap_or(-1) }
    }

    /// Where another answer differs from this one first; none if it does not.
    pub(crate) fn difference(&self, found: &Self) -> Option<String> {
        if self == found {
            return None;
        }
        let at = self.stdout.iter().zip(&found.stdout).position(|(a, b)| a != b);
        let at = at.unwrap_or(self.stdout.len().min(found.stdout.len()));
        let line = self.stdout[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
        Some(format!(
            "line {line}, byte {at}\n  native: status {}, {} bytes: {}\n  dr7:    status {}, {} bytes: {}",
            self.status,
            self.stdout.len(),
            around(&self.stdout, at),
            found.status,
            found.stdout.len(),
            around(&found.stdout, at),
        ))
    }
}

/// The line around a place, cut.
fn around(bytes: &[u8], at: usize) -> String {
    let start = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
    let line = &bytes[start.max(at.saturating_sub(60))..];
    let end = line.iter().position(|byte| *byte == b'\n').unwrap_or(line.len());
    text(&line[..end.min(160)])
}

/// The processor's own run.
pub(crate) fn native(
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    tunables: Option<&str>,
    stdin: &[u8],
) -> Answer {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(ENVIRONMENT);
    if let Some(tunables) = tunables {
        command.env("GLIBC_TUNABLES", tunables);
    }
    Answer::of(&run(&mut command, stdin))
}

/// The run under dr7, with options of `dr7 run`; or dr7's own reason for none.
///
/// # Panics
/// If dr7 panics.
pub(crate) fn emulated(
    options: &[&str],
    program: &Path,
    arguments: &[impl AsRef<OsStr>],
    stdin: &[u8],
) -> Result<Answer, String> {
    let mut command = dr7();
    command.arg("run").args(options).arg("--").arg(program).args(arguments);
    let output = run(&mut command, stdin);
    let complaint = text(&output.stderr);
    assert!(!complaint.contains("panicked at"), "dr7 panicked:\n{complaint}");
    let reason =
        complaint.lines().find(|line| line.starts_with("dr7: ") && line.contains("stopped"));
    match reason {
        Some(reason) => Err(reason.to_owned()),
        None => Ok(Answer::of(&output)),
    }
}
