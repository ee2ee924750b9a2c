//! Flags of wait4 and waitid, and the encoding of an end.
//! Source: Linux 6.18 `include/uapi/linux/wait.h`.

use crate::observe::ExitStatus;

/// Do not wait.
pub const WNOHANG: u64 = 1;
/// Children that stopped as well (`WSTOPPED`).
pub const WUNTRACED: u64 = 2;
/// Children that ended (waitid).
pub const WEXITED: u64 = 4;
/// Children that went on.
pub const WCONTINUED: u64 = 8;
/// Leaves the child to be waited for again (waitid).
pub const WNOWAIT: u64 = 0x0100_0000;
/// Only the calling thread's children.
pub const WNOTHREAD: u64 = 0x2000_0000;
/// All children.
pub const WALL: u64 = 0x4000_0000;
/// Children that send no SIGCHLD.
pub const WCLONE: u64 = 0x8000_0000;

/// waitid's `P_ALL`.
pub const P_ALL: u64 = 0;
/// `P_PID`.
pub const P_PID: u64 = 1;
/// `P_PGID`.
pub const P_PGID: u64 = 2;
/// `P_PIDFD`.
pub const P_PIDFD: u64 = 3;

/// The status word of wait4.
#[must_use]
pub const fn status_word(status: ExitStatus) -> u32 {
    match status {
        ExitStatus::Exited(code) => (code as u32) << 8,
        ExitStatus::Signaled { signal, core } => signal as u32 & 0x7f | if core { 0x80 } else { 0 },
    }
}

/// The status word of a stop: signal, and event above it.
#[must_use]
pub const fn stopped_word(code: u32) -> u32 {
    code << 8 | 0x7f
}

/// The status word of a child that goes on.
pub const CONTINUED_WORD: u32 = 0xffff;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_words() {
        let signaled = |signal, core| ExitStatus::Signaled { signal, core };
        for (status, want) in [
            (ExitStatus::Exited(0), 0),
            (ExitStatus::Exited(3), 0x300),
            (ExitStatus::Exited(255), 0xff00),
            (signaled(9, false), 9),
            (signaled(11, true), 0x8b),
            (signaled(64, false), 64),
        ] {
            assert_eq!(status_word(status), want, "{status:?}");
        }
    }
}
