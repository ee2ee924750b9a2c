//! Files: descriptors, open files, pipes, and the tree of names.
//!
//! A process has an [`FdTable`] of descriptors, which name open files in the one
//! [`FileTable`]. What they opened has a place in the tree of names: an inode of [`inode::Vfs`],
//! or a place below `/proc/PID`, which has none. Everything is in memory; what the guest may see
//! of the host ([`host`]) comes through [`crate::inputs::Inputs`] and changes stay here.
//!
//! - [`fd`]: descriptors, and [`fcntl`] on them; [`lock`]: locks on files
//! - [`mod@file`]: open files and their kinds; [`io`]: read, write, lseek; [`pipe`]; [`poll`]
//! - [`epoll`], [`eventfd`]: files without a place that events come from
//! - [`inode`]: inodes, directories; [`mounts`]; [`regular`]: what files hold; [`sparse`]: which parts
//! - [`namei`]: path lookup; [`permission`]; [`open`]; [`dirs`]: making, removing and renaming names;
//!   [`stat`]; [`readdir`]
//! - [`proc`]: processes in `/proc`; [`pseudo`]: **how a file with a text of the kernel's is
//!   added**, with the tables [`sys`] and [`sysctl`]
//!
//! Source: Linux 6.18 `fs/`.

pub mod dirs;
pub mod epoll;
pub mod eventfd;
pub mod fcntl;
pub mod fd;
mod fdinfo;
pub mod file;
pub mod host;
pub mod inode;
pub mod io;
pub mod lock;
pub mod mounts;
pub mod namei;
pub mod open;
pub mod permission;
pub mod pipe;
pub mod poll;
pub mod proc;
mod proc_memory;
pub mod proc_status;
pub mod proc_text;
pub mod pseudo;
pub mod readdir;
pub mod regular;
pub mod seals;
mod slots;
pub mod sparse;
pub mod stat;
pub mod sys;
pub mod sysctl;
pub mod task_file;

pub use fd::{FdTable, OnExec};
pub use file::{Console, FileId, FileKind, FileTable, OpenFile, PipeEnd, PipeId};
pub use io::{At, IoResult};

#[cfg(test)]
mod tests;
