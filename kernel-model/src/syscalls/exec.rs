//! execve and execveat: finding the program, its interpreters and its strings. What follows is
//! [`crate::kernel`]'s.
//!
//! The checks come in Linux's order: the path, the file, then argv and envp, then what kind of
//! file it is.
//! Source: Linux 6.18 `fs/exec.c` (`do_execveat_common`, `exec_binprm`), `fs/binfmt_script.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::fs_path::{Place, read_path};
use super::table::Syscall;
use crate::arch::x86::hw::PAGE_SIZE;
use crate::exec::elf::{self, ElfError};
use crate::exec::{script, stack};
use crate::fs::inode::InodeId;
use crate::fs::namei::{Node, Walked};
use crate::kernel::{Bprm, DeThread, Kernel, Program};
use crate::ptrace::Stop;
use crate::uapi::fcntl::{AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW};

pub(super) const CALLS: &[Syscall] = &[
    Syscall::waiting(59, "execve", |kernel, task, args| {
        let place = Place { dirfd: AT_FDCWD, path_at: args[0], flags: 0 };
        execveat(kernel, task, &place, args[1], args[2])
    }),
    Syscall::waiting(322, "execveat", |kernel, task, args| {
        let place = Place { dirfd: args[0] as i32, path_at: args[1], flags: args[4] & 0xffff_ffff };
        execveat(kernel, task, &place, args[2], args[3])
    })
    .partial("no AT_EXECVE_CHECK"),
];

/// Interpreters that may follow each other.
const MAX_INTERPRETERS: usize = 5;

/// The largest file that is executed, if memory is not smaller: its bytes are looked at as a
/// whole.
const MAX_PROGRAM_BYTES: u64 = 1 << 30;

/// A file that may be executed.
#[derive(Clone, Debug)]
struct ExecFile {
    inode: InodeId,
    /// Its path.
    path: Vec<u8>,
    /// Its contents.
    bytes: Vec<u8>,
}

/// The program that a call names.
#[derive(Clone, Debug)]
struct Named {
    /// The path as the new program is told it.
    filename: Vec<u8>,
    file: ExecFile,
}

/// Why a program cannot be run, before anything of the old one is gone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecFailure {
    /// Its file is not one that can be run.
    #[error(transparent)]
    Elf(#[from] ElfError),
    /// The program that is to load it cannot be run.
    #[error("its interpreter {path}: {}", .errno.name())]
    Loader {
        /// Its path.
        path: String,
        /// Why not.
        errno: Errno,
    },
    /// Anything else.
    #[error("{}", .0.name())]
    Errno(Errno),
}

impl From<Errno> for ExecFailure {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl ExecFailure {
    /// What execve answers.
    #[must_use]
    pub const fn errno(&self) -> Errno {
        match self {
            Self::Elf(error) => error.errno(),
            Self::Loader { errno, .. } | Self::Errno(errno) => *errno,
        }
    }
}

/// Opens what is to be executed (`do_open_execat`).
fn open_exec(
    kernel: &mut Kernel,
    task: TaskId,
    dirfd: i32,
    path: &[u8],
    flags: u64,
) -> Result<ExecFile, Errno> {
    let (node, full) = if path.is_empty() && flags & AT_EMPTY_PATH != 0 && dirfd != AT_FDCWD {
        let file = kernel.tasks.process_of(task).files.get(dirfd)?;
        (kernel.node_of_file(file).ok_or(Errno::EACCES)?, kernel.path_of_file(file))
    } else {
        let walked = kernel.walk_place(task, dirfd, path, flags)?;
        let node = walked.found()?;
        (node, kernel.exec_path(task, &walked)?)
    };
    if kernel.is_link(node) {
        return Err(Errno::ELOOP);
    }
    let inode = kernel.may_exec(task, node)?;
    let memory = kernel.hw.nr_frames() * PAGE_SIZE;
    let bytes = kernel.file_bytes(inode, MAX_PROGRAM_BYTES.min(memory))?;
    Ok(ExecFile { inode, path: full, bytes })
}

/// Names the file to be run, and opens it (`getname`).
fn open_named(kernel: &mut Kernel, task: TaskId, place: &Place) -> Result<Named, Errno> {
    if place.flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = read_path(kernel, place.path_at)?;
    if path.is_empty() && place.flags & AT_EMPTY_PATH == 0 {
        return Err(Errno::ENOENT);
    }
    let file = open_exec(kernel, task, place.dirfd, &path, place.flags)?;
    let filename = if place.dirfd == AT_FDCWD || path.starts_with(b"/") {
        path
    } else if path.is_empty() {
        format!("/dev/fd/{}", place.dirfd).into_bytes()
    } else {
        [format!("/dev/fd/{}/", place.dirfd).as_bytes(), &path].concat()
    };
    Ok(Named { filename, file })
}

/// Copies a vector of strings (`count`, `copy_strings`); `room` is what all strings and pointers
/// may take.
fn copy_strings(kernel: &mut Kernel, at: u64, room: &mut u64) -> Result<Vec<Vec<u8>>, Errno> {
    // Linux takes no vector at all for an empty one.
    if at == 0 {
        return Ok(Vec::new());
    }
    let mut pointers = Vec::new();
    loop {
        let entry = at.checked_add(8 * pointers.len() as u64).ok_or(Errno::EFAULT)?;
        match kernel.read_user_u64(entry)? {
            0 => break,
            pointer => pointers.push(pointer),
        }
        *room = room.checked_sub(8).ok_or(Errno::E2BIG)?;
    }
    let mut strings = Vec::with_capacity(pointers.len());
    for pointer in pointers {
        let string = match kernel.read_user_cstr(pointer, stack::MAX_ARG_STRLEN) {
            Err(Errno::ENAMETOOLONG) => return Err(Errno::E2BIG),
            other => other?,
        };
        *room = room.checked_sub(string.len() as u64 + 1).ok_or(Errno::E2BIG)?;
        strings.push(string);
    }
    Ok(strings)
}

/// Follows `#!` lines to a program, whose arguments they go in front of.
fn find_interpreters(
    kernel: &mut Kernel,
    task: TaskId,
    named: Named,
    argv: &mut Vec<Vec<u8>>,
) -> Result<ExecFile, Errno> {
    let mut file = named.file;
    let mut shown = named.filename;
    for depth in 0.. {
        if depth > MAX_INTERPRETERS {
            return Err(Errno::ELOOP);
        }
        let Some(line) = script::parse(&file.bytes) else { break };
        let line = line?;
        let mut front = vec![line.interpreter.clone()];
        front.extend(line.argument);
        front.push(shown);
        argv.splice(0..1, front);
        file = open_exec(kernel, task, AT_FDCWD, &line.interpreter, 0)?;
        shown = line.interpreter;
    }
    Ok(file)
}

/// Finds the programs that run: interpreters of scripts, and what loads a dynamic program.
fn prepare(
    kernel: &mut Kernel,
    task: TaskId,
    named: Named,
    argv: Vec<Vec<u8>>,
    envp: Vec<Vec<u8>>,
) -> Result<Bprm, ExecFailure> {
    let filename = named.filename.clone();
    let mut argv = argv;
    if argv.is_empty() {
        argv.push(Vec::new());
    }
    let file = find_interpreters(kernel, task, named, &mut argv)?;
    let elf = elf::parse(&file.bytes)?;
    let loader = match &elf.interpreter {
        Some(path) => Some(find_loader(kernel, task, path).map_err(|errno| {
            ExecFailure::Loader { path: String::from_utf8_lossy(path).into_owned(), errno }
        })?),
        None => None,
    };
    let stack_limit = kernel.tasks.space_of_mut(task).stack_limit();
    stack::check_strings(&argv, &envp, &filename, stack_limit)?;
    let program = Program { inode: file.inode, path: file.path, elf };
    Ok(Bprm { filename, program, loader, argv, envp, random: [0; 16] })
}

fn find_loader(kernel: &mut Kernel, task: TaskId, path: &[u8]) -> Result<Program, Errno> {
    let file = open_exec(kernel, task, AT_FDCWD, path, 0)?;
    let elf = elf::parse(&file.bytes).map_err(|_| Errno::ELIBBAD)?;
    Ok(Program { inode: file.inode, path: file.path, elf })
}

fn execveat(
    kernel: &mut Kernel,
    task: TaskId,
    place: &Place,
    argv_at: u64,
    envp_at: u64,
) -> Result<Outcome, Errno> {
    let named = open_named(kernel, task, place)?;
    let mut room = stack::strings_limit(kernel.tasks.space_of_mut(task).stack_limit());
    let argv = copy_strings(kernel, argv_at, &mut room)?;
    let envp = copy_strings(kernel, envp_at, &mut room)?;
    let mut bprm = prepare(kernel, task, named, argv, envp).map_err(|error| error.errno())?;
    let old_tid = kernel.tasks.task(task).tid;
    if let DeThread::Wait(wait) = kernel.de_thread(task)? {
        return Ok(Outcome::Wait(wait));
    }
    if let Err(error) = kernel.inputs.random(&mut bprm.random) {
        return Ok(kernel.stop_for_input(error));
    }
    let outcome = kernel.begin_new_exec(task, &bprm);
    let is_done = outcome == Outcome::RegistersSet;
    if is_done && kernel.ptrace_exec_event(task, old_tid) == Stop::Stopped {
        return Ok(Outcome::Stopped);
    }
    Ok(outcome)
}

impl Kernel {
    /// What the first process is to run.
    ///
    /// # Errors
    /// As execve.
    pub(crate) fn prepare_first(
        &mut self,
        task: TaskId,
        path: &[u8],
        argv: &[Vec<u8>],
        envp: &[Vec<u8>],
    ) -> Result<Bprm, ExecFailure> {
        let file = open_exec(self, task, AT_FDCWD, path, 0)?;
        let named = Named { filename: path.to_vec(), file };
        prepare(self, task, named, argv.to_vec(), envp.to_vec())
    }

    /// The path of a program as `/proc/PID/exe` shows it.
    fn exec_path(&self, task: TaskId, walked: &Walked) -> Result<Vec<u8>, Errno> {
        let own = self.tasks.process_of(task);
        // Through /proc/self/exe it is the same program.
        match walked.node {
            Some(Node::Inode(id)) if walked.name.is_empty() && own.exe == Some(id) => {
                Ok(own.exe_path.clone().into_bytes())
            }
            _ => self.walked_path(walked),
        }
    }
}
