//! Which calls are wanted: `openat,read`, `%file`, `!%memory`, `all`, `none`.

use kernel_model::strace::{CallSet, Classes, classes};

use crate::syscall_table::{UnknownSyscall, number};

/// Classes by the names that filters have for them.
const CLASSES: [(&str, Classes); 7] = [
    ("file", Classes::FILE),
    ("desc", Classes::DESC),
    ("process", Classes::PROCESS),
    ("memory", Classes::MEMORY),
    ("signal", Classes::SIGNAL),
    ("network", Classes::NETWORK),
    ("ipc", Classes::IPC),
];

/// Why a filter says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A call that does not exist.
    #[error(transparent)]
    Call(#[from] UnknownSyscall),
    /// A class that does not exist.
    #[error("%{name}: no such class; there are {}", class_names())]
    Class {
        /// As typed.
        name: String,
    },
    /// Nothing between two commas.
    #[error("an empty name")]
    Empty,
}

fn class_names() -> String {
    CLASSES.map(|(name, _)| format!("%{name}")).join(", ")
}

enum Part {
    Call(u16),
    Class(Classes),
    All,
}

/// The calls that a filter wants; all where there is none.
///
/// # Errors
/// If a name in it is none.
pub fn parse(filter: Option<&str>) -> Result<CallSet, FilterError> {
    let filter = filter.unwrap_or("all");
    let filter = filter.strip_prefix("trace=").unwrap_or(filter);
    let (negated, list) = match filter.strip_prefix('!') {
        Some(list) => (true, list),
        None => (false, filter),
    };
    let parts = match list {
        "none" => Vec::new(),
        list => list.split(',').map(part).collect::<Result<Vec<_>, _>>()?,
    };
    Ok(CallSet::of(|name| parts.iter().any(|part| part.has(name)) != negated))
}

fn part(word: &str) -> Result<Part, FilterError> {
    if word.is_empty() {
        return Err(FilterError::Empty);
    }
    if word == "all" {
        return Ok(Part::All);
    }
    let Some(class) = word.strip_prefix('%') else { return Ok(Part::Call(number(word)?)) };
    // As a class of its own in older spellings.
    let class = if class == "net" { "network" } else { class };
    let found = CLASSES.iter().find(|(name, _)| *name == class);
    found
        .map(|(_, class)| Part::Class(*class))
        .ok_or_else(|| FilterError::Class { name: class.to_owned() })
}

impl Part {
    fn has(&self, name: Option<&str>) -> bool {
        match (self, name) {
            (Self::All, _) => true,
            (_, None) => false,
            (Self::Call(nr), Some(name)) => number(name).is_ok_and(|found| found == *nr),
            (Self::Class(class), Some(name)) => classes(name).meet(*class),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named<'a>(wanted: &'a [&'a str]) -> CallSet {
        CallSet::of(|name| name.is_some_and(|name| wanted.contains(&name)))
    }

    #[test]
    fn names_classes_and_their_opposite() {
        assert_eq!(parse(Some("read,write")), Ok(named(&["read", "write"])));
        assert_eq!(parse(Some("trace=read")), Ok(named(&["read"])));
        assert_eq!(parse(None), Ok(CallSet::of(|_| true)));
        assert_eq!(parse(Some("!none")), Ok(CallSet::of(|_| true)));
        let no_read = CallSet::of(|name| name != Some("read"));
        assert_eq!(parse(Some("!read")), Ok(no_read));
        let files = CallSet::of(|name| name.is_some_and(|name| classes(name).meet(Classes::FILE)));
        assert_eq!(parse(Some("%file")), Ok(files));
        assert!(classes("openat").meet(Classes::FILE) && classes("openat").meet(Classes::DESC));
        assert!(!classes("mmap").meet(Classes::FILE) && classes("mmap").meet(Classes::MEMORY));
    }

    #[test]
    fn what_says_nothing_is_refused() {
        assert!(matches!(parse(Some("raed")), Err(FilterError::Call(_))));
        assert!(matches!(parse(Some("%files")), Err(FilterError::Class { .. })));
        assert_eq!(parse(Some("read,")), Err(FilterError::Empty));
        assert_eq!(parse(Some("")), Err(FilterError::Empty));
    }
}
