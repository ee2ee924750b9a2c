//! Files: descriptors, open files, pipes, and a small read-only tree of names.
//!
//! A process has an [`FdTable`] of descriptors, which name open files in the one
//! [`FileTable`]. Reads and writes work on byte buffers; copying to and from the
//! program, waiting, and the perf events behind [`FileKind::PerfEvent`] are the
//! caller's business. There are no files of the host.
//!
//! - [`fd`]: descriptors, and [`fcntl`] on them
//! - [`mod@file`]: open files and their kinds; [`io`]: read, write, lseek; [`pipe`]; [`poll`]
//! - [`tree`]: the names that exist; [`namei`]: path lookup and open; [`stat`]; [`readdir`]
//!
//! Source: Linux 6.18 `fs/`.

pub mod fcntl;
pub mod fd;
pub mod file;
pub mod io;
pub mod namei;
pub mod pipe;
pub mod poll;
pub mod readdir;
pub mod stat;
pub mod tree;

pub use fd::{FdTable, OnExec};
pub use file::{Console, FileId, FileKind, FileTable, OpenFile, PipeEnd, PipeId};
pub use io::{At, IoResult};
