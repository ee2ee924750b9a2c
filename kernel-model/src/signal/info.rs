//! What a signal says about its cause (`kernel_siginfo`).
//! Source: Linux 6.18 `include/uapi/asm-generic/siginfo.h`.

use crate::uapi::signal::{SIGTRAP, si_code};
use crate::uapi::{put, word_at};

/// Bytes of a siginfo in user memory.
pub const SIGINFO_BYTES: usize = 128;

/// The part of a siginfo that depends on the cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SigFields {
    /// Nothing (zeroes).
    #[default]
    None,
    /// Sent by a process.
    Kill {
        /// The sender's process id.
        pid: u32,
        /// Its user id.
        uid: u32,
    },
    /// Caused by an instruction.
    Fault {
        /// The address: of the memory, or of the instruction.
        addr: u64,
    },
    /// A system call that is not allowed.
    Sys {
        /// Address behind the instruction.
        call_addr: u64,
        /// Number of the call.
        syscall: i32,
        /// `AUDIT_ARCH_*`.
        arch: u32,
    },
    /// I/O is possible.
    Poll {
        /// Poll event bits.
        band: i64,
        /// The descriptor.
        fd: i32,
    },
    /// A perf event with sigtrap overflowed (linux-hw-breakpoint rule 3.8.2).
    Perf {
        /// The breakpoint's address.
        addr: u64,
        /// `sig_data` of the event.
        data: u64,
        /// `type` of the event.
        perf_type: u32,
        /// `TRAP_PERF_FLAG_ASYNC` where the signal was blocked.
        flags: u32,
    },
    /// A child changed its state.
    Child {
        /// Its process id.
        pid: u32,
        /// Its user id.
        uid: u32,
        /// Exit code or signal number.
        status: i32,
        /// User time in ticks of 10 ms.
        utime: i64,
        /// System time in ticks of 10 ms.
        stime: i64,
    },
    /// A POSIX timer ended.
    Timer {
        /// Its number.
        id: i32,
        /// How many further ends the signal stands for.
        overrun: i32,
        /// The value that goes with it.
        value: u64,
    },
    /// Sent with a value (`sigqueue`).
    Rt {
        /// The sender's process id.
        pid: u32,
        /// Its user id.
        uid: u32,
        /// The value.
        value: u64,
    },
    /// As a program wrote it (PTRACE_SETSIGINFO): what follows signal, errno and code.
    Raw([u8; RAW_BYTES]),
}

/// Where the fields start in a siginfo.
const FIELDS: usize = 16;
/// Bytes of all fields.
const RAW_BYTES: usize = SIGINFO_BYTES - FIELDS;

/// A thread's last trap that led to a signal, as `sigcontext` tells it: every later
/// signal frame shows it too (`thread.trap_nr`, `thread.error_code`, `thread.cr2`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrapNumbers {
    /// Vector.
    pub trap_nr: u8,
    /// Error code.
    pub error_code: u32,
    /// Faulting address of the last page fault among them.
    pub cr2: u64,
}

/// A signal with its information.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SigInfo {
    /// Signal number, 1 to 64.
    pub si_signo: u32,
    /// Cause; positive where the kernel sent it.
    pub si_code: i32,
    /// An error number; 0 mostly.
    pub si_errno: i32,
    /// More about the cause.
    pub fields: SigFields,
}

impl SigInfo {
    /// A signal with the given code and fields.
    #[must_use]
    pub const fn new(si_signo: u32, si_code: i32, fields: SigFields) -> Self {
        Self { si_signo, si_code, si_errno: 0, fields }
    }

    /// From the kernel (`SEND_SIG_PRIV`).
    #[must_use]
    pub const fn from_kernel(si_signo: u32) -> Self {
        Self::new(si_signo, si_code::SI_KERNEL, SigFields::Kill { pid: 0, uid: 0 })
    }

    /// Caused by an instruction, with an address (`force_sig_fault`).
    #[must_use]
    pub const fn fault(si_signo: u32, si_code: i32, addr: u64) -> Self {
        Self::new(si_signo, si_code, SigFields::Fault { addr })
    }

    /// I/O is possible (`send_sigio`): poll event bits and a descriptor.
    #[must_use]
    pub const fn poll(si_signo: u32, si_code: i32, band: i64, fd: i32) -> Self {
        Self::new(si_signo, si_code, SigFields::Poll { band, fd })
    }

    /// From a perf event with sigtrap (`send_sig_perf`; rule 3.8.2). `flags` is
    /// `TRAP_PERF_FLAG_ASYNC` where SIGTRAP was blocked (rule 3.8.4).
    #[must_use]
    pub const fn perf(addr: u64, perf_type: u32, data: u64, flags: u32) -> Self {
        let fields = SigFields::Perf { addr, data, perf_type, flags };
        Self::new(SIGTRAP, si_code::TRAP_PERF, fields)
    }

    /// Whether the kernel sent it because of an instruction, as far as the order of
    /// delivery is concerned (`si_code > SI_USER`).
    #[must_use]
    pub const fn is_from_kernel(&self) -> bool {
        self.si_code > si_code::SI_USER
    }

    /// Reads a siginfo that a program wrote; its fields stay as they are.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; SIGINFO_BYTES]) -> Self {
        let (signo_errno, code) = (word_at(bytes, 0), word_at(bytes, 8));
        let mut raw = [0; RAW_BYTES];
        raw.copy_from_slice(&bytes[FIELDS..]);
        Self {
            si_signo: signo_errno as u32,
            si_errno: (signo_errno >> 32) as i32,
            si_code: code as i32,
            fields: SigFields::Raw(raw),
        }
    }

    /// The siginfo of the ABI.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; SIGINFO_BYTES] {
        let mut bytes = [0; SIGINFO_BYTES];
        put(&mut bytes, 0, self.si_signo.to_le_bytes());
        put(&mut bytes, 4, self.si_errno.to_le_bytes());
        put(&mut bytes, 8, self.si_code.to_le_bytes());
        match self.fields {
            SigFields::None => {}
            SigFields::Kill { pid, uid } => {
                put(&mut bytes, 16, pid.to_le_bytes());
                put(&mut bytes, 20, uid.to_le_bytes());
            }
            SigFields::Fault { addr } => put(&mut bytes, 16, addr.to_le_bytes()),
            SigFields::Sys { call_addr, syscall, arch } => {
                put(&mut bytes, 16, call_addr.to_le_bytes());
                put(&mut bytes, 24, syscall.to_le_bytes());
                put(&mut bytes, 28, arch.to_le_bytes());
            }
            SigFields::Poll { band, fd } => {
                put(&mut bytes, 16, band.to_le_bytes());
                put(&mut bytes, 24, fd.to_le_bytes());
            }
            SigFields::Perf { addr, data, perf_type, flags } => {
                put(&mut bytes, 16, addr.to_le_bytes());
                put(&mut bytes, 24, data.to_le_bytes());
                put(&mut bytes, 32, perf_type.to_le_bytes());
                put(&mut bytes, 36, flags.to_le_bytes());
            }
            SigFields::Child { pid, uid, status, utime, stime } => {
                put(&mut bytes, 16, pid.to_le_bytes());
                put(&mut bytes, 20, uid.to_le_bytes());
                put(&mut bytes, 24, status.to_le_bytes());
                put(&mut bytes, 32, utime.to_le_bytes());
                put(&mut bytes, 40, stime.to_le_bytes());
            }
            SigFields::Rt { pid, uid, value } => {
                put(&mut bytes, 16, pid.to_le_bytes());
                put(&mut bytes, 20, uid.to_le_bytes());
                put(&mut bytes, 24, value.to_le_bytes());
            }
            SigFields::Timer { id, overrun, value } => {
                put(&mut bytes, 16, id.to_le_bytes());
                put(&mut bytes, 20, overrun.to_le_bytes());
                put(&mut bytes, 24, value.to_le_bytes());
            }
            SigFields::Raw(raw) => put(&mut bytes, FIELDS, raw),
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The words that are not zero, as (offset, value).
    fn words(info: &SigInfo) -> Vec<(usize, u32)> {
        let bytes = info.to_bytes();
        let word = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        (0..SIGINFO_BYTES).step_by(4).map(|at| (at, word(at))).filter(|w| w.1 != 0).collect()
    }

    #[test]
    fn fields_stand_where_the_abi_has_them() {
        let kill = SigFields::Kill { pid: 7, uid: 8 };
        let child = SigFields::Child { pid: 1, uid: 2, status: 3, utime: 4, stime: 5 };
        let poll = SigFields::Poll { band: 0x41, fd: 3 };
        let rt = SigFields::Rt { pid: 1, uid: 2, value: 3 << 32 | 4 };
        for (info, want) in [
            (SigInfo::new(10, -6, kill), vec![(0, 10), (8, -6_i32 as u32), (16, 7), (20, 8)]),
            (SigInfo::fault(11, 1, 5 << 32), vec![(0, 11), (8, 1), (20, 5)]),
            (SigInfo::new(29, 1, poll), vec![(0, 29), (8, 1), (16, 0x41), (24, 3)]),
            (
                SigInfo::new(17, 1, child),
                vec![(0, 17), (8, 1), (16, 1), (20, 2), (24, 3), (32, 4), (40, 5)],
            ),
            (
                SigInfo::new(34, -1, rt),
                vec![(0, 34), (8, u32::MAX), (16, 1), (20, 2), (24, 4), (28, 3)],
            ),
            (SigInfo::from_kernel(29), vec![(0, 29), (8, 0x80)]),
        ] {
            assert_eq!(words(&info), want, "{info:?}");
            assert_eq!(SigInfo::from_bytes(&info.to_bytes()).to_bytes(), info.to_bytes());
        }
    }

    /// linux-hw-breakpoint rule 3.8.2.
    #[test]
    fn sigtrap_of_a_perf_event() {
        let info = SigInfo::perf(0x601040, 5, 0x1122_3344_5566_7788, 1);
        let want = [
            (0, 5),
            (8, 6),
            (16, 0x601040),
            (24, 0x5566_7788),
            (28, 0x1122_3344),
            (32, 5),
            (36, 1),
        ];
        assert_eq!(words(&info), want);
    }
}
