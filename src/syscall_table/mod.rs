//! The system calls as a table: every number of x86-64 Linux 6.18, and how far the kernel
//! model has it.
//!
//! [`table`] asks the kernel model's own dispatch table. [`show`] makes lines, JSON and
//! `docs/syscalls.md` of it.

pub mod show;

use kernel_model::syscalls::table::{Support, find};
use kernel_model::uapi::syscall_nr;

use crate::symbols::near_names;

/// A system call and what is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Number.
    pub nr: u16,
    /// Name.
    pub name: &'static str,
    /// How far it is supported; `None` answers ENOSYS and is named when it is called.
    pub support: Option<Support>,
}

impl Entry {
    /// Whether it does something.
    #[must_use]
    pub const fn works(&self) -> bool {
        matches!(self.support, Some(Support::Full | Support::Partial(_)))
    }
}

/// A name that no system call has.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: x86-64 Linux 6.18 has no such system call{}", did_you_mean(near))]
pub struct UnknownSyscall {
    /// As typed.
    pub name: String,
    /// Names like it.
    pub near: Vec<String>,
}

fn did_you_mean(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(", ")) }
}

/// All assigned numbers, in order.
#[must_use]
pub fn table() -> Vec<Entry> {
    syscall_nr::all().map(|(nr, name)| entry(nr, name)).collect()
}

fn entry(nr: u16, name: &'static str) -> Entry {
    Entry { nr, name, support: find(u64::from(nr)).map(|found| found.support) }
}

/// The number of a system call by its name, or by its number in digits.
///
/// # Errors
/// If there is none.
pub fn number(word: &str) -> Result<u16, UnknownSyscall> {
    let of_name = || syscall_nr::all().find(|(_, name)| *name == word);
    let of_number = |number: u16| syscall_nr::all().find(|(nr, _)| *nr == number);
    let found = word.parse().map_or_else(|_| of_name(), of_number);
    found.map(|(nr, _)| nr).ok_or_else(|| UnknownSyscall {
        name: word.to_owned(),
        near: near_names(word, syscall_nr::all().map(|(_, name)| name)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_by_name_and_by_number() {
        assert_eq!(number("execve"), Ok(59));
        assert_eq!(number("59"), Ok(59));
        let unknown = number("opneat").unwrap_err();
        assert_eq!(unknown.near.first().map(String::as_str), Some("openat"));
        assert!(unknown.to_string().contains("did you mean openat"), "{unknown}");
        assert!(number("400").is_err() && number("99999999").is_err() && number("").is_err());
    }

    #[test]
    fn every_number_has_an_entry() {
        let table = table();
        assert_eq!(table.len(), 337 + 46);
        assert!(table.windows(2).all(|pair| pair[0].nr < pair[1].nr));
        let of = |name| table.iter().find(|entry| entry.name == name).unwrap();
        assert!(of("read").works() && !of("io_uring_setup").works());
        assert_eq!(of("uprobe").support, None);
    }
}
