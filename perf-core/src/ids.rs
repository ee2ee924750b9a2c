//! Ids of the things perf core keeps in arenas, and of the CPUs and tasks its caller names.
//!
//! A `TaskId` is the caller's key for a task for the whole run, not a pid: pids that appear in
//! records are passed separately, because a namespace may give one task several.

use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub u32);

        impl $name {
            /// The id as an index into a table.
            #[must_use]
            pub const fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id! {
    /// A task (thread), unique for the whole run.
    TaskId, "task"
}
id! {
    /// A logical CPU, `0..nr_cpus`.
    CpuId, "cpu"
}
id! {
    /// An event's place in the arena of [`crate::Perf`]. Never reused. Not the user-visible `id`
    /// (that is [`crate::PerfEvent::id`]).
    EventId, "event"
}
id! {
    /// A ring buffer. Never reused.
    BufferId, "buffer"
}
id! {
    /// An in-kernel overflow handler, chosen by whoever creates a kernel counter.
    HandlerId, "handler"
}
