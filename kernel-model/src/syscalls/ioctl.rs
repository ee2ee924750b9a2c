//! ioctl. There are no terminals: whatever asks for one gets ENOTTY.
//! Source: Linux 6.18 `fs/ioctl.c` (`do_vfs_ioctl`).

use perf_core::{Errno, TaskId};

use super::Outcome;
use super::{perf, table::Syscall};
use crate::fs::{FileKind, OnExec};
use crate::kernel::Kernel;
use crate::net::SockType;
use crate::uapi::fcntl::O_NONBLOCK;

pub(super) const CALLS: &[Syscall] = &[Syscall::waiting(16, "ioctl", sys_ioctl).partial(
    "perf events, FIOCLEX, FIONCLEX, FIONBIO, FIONREAD, SIOCOUTQ; no interfaces, no terminals",
)];

fn sys_ioctl(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<Outcome, Errno> {
    const FIONREAD: u32 = 0x541b;
    const TIOCOUTQ: u32 = 0x5411;
    const FIONBIO: u32 = 0x5421;
    const FIONCLEX: u32 = 0x5450;
    const FIOCLEX: u32 = 0x5451;

    let (fd, number, arg) = (args[0] as i32, args[1] as u32, args[2]);
    let id = kernel.tasks.process_of(task).files.get(fd)?;
    let kind = kernel.files.file(id).kind;
    if let FileKind::Path(_) = kind {
        return Err(Errno::EBADF);
    }
    match (number, kind) {
        (FIOCLEX | FIONCLEX, _) => {
            let on_exec = if number == FIOCLEX { OnExec::Close } else { OnExec::Keep };
            kernel.tasks.process_of_mut(task).files.set_on_exec(fd, on_exec)?;
        }
        (FIONBIO, _) => {
            let on = kernel.read_user_u32(arg)? != 0;
            let file = kernel.files.file_mut(id);
            file.flags = if on { file.flags | O_NONBLOCK } else { file.flags & !O_NONBLOCK };
        }
        (_, FileKind::PerfEvent(event)) => {
            return Ok(perf::ioctl(kernel, task, event, number, arg));
        }
        (FIONREAD, FileKind::Socket(socket)) => {
            let socket = kernel.net.socket(socket);
            if socket.is_listening() {
                return Err(Errno::EINVAL);
            }
            let nr = match socket.kind {
                SockType::Stream | SockType::Seqpacket => socket.queue.nr_bytes(),
                SockType::Dgram => socket.queue.first_len(),
            };
            kernel.write_user_u32(arg, nr as u32)?;
        }
        (TIOCOUTQ, FileKind::Socket(socket)) => {
            let nr = kernel.net.socket(socket).filled;
            kernel.write_user_u32(arg, nr as u32)?;
        }
        (FIONREAD, _) => {
            let nr = kernel.files.nr_readable(id)?;
            kernel.write_user_u32(arg, nr as u32)?;
        }
        _ => return Err(Errno::ENOTTY),
    }
    Ok(Outcome::Done(Ok(0)))
}
