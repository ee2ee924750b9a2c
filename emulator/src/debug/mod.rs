//! Debug registers: DR6 and DR7 as the manual has them, matching of accesses and
//! instructions, and the watch set that keeps unwatched pages on the fast path.
//! Source: SDM vol. 3B, chapter 17 (debug), measured rules M1 to M12.

pub mod access;
pub mod dr6;
pub mod dr7;
pub mod matcher;
pub mod watch;

pub use access::{AccessKind, AccessRecord};
pub use dr7::{Dr7, EntryKind};
pub use matcher::DebugRegs;
pub use watch::WatchSet;
