//! What a matching data access did, for whoever handles the #DB.
//!
//! Silicon tells only the entry; an emulator can tell the access. Software in the
//! guest never sees these records.

/// How the watched bytes were touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessKind {
    /// Loaded.
    Read,
    /// Stored (or loaded and stored).
    Write,
}

/// The access that matched one entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessRecord {
    /// Load or store.
    pub kind: AccessKind,
    /// Address of the instruction; 0 until it has completed.
    pub rip: u64,
    /// First byte accessed (linear).
    pub linear: u64,
    /// Bytes accessed.
    pub size: u32,
    /// The entry's bytes before the access, little endian.
    pub old: u64,
    /// The entry's bytes after the access.
    pub new: u64,
}
