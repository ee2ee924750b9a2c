//! What a guest asked for that the board does not have, each thing named once.

use std::collections::BTreeSet;
use std::fmt;

/// Distinct things that are kept; a guest that probes at random finds more.
const MOST: usize = 1024;

/// Which way data went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// From the device.
    Read,
    /// To the device.
    Write,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
        })
    }
}

/// An access to what the board does not have, or a request that a device does not serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unmodelled {
    /// A port that no device answers: reads give ones, writes vanish.
    Port {
        /// The first port.
        port: u16,
        /// Which way.
        direction: Direction,
        /// Bytes: 1, 2 or 4.
        size: u8,
    },
    /// A physical address that no device answers: reads give ones, writes vanish.
    Memory {
        /// The address of the 4 KiB page.
        page: u64,
        /// Which way.
        direction: Direction,
    },
    /// A feature that a device has on a real board.
    Feature(&'static str),
}

impl fmt::Display for Unmodelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Port { port, direction, size } => {
                let plural = if *size == 1 { "" } else { "s" };
                write!(f, "port {port:#x}: {direction} of {size} byte{plural}")
            }
            Self::Memory { page, direction } => write!(f, "memory {page:#x}: {direction}"),
            Self::Feature(name) => f.write_str(name),
        }
    }
}

/// The list of what was asked for.
#[derive(Debug, Default)]
pub(super) struct Notes {
    seen: BTreeSet<Unmodelled>,
    fresh: Vec<Unmodelled>,
}

impl Notes {
    /// Names a thing, unless it was named before.
    pub(super) fn add(&mut self, what: Unmodelled) {
        if self.seen.len() < MOST && self.seen.insert(what) {
            self.fresh.push(what);
        }
    }

    /// Names a feature.
    pub(super) fn feature(&mut self, name: &'static str) {
        self.add(Unmodelled::Feature(name));
    }

    /// What was named since the last call, in order.
    pub(super) fn take(&mut self) -> Vec<Unmodelled> {
        std::mem::take(&mut self.fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thing_is_named_once() {
        let mut notes = Notes::default();
        let floppy = Unmodelled::Port { port: 0x3f2, direction: Direction::Write, size: 1 };
        notes.add(floppy);
        notes.add(floppy);
        notes.add(Unmodelled::Memory { page: 0xfed0_0000, direction: Direction::Read });
        let names: Vec<_> = notes.take().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["port 0x3f2: write of 1 byte", "memory 0xfed00000: read"]);
        notes.add(floppy);
        assert!(notes.take().is_empty());
    }

    #[test]
    fn the_list_is_bounded() {
        let mut notes = Notes::default();
        for page in 0..2 * MOST as u64 {
            notes.add(Unmodelled::Memory { page: page << 12, direction: Direction::Read });
        }
        assert_eq!(notes.take().len(), MOST);
    }
}
