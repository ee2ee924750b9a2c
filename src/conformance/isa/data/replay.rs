//! Data lines on the emulator.

use super::super::super::emulated::{Emulated, EmulatedEnd};
use super::super::super::layout::{IMAGE_BYTES, READ_ONLY_BYTES};
use super::super::compare::{self, Difference, Side};
use super::line::{Line, LineError};

/// How a line went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// As the processor.
    Same,
    /// Otherwise: first what the line says, then the emulator.
    Differs(Vec<Difference>),
    /// The instruction is not built, or did not end.
    NotRun(String),
}

/// Replays lines.
#[derive(Debug)]
pub struct Replay {
    emulated: Emulated,
}

impl Default for Replay {
    fn default() -> Self {
        let blank = vec![0; IMAGE_BYTES + READ_ONLY_BYTES as usize];
        let (image, read_only) = blank.split_at(IMAGE_BYTES);
        Self { emulated: Emulated::new(image, read_only) }
    }
}

impl Replay {
    /// Runs a line.
    pub fn check(&mut self, line: &Line) -> Answer {
        let case = line.case();
        let ending = match self.emulated.run(&case) {
            EmulatedEnd::Ended(ending) => ending,
            EmulatedEnd::Unsupported(unsupported) => return Answer::NotRun(unsupported.name),
            EmulatedEnd::Stuck(exit) => return Answer::NotRun(format!("{exit:?}")),
        };
        let mut memory = case.memory(&[0; IMAGE_BYTES]);
        for patch in &line.stores {
            patch.apply(&mut memory);
        }
        let [data, stack] = self.emulated.memory();
        let emulated = Side { ending: &ending, data, stack };
        let found = compare::compare(Side::new(&line.end, &memory), emulated, line.ignored);
        if found.is_empty() { Answer::Same } else { Answer::Differs(found) }
    }
}

/// Lines of a file with their numbers from 1; blank lines and those that begin with
/// `#` are left out.
///
/// # Errors
/// The first line that cannot be read, with its number.
pub fn read(text: &str) -> Result<Vec<(usize, Line)>, (usize, LineError)> {
    (1..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        .map(|(number, line)| match line.parse() {
            Ok(line) => Ok((number, line)),
            Err(error) => Err((number, error)),
        })
        .collect()
}
