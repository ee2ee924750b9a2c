//! What waits at an instruction boundary, and the word that says that anything does.
//!
//! [`Attention`] is one word that the fast path looks at once a block and after
//! each access; every reason to leave the fast path is a bit of it.

/// Debug conditions collected since the last boundary: DR6's B0 to B3 and BS bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// B0 to B3, BS, BT as in DR6.
    pub debug: u64,
    /// An interrupt that waits for RFLAGS.IF.
    pub interrupt: Option<u8>,
    /// The bus has an interrupt that waits for RFLAGS.IF.
    pub line: bool,
    /// A non-maskable interrupt waits.
    pub nmi: bool,
    /// A non-maskable interrupt is being served: until IRET no other is taken.
    pub nmi_blocked: bool,
    /// ICEBP was executed: a #DB without conditions is due.
    pub icebp: bool,
    /// The next boundary lies in the shadow of MOV SS or POP SS.
    pub ss_shadow: bool,
    /// The next boundary lies in the shadow of STI.
    pub sti_shadow: bool,
}

/// What becomes of a data hit that MOV SS or POP SS kept when the instruction in its
/// shadow is INT n, INT3, ICEBP or SYSCALL. Processors differ (rule S6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeptHits {
    /// It is forgotten, as measured.
    #[default]
    Lost,
    /// It is reported before the first instruction of the handler; ICEBP's own #DB
    /// reports it.
    Delivered,
}

/// Reasons to look at the boundary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attention(u32);

impl Attention {
    /// A debug condition is pending.
    pub const DEBUG: u32 = 1 << 0;
    /// RFLAGS.TF is set.
    pub const TRAP_FLAG: u32 = 1 << 1;
    /// RFLAGS.RF is set.
    pub const RESUME_FLAG: u32 = 1 << 2;
    /// An interrupt shadow is open.
    pub const SHADOW: u32 = 1 << 3;
    /// An interrupt waits.
    pub const INTERRUPT: u32 = 1 << 4;
    /// Cycles came near the deadline.
    pub const DEADLINE: u32 = 1 << 5;
    /// A non-maskable interrupt waits.
    pub const NMI: u32 = 1 << 8;
    /// Branches are recorded (IA32_DEBUGCTL.LBR).
    pub const BRANCHES: u32 = 1 << 9;
    /// ICEBP was executed.
    pub const ICEBP: u32 = 1 << 7;
    /// Translated code was overwritten.
    pub const CODE_CHANGED: u32 = 1 << 6;

    /// Whether nothing needs a look.
    #[inline(always)]
    #[must_use]
    pub fn is_quiet(self) -> bool {
        self.0 == 0
    }

    /// Adds a reason.
    #[inline(always)]
    pub fn raise(&mut self, reason: u32) {
        self.0 |= reason;
    }

    /// Takes a reason away.
    pub fn clear(&mut self, reason: u32) {
        self.0 &= !reason;
    }

    /// Adds or takes away a reason.
    pub fn set(&mut self, reason: u32, present: bool) {
        if present { self.raise(reason) } else { self.clear(reason) }
    }

    /// Whether one of the reasons is there.
    #[must_use]
    pub fn has(self, reason: u32) -> bool {
        self.0 & reason != 0
    }
}
