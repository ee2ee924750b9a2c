//! What a run showed, and where another one differs.

use std::convert::Infallible;
use std::fmt;

use crate::report::describe::ending_text;
use crate::session::drive::{Flow, Observer};
use crate::session::event::{Ending, Entry, Event, Position, Who};

/// What is seen of one watch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Watched {
    hits: u64,
    /// The watched bytes after the last hit.
    left: u64,
}

/// Collects what a run shows.
#[derive(Clone, Debug)]
pub(super) struct Collector {
    out: Vec<u8>,
    err: Vec<u8>,
    watched: Vec<Watched>,
    last_exit: Option<Who>,
}

impl Collector {
    /// For a run with so many watches.
    pub(super) fn new(nr_watches: usize) -> Self {
        let watched = vec![Watched::default(); nr_watches];
        Self { out: Vec::new(), err: Vec::new(), watched, last_exit: None }
    }
}

impl Observer for Collector {
    type Error = Infallible;

    fn entry(&mut self, _at: Position, entry: &Entry) -> Result<Flow, Infallible> {
        match entry {
            Entry::Event(Event::Output { fd: 1, bytes }) => self.out.extend_from_slice(bytes),
            Entry::Event(Event::Output { bytes, .. }) => self.err.extend_from_slice(bytes),
            Entry::Event(Event::Hit(hit)) => {
                if let Some(watched) = self.watched.get_mut(hit.watch as usize) {
                    watched.hits += 1;
                    watched.left = hit.new;
                }
            }
            Entry::Event(Event::Exit { who, .. }) => self.last_exit = Some(who.clone()),
            Entry::Event(
                Event::Span(_)
                | Event::UndefinedInsn { .. }
                | Event::OutOfMemory { .. }
                | Event::UnsupportedSyscall { .. },
            )
            | Entry::Input(_)
            | Entry::Mark(_) => {}
        }
        Ok(Flow::Continue)
    }

    fn progress(&mut self, _at: Position) {}
}

/// A run that has come to its end.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) ending: Ending,
    /// Where a signal of its own ended it.
    pub(super) killed_at: Option<u64>,
    pub(super) insns: u64,
    pub(super) seen: Collector,
}

/// One of the guest's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Out,
    Err,
}

/// Where a run differs from the first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Difference {
    /// It ended in another way.
    Ending { ending: Ending, killed_at: Option<u64> },
    /// It printed something else, from this line on.
    Output { stream: Stream, line: usize, found: Vec<u8>, wanted: Vec<u8> },
    /// A watch was hit more or less often.
    Hits { watch: usize, found: u64, wanted: u64 },
    /// The last hit of a watch left another value.
    Left { watch: usize, found: u64, wanted: u64 },
}

impl Shown {
    /// Where `found` differs from this first run; none if it does not.
    pub(super) fn difference(&self, found: &Self) -> Option<Difference> {
        if self.ending != found.ending {
            let (ending, killed_at) = (found.ending.clone(), found.killed_at);
            return Some(Difference::Ending { ending, killed_at });
        }
        output_difference(Stream::Out, &self.seen.out, &found.seen.out)
            .or_else(|| output_difference(Stream::Err, &self.seen.err, &found.seen.err))
            .or_else(|| self.watch_difference(found))
    }

    fn watch_difference(&self, found: &Self) -> Option<Difference> {
        let both = self.seen.watched.iter().zip(&found.seen.watched);
        both.enumerate().find_map(|(watch, (wanted, found))| {
            if wanted.hits != found.hits {
                Some(Difference::Hits { watch, found: found.hits, wanted: wanted.hits })
            } else if wanted.left != found.left {
                Some(Difference::Left { watch, found: found.left, wanted: wanted.left })
            } else {
                None
            }
        })
    }
}

fn output_difference(stream: Stream, wanted: &[u8], found: &[u8]) -> Option<Difference> {
    let lines = |bytes: &'_ [u8]| -> Vec<Vec<u8>> {
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    };
    if wanted == found {
        return None;
    }
    let (wanted, found) = (lines(wanted), lines(found));
    let at = wanted.iter().zip(&found).take_while(|(wanted, found)| wanted == found).count();
    let line = |lines: &[Vec<u8>]| lines.get(at).cloned().unwrap_or_default();
    Some(Difference::Output { stream, line: at + 1, found: line(&found), wanted: line(&wanted) })
}

/// Bytes of a line that are shown.
const SHOWN_BYTES: usize = 60;

/// The start of a line of output, for people.
struct Line<'a>(&'a [u8]);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [] => f.write_str("nothing"),
            bytes => {
                let start = &bytes[..bytes.len().min(SHOWN_BYTES)];
                let dots = if start.len() < bytes.len() { "..." } else { "" };
                write!(f, "\"{}{dots}\"", start.escape_ascii())
            }
        }
    }
}

impl Difference {
    /// In words; `place` names an address, `watch` a watch.
    pub(super) fn text(
        &self,
        place: impl Fn(u64) -> String,
        watch: impl Fn(usize) -> String,
    ) -> String {
        match self {
            Self::Ending { ending, killed_at: None } => ending_text(ending),
            Self::Ending { ending, killed_at: Some(address) } => {
                format!("{} at {}", ending_text(ending), place(*address))
            }
            Self::Output { stream, line, found, wanted } => {
                let stream = match stream {
                    Stream::Out => "standard output",
                    Stream::Err => "standard error",
                };
                format!("line {line} of {stream} is {}, not {}", Line(found), Line(wanted))
            }
            Self::Hits { watch: index, found, wanted } => {
                format!("{} has {found} hits, not {wanted}", watch(*index))
            }
            Self::Left { watch: index, found, wanted } => {
                format!("the last hit of {} leaves {found:#x}, not {wanted:#x}", watch(*index))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel_model::observe::ExitStatus;

    use crate::session::script::hit;

    fn shown(ending: Ending, entries: &[Event]) -> Shown {
        let mut seen = Collector::new(1);
        for event in entries {
            let Ok(_) = seen.entry(Position::default(), &Entry::Event(event.clone()));
        }
        Shown { ending, killed_at: Some(16), insns: 1, seen }
    }

    fn output(fd: u8, text: &str) -> Event {
        Event::Output { fd, bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn what_differs_is_told_in_words() {
        let exited = |code| Ending::Exited(ExitStatus::Exited(code));
        let first = shown(exited(0), &[output(1, "a\nb\n"), output(2, "e\n"), hit(0, 1, 0, 5)]);
        let text = |found: &Shown| {
            let difference = first.difference(found)?;
            Some(difference.text(|address| format!("<{address}>"), |index| format!("#{index}")))
        };
        let with = |entries: &[Event]| text(&shown(exited(0), entries)).unwrap_or_default();
        assert_eq!(text(&first), None);
        // How the output was cut into writes is no difference.
        assert_eq!(
            with(&[output(1, "a\n"), output(1, "b\n"), output(2, "e\n"), hit(0, 9, 2, 5)]),
            ""
        );
        assert_eq!(
            with(&[output(1, "a\nc\n")]),
            "line 2 of standard output is \"c\\n\", not \"b\\n\""
        );
        assert_eq!(
            with(&[output(1, "a\nb\n")]),
            "line 1 of standard error is nothing, not \"e\\n\""
        );
        let printed = [output(1, "a\nb\n"), output(2, "e\n")];
        assert_eq!(with(&printed), "#0 has 0 hits, not 1");
        let left = [&printed[..], &[hit(0, 1, 0, 6)]].concat();
        assert_eq!(with(&left), "the last hit of #0 leaves 0x6, not 0x5");
        let killed = Ending::Exited(ExitStatus::Signaled { signal: 11, core: false });
        assert_eq!(text(&shown(killed, &[])).unwrap(), "killed by SIGSEGV at <16>");
    }
}
