//! `--strace`: which calls are shown, and where.

use std::path::Path;

use kernel_model::strace::CallSet;

use super::CommandError;
use crate::cli::strace::StraceArgs;
use crate::report::{Report, StraceTo};
use crate::strace::filter;

/// Lets a report show calls, if that was asked for; which the guest has to tell of then.
pub(super) fn start(
    args: &StraceArgs,
    report: &mut Report<'_, '_>,
) -> Result<Option<CallSet>, CommandError> {
    let Some(path) = &args.strace else { return Ok(None) };
    let wanted = filter::parse(args.strace_filter.as_deref()).map_err(CommandError::Filter)?;
    let to = if path == Path::new("-") { StraceTo::Err } else { StraceTo::File(path.clone()) };
    report.show_strace(&to)?;
    Ok(Some(wanted))
}
