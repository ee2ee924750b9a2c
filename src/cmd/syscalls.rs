//! `dr7 syscalls`: which system calls there are, and how far.

use std::collections::BTreeSet;

use super::{CommandError, Outcome};
use crate::cli::syscalls::SyscallsArgs;
use crate::report::Streams;
use crate::syscall_table::{Entry, number, show, table};

pub(super) fn syscalls(args: &SyscallsArgs, streams: Streams<'_>) -> Result<Outcome, CommandError> {
    let named = args.names.iter().map(|name| number(name)).collect::<Result<BTreeSet<_>, _>>()?;
    let is_wanted = |entry: &Entry| {
        (named.is_empty() || named.contains(&entry.nr)) && !(args.unsupported && entry.works())
    };
    let entries: Vec<Entry> = table().into_iter().filter(is_wanted).collect();
    let text = if args.markdown {
        show::markdown(&entries)
    } else if args.json {
        entries.iter().map(|entry| format!("{}\n", show::object(entry))).collect()
    } else {
        show::lines(&entries)
    };
    streams.out.write_all(text.as_bytes()).map_err(CommandError::Output)?;
    Ok(Outcome::Shown)
}
