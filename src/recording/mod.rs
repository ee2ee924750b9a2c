//! The recording container: a run in one file, enough by itself to run it again.
//!
//! The layout is documented in `docs/recording-format.md`; in short:
//!
//! ```text
//! file header   magic (8), version u32, reserved u32, crc32 of the 16 bytes before
//! section       tag (4), raw length u32, stored length u32, crc32 of the stored
//!               payload, crc32 of the 16 header bytes before; then the payload
//!   META        machine, arguments, environment, watches           (zstd)
//!   IMAG        path and bytes of the program                      (zstd)
//!   LOG.        inputs, events and marks in order; any number      (zstd)
//!   DONE        how the run ended, totals, last digest, counts     (zstd)
//!   END.        length of the file, BLAKE3 of all bytes before END (stored plain)
//! ```
//!
//! All integers are little endian. Sections come in this order, and nothing
//! follows END. Every byte is covered by a checksum, so that a truncated or
//! altered file is refused with the offset and the reason.
//!
//! Key types: [`Recording`] (a file read and checked), [`RecordingWriter`] (a
//! file being written, visible only when complete), [`RecordingError`].
//!
//! Neighbours: [`crate::session::event`] and [`crate::session::plan`] are what is
//! held; `payload.rs` and `entry.rs` say how each value is laid out.

mod decode;
mod encode;
mod entry;
mod error;
mod host;
mod payload;
mod reader;
mod section;
mod writer;

#[cfg(test)]
mod damage_tests;
#[cfg(test)]
mod entry_tests;
#[cfg(test)]
pub(crate) mod samples;

pub use decode::PayloadError;
pub use error::RecordingError;
pub use payload::Counts;
pub use reader::{Entries, Recording, Section};
pub use writer::RecordingWriter;

/// The version of the format that this code writes and reads.
pub const FORMAT_VERSION: u32 = 5;
