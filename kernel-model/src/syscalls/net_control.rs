//! Control data of messages: files and credentials.
//! Source: Linux 6.18 `net/core/scm.c`, `include/net/scm.h`.

use perf_core::{Errno, TaskId};

use super::net_transfer::{Incoming, SendArgs};
use crate::fs::OnExec;
use crate::kernel::Kernel;
use crate::net::{SocketId, Ucred};
use crate::uapi::socket::{
    MSG_CMSG_CLOEXEC, MSG_CTRUNC, SCM_CREDENTIALS, SCM_MAX_FD, SCM_RIGHTS, SOL_SOCKET,
};
use crate::uapi::{put, word_at};

/// Bytes of `struct cmsghdr`.
const HEADER_BYTES: usize = 16;
/// Bytes of `struct ucred`.
pub(super) const UCRED_BYTES: usize = 12;
/// Who is told where nobody is known.
const OVERFLOW_ID: u32 = 65_534;

fn int_at(bytes: &[u8], at: usize) -> u32 {
    (word_at(&[&bytes[at..at + 4], &[0; 4]].concat(), 0)) as u32
}

/// `struct ucred`.
pub(super) fn ucred_bytes(cred: Ucred) -> [u8; UCRED_BYTES] {
    let mut bytes = [0; UCRED_BYTES];
    put(&mut bytes, 0, cred.pid.to_le_bytes());
    put(&mut bytes, 4, cred.uid.to_le_bytes());
    put(&mut bytes, 8, cred.gid.to_le_bytes());
    bytes
}

/// A control message: its level, type and data.
type Control<'a> = (u32, u32, &'a [u8]);

/// Splits control data.
///
/// # Errors
/// EINVAL for a length that does not fit.
fn split(mut bytes: &[u8]) -> Result<Vec<Control<'_>>, Errno> {
    let mut all = Vec::new();
    while bytes.len() >= HEADER_BYTES {
        let len = usize::try_from(word_at(bytes, 0)).unwrap_or(usize::MAX);
        if len < HEADER_BYTES || len > bytes.len() {
            return Err(Errno::EINVAL);
        }
        all.push((int_at(bytes, 8), int_at(bytes, 12), &bytes[HEADER_BYTES..len]));
        bytes = &bytes[len.next_multiple_of(8).min(bytes.len())..];
    }
    Ok(all)
}

/// Reads what is sent with a message (`__scm_send`).
///
/// # Errors
/// EINVAL; EBADF for a descriptor; EPERM and ESRCH for credentials that are not the sender's.
pub(super) fn parse(
    kernel: &mut Kernel,
    task: TaskId,
    id: SocketId,
    bytes: &[u8],
    args: &mut SendArgs,
) -> Result<(), Errno> {
    let is_unix = kernel.net.socket(id).is_unix();
    for (level, kind, data) in split(bytes)? {
        match (level, kind) {
            (SOL_SOCKET, SCM_RIGHTS | SCM_CREDENTIALS) if !is_unix => {}
            (SOL_SOCKET, SCM_RIGHTS) => add_rights(kernel, task, data, args)?,
            (SOL_SOCKET, SCM_CREDENTIALS) => {
                args.cred = Some(said_cred(kernel, task, data)?);
            }
            (SOL_SOCKET, _) => return Err(Errno::EINVAL),
            _ => {}
        }
    }
    Ok(())
}

fn add_rights(
    kernel: &mut Kernel,
    task: TaskId,
    data: &[u8],
    args: &mut SendArgs,
) -> Result<(), Errno> {
    let fds = data.chunks_exact(4);
    if args.rights.len() + fds.len() > SCM_MAX_FD {
        return Err(Errno::EINVAL);
    }
    for fd in fds {
        let file = kernel.tasks.process_of(task).files.get(int_at(fd, 0) as i32)?;
        args.rights.push(kernel.files.share(file));
    }
    Ok(())
}

fn said_cred(kernel: &Kernel, task: TaskId, data: &[u8]) -> Result<Ucred, Errno> {
    if data.len() != UCRED_BYTES {
        return Err(Errno::EINVAL);
    }
    let said = Ucred { pid: int_at(data, 0), uid: int_at(data, 4), gid: int_at(data, 8) };
    let cred = &kernel.tasks.task(task).cred;
    let is_root = cred.user.effective == 0;
    let own_pid = said.pid == kernel.tasks.process_of(task).pid;
    let is_own = own_pid && cred.user.may_take(said.uid) && cred.group.may_take(said.gid);
    if !is_root && !is_own {
        return Err(Errno::EPERM);
    }
    if kernel.tasks.find_pid(said.pid).is_none() {
        return Err(Errno::ESRCH);
    }
    Ok(said)
}

/// Gives what came with a message to the program: the bytes of control data, as far as there is
/// room, and the flags (`scm_recv_unix`).
pub(super) fn build(
    kernel: &mut Kernel,
    task: TaskId,
    id: SocketId,
    incoming: &mut Incoming,
    room: usize,
    flags: u32,
) -> Vec<u8> {
    let mut out = Vec::new();
    if kernel.net.socket(id).is_unix() && kernel.net.socket(id).options.pass_cred() {
        let nobody = Ucred { pid: 0, uid: OVERFLOW_ID, gid: OVERFLOW_ID };
        let data = ucred_bytes(incoming.cred.unwrap_or(nobody));
        if !add(&mut out, room, SCM_CREDENTIALS, &data) {
            incoming.flags |= MSG_CTRUNC;
        }
    }
    let rights = std::mem::take(&mut incoming.rights);
    if rights.is_empty() {
        return out;
    }
    let on_exec = if flags & MSG_CMSG_CLOEXEC != 0 { OnExec::Close } else { OnExec::Keep };
    let most = room.saturating_sub(out.len() + HEADER_BYTES) / 4;
    let mut data = Vec::new();
    for file in rights {
        let fds = &mut kernel.tasks.process_of_mut(task).files;
        let installed = if data.len() / 4 < most { fds.install(file, on_exec).ok() } else { None };
        match installed {
            Some(fd) => data.extend_from_slice(&fd.to_le_bytes()),
            None => {
                incoming.flags |= MSG_CTRUNC;
                kernel.release_file(file);
            }
        }
    }
    if !data.is_empty() {
        add(&mut out, room, SCM_RIGHTS, &data);
    }
    out
}

/// Adds a control message, cut to the room; whether all of it fitted (`put_cmsg`).
fn add(out: &mut Vec<u8>, room: usize, kind: u32, data: &[u8]) -> bool {
    let left = room.saturating_sub(out.len());
    if left < HEADER_BYTES {
        return false;
    }
    let len = (HEADER_BYTES + data.len()).min(left);
    out.extend_from_slice(&(len as u64).to_le_bytes());
    out.extend_from_slice(&SOL_SOCKET.to_le_bytes());
    out.extend_from_slice(&kind.to_le_bytes());
    out.extend_from_slice(&data[..len - HEADER_BYTES]);
    let padded = out.len().next_multiple_of(8).min(room);
    out.resize(padded.max(out.len()), 0);
    len == HEADER_BYTES + data.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_are_split_and_put_together() {
        let mut bytes = Vec::new();
        assert!(add(&mut bytes, 100, SCM_RIGHTS, &[1, 2, 3, 4]));
        assert!(add(&mut bytes, 100, SCM_CREDENTIALS, &[5; 12]));
        let all = split(&bytes).unwrap();
        assert_eq!(all[0], (SOL_SOCKET, SCM_RIGHTS, &[1, 2, 3, 4][..]));
        assert_eq!(all[1], (SOL_SOCKET, SCM_CREDENTIALS, &[5; 12][..]));
        bytes[0] = 200;
        assert_eq!(split(&bytes), Err(Errno::EINVAL));
        bytes[0] = 15;
        assert_eq!(split(&bytes), Err(Errno::EINVAL));
        let mut short = Vec::new();
        assert!(!add(&mut short, 15, SCM_RIGHTS, &[0; 4]));
        assert!(!add(&mut short, 18, SCM_RIGHTS, &[0; 4]));
        assert_eq!(short.len(), 18);
    }
}
