//! `struct pt_regs`: a task's user registers as the entry code saves them.

/// General registers, flags and segments at kernel entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PtRegs {
    /// RAX to R15 in the manual's order (RSP at index 4).
    pub gpr: [u64; 16],
    /// RIP.
    pub ip: u64,
    /// RFLAGS.
    pub flags: u64,
    /// CS selector.
    pub cs: u16,
    /// SS selector.
    pub ss: u16,
    /// The system call number at entry, or -1.
    pub orig_ax: u64,
}

/// Index of RAX in [`PtRegs::gpr`].
pub const RAX: usize = 0;
/// Index of RCX.
pub const RCX: usize = 1;
/// Index of RDX.
pub const RDX: usize = 2;
/// Index of RBX.
pub const RBX: usize = 3;
/// Index of RSP.
pub const RSP: usize = 4;
/// Index of RBP.
pub const RBP: usize = 5;
/// Index of RSI.
pub const RSI: usize = 6;
/// Index of RDI.
pub const RDI: usize = 7;
/// Index of R8.
pub const R8: usize = 8;
/// Index of R9.
pub const R9: usize = 9;
/// Index of R10.
pub const R10: usize = 10;
/// Index of R11.
pub const R11: usize = 11;

/// `__USER_CS`.
pub const USER_CS: u16 = 0x33;
/// `__USER_DS`.
pub const USER_DS: u16 = 0x2b;

impl PtRegs {
    /// Registers of a new program: all zero but RIP, RSP and IF.
    #[must_use]
    pub fn new_user(ip: u64, sp: u64) -> Self {
        let mut regs = Self { ip, flags: 0x202, cs: USER_CS, ss: USER_DS, ..Self::default() };
        regs.gpr[RSP] = sp;
        regs.orig_ax = u64::MAX;
        regs
    }

    /// Stack pointer.
    #[must_use]
    pub fn sp(&self) -> u64 {
        self.gpr[RSP]
    }

    /// System call arguments: RDI, RSI, RDX, R10, R8, R9.
    #[must_use]
    pub fn args(&self) -> [u64; 6] {
        [RDI, RSI, RDX, R10, R8, R9].map(|index| self.gpr[index])
    }
}
