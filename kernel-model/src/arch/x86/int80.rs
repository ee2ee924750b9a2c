//! System calls by INT 0x80, with the numbers and registers of 32-bit Linux.
//!
//! Those work whose arguments mean the same in both worlds; the others are refused by name.
//! Source: Linux 6.18 `arch/x86/entry/syscall_32.c` (`do_int80_emulation`),
//! `arch/x86/entry/syscalls/syscall_32.tbl`.

use super::pt_regs::{PtRegs, RBP, RBX, RCX, RDI, RDX, RSI};

/// How a system call is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SyscallAbi {
    /// SYSCALL.
    #[default]
    X86_64,
    /// INT 0x80.
    I386,
}

/// set_thread_area of 32-bit Linux.
pub const SET_THREAD_AREA: u32 = 243;
/// get_thread_area of 32-bit Linux.
pub const GET_THREAD_AREA: u32 = 244;

/// Numbers of 32-bit Linux, and those of 64-bit Linux that do the same.
const SAME: [(u32, u64); 22] = [
    (1, 60),
    (2, 57),
    (3, 0),
    (4, 1),
    (6, 3),
    (12, 80),
    (20, 39),
    (29, 34),
    (37, 62),
    (41, 32),
    (57, 109),
    (63, 33),
    (64, 110),
    (65, 111),
    (91, 11),
    (123, 154),
    (125, 10),
    (158, 24),
    (224, 186),
    (238, 200),
    (252, 231),
    (270, 234),
];

/// The 64-bit system call that a 32-bit number means; `None` where there is no such.
#[must_use]
pub fn translated(nr: u32) -> Option<u64> {
    match nr {
        SET_THREAD_AREA => Some(205),
        GET_THREAD_AREA => Some(211),
        _ => SAME.iter().find(|(from, _)| *from == nr).map(|(_, to)| *to),
    }
}

/// Arguments: EBX, ECX, EDX, ESI, EDI, EBP.
#[must_use]
pub fn args(regs: &PtRegs) -> [u64; 6] {
    [RBX, RCX, RDX, RSI, RDI, RBP].map(|reg| regs.gpr[reg] & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscalls::name_of;

    #[test]
    fn numbers_of_both_worlds() {
        for (nr, name) in [
            (1, "exit"),
            (20, "getpid"),
            (37, "kill"),
            (123, "modify_ldt"),
            (SET_THREAD_AREA, "set_thread_area"),
            (252, "exit_group"),
        ] {
            assert_eq!(translated(nr).and_then(name_of), Some(name));
        }
        assert_eq!(translated(5), None, "open's flags differ");
    }
}
