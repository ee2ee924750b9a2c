//! Credentials: user and group ids, capabilities, and what they allow.
//!
//! [`Cred`] is what Linux's `struct cred` holds as far as it is modelled: one user namespace, no
//! ambient capabilities, no securebits but KEEPCAPS. Neighbours: `syscalls/cred.rs` changes it,
//! perf, ptrace and kill ask it.
//! Source: Linux 6.18 `kernel/sys.c`, `security/commoncap.c`, `kernel/ptrace.c`, capabilities(7).

use perf_core::TaskId;

use super::Tasks;

/// Capabilities that something here asks for, by their bit numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Cap {
    /// `CAP_CHOWN`: gives files away.
    Chown = 0,
    /// `CAP_DAC_OVERRIDE`: goes over the rights of files.
    DacOverride = 1,
    /// `CAP_DAC_READ_SEARCH`: the same for reading.
    DacReadSearch = 2,
    /// `CAP_FOWNER`: acts as the owner of files.
    Fowner = 3,
    /// `CAP_FSETID`: keeps set-id bits.
    Fsetid = 4,
    /// `CAP_KILL`: signals to anyone.
    Kill = 5,
    /// `CAP_SETGID`.
    Setgid = 6,
    /// `CAP_SETUID`.
    Setuid = 7,
    /// `CAP_SETPCAP`: drops capabilities from the bounding set.
    Setpcap = 8,
    /// `CAP_IPC_LOCK`: locks any memory.
    IpcLock = 14,
    /// `CAP_IPC_OWNER`: everyone's System V IPC objects.
    IpcOwner = 15,
    /// `CAP_SYS_CHROOT`.
    SysChroot = 18,
    /// `CAP_SYS_PTRACE`: access to anyone's processes.
    SysPtrace = 19,
    /// `CAP_SYS_ADMIN`.
    SysAdmin = 21,
    /// `CAP_SYS_NICE`: other priorities and CPUs.
    SysNice = 23,
    /// `CAP_SYS_RESOURCE`: beyond limits.
    SysResource = 24,
    /// `CAP_MKNOD`: makes devices.
    Mknod = 27,
    /// `CAP_PERFMON`.
    Perfmon = 38,
}

/// The last capability of Linux 6.18 (`CAP_CHECKPOINT_RESTORE`).
pub const CAP_LAST_CAP: u64 = 40;

/// A set of capabilities, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapSet(pub u64);

impl CapSet {
    /// All there are.
    pub const FULL: Self = Self((1 << (CAP_LAST_CAP + 1)) - 1);
    /// Those that go with user 0 for files (`CAP_FS_SET`).
    pub const FS: Self = Self(0x1f | 1 << 9 | 1 << 27 | 1 << 32);
    /// None.
    pub const EMPTY: Self = Self(0);

    /// Whether a capability is in it.
    #[must_use]
    pub const fn has(self, cap: Cap) -> bool {
        self.0 >> cap as u8 & 1 != 0
    }

    /// Whether all of it is in another one.
    #[must_use]
    pub const fn is_subset_of(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// What is in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// What is in either.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Ids of one kind: of users, or of groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// Who it belongs to.
    pub real: u32,
    /// Who it acts as.
    pub effective: u32,
    /// Who it may become again.
    pub saved: u32,
    /// Who it is for files.
    pub fs: u32,
}

impl Ids {
    /// Whether an unprivileged task may take this id.
    #[must_use]
    pub const fn may_take(self, id: u32) -> bool {
        id == self.real || id == self.effective || id == self.saved
    }
}

/// The ids that a program's set-id bits give.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SetIds {
    /// Its owner.
    pub user: Option<u32>,
    /// Its group.
    pub group: Option<u32>,
}

/// Credentials of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cred {
    /// User ids.
    pub user: Ids,
    /// Group ids.
    pub group: Ids,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// What it may do now.
    pub effective: CapSet,
    /// What it may make effective.
    pub permitted: CapSet,
    /// What an exec may keep.
    pub inheritable: CapSet,
    /// What an exec may give at most.
    pub bounding: CapSet,
    /// `PR_SET_KEEPCAPS`: leaving user 0 keeps what is permitted.
    pub keep_caps: bool,
    /// `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privs: bool,
}

impl Default for Cred {
    /// Root's, with every capability.
    fn default() -> Self {
        Self {
            user: Ids::default(),
            group: Ids::default(),
            groups: Vec::new(),
            effective: CapSet::FULL,
            permitted: CapSet::FULL,
            inheritable: CapSet::EMPTY,
            bounding: CapSet::FULL,
            keep_caps: false,
            no_new_privs: false,
        }
    }
}

impl Cred {
    /// `capable`.
    #[must_use]
    pub const fn capable(&self, cap: Cap) -> bool {
        self.effective.has(cap)
    }

    /// New user ids, and what becomes of the capabilities (`cap_emulate_setxuid`).
    pub fn set_user_ids(&mut self, new: Ids) {
        let old = std::mem::replace(&mut self.user, new);
        let is_root = |ids: Ids| ids.real == 0 || ids.effective == 0 || ids.saved == 0;
        if is_root(old) && !is_root(new) && !self.keep_caps {
            self.permitted = CapSet::EMPTY;
            self.effective = CapSet::EMPTY;
        }
        if old.effective == 0 && new.effective != 0 {
            self.effective = CapSet::EMPTY;
        } else if old.effective != 0 && new.effective == 0 {
            self.effective = self.permitted;
        }
    }

    /// A new user id for files, and the capabilities that go with it.
    pub fn set_fs_uid(&mut self, id: u32) {
        let old = std::mem::replace(&mut self.user.fs, id);
        if old == 0 && id != 0 {
            self.effective = CapSet(self.effective.0 & !CapSet::FS.0);
        } else if old != 0 && id == 0 {
            self.effective = self.effective.or(self.permitted.and(CapSet::FS));
        }
    }

    /// The credentials that `access` asks with: the real ids (`access_override_creds`).
    #[must_use]
    pub fn for_access(&self) -> Self {
        let mut cred = self.clone();
        (cred.user.fs, cred.group.fs) = (cred.user.real, cred.group.real);
        cred.effective = if cred.user.real == 0 { cred.permitted } else { CapSet::EMPTY };
        cred
    }

    /// What an exec leaves, of a program without capabilities of its own
    /// (`bprm_fill_uid`, `cap_bprm_creds_from_file`).
    pub fn exec(&mut self, new: SetIds) {
        self.user.effective = new.user.unwrap_or(self.user.effective);
        self.group.effective = new.group.unwrap_or(self.group.effective);
        let is_root = self.user.real == 0 || self.user.effective == 0;
        self.permitted = if is_root { self.inheritable.or(self.bounding) } else { CapSet::EMPTY };
        self.effective = if self.user.effective == 0 { self.permitted } else { CapSet::EMPTY };
        self.keep_caps = false;
        for ids in [&mut self.user, &mut self.group] {
            ids.saved = ids.effective;
            ids.fs = ids.effective;
        }
    }

    /// Whether a process with these may send a signal to one with `target`'s
    /// (`kill_ok_by_cred`).
    #[must_use]
    pub fn may_signal(&self, target: &Self) -> bool {
        let own = [self.user.effective, self.user.real];
        let same = own.iter().any(|id| *id == target.user.saved || *id == target.user.real);
        same || self.capable(Cap::Kill)
    }
}

/// Whether others may look into a process (`get_dumpable`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dumpable {
    /// `SUID_DUMP_DISABLE`: only with CAP_SYS_PTRACE.
    No,
    /// `SUID_DUMP_USER`.
    #[default]
    Yes,
}

impl Tasks {
    /// `ptrace_may_access` with the caller's real ids. Reading and attaching ask for the same
    /// here: there is no further security module.
    #[must_use]
    pub fn ptrace_may_access(&self, caller: TaskId, target: TaskId) -> bool {
        let (from, to) = (self.task(caller), self.task(target));
        if from.process == to.process || from.cred.capable(Cap::SysPtrace) {
            return true;
        }
        let same = |own: Ids, theirs: Ids| {
            [theirs.effective, theirs.saved, theirs.real].iter().all(|id| *id == own.real)
        };
        same(from.cred.user, to.cred.user)
            && same(from.cred.group, to.cred.group)
            && self.process_of(target).dumpable == Dumpable::Yes
            && to.cred.permitted.is_subset_of(from.cred.permitted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u32) -> Ids {
        Ids { real: id, effective: id, saved: id, fs: id }
    }

    #[test]
    fn leaving_root_for_good_gives_up_everything() {
        let mut cred = Cred::default();
        cred.set_user_ids(user(1000));
        assert_eq!((cred.effective, cred.permitted), (CapSet::EMPTY, CapSet::EMPTY));

        let mut kept = Cred { keep_caps: true, ..Cred::default() };
        kept.set_user_ids(user(1000));
        assert_eq!((kept.effective, kept.permitted), (CapSet::EMPTY, CapSet::FULL));
    }

    #[test]
    fn an_effective_id_can_come_back() {
        let mut cred = Cred::default();
        cred.set_user_ids(Ids { effective: 7, ..Ids::default() });
        assert!(!cred.capable(Cap::Kill));
        assert_eq!(cred.permitted, CapSet::FULL);
        cred.set_user_ids(Ids::default());
        assert!(cred.capable(Cap::Kill));
    }

    #[test]
    fn exec_gives_root_everything_and_others_nothing() {
        let mut cred = Cred { effective: CapSet::EMPTY, ..Cred::default() };
        cred.permitted = CapSet::EMPTY;
        cred.exec(SetIds::default());
        assert_eq!(cred.effective, CapSet::FULL);
        let mut cred = Cred { keep_caps: true, ..Cred::default() };
        cred.set_user_ids(user(5));
        cred.exec(SetIds::default());
        assert_eq!((cred.permitted, cred.keep_caps), (CapSet::EMPTY, false));
    }

    #[test]
    fn signals_go_to_ones_own_or_with_the_capability() {
        let of = |id| {
            let mut cred = Cred::default();
            cred.set_user_ids(user(id));
            cred
        };
        assert!(of(0).may_signal(&of(0)));
        assert!(Cred::default().may_signal(&of(3)));
        assert!(of(3).may_signal(&of(3)));
        assert!(!of(3).may_signal(&of(4)));
        assert!(!of(3).may_signal(&of(0)));
    }
}
