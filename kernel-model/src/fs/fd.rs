//! File descriptors of a process (Linux's `files_struct`).
//! Source: Linux 6.18 `fs/file.c`.

use perf_core::Errno;

use super::file::{Console, FileId, FileKind, FileTable};
use crate::uapi::fcntl::{O_CLOEXEC, O_WRONLY};

/// `RLIMIT_NOFILE` of a new process.
pub const DEFAULT_NOFILE: u32 = 1024;
/// The largest table there can be (`sysctl_nr_open`).
pub const NR_OPEN: u32 = 1 << 20;

/// What exec does to a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnExec {
    /// It stays.
    Keep,
    /// It is closed (`FD_CLOEXEC`).
    Close,
}

impl OnExec {
    /// As the flags of open, pipe2 and dup3 say it.
    #[must_use]
    pub const fn from_open_flags(flags: u32) -> Self {
        if flags & O_CLOEXEC != 0 { Self::Close } else { Self::Keep }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Descriptor {
    file: FileId,
    on_exec: OnExec,
}

/// The descriptors of a process. Every one is a use of its open file.
#[derive(Debug)]
pub struct FdTable {
    slots: Vec<Option<Descriptor>>,
    limit: u32,
}

impl FdTable {
    /// A table without descriptors.
    #[must_use]
    pub fn new() -> Self {
        Self { slots: Vec::new(), limit: DEFAULT_NOFILE }
    }

    /// A table with standard input, output and error.
    #[must_use]
    pub fn with_console(files: &mut FileTable) -> Self {
        let mut table = Self::new();
        for (stream, flags) in
            [(Console::Stdin, 0), (Console::Stdout, O_WRONLY), (Console::Stderr, O_WRONLY)]
        {
            let file = files.open(FileKind::Console(stream), flags);
            table.slots.push(Some(Descriptor { file, on_exec: OnExec::Keep }));
        }
        table
    }

    /// Sets `RLIMIT_NOFILE`; descriptors beyond stay open.
    pub fn set_limit(&mut self, limit: u32) {
        self.limit = limit.min(NR_OPEN);
    }

    /// `RLIMIT_NOFILE`.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// The open file of a descriptor.
    ///
    /// # Errors
    /// EBADF.
    pub fn get(&self, fd: i32) -> Result<FileId, Errno> {
        self.descriptor(fd).map(|descriptor| descriptor.file)
    }

    /// What exec does to a descriptor.
    ///
    /// # Errors
    /// EBADF.
    pub fn on_exec(&self, fd: i32) -> Result<OnExec, Errno> {
        self.descriptor(fd).map(|descriptor| descriptor.on_exec)
    }

    /// Says what exec does to a descriptor.
    ///
    /// # Errors
    /// EBADF.
    pub fn set_on_exec(&mut self, fd: i32, on_exec: OnExec) -> Result<(), Errno> {
        self.descriptor(fd)?;
        if let Some(Some(descriptor)) = self.slots.get_mut(fd as usize) {
            descriptor.on_exec = on_exec;
        }
        Ok(())
    }

    /// The descriptors that are open, ascending.
    pub fn open_fds(&self) -> impl Iterator<Item = i32> {
        (0..).zip(&self.slots).filter(|(_, slot)| slot.is_some()).map(|(fd, _)| fd)
    }

    /// Gives an open file the lowest free descriptor from `min`; the use of it goes over to the
    /// table.
    ///
    /// # Errors
    /// EMFILE, and then the use stays the caller's; EINVAL where `min` is beyond the limit.
    pub fn install_from(&mut self, min: u64, file: FileId, on_exec: OnExec) -> Result<i32, Errno> {
        if min >= u64::from(self.limit) {
            return Err(Errno::EINVAL);
        }
        let is_free = |fd: &usize| self.slots.get(*fd).is_none_or(Option::is_none);
        let free = (min as usize..self.limit as usize).find(is_free).ok_or(Errno::EMFILE)?;
        self.put(free, Descriptor { file, on_exec });
        Ok(free as i32)
    }

    /// The same from descriptor 0.
    ///
    /// # Errors
    /// EMFILE, and then the use stays the caller's.
    pub fn install(&mut self, file: FileId, on_exec: OnExec) -> Result<i32, Errno> {
        self.install_from(0, file, on_exec).map_err(|_| Errno::EMFILE)
    }

    /// `dup`.
    ///
    /// # Errors
    /// EBADF, EMFILE.
    pub fn dup(&mut self, files: &mut FileTable, fd: i32) -> Result<i32, Errno> {
        let file = self.get(fd)?;
        let copy = self.install(file, OnExec::Keep)?;
        files.share(file);
        Ok(copy)
    }

    /// `fcntl` with `F_DUPFD` and `F_DUPFD_CLOEXEC`.
    ///
    /// # Errors
    /// EBADF, EMFILE; EINVAL where `min` is beyond the limit.
    pub fn dup_from(
        &mut self,
        files: &mut FileTable,
        fd: i32,
        min: u64,
        on_exec: OnExec,
    ) -> Result<i32, Errno> {
        let file = self.get(fd)?;
        let copy = self.install_from(min, file, on_exec)?;
        files.share(file);
        Ok(copy)
    }

    /// `dup2`: also tells what was closed for good in the place of `to`.
    ///
    /// # Errors
    /// EBADF.
    pub fn dup2(
        &mut self,
        files: &mut FileTable,
        from: i32,
        to: i32,
    ) -> Result<(i32, Option<FileKind>), Errno> {
        if from == to {
            self.get(from)?;
            return Ok((to, None));
        }
        self.dup3(files, from, to, 0)
    }

    /// `dup3`, of whose flags only `O_CLOEXEC` is known.
    ///
    /// # Errors
    /// EINVAL for other flags or two equal descriptors; EBADF.
    pub fn dup3(
        &mut self,
        files: &mut FileTable,
        from: i32,
        to: i32,
        flags: u32,
    ) -> Result<(i32, Option<FileKind>), Errno> {
        if flags & !O_CLOEXEC != 0 || from == to {
            return Err(Errno::EINVAL);
        }
        let place = u32::try_from(to).ok().filter(|to| *to < self.limit).ok_or(Errno::EBADF)?;
        let file = files.share(self.get(from)?);
        let before = self.slots.get_mut(place as usize).and_then(Option::take);
        self.put(place as usize, Descriptor { file, on_exec: OnExec::from_open_flags(flags) });
        Ok((to, before.and_then(|before| files.release(before.file))))
    }

    /// `close`: tells what was closed for good.
    ///
    /// # Errors
    /// EBADF.
    pub fn close(&mut self, files: &mut FileTable, fd: i32) -> Result<Option<FileKind>, Errno> {
        let descriptor = self.descriptor(fd)?;
        self.slots[fd as usize] = None;
        Ok(files.release(descriptor.file))
    }

    /// `exec`: closes what is to be closed, and tells what was closed for good.
    pub fn close_on_exec(&mut self, files: &mut FileTable) -> Vec<FileKind> {
        self.close_where(files, |_, descriptor| descriptor.on_exec == OnExec::Close)
    }

    /// `close_range` without flags, and the end of a process: closes `first..=last`, and tells
    /// what was closed for good.
    pub fn close_range(&mut self, files: &mut FileTable, first: u32, last: u32) -> Vec<FileKind> {
        self.close_where(files, |fd, _| (first..=last).contains(&fd))
    }

    /// `close_range` with `CLOSE_RANGE_CLOEXEC`: exec will close `first..=last`.
    pub fn cloexec_range(&mut self, first: u32, last: u32) {
        for (fd, slot) in (0..).zip(&mut self.slots) {
            if let Some(descriptor) = slot.as_mut().filter(|_| (first..=last).contains(&fd)) {
                descriptor.on_exec = OnExec::Close;
            }
        }
    }

    /// The end of a process: closes everything, and tells what was closed for good.
    pub fn close_all(&mut self, files: &mut FileTable) -> Vec<FileKind> {
        self.close_range(files, 0, u32::MAX)
    }

    /// The child's table at fork: the same open files.
    #[must_use]
    pub fn fork(&self, files: &mut FileTable) -> Self {
        for descriptor in self.slots.iter().flatten() {
            files.share(descriptor.file);
        }
        Self { slots: self.slots.clone(), limit: self.limit }
    }

    fn descriptor(&self, fd: i32) -> Result<Descriptor, Errno> {
        let fd = usize::try_from(fd).map_err(|_| Errno::EBADF)?;
        self.slots.get(fd).copied().flatten().ok_or(Errno::EBADF)
    }

    fn put(&mut self, place: usize, descriptor: Descriptor) {
        if self.slots.len() <= place {
            self.slots.resize(place + 1, None);
        }
        self.slots[place] = Some(descriptor);
    }

    fn close_where(
        &mut self,
        files: &mut FileTable,
        closes: impl Fn(u32, &Descriptor) -> bool,
    ) -> Vec<FileKind> {
        let mut closed = Vec::new();
        for (fd, slot) in (0..).zip(&mut self.slots) {
            if let Some(descriptor) = slot.take_if(|descriptor| closes(fd, descriptor)) {
                closed.extend(files.release(descriptor.file));
            }
        }
        closed
    }
}

impl Default for FdTable {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> (FileTable, FdTable) {
        let mut files = FileTable::default();
        let fds = FdTable::with_console(&mut files);
        (files, fds)
    }

    #[test]
    fn the_lowest_free_descriptor_is_used() {
        let (mut files, mut fds) = start();
        assert_eq!(fds.dup(&mut files, 1), Ok(3));
        assert_eq!(fds.close(&mut files, 0), Ok(Some(FileKind::Console(Console::Stdin))));
        assert_eq!(fds.dup(&mut files, 1), Ok(0));
        assert_eq!(fds.dup_from(&mut files, 1, 10, OnExec::Close), Ok(10));
        assert_eq!(fds.dup_from(&mut files, 1, 10, OnExec::Keep), Ok(11));
        assert_eq!(fds.dup_from(&mut files, 1, 1024, OnExec::Keep), Err(Errno::EINVAL));
        assert_eq!(fds.dup(&mut files, 9), Err(Errno::EBADF));
        assert_eq!(fds.close(&mut files, -1), Err(Errno::EBADF));
        fds.set_limit(4);
        assert_eq!(fds.dup(&mut files, 1), Err(Errno::EMFILE));
        assert_eq!(fds.open_fds().collect::<Vec<_>>(), [0, 1, 2, 3, 10, 11]);
        assert_eq!(fds.close_all(&mut files).len(), 2);
        assert_eq!(files.nr_open(), 0);
    }

    #[test]
    fn dup2_and_dup3_take_a_place() {
        let (mut files, mut fds) = start();
        let stderr = FileKind::Console(Console::Stderr);
        assert_eq!(fds.dup2(&mut files, 1, 1), Ok((1, None)));
        assert_eq!(fds.dup2(&mut files, 7, 7), Err(Errno::EBADF));
        assert_eq!(fds.dup2(&mut files, 1, 2), Ok((2, Some(stderr))));
        assert_eq!(fds.dup2(&mut files, 1, 1024), Err(Errno::EBADF));
        assert_eq!(fds.dup2(&mut files, 1, -1), Err(Errno::EBADF));
        assert_eq!(fds.dup3(&mut files, 1, 1, 0), Err(Errno::EINVAL));
        assert_eq!(fds.dup3(&mut files, 1, 5, 1), Err(Errno::EINVAL));
        assert_eq!(fds.dup3(&mut files, 1, 5, O_CLOEXEC), Ok((5, None)));
        assert_eq!(fds.on_exec(5), Ok(OnExec::Close));
        assert_eq!(fds.get(5), fds.get(1));
    }

    #[test]
    fn fork_shares_and_exec_closes() {
        let (mut files, mut fds) = start();
        let (read, write) = files.open_pipe(0).unwrap();
        let read_fd = fds.install(read, OnExec::Close).unwrap();
        fds.install(write, OnExec::Keep).unwrap();
        let mut child = fds.fork(&mut files);
        assert_eq!(child.close_on_exec(&mut files), [], "the parent still has it");
        assert_eq!(child.get(read_fd), Err(Errno::EBADF));
        assert_eq!(fds.close_on_exec(&mut files).len(), 1);
        child.close_all(&mut files);
        assert_eq!(fds.close_all(&mut files).len(), 4);
        assert_eq!(files.nr_open(), 0);
    }
}
