//! `dr7 instructions`: which instructions are built.

use super::{CommandError, Outcome};
use crate::cli::instructions::InstructionsArgs;
use crate::instructions::{Entry, show, table};
use crate::report::Streams;

pub(super) fn instructions(
    args: &InstructionsArgs,
    streams: Streams<'_>,
) -> Result<Outcome, CommandError> {
    let table = table();
    let text = if args.markdown {
        show::markdown(&table)
    } else {
        let wanted: Vec<Entry> = table.into_iter().filter(|entry| is_wanted(entry, args)).collect();
        show::lines(&wanted)
    };
    streams.out.write_all(text.as_bytes()).map_err(CommandError::Output)?;
    Ok(Outcome::Shown)
}

fn is_wanted(entry: &Entry, args: &InstructionsArgs) -> bool {
    let named = args.filter.as_deref().is_none_or(|filter| {
        let filter = filter.to_lowercase();
        let mnemonic = show::mnemonic(entry);
        mnemonic.contains(&filter) || entry.features().to_lowercase().contains(&filter)
    });
    named && !(args.refused && entry.support.is_full())
}
