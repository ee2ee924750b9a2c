//! The syntax of `ksym_trace_filter`: `symbol:rwx` with a dash for what is not wanted.

use perf_core::Errno;
use perf_core::attr::abi::{HW_BREAKPOINT_R, HW_BREAKPOINT_RW, HW_BREAKPOINT_W};

use super::KsymVersion;

/// Accesses that an entry may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KsymAccess {
    /// `r--`: the processor has no such breakpoint, so that registering it fails.
    Read,
    /// `-w-`.
    Write,
    /// `rw-`.
    ReadWrite,
}

impl KsymAccess {
    /// `attr.bp_type`.
    #[must_use]
    pub const fn bp_type(self) -> u32 {
        match self {
            Self::Read => HW_BREAKPOINT_R,
            Self::Write => HW_BREAKPOINT_W,
            Self::ReadWrite => HW_BREAKPOINT_RW,
        }
    }

    /// As the filter shows it.
    #[must_use]
    pub const fn letters(self) -> &'static str {
        match self {
            Self::Read => "r--",
            Self::Write => "-w-",
            Self::ReadWrite => "rw-",
        }
    }
}

/// What was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KsymFilter<'a> {
    /// Nothing, `0` or `*:---`.
    RemoveAll,
    /// Watch a symbol, or watch it otherwise.
    Watch {
        /// Its name.
        name: &'a str,
        /// The accesses.
        access: KsymAccess,
    },
}

/// Why a text is no filter. All of them are EINVAL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// The name is not text.
    #[error("the filter is not UTF-8")]
    NotText,
    /// No colon.
    #[error("there is no ':' between symbol and access")]
    NoColon,
    /// The access is not three characters long.
    #[error("the access has {0} characters instead of 3")]
    AccessLength(usize),
    /// An access that the tracer does not have.
    #[error("there is no tracing for this access: rw- and -w- are possible")]
    Access,
}

impl FilterError {
    /// The errno of the write.
    #[must_use]
    pub const fn errno(self) -> Errno {
        Errno::EINVAL
    }
}

/// Reads a filter (rules 6.2.2 and 6.2.3).
///
/// # Errors
/// [`FilterError`], which says what is wrong.
pub fn parse(text: &[u8], version: KsymVersion) -> Result<KsymFilter<'_>, FilterError> {
    let text = std::str::from_utf8(text).map_err(|_| FilterError::NotText)?;
    let text = match version {
        KsymVersion::Last => text.trim(),
        // The answer of the function that skips blanks was not used.
        KsymVersion::Seed { .. } => text.trim_end(),
    };
    if matches!(text, "" | "0" | "*:---") {
        return Ok(KsymFilter::RemoveAll);
    }
    let (name, access) = text.split_once(':').ok_or(FilterError::NoColon)?;
    Ok(KsymFilter::Watch { name, access: parse_access(access, version)? })
}

fn parse_access(access: &str, version: KsymVersion) -> Result<KsymAccess, FilterError> {
    let letters: Vec<char> = access.chars().collect();
    let &[read, write, execute] = letters.as_slice() else {
        return Err(FilterError::AccessLength(letters.len()));
    };
    match (read == 'r', write == 'w', execute == 'x') {
        (true, true, false) => Ok(KsymAccess::ReadWrite),
        (false, true, false) => Ok(KsymAccess::Write),
        (true, false, false) if version == KsymVersion::Last => Ok(KsymAccess::Read),
        _ => Err(FilterError::Access),
    }
}
