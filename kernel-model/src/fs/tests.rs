//! The tree of names on a booted kernel, with a host that is made up.

use std::collections::BTreeMap;

use perf_core::{Errno, TaskId};
use proptest::prelude::*;

use super::host::{HostMount, MountAccess};
use super::inode::InodeId;
use super::namei::{LastLink, Node};
use super::open::OpenHow;
use super::{At, FileId, FileKind, IoResult};
use crate::arch::x86::pt_regs::PtRegs;
use crate::inputs::{FixedInputs, HostEntry, HostKind, HostPlace, InputError, Inputs};
use crate::kernel::{Kernel, KernelConfig, Started};
use crate::mm::address_space::AddressSpace;
use crate::mm::layout::PAGE_SIZE;
use crate::uapi::fcntl::{
    AT_FDCWD, O_APPEND, O_CREAT, O_DIRECTORY, O_EXCL, O_NOFOLLOW, O_PATH, O_RDWR, O_TRUNC, O_WRONLY,
};

/// A host with directories and files by path.
#[derive(Default)]
struct MadeUp {
    files: BTreeMap<&'static str, Vec<u8>>,
    fixed: Option<FixedInputs>,
}

impl MadeUp {
    fn entry(&self, path: &str) -> Option<HostEntry> {
        let below = format!("{path}/");
        let is_directory =
            path.is_empty() || self.files.keys().any(|file| file.starts_with(&below));
        let bytes = self.files.get(path);
        if !is_directory && bytes.is_none() {
            return None;
        }
        Some(HostEntry {
            name: path.rsplit('/').next().unwrap_or("").as_bytes().to_vec(),
            kind: if is_directory { HostKind::Directory } else { HostKind::Regular },
            permissions: 0o755,
            uid: 5,
            gid: 6,
            nr_bytes: bytes.map_or(0, |bytes| bytes.len() as u64),
            modified_ns: 77,
            target: Vec::new(),
        })
    }
}

fn text(place: &HostPlace) -> String {
    String::from_utf8_lossy(&place.path).into_owned()
}

impl Inputs for MadeUp {
    fn stdin(&mut self, _max: usize) -> Result<Vec<u8>, InputError> {
        Ok(Vec::new())
    }

    fn random(&mut self, out: &mut [u8]) -> Result<(), InputError> {
        self.fixed.get_or_insert_with(|| FixedInputs::new(1)).random(out)
    }

    fn boot_realtime_ns(&mut self) -> Result<u64, InputError> {
        Ok(1_000)
    }

    fn host_entry(&mut self, place: &HostPlace) -> Result<Result<HostEntry, Errno>, InputError> {
        Ok(self.entry(&text(place)).ok_or(Errno::ENOENT))
    }

    fn host_directory(
        &mut self,
        place: &HostPlace,
    ) -> Result<Result<Vec<HostEntry>, Errno>, InputError> {
        let path = text(place);
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let mut names: Vec<String> = self
            .files
            .keys()
            .filter_map(|file| file.strip_prefix(prefix.as_str()))
            .map(|rest| rest.split('/').next().unwrap_or(rest).to_owned())
            .collect();
        names.dedup();
        Ok(Ok(names.iter().filter_map(|name| self.entry(&format!("{prefix}{name}"))).collect()))
    }

    fn host_read(
        &mut self,
        place: &HostPlace,
        offset: u64,
        max: usize,
    ) -> Result<Result<Vec<u8>, Errno>, InputError> {
        let bytes = self.files.get(text(place).as_str());
        let rest = bytes.map(|bytes| &bytes[bytes.len().min(offset as usize)..]);
        Ok(rest.map(|rest| rest[..rest.len().min(max)].to_vec()).ok_or(Errno::ENOENT))
    }
}

/// A kernel with one process that has no program.
struct World {
    kernel: Kernel,
    task: TaskId,
}

impl World {
    fn new(files: &[(&'static str, &[u8])], mounts: &[(&str, MountAccess)]) -> Self {
        let files = files.iter().map(|(path, bytes)| (*path, bytes.to_vec())).collect();
        let mounts = mounts
            .iter()
            .map(|(target, access)| HostMount {
                target: target.as_bytes().to_vec(),
                access: *access,
            })
            .collect();
        let config = KernelConfig { ram_bytes: 8 << 20, mounts, ..KernelConfig::default() };
        let inputs = MadeUp { files, fixed: None };
        let mut kernel = Kernel::boot(&config, Box::new(inputs)).unwrap();
        let template = &kernel.layout.template;
        let space = AddressSpace::new(&mut kernel.hw, &mut kernel.frames, template).unwrap();
        let mm = kernel.tasks.add_space(space);
        let started = Started { regs: PtRegs::new_user(0, 0), auxv: Vec::new() };
        let task = kernel.add_first_task(mm, started, "test").unwrap();
        Self { kernel, task }
    }

    fn open(&mut self, path: &str, flags: u32) -> Result<FileId, Errno> {
        let how = OpenHow { flags, mode: 0o644, resolve: 0 };
        self.kernel.open_path(self.task, AT_FDCWD, path.as_bytes(), &how)
    }

    fn read(&mut self, file: FileId, len: usize) -> Vec<u8> {
        let mut out = vec![0; len];
        match self.kernel.read_file(file, &mut out, At::Position) {
            Ok(IoResult::Done(nr)) => out[..nr].to_vec(),
            other => panic!("{other:?}"),
        }
    }

    fn contents(&mut self, path: &str) -> Result<Vec<u8>, Errno> {
        let file = self.open(path, 0)?;
        let bytes = self.read(file, 100_000);
        self.kernel.release_file(file);
        Ok(bytes)
    }

    fn write(&mut self, file: FileId, bytes: &[u8]) -> IoResult {
        self.kernel.write_file(self.task, file, bytes, At::Position)
    }

    fn node(&mut self, path: &str) -> Result<Node, Errno> {
        let base = self.kernel.base_of(self.task, AT_FDCWD, path.as_bytes())?;
        self.kernel.walk(self.task, base, path.as_bytes(), LastLink::Follow)?.found()
    }

    fn walked_name(&mut self, path: &str) -> super::namei::Walked {
        self.kernel.walk_to_name(self.task, AT_FDCWD, path.as_bytes()).unwrap()
    }

    fn mkdir(&mut self, path: &str) -> Result<(), Errno> {
        let walked = self.kernel.walk_to_name(self.task, AT_FDCWD, path.as_bytes())?;
        self.kernel.vfs_mkdir(self.task, &walked, 0o755)
    }

    fn unlink(&mut self, path: &str) -> Result<(), Errno> {
        let walked = self.kernel.walk_to_name(self.task, AT_FDCWD, path.as_bytes())?;
        self.kernel.vfs_unlink(self.task, &walked)
    }

    fn inode(&mut self, path: &str) -> InodeId {
        match self.node(path) {
            Ok(Node::Inode(id)) => id,
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn paths_lead_where_linux_says() {
    let mut world = World::new(&[], &[]);
    world.mkdir("/tmp/d").unwrap();
    let made = world.open("/tmp/d/file", O_CREAT | O_WRONLY).unwrap();
    world.kernel.release_file(made);
    for (name, target) in [("to", "d/file"), ("loop", "loop"), ("none", "/gone"), ("dir", "/tmp/d")]
    {
        let walked = world.walked_name(&format!("/tmp/{name}"));
        world.kernel.vfs_symlink(world.task, &walked, target.as_bytes()).unwrap();
    }
    let file = Ok(Node::Inode(world.inode("/tmp/d/file")));
    let long = format!("/{}", "a".repeat(256));
    let longest = "/".repeat(4096);
    for (path, want) in [
        ("/tmp/d/file", file),
        ("//tmp/./d/../d//file", file),
        ("/../tmp/to", file),
        ("/tmp/dir/file", file),
        ("/tmp/d/file/", Err(Errno::ENOTDIR)),
        ("/tmp/d/file/x", Err(Errno::ENOTDIR)),
        ("/tmp/d/file/..", Err(Errno::ENOTDIR)),
        ("/tmp/loop", Err(Errno::ELOOP)),
        ("/tmp/none", Err(Errno::ENOENT)),
        ("/tmp/x/y", Err(Errno::ENOENT)),
        ("", Err(Errno::ENOENT)),
        (long.as_str(), Err(Errno::ENAMETOOLONG)),
        (longest.as_str(), Err(Errno::ENAMETOOLONG)),
    ] {
        assert_eq!(world.node(path), want, "{path}");
    }
}

#[test]
fn open_flags_decide() {
    let mut world = World::new(&[], &[]);
    world.mkdir("/tmp/d").unwrap();
    let walked = world.walked_name("/tmp/link");
    world.kernel.vfs_symlink(world.task, &walked, b"file").unwrap();
    let made = world.open("/tmp/file", O_CREAT | O_EXCL | O_RDWR).unwrap();
    assert_eq!(world.write(made, b"one two"), IoResult::Done(7));
    world.kernel.release_file(made);
    for (path, flags, want) in [
        ("/tmp/file", O_CREAT | O_EXCL, Some(Errno::EEXIST)),
        ("/tmp/link", O_CREAT | O_EXCL, Some(Errno::EEXIST)),
        ("/tmp/link", O_NOFOLLOW, Some(Errno::ELOOP)),
        ("/tmp/link", O_NOFOLLOW | O_PATH, None),
        ("/tmp/file", O_DIRECTORY, Some(Errno::ENOTDIR)),
        ("/tmp/d", O_WRONLY, Some(Errno::EISDIR)),
        ("/tmp/d", O_CREAT, Some(Errno::EISDIR)),
        ("/tmp/d", O_DIRECTORY, None),
        ("/tmp/new/", O_CREAT | O_WRONLY, Some(Errno::EISDIR)),
        ("/proc/new", O_CREAT | O_WRONLY, Some(Errno::ENOENT)),
        ("/sys/new", O_CREAT | O_WRONLY, Some(Errno::EACCES)),
        ("/sys/devices/system/cpu/online", O_WRONLY, Some(Errno::EACCES)),
        ("/dev/tty", 0, Some(Errno::ENXIO)),
        ("/dev/null", O_RDWR | O_TRUNC, None),
    ] {
        assert_eq!(world.open(path, flags).err(), want, "{path} {flags:#o}");
    }
    let appended = world.open("/tmp/link", O_WRONLY | O_APPEND).unwrap();
    world.write(appended, b" three");
    assert_eq!(world.contents("/tmp/file").unwrap(), b"one two three");
    world.open("/tmp/file", O_WRONLY | O_TRUNC).unwrap();
    assert_eq!(world.contents("/tmp/file").unwrap(), b"");
}

#[test]
fn texts_of_the_kernel_are_shown_and_written() {
    let mut world = World::new(&[], &[]);
    let rate = "/proc/sys/kernel/perf_event_max_sample_rate";
    let file = world.open(rate, O_RDWR).unwrap();
    assert_eq!(world.write(file, b"0"), IoResult::Err(Errno::EINVAL));
    assert_eq!(world.write(file, b"many"), IoResult::Err(Errno::EINVAL));
    assert_eq!(world.write(file, b"4000\n"), IoResult::Done(5));
    assert_eq!(world.contents(rate).unwrap(), b"4000\n");
    assert_eq!(world.kernel.perf.config.limits.max_sample_rate, 4000);
    let pid = world.kernel.tasks.process_of(world.task).pid;
    for path in [format!("/proc/{pid}/comm"), "/proc/self/task/1000/comm".to_owned()] {
        assert_eq!(world.contents(&path).unwrap(), b"test\n", "{path}");
    }
    assert_eq!(world.contents("/proc/01000/comm"), Err(Errno::ENOENT));
    let mounts = String::from_utf8(world.contents("/proc/mounts").unwrap()).unwrap();
    assert!(mounts.contains("tracefs /sys/kernel/tracing tracefs rw"), "{mounts}");
}

#[test]
fn host_files_are_copied_when_written() {
    let large = vec![7; 300_000];
    let files: [(&str, &[u8]); 3] =
        [("a/file", b"of the host"), ("a/b/c", b"deep"), ("big", &large)];
    let mut world = World::new(&files, &[("/", MountAccess::CopyOnWrite)]);
    assert_eq!(world.contents("/a/file").unwrap(), b"of the host");
    assert_eq!(world.contents("/a/b/c").unwrap(), b"deep");
    let file = world.open("/a/file", O_RDWR).unwrap();
    assert_eq!(world.write(file, b"OF"), IoResult::Done(2));
    assert_eq!(world.contents("/a/file").unwrap(), b"OF the host");
    let stat = world.kernel.fstat(file).unwrap();
    assert_eq!((stat.uid, stat.gid, stat.mode, stat.nr_bytes), (5, 6, 0o100_755, 11));
    let big = world.inode("/big");
    world.kernel.file_truncate(big, 150_000).unwrap();
    world.kernel.file_truncate(big, 200_000).unwrap();
    let bytes = world.kernel.file_bytes(big, 1 << 20).unwrap();
    assert!(bytes[..150_000].iter().all(|byte| *byte == 7));
    assert!(bytes[150_000..].iter().all(|byte| *byte == 0));
    world.unlink("/a/file").unwrap();
    assert_eq!(world.contents("/a/file"), Err(Errno::ENOENT));
    assert_eq!(world.contents("/proc/self/comm").unwrap(), b"test\n", "what is always there");
}

#[test]
fn a_read_only_mount_refuses_changes() {
    let mut world = World::new(&[("x", b"text")], &[("/data/in", MountAccess::ReadOnly)]);
    assert_eq!(world.contents("/data/in/x").unwrap(), b"text");
    assert_eq!(world.open("/data/in/x", O_WRONLY), Err(Errno::EROFS));
    assert_eq!(world.open("/data/in/y", O_WRONLY | O_CREAT), Err(Errno::EROFS));
    assert_eq!(world.mkdir("/data/in/y"), Err(Errno::EROFS));
    assert_eq!(world.unlink("/data/in/x"), Err(Errno::EROFS));
    world.mkdir("/data/out").unwrap();
    let (from, to) = (world.walked_name("/data/in/x"), world.walked_name("/data/out/x"));
    assert_eq!(world.kernel.vfs_rename(world.task, &from, &to, 0), Err(Errno::EROFS));
    let (from, to) = (world.walked_name("/data/in"), world.walked_name("/data/there"));
    assert_eq!(world.kernel.vfs_rename(world.task, &from, &to, 0), Err(Errno::EBUSY));
}

#[test]
fn files_cannot_take_all_memory() {
    let mut world = World::new(&[], &[]);
    let file = world.open("/tmp/large", O_CREAT | O_RDWR).unwrap();
    let piece = vec![1; 1 << 20];
    let mut results = (0..8).map(|_| world.write(file, &piece));
    assert!(results.any(|result| result == IoResult::Err(Errno::ENOSPC)));
    let FileKind::Regular(id) = world.kernel.files.file(file).kind else { panic!("a file") };
    world.kernel.file_truncate(id, 0).unwrap();
    assert_eq!(world.write(file, &piece), IoResult::Done(1 << 20));
    assert_eq!(world.kernel.file_write(id, 1 << 60, b"x"), Err(Errno::EFBIG));
    let used = world.kernel.vfs.room();
    world.kernel.release_file(file);
    world.unlink("/tmp/large").unwrap();
    assert_eq!(world.kernel.vfs.room().1, used.0, "all of it is given back");
}

/// What is done to a file.
#[derive(Clone, Debug)]
enum Act {
    Write(u64, Vec<u8>),
    Truncate(u64),
    Zero(u64, u64),
    /// Maps it: from then on its pages are in guest memory.
    Map,
}

fn act() -> impl Strategy<Value = Act> {
    let offset = 0..3 * PAGE_SIZE;
    prop_oneof![
        4 => (offset.clone(), prop::collection::vec(1..=255_u8, 0..6000))
            .prop_map(|(at, bytes)| Act::Write(at, bytes)),
        3 => offset.clone().prop_map(Act::Truncate),
        1 => (offset.clone(), offset).prop_map(|(at, len)| Act::Zero(at, len)),
        1 => Just(Act::Map),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A file of the host, whatever is done to it, is a vector of bytes.
    #[test]
    fn a_file_is_its_bytes(acts in prop::collection::vec(act(), 1..12)) {
        let start: Vec<u8> = (0..9000_u32).map(|n| (n % 250) as u8 + 1).collect();
        let mut world = World::new(&[("f", &start)], &[("/", MountAccess::CopyOnWrite)]);
        let id = world.inode("/f");
        let mut twin = start;
        for act in acts {
            match act {
                Act::Write(at, bytes) => {
                    prop_assert_eq!(world.kernel.file_write(id, at, &bytes), Ok(bytes.len()));
                    let end = at as usize + bytes.len();
                    if !bytes.is_empty() {
                        twin.resize(twin.len().max(end), 0);
                        twin[at as usize..end].copy_from_slice(&bytes);
                    }
                }
                Act::Truncate(size) => {
                    prop_assert_eq!(world.kernel.file_truncate(id, size), Ok(()));
                    twin.resize(size as usize, 0);
                }
                Act::Zero(at, len) => {
                    prop_assert_eq!(world.kernel.file_zero(id, at, len), Ok(()));
                    let end = twin.len().min((at + len) as usize);
                    if (at as usize) < end {
                        twin[at as usize..end].fill(0);
                    }
                }
                Act::Map => {
                    let object = world.kernel.file_map(id, 0, twin.len() as u64).unwrap();
                    object.release(&world.kernel.hw, &mut world.kernel.frames);
                }
            }
            prop_assert_eq!(&world.kernel.file_bytes(id, 1 << 20).unwrap(), &twin);
        }
    }
}
