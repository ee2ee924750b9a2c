//! Why a file is not a recording that can be believed. Each says where.

use super::decode::PayloadError;

/// A file that was refused, or that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordingError {
    /// The first bytes are not a recording's.
    #[error("offset 0: not a dr7 recording (the first 8 bytes are not its magic)")]
    Magic,
    /// Another version of the format.
    #[error("offset 8: format version {found}; this dr7 reads version {}", super::FORMAT_VERSION)]
    Version {
        /// The version in the file.
        found: u32,
    },
    /// A field that must be zero.
    #[error("offset {offset}: a reserved field holds {value:#x}")]
    Reserved {
        /// Where.
        offset: u64,
        /// What it holds.
        value: u32,
    },
    /// The file ends too early.
    #[error("offset {offset}: the file is truncated: {what} needs {needed} bytes, {left} are left")]
    Truncated {
        /// Where the missing part starts.
        offset: u64,
        /// The part.
        what: &'static str,
        /// Bytes that it needs.
        needed: u64,
        /// Bytes that are left.
        left: u64,
    },
    /// A header that is not as it was written.
    #[error("offset {offset}: the header's checksum does not match: the file was altered")]
    HeaderChecksum {
        /// Where the header starts.
        offset: u64,
    },
    /// A payload that is not as it was written.
    #[error(
        "offset {offset}: the checksum of section {section} does not match: the file was altered"
    )]
    PayloadChecksum {
        /// Where the payload starts.
        offset: u64,
        /// The section.
        section: &'static str,
    },
    /// A tag that this version does not know.
    #[error("offset {offset}: unknown section \"{}\"", tag.escape_ascii())]
    UnknownSection {
        /// Where its header starts.
        offset: u64,
        /// The tag.
        tag: [u8; 4],
    },
    /// A section where another belongs.
    #[error("offset {offset}: section {found} where {expected} belongs")]
    Order {
        /// Where its header starts.
        offset: u64,
        /// The section that is there.
        found: &'static str,
        /// The sections that may be there.
        expected: &'static str,
    },
    /// A declared length beyond what such a section may have.
    #[error("offset {offset}: section {section} declares {declared} bytes, the most is {cap}")]
    TooLong {
        /// Where its header starts.
        offset: u64,
        /// The section.
        section: &'static str,
        /// The declared length.
        declared: u64,
        /// The cap.
        cap: u64,
    },
    /// A payload that is not a zstd frame.
    #[error("offset {offset}: section {section} cannot be decompressed ({kind})")]
    Compression {
        /// Where the payload starts.
        offset: u64,
        /// The section.
        section: &'static str,
        /// zstd's complaint.
        kind: std::io::ErrorKind,
    },
    /// A payload longer or shorter than declared.
    #[error(
        "offset {offset}: section {section} declares {declared} bytes and has {}{found}",
        if found > declared { "at least " } else { "" }
    )]
    RawLength {
        /// Where the payload starts.
        offset: u64,
        /// The section.
        section: &'static str,
        /// The declared length.
        declared: u64,
        /// The length found.
        found: u64,
    },
    /// A payload whose values make no sense.
    #[error("offset {offset}: section {section}, byte {at} of its contents: {source}")]
    Payload {
        /// Where the payload starts in the file.
        offset: u64,
        /// The section.
        section: &'static str,
        /// Where in the decompressed payload.
        at: u64,
        /// What is wrong there.
        source: PayloadError,
    },
    /// The log does not hold as many entries as its end says.
    #[error("offset {offset}: the log holds {found} {what}, its end says {declared}")]
    Counts {
        /// Where the DONE section starts.
        offset: u64,
        /// What is counted.
        what: &'static str,
        /// The count at the end.
        declared: u64,
        /// The count found.
        found: u64,
    },
    /// The END section says another length.
    #[error("offset {offset}: the file says it is {declared} bytes long, it is {found}")]
    FileLength {
        /// Where the END payload starts.
        offset: u64,
        /// The length that it says.
        declared: u64,
        /// The length of the file.
        found: u64,
    },
    /// The hash of the whole file does not match.
    #[error("offset {offset}: the hash of the whole file does not match: the file was altered")]
    FileHash {
        /// Where the hash lies.
        offset: u64,
    },
    /// Something too large to be recorded.
    #[error("{what} of {found} bytes is too large for a recording (at most {cap})")]
    CannotHold {
        /// The thing.
        what: &'static str,
        /// Its size.
        found: u64,
        /// The most.
        cap: u64,
    },
    /// The file could not be read.
    #[error("cannot read: {0}")]
    Read(#[source] std::io::Error),
    /// The file could not be written.
    #[error("cannot write: {0}")]
    Write(#[from] std::io::Error),
}
