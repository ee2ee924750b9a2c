//! Constants by name, as programs write them.

pub(crate) mod files;
pub(crate) mod memory;
pub(crate) mod net;
pub(crate) mod perf;
pub(crate) mod process;
pub(crate) mod ptrace;
pub(crate) mod signal;

use super::value::{Value, hex};

/// Names of the values that one argument or field can have.
#[derive(Debug)]
pub(crate) struct Names {
    /// What stands for a value without a name.
    pub(super) unknown: &'static str,
    /// Values with their names: of flags, combinations stand before their parts.
    pub(super) list: &'static [(u64, &'static str)],
}

impl Names {
    /// The name of a value.
    pub(super) fn find(&self, value: u64) -> Option<&'static str> {
        self.list.iter().find(|(known, _)| *known == value).map(|(_, name)| *name)
    }

    /// One of several.
    pub(super) fn one(&self, value: u64) -> String {
        match self.find(value) {
            Some(name) => name.to_owned(),
            None => format!("{} /* {} */", hex(value), self.unknown),
        }
    }

    /// The names of bits, and what is left of them.
    pub(super) fn split(&self, value: u64) -> (Vec<&'static str>, u64) {
        let (mut names, mut rest) = (Vec::new(), value);
        for (bits, name) in self.list {
            if *bits != 0 && rest & bits == *bits {
                names.push(*name);
                rest &= !bits;
            }
        }
        (names, rest)
    }

    /// Bits, joined by `|`.
    pub(super) fn bits(&self, value: u64) -> String {
        if value == 0 {
            return self.find(0).unwrap_or("0").to_owned();
        }
        let (names, rest) = self.split(value);
        if names.is_empty() {
            return format!("{} /* {} */", hex(rest), self.unknown);
        }
        let rest = (rest != 0).then(|| hex(rest));
        let words: Vec<&str> = names.into_iter().chain(rest.as_deref()).collect();
        words.join("|")
    }

    /// [`Self::one`] as a value.
    pub(super) fn one_of(&self, value: u64) -> Value {
        Value::Word(self.one(value))
    }

    /// [`Self::bits`] as a value.
    pub(super) fn bits_of(&self, value: u64) -> Value {
        Value::Word(self.bits(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_with_and_without_names() {
        assert_eq!(files::WHENCE.one(2), "SEEK_END");
        assert_eq!(files::WHENCE.one(9), "0x9 /* SEEK_??? */");
        assert_eq!(memory::PROT.bits(0), "PROT_NONE");
        assert_eq!(memory::PROT.bits(5), "PROT_READ|PROT_EXEC");
        assert_eq!(memory::PROT.bits(0x41), "PROT_READ|0x40");
        assert_eq!(memory::PROT.bits(0x40), "0x40 /* PROT_??? */");
        assert_eq!(files::OPEN.bits(0o4010000), "O_SYNC");
        assert_eq!(files::OPEN.bits(0o10000), "O_DSYNC");
        assert_eq!(files::FLOCK.bits(0), "0");
    }
}
