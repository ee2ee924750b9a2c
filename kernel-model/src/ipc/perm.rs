//! Whose an object is, and who may use it.
//! Source: Linux 6.18 `ipc/util.c` (`ipcperms`, `ipcctl_obtain_check`, `ipc_update_perm`).

use perf_core::Errno;

use crate::task::cred::{Cap, Cred};
use crate::uapi::ipc::IPC_PERM_BYTES;
use crate::uapi::put;

/// Rights asked for, in the lowest three bits as in a file's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights(u16);

impl Rights {
    /// Nothing (the `*_STAT_ANY` commands).
    pub const NONE: Self = Self(0);
    /// To read.
    pub const READ: Self = Self(4);
    /// To change.
    pub const WRITE: Self = Self(2);

    /// What the flags of a `*get` call ask for, for anyone.
    #[must_use]
    pub const fn from_flags(flags: u64) -> Self {
        Self(((flags >> 6 | flags >> 3 | flags) & 7) as u16)
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Owner, maker and mode (`struct kern_ipc_perm`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpcPerm {
    /// The key that it was made with.
    pub key: i32,
    /// Owner.
    pub uid: u32,
    /// Owner's group.
    pub gid: u32,
    /// Maker.
    pub cuid: u32,
    /// Maker's group.
    pub cgid: u32,
    /// Nine rights, and bits of the kind.
    pub mode: u32,
    /// Sequence number of its identifier.
    pub seq: u16,
}

impl IpcPerm {
    /// Those of a new object.
    #[must_use]
    pub fn new(key: i32, flags: u64, cred: &Cred) -> Self {
        let (uid, gid) = (cred.user.effective, cred.group.effective);
        let mode = (flags & 0o777) as u32;
        Self { key, uid, gid, cuid: uid, cgid: gid, mode, seq: 0 }
    }

    /// Whether a task may use the object so (`ipcperms`).
    ///
    /// # Errors
    /// EACCES.
    pub fn check(&self, cred: &Cred, wanted: Rights) -> Result<(), Errno> {
        let user = cred.user.effective;
        let in_group = |gid: u32| cred.group.effective == gid || cred.groups.contains(&gid);
        let shift = if user == self.cuid || user == self.uid {
            6
        } else if in_group(self.cgid) || in_group(self.gid) {
            3
        } else {
            0
        };
        let granted = (self.mode >> shift) as u16;
        if wanted.0 & !granted & 7 == 0 || cred.capable(Cap::IpcOwner) {
            Ok(())
        } else {
            Err(Errno::EACCES)
        }
    }

    /// Whether a task may change owner and mode, or remove the object.
    ///
    /// # Errors
    /// EPERM.
    pub fn check_owner(&self, cred: &Cred) -> Result<(), Errno> {
        let user = cred.user.effective;
        if user == self.cuid || user == self.uid || cred.capable(Cap::SysAdmin) {
            Ok(())
        } else {
            Err(Errno::EPERM)
        }
    }

    /// Owner and mode from a `struct ipc64_perm` (IPC_SET).
    ///
    /// # Errors
    /// EINVAL for an id that nobody has.
    pub fn update(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let (uid, gid) = (word(4), word(8));
        if uid == u32::MAX || gid == u32::MAX {
            return Err(Errno::EINVAL);
        }
        (self.uid, self.gid) = (uid, gid);
        self.mode = self.mode & !0o777 | word(20) & 0o777;
        Ok(())
    }

    /// `struct ipc64_perm`.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; IPC_PERM_BYTES] {
        let mut bytes = [0; IPC_PERM_BYTES];
        put(&mut bytes, 0, self.key.to_le_bytes());
        for (at, value) in
            [(4, self.uid), (8, self.gid), (12, self.cuid), (16, self.cgid), (20, self.mode)]
        {
            put(&mut bytes, at, value.to_le_bytes());
        }
        put(&mut bytes, 24, self.seq.to_le_bytes());
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::task::cred::{CapSet, Ids};

    fn user(uid: u32, gid: u32) -> Cred {
        let ids = |id| Ids { real: id, effective: id, saved: id, fs: id };
        let effective = if uid == 0 { CapSet::FULL } else { CapSet::EMPTY };
        Cred { user: ids(uid), group: ids(gid), effective, ..Cred::default() }
    }

    #[test]
    fn owner_group_and_others() {
        let perm = IpcPerm::new(1, 0o640, &user(5, 50));
        let may = |cred: &Cred, rights| perm.check(cred, rights).is_ok();
        let both = Rights::READ.with(Rights::WRITE);
        for (cred, reads, writes) in [
            (user(5, 1), true, true),
            (user(6, 50), true, false),
            (user(6, 1), false, false),
            (user(0, 0), true, true),
        ] {
            assert_eq!((may(&cred, Rights::READ), may(&cred, both)), (reads, writes));
            assert!(may(&cred, Rights::NONE));
        }
        assert_eq!(perm.check_owner(&user(6, 50)), Err(Errno::EPERM));
        assert_eq!(perm.check_owner(&user(5, 1)), Ok(()));
    }

    #[test]
    fn owner_and_mode_can_be_given_away() {
        let mut perm = IpcPerm::new(1, 0o600, &user(5, 50));
        perm.mode |= 0o1000;
        let mut wanted = IpcPerm::new(9, 0o644, &user(7, 70)).to_bytes();
        assert_eq!(perm.update(&wanted), Ok(()));
        assert_eq!((perm.key, perm.uid, perm.gid, perm.cuid, perm.mode), (1, 7, 70, 5, 0o1644));
        put(&mut wanted, 4, u32::MAX.to_le_bytes());
        assert_eq!(perm.update(&wanted), Err(Errno::EINVAL));
    }
}
