//! execve and execveat: finding the program, its interpreters and its strings. What follows is
//! [`crate::kernel`]'s.
//!
//! The checks come in Linux's order: the path, the file, then argv and envp, then what kind of
//! file it is.
//! Source: Linux 6.18 `fs/exec.c` (`do_execveat_common`, `exec_binprm`), `fs/binfmt_script.c`.

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::fs_path::read_path;
use super::table::Syscall;
use crate::exec::{elf, script, stack};
use crate::kernel::{Bprm, DeThread, Kernel};
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

/// The path argument with its directory and `AT_*` flags.
#[derive(Clone, Copy, Debug)]
struct Place {
    dirfd: i32,
    path_at: u64,
    flags: u64,
}

/// The program that a call names.
struct Named {
    /// The path as the new program is told it.
    filename: Vec<u8>,
    /// Path and contents.
    file: ExecFile,
}

/// A file that may be executed.
#[derive(Clone, Debug)]
pub(crate) struct ExecFile {
    /// Its path.
    pub(crate) path: String,
    /// Its contents.
    pub(crate) bytes: Vec<u8>,
}

/// Names the file to be run, and opens it (`getname`, `do_open_execat`).
fn open_named(kernel: &mut Kernel, task: TaskId, place: &Place) -> Result<Named, Errno> {
    if place.flags & !(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = read_path(kernel, place.path_at)?;
    if path.is_empty() && place.flags & AT_EMPTY_PATH == 0 {
        return Err(Errno::ENOENT);
    }
    let file = kernel.open_exec_at(task, place.dirfd, &path, place.flags)?;
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
        argv.remove(0);
        let mut front = vec![line.interpreter.clone()];
        front.extend(line.argument);
        front.push(shown);
        argv.splice(0..0, front);
        file = kernel.open_exec_at(task, AT_FDCWD, &line.interpreter, 0)?;
        shown = line.interpreter;
    }
    Ok(file)
}

fn execveat(
    kernel: &mut Kernel,
    task: TaskId,
    place: &Place,
    argv_at: u64,
    envp_at: u64,
) -> Result<Outcome, Errno> {
    let named = open_named(kernel, task, place)?;
    let filename = named.filename.clone();
    let mut room = stack::strings_limit(kernel.tasks.space_of_mut(task).stack_limit());
    let mut argv = copy_strings(kernel, argv_at, &mut room)?;
    let envp = copy_strings(kernel, envp_at, &mut room)?;
    if argv.is_empty() {
        argv.push(Vec::new());
    }
    let file = find_interpreters(kernel, task, named, &mut argv)?;
    let elf = elf::parse(&file.bytes).map_err(|error| error.errno())?;
    stack::check_strings(&argv, &envp, &filename, kernel.tasks.space_of_mut(task).stack_limit())?;
    let old_tid = kernel.tasks.task(task).tid;
    if let DeThread::Wait(wait) = kernel.de_thread(task)? {
        return Ok(Outcome::Wait(wait));
    }
    let mut random = [0; 16];
    if let Err(error) = kernel.inputs.random(&mut random) {
        return Ok(kernel.stop_for_input(error));
    }
    let bprm = Bprm { filename, exe_path: file.path, file: file.bytes, elf, argv, envp, random };
    let outcome = kernel.begin_new_exec(task, &bprm);
    let is_done = outcome == Outcome::RegistersSet;
    if is_done && kernel.ptrace_exec_event(task, old_tid) == Stop::Stopped {
        return Ok(Outcome::Stopped);
    }
    Ok(outcome)
}
