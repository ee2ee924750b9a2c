//! SIGIO: telling the owner of an open file that something can be done with it.
//! Source: Linux 6.18 `fs/fcntl.c` (`kill_fasync`, `send_sigio`).

use super::SigInfo;
use crate::fs::FileId;
use crate::fs::file::Owner;
use crate::kernel::Kernel;
use crate::uapi::fcntl::O_ASYNC;
use crate::uapi::signal::SIGIO;

/// What can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SigioBand {
    /// Read (`POLL_IN`).
    In,
    /// Write (`POLL_OUT`).
    Out,
}

impl SigioBand {
    /// `si_code` and `si_band`.
    const fn fields(self) -> (i32, i64) {
        match self {
            Self::In => (1, 0x041),
            Self::Out => (2, 0x304),
        }
    }
}

impl Kernel {
    /// Signals the owner of a file that has O_ASYNC.
    pub(crate) fn kill_fasync(&mut self, file: FileId, band: SigioBand) {
        let (code, band) = band.fields();
        self.send_sigio(file, code, band);
    }

    /// The same, with `si_code` and `si_band`.
    pub(crate) fn send_sigio(&mut self, file: FileId, si_code: i32, si_band: i64) {
        let file = self.files.file(file);
        if file.flags & O_ASYNC == 0 {
            return;
        }
        let Some(fd) = file.async_fd else { return };
        let info = match file.signal {
            0 => SigInfo::from_kernel(SIGIO),
            signal => SigInfo::poll(u32::from(signal), si_code, si_band, fd),
        };
        match file.owner {
            Some(Owner::Tid(tid)) => {
                if let Some(task) = self.tasks.find_tid(tid as u32) {
                    self.send_signal_to_thread(task, info);
                }
            }
            Some(Owner::Pid(pid)) => {
                if let Some(process) = self.tasks.find_pid(pid as u32) {
                    self.send_signal_to_process(process, info);
                }
            }
            Some(Owner::Pgrp(group)) => {
                let members: Vec<_> = self
                    .tasks
                    .processes
                    .iter()
                    .filter(|(_, process)| process.pgid == group as u32)
                    .map(|(id, _)| *id)
                    .collect();
                for process in members {
                    self.send_signal_to_process(process, info);
                }
            }
            None => {}
        }
    }
}
