//! Objects of one kind by identifier and key.
//!
//! An identifier is an index and above it a sequence number that grows when indices are used
//! again, so that an identifier of a removed object names nothing for long.
//! Source: Linux 6.18 `ipc/util.c` (`ipc_addid`, `ipc_idr_alloc`, `ipcget`), `ipc/util.h`.

use std::collections::BTreeMap;

use perf_core::Errno;

use super::perm::{IpcPerm, Rights};
use crate::task::cred::Cred;
use crate::uapi::ipc::{IPC_CREAT, IPC_EXCL, IPC_PRIVATE};

/// Bits of an identifier that are the index.
const INDEX_BITS: u32 = 15;
/// Indices that are gone through before one is used again, at least.
const MIN_CYCLE: u32 = 64;
/// The first sequence number that does not fit.
const SEQ_END: u32 = (i32::MAX as u32 >> INDEX_BITS) + 1;

/// An object and whose it is.
#[derive(Debug)]
pub struct IpcObject<T> {
    /// Its identifier.
    pub id: i32,
    /// Whose it is.
    pub perm: IpcPerm,
    /// What it is.
    pub body: T,
}

/// What a `*get` call leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Get {
    /// An object that there is.
    Found(i32),
    /// A new one is to be made.
    Make,
}

/// Objects of one kind.
#[derive(Debug)]
pub struct IpcIds<T> {
    by_index: BTreeMap<u32, IpcObject<T>>,
    by_key: BTreeMap<i32, u32>,
    next_index: u32,
    last_index: Option<u32>,
    seq: u32,
    max: u32,
}

impl<T> IpcIds<T> {
    /// No objects, and at most `max`.
    #[must_use]
    pub const fn new(max: u32) -> Self {
        Self {
            by_index: BTreeMap::new(),
            by_key: BTreeMap::new(),
            next_index: 0,
            last_index: None,
            seq: 0,
            max,
        }
    }

    /// Number of objects.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_index.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_index.is_empty()
    }

    /// The largest index in use, 0 without any: what the `*_INFO` commands return.
    #[must_use]
    pub fn max_index(&self) -> u64 {
        self.by_index.keys().next_back().map_or(0, |index| u64::from(*index))
    }

    /// The objects by index.
    pub fn iter(&self) -> impl Iterator<Item = &IpcObject<T>> {
        self.by_index.values()
    }

    /// The same, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut IpcObject<T>> {
        self.by_index.values_mut()
    }

    /// What a `*get` call with a key and flags means; `fits` are the kind's own rules about an
    /// object that there is.
    ///
    /// # Errors
    /// ENOENT, EEXIST, EACCES, and what `fits` says.
    pub fn get_by_key(
        &self,
        key: i32,
        flags: u64,
        cred: &Cred,
        fits: impl FnOnce(&T) -> Result<(), Errno>,
    ) -> Result<Get, Errno> {
        let found = (key != IPC_PRIVATE).then(|| self.by_key.get(&key)).flatten();
        let Some(object) = found.and_then(|index| self.by_index.get(index)) else {
            let makes = key == IPC_PRIVATE || flags & IPC_CREAT != 0;
            return if makes { Ok(Get::Make) } else { Err(Errno::ENOENT) };
        };
        if flags & IPC_CREAT != 0 && flags & IPC_EXCL != 0 {
            return Err(Errno::EEXIST);
        }
        fits(&object.body)?;
        object.perm.check(cred, Rights::from_flags(flags))?;
        Ok(Get::Found(object.id))
    }

    /// Adds an object, and tells its identifier.
    ///
    /// # Errors
    /// ENOSPC where there are as many as there may be; the object is handed back.
    pub fn add(&mut self, perm: IpcPerm, body: T) -> Result<i32, (Errno, T)> {
        if self.by_index.len() as u32 >= self.max {
            return Err((Errno::ENOSPC, body));
        }
        let end = (self.by_index.len() as u32 * 3 / 2).clamp(MIN_CYCLE, 1 << INDEX_BITS);
        let is_free = |index: &u32| !self.by_index.contains_key(index);
        let mut candidates = (self.next_index..end).chain(0..end);
        let Some(index) = candidates.find(is_free) else { return Err((Errno::ENOSPC, body)) };
        if self.last_index.is_some_and(|last| index <= last) {
            self.seq = (self.seq + 1) % SEQ_END;
        }
        self.last_index = Some(index);
        self.next_index = index + 1;
        let id = (self.seq << INDEX_BITS | index) as i32;
        if perm.key != IPC_PRIVATE {
            self.by_key.insert(perm.key, index);
        }
        let perm = IpcPerm { seq: self.seq as u16, ..perm };
        self.by_index.insert(index, IpcObject { id, perm, body });
        Ok(id)
    }

    /// The object of an identifier.
    ///
    /// # Errors
    /// EINVAL where there is none.
    pub fn find(&self, id: i32) -> Result<&IpcObject<T>, Errno> {
        let index = u32::try_from(id).map_err(|_| Errno::EINVAL)? & ((1 << INDEX_BITS) - 1);
        self.by_index.get(&index).filter(|object| object.id == id).ok_or(Errno::EINVAL)
    }

    /// The same, to be changed.
    ///
    /// # Errors
    /// EINVAL.
    pub fn find_mut(&mut self, id: i32) -> Result<&mut IpcObject<T>, Errno> {
        let index = u32::try_from(id).map_err(|_| Errno::EINVAL)? & ((1 << INDEX_BITS) - 1);
        self.by_index.get_mut(&index).filter(|object| object.id == id).ok_or(Errno::EINVAL)
    }

    /// The object at an index (`*_STAT` commands), whatever its sequence number.
    ///
    /// # Errors
    /// EINVAL.
    pub fn at_index(&self, index: i32) -> Result<&IpcObject<T>, Errno> {
        let index = u32::try_from(index).map_err(|_| Errno::EINVAL)?;
        self.by_index.get(&(index & ((1 << INDEX_BITS) - 1))).ok_or(Errno::EINVAL)
    }

    /// Takes the key from an object, which keeps its identifier.
    pub fn drop_key(&mut self, id: i32) {
        if let Ok(object) = self.find_mut(id) {
            let key = std::mem::replace(&mut object.perm.key, IPC_PRIVATE);
            self.by_key.remove(&key);
        }
    }

    /// Removes an object.
    pub fn remove(&mut self, id: i32) -> Option<T> {
        self.drop_key(id);
        self.find(id).ok()?;
        let index = id as u32 & ((1 << INDEX_BITS) - 1);
        self.by_index.remove(&index).map(|object| object.body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn perm(key: i32) -> IpcPerm {
        IpcPerm::new(key, 0o600, &Cred::default())
    }

    #[test]
    fn identifiers_are_not_used_again_soon() {
        let mut ids = IpcIds::new(10);
        let first = ids.add(perm(0), 'a').unwrap();
        assert_eq!(ids.remove(first), Some('a'));
        let mut seen = vec![first];
        for _ in 0..200 {
            let id = ids.add(perm(0), 'b').unwrap();
            assert!(!seen.contains(&id));
            assert_eq!(ids.remove(id), Some('b'));
            seen.push(id);
        }
        assert_eq!(seen[64], 1 << INDEX_BITS);
        assert_eq!(ids.find(seen[3]).map(|object| object.id), Err(Errno::EINVAL));
    }

    #[test]
    fn keys_find_until_they_are_taken_away() {
        let mut ids = IpcIds::new(2);
        let cred = Cred::default();
        let get = |ids: &IpcIds<char>, flags| ids.get_by_key(7, flags, &cred, |_| Ok(()));
        assert_eq!(get(&ids, 0), Err(Errno::ENOENT));
        assert_eq!(get(&ids, IPC_CREAT), Ok(Get::Make));
        let id = ids.add(perm(7), 'x').unwrap();
        assert_eq!(get(&ids, IPC_CREAT), Ok(Get::Found(id)));
        assert_eq!(get(&ids, IPC_CREAT | IPC_EXCL), Err(Errno::EEXIST));
        ids.drop_key(id);
        assert_eq!(get(&ids, 0), Err(Errno::ENOENT));
        assert!(ids.find(id).is_ok());
        ids.add(perm(0), 'y').unwrap();
        assert_eq!(ids.add(perm(0), 'z'), Err((Errno::ENOSPC, 'z')));
        assert_eq!(ids.max_index(), 1);
    }
}
