//! Advisory locks on files: flock, and the ranges of fcntl.
//!
//! A lock of flock belongs to the open file, one of fcntl to the process. They do not see each
//! other. Who has to wait tries again when a lock of the file goes.
//! Source: Linux 6.18 `fs/locks.c`; flock(2), fcntl_locking(2).

use std::collections::BTreeMap;

use super::file::FileId;
use super::inode::InodeId;

/// Whose a lock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockOwner {
    /// An open file's (flock).
    File(FileId),
    /// An open file's, with ranges (fcntl's `F_OFD_*`).
    Ofd(FileId),
    /// A process's (fcntl), by its pid.
    Process(u32),
}

impl LockOwner {
    /// Whether locks of both are looked at together.
    const fn is_same_kind(self, other: Self) -> bool {
        matches!(self, Self::File(_)) == matches!(other, Self::File(_))
    }
}

/// What a lock allows to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LockKind {
    /// Other shared locks.
    Shared,
    /// None.
    Exclusive,
}

/// A lock on the bytes `start..end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLock {
    /// Whose.
    pub owner: LockOwner,
    /// Which.
    pub kind: LockKind,
    /// First byte.
    pub start: u64,
    /// First byte behind it; `u64::MAX` for the end of any file.
    pub end: u64,
}

impl FileLock {
    fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }

    fn conflicts(&self, other: &Self) -> bool {
        let both_shared = self.kind == LockKind::Shared && other.kind == LockKind::Shared;
        self.owner != other.owner
            && self.owner.is_same_kind(other.owner)
            && self.overlaps(other)
            && !both_shared
    }
}

/// Most locks of a machine.
const MAX_LOCKS: usize = 65_536;

/// All locks, by file.
#[derive(Clone, Debug, Default)]
pub struct Locks {
    by_inode: BTreeMap<InodeId, Vec<FileLock>>,
    nr_locks: usize,
}

impl Locks {
    /// A lock that keeps `wanted` from being taken.
    #[must_use]
    pub fn conflict(&self, inode: InodeId, wanted: &FileLock) -> Option<FileLock> {
        self.by_inode.get(&inode)?.iter().find(|held| held.conflicts(wanted)).copied()
    }

    /// Whether there is room for another lock.
    #[must_use]
    pub const fn has_room(&self) -> bool {
        self.nr_locks < MAX_LOCKS
    }

    /// Takes a lock that conflicts with none, in place of what its owner has there.
    pub fn set(&mut self, inode: InodeId, lock: FileLock) {
        self.clear(inode, lock.owner, lock.start, lock.end);
        self.by_inode.entry(inode).or_default().push(lock);
        self.nr_locks += 1;
    }

    /// Gives the locks of an owner on `start..end` back; tells whether there were any.
    pub fn clear(&mut self, inode: InodeId, owner: LockOwner, start: u64, end: u64) -> bool {
        let Some(locks) = self.by_inode.get_mut(&inode) else { return false };
        let range = FileLock { owner, kind: LockKind::Shared, start, end };
        let before = std::mem::take(locks);
        let mut found = false;
        for held in &before {
            if held.owner != owner || !held.overlaps(&range) {
                locks.push(*held);
                continue;
            }
            found = true;
            if held.start < start {
                locks.push(FileLock { end: start, ..*held });
            }
            if end < held.end {
                locks.push(FileLock { start: end, ..*held });
            }
        }
        self.nr_locks = self.nr_locks + locks.len() - before.len();
        if locks.is_empty() {
            self.by_inode.remove(&inode);
        }
        found
    }

    /// The open files that have locks on a file.
    #[must_use]
    pub fn open_files_on(&self, inode: InodeId) -> Vec<FileId> {
        let locks = self.by_inode.get(&inode).map_or(&[][..], Vec::as_slice);
        let file = |lock: &FileLock| match lock.owner {
            LockOwner::File(file) | LockOwner::Ofd(file) => Some(file),
            LockOwner::Process(_) => None,
        };
        locks.iter().filter_map(file).collect()
    }

    /// The files on which an owner has locks.
    #[must_use]
    pub fn files_of(&self, owner: LockOwner) -> Vec<InodeId> {
        let has = |locks: &Vec<FileLock>| locks.iter().any(|lock| lock.owner == owner);
        self.by_inode.iter().filter(|(_, locks)| has(locks)).map(|(inode, _)| *inode).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: InodeId = InodeId(7);

    fn lock(pid: u32, kind: LockKind, start: u64, end: u64) -> FileLock {
        FileLock { owner: LockOwner::Process(pid), kind, start, end }
    }

    #[test]
    fn locks_conflict_as_linux_says() {
        use LockKind::{Exclusive, Shared};
        let mut locks = Locks::default();
        locks.set(FILE, lock(1, Shared, 10, 20));
        for (wanted, conflicts) in [
            (lock(2, Shared, 0, 100), false),
            (lock(2, Exclusive, 0, 10), false),
            (lock(2, Exclusive, 19, 30), true),
            (lock(1, Exclusive, 0, 100), false),
            (FileLock { owner: LockOwner::File(FileId(1)), ..lock(0, Exclusive, 0, 100) }, false),
        ] {
            assert_eq!(locks.conflict(FILE, &wanted).is_some(), conflicts, "{wanted:?}");
        }
    }

    #[test]
    fn a_part_is_given_back() {
        let mut locks = Locks::default();
        let owner = LockOwner::Process(1);
        locks.set(FILE, lock(1, LockKind::Exclusive, 0, 100));
        assert!(locks.clear(FILE, owner, 40, 60));
        let other = |start, end| lock(2, LockKind::Shared, start, end);
        assert!(locks.conflict(FILE, &other(39, 41)).is_some());
        assert!(locks.conflict(FILE, &other(40, 60)).is_none());
        assert!(locks.conflict(FILE, &other(60, 61)).is_some());
        locks.set(FILE, lock(1, LockKind::Shared, 0, 40));
        assert!(locks.conflict(FILE, &other(0, 40)).is_none());
        assert_eq!(locks.files_of(owner), [FILE]);
        assert!(locks.clear(FILE, owner, 0, u64::MAX));
        assert!(!locks.clear(FILE, owner, 0, u64::MAX));
        assert_eq!((locks.nr_locks, locks.files_of(owner).len()), (0, 0));
    }
}
