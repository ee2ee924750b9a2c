//! The table in words: a line a call, JSON lines, or the page.

use std::fmt::Write;

use kernel_model::syscalls::table::Support;
use serde_json::{Value, json};

use super::Entry;

/// How far a call is supported, in words.
#[must_use]
pub fn support(entry: &Entry) -> String {
    match entry.support {
        Some(Support::Full) => String::from("full"),
        Some(Support::Partial(but)) => format!("partial ({but})"),
        Some(Support::Refused(errno, why)) => format!("refused ({}: {why})", errno.name()),
        Some(Support::Absent(as_in)) => format!("absent (ENOSYS, as {as_in})"),
        None => String::from("not supported"),
    }
}

/// A line a call, and the counts.
#[must_use]
pub fn lines(entries: &[Entry]) -> String {
    let mut text = String::new();
    for entry in entries {
        let _ = writeln!(text, "{:<4} {:<24} {}", entry.nr, entry.name, support(entry));
    }
    let _ = writeln!(text, "{}", counts(entries));
    text
}

/// The object of a call.
#[must_use]
pub fn object(entry: &Entry) -> Value {
    let (support, errno, text) = match entry.support {
        Some(Support::Full) => ("full", None, None),
        Some(Support::Partial(but)) => ("partial", None, Some(but)),
        Some(Support::Refused(errno, why)) => ("refused", Some(errno.name()), Some(why)),
        Some(Support::Absent(as_in)) => ("absent", Some("ENOSYS"), Some(as_in)),
        None => ("unsupported", Some("ENOSYS"), None),
    };
    json!({
        "nr": entry.nr, "name": entry.name, "support": support, "errno": errno, "text": text,
    })
}

/// How many calls have which support.
fn counts(entries: &[Entry]) -> String {
    let counted = |wanted: fn(&Option<Support>) -> bool| {
        entries.iter().filter(|entry| wanted(&entry.support)).count()
    };
    format!(
        "{} calls: {} full, {} partial, {} refused, {} absent, {} not supported",
        entries.len(),
        counted(|support| matches!(support, Some(Support::Full))),
        counted(|support| matches!(support, Some(Support::Partial(_)))),
        counted(|support| matches!(support, Some(Support::Refused(..)))),
        counted(|support| matches!(support, Some(Support::Absent(_)))),
        counted(Option::is_none),
    )
}

const HEAD: &str = "# System calls

Written by `dr7 syscalls --markdown`, from the table that the kernel model dispatches by; a test \
compares this page with it. `dr7 syscalls NAME` shows single calls, `--unsupported` those that never work.

- **full**: as Linux 6.18 has it.
- **partial**: the same, except for what is said.
- **refused**: always that error, for the reason given; named on standard error when it is first called.
- **absent**: ENOSYS, as on a Linux that is configured without it; programs expect that, and nothing is said.
- **not supported**: ENOSYS, and named on standard error when it is first called.

";

/// The page `docs/syscalls.md`.
#[must_use]
pub fn markdown(entries: &[Entry]) -> String {
    let mut text = String::from(HEAD);
    let _ = writeln!(text, "{}.\n\n| number | name | support |\n|---|---|---|", counts(entries));
    for entry in entries {
        let _ = writeln!(text, "| {} | {} | {} |", entry.nr, entry.name, support(entry));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::{number, table};
    use super::*;

    fn of(name: &str) -> Entry {
        let nr = number(name).unwrap();
        table().into_iter().find(|entry| entry.nr == nr).unwrap()
    }

    #[test]
    fn a_line_says_what_is_known() {
        assert_eq!(support(&of("read")), "full");
        assert_eq!(support(&of("bpf")), "absent (ENOSYS, as a Linux without CONFIG_BPF_SYSCALL)");
        assert!(support(&of("fsopen")).starts_with("refused (ENOSYS: "));
        let unsupported = lines(&[of("uprobe")]);
        assert_eq!(
            unsupported,
            "336  uprobe                   not supported\n\
             1 calls: 0 full, 0 partial, 0 refused, 0 absent, 1 not supported\n"
        );
    }

    #[test]
    fn objects_have_the_same_fields() {
        let object = object(&of("fsopen"));
        assert_eq!(object["nr"], 430);
        assert_eq!(object["support"], "refused");
        assert_eq!(object["errno"], "ENOSYS");
    }
}
