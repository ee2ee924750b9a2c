//! The frame that a handler finds on its stack (`struct rt_sigframe`), and its place.
//! Source: Linux 6.18 `arch/x86/include/asm/sigframe.h`,
//! `arch/x86/include/uapi/asm/sigcontext.h`, `arch/x86/kernel/signal.c` (`get_sigframe`).

use crate::arch::x86::fpu::FpuFormat;
use crate::arch::x86::pt_regs::{
    PtRegs, R8, R9, R10, R11, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP, USER_CS,
};
use crate::signal::info::{SIGINFO_BYTES, TrapNumbers};
use crate::uapi::signal::ss;
use crate::uapi::{put, word_at};

/// Index of R12 in the registers; R13 to R15 follow.
const R12: usize = 12;

/// Bytes below RSP that a function may use.
const RED_ZONE: u64 = 128;
/// The frame starts 8 bytes above a multiple of this (`FRAME_ALIGNMENT`).
const FRAME_ALIGNMENT: u64 = 16;
/// Alignment of the vector state.
const FPSTATE_ALIGNMENT: u64 = 64;

/// Offset of the ucontext in the frame; before it is the return address.
pub const UCONTEXT: usize = 8;
/// Offset of `uc_stack` in the frame.
pub const UC_STACK: usize = UCONTEXT + 16;
/// Offset of `uc_mcontext` in the frame.
pub const MCONTEXT: usize = UCONTEXT + 40;
/// Offset of `uc_sigmask` in the frame.
pub const UC_SIGMASK: usize = MCONTEXT + 256;
/// Offset of the siginfo in the frame.
pub const SIGINFO: usize = UC_SIGMASK + 8;
/// Bytes of the frame.
pub const FRAME_BYTES: usize = SIGINFO + SIGINFO_BYTES;

/// `UC_FP_XSTATE`: the vector state is an XSAVE image.
const UC_FP_XSTATE: u64 = 1;
/// SS is saved.
const UC_SIGCONTEXT_SS: u64 = 2;
/// It is restored as it is; set for frames of 64-bit code.
const UC_STRICT_RESTORE_SS: u64 = 4;

/// Registers in the order of `struct sigcontext_64`; RIP and RFLAGS follow.
const ORDER: [usize; 16] =
    [R8, R9, R10, R11, R12, R12 + 1, R12 + 2, R12 + 3, RDI, RSI, RBP, RBX, RDX, RAX, RCX, RSP];
const IP: usize = MCONTEXT + 16 * 8;
const FLAGS: usize = IP + 8;
const CS: usize = FLAGS + 8;
const SS: usize = CS + 6;
const ERR: usize = CS + 8;
const TRAPNO: usize = ERR + 8;
const OLDMASK: usize = TRAPNO + 8;
const CR2: usize = OLDMASK + 8;
const FPSTATE: usize = CR2 + 8;

/// RFLAGS that rt_sigreturn takes from the frame (`FIX_EFLAGS`): AC, OF, DF, TF, SF, ZF,
/// AF, PF, CF, RF.
const FIX_EFLAGS: u64 = 0x4_0000 | 0x800 | 0x400 | 0x100 | 0xd5 | 0x1_0000;

/// An alternate signal stack: base, bytes and flags, as a task has it.
pub type AltStack = (u64, u64, u32);

/// Whether a stack pointer is on the alternate stack (`__on_sig_stack`).
#[must_use]
pub const fn is_within(altstack: AltStack, sp: u64) -> bool {
    let (base, size, _) = altstack;
    sp > base && sp - base <= size
}

/// Whether a task is on its alternate stack (`on_sig_stack`); one that is disarmed while
/// in use never counts.
#[must_use]
pub const fn on_sig_stack(altstack: AltStack, sp: u64) -> bool {
    altstack.2 & ss::AUTODISARM == 0 && is_within(altstack, sp)
}

/// What sigaltstack tells about the stack (`sas_ss_flags`).
#[must_use]
pub const fn sas_ss_flags(altstack: AltStack, sp: u64) -> u32 {
    if altstack.1 == 0 {
        ss::DISABLE
    } else if on_sig_stack(altstack, sp) {
        ss::ONSTACK
    } else {
        0
    }
}

/// Which stack the action asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackChoice {
    /// The one in use.
    Current,
    /// The alternate one (`SA_ONSTACK`).
    Alternate,
}

/// Where frame and vector state go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FramePlace {
    /// Address of the frame, the handler's RSP.
    pub frame: u64,
    /// Address of the vector state.
    pub fpstate: u64,
}

/// Chooses the place of a frame; `None` where it would run over the end of the
/// alternate stack.
#[must_use]
pub fn place(
    sp: u64,
    altstack: AltStack,
    choice: StackChoice,
    fpu: FpuFormat,
) -> Option<FramePlace> {
    let nested = on_sig_stack(altstack, sp);
    let mut at = sp.wrapping_sub(RED_ZONE);
    let entering = choice == StackChoice::Alternate && sas_ss_flags(altstack, at) == 0;
    if entering {
        at = altstack.0.wrapping_add(altstack.1);
    }
    let fpstate = at.wrapping_sub(fpu.frame_bytes() as u64) & !(FPSTATE_ALIGNMENT - 1);
    let frame = (fpstate.wrapping_sub(FRAME_BYTES as u64) & !(FRAME_ALIGNMENT - 1)).wrapping_sub(8);
    let fits = !(nested || entering) || is_within(altstack, frame);
    fits.then_some(FramePlace { frame, fpstate })
}

/// What a frame holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameContents {
    /// Where the handler returns to.
    pub restorer: u64,
    /// Registers of the interrupted code.
    pub regs: PtRegs,
    /// Its signal mask.
    pub mask: u64,
    /// The alternate stack.
    pub altstack: AltStack,
    /// The task's last trap that led to a signal.
    pub trap: TrapNumbers,
    /// Address of the vector state.
    pub fpstate: u64,
    /// Its form.
    pub fpu: FpuFormat,
    /// The siginfo, where the handler wants one.
    pub siginfo: Option<[u8; SIGINFO_BYTES]>,
}

impl FrameContents {
    /// The frame's bytes, without the siginfo's where there is none.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; SIGINFO];
        let mut word = |at: usize, value: u64| put(&mut bytes, at, value.to_le_bytes());
        word(0, self.restorer);
        let xstate = if self.fpu == FpuFormat::Fxsave { 0 } else { UC_FP_XSTATE };
        let strict = if self.regs.cs == USER_CS { UC_STRICT_RESTORE_SS } else { 0 };
        word(UCONTEXT, UC_SIGCONTEXT_SS | strict | xstate);
        word(UC_STACK, self.altstack.0);
        let no_stack = if self.altstack.1 == 0 { ss::DISABLE } else { 0 };
        word(UC_STACK + 8, u64::from(self.altstack.2 | no_stack));
        word(UC_STACK + 16, self.altstack.1);
        for (slot, reg) in ORDER.into_iter().enumerate() {
            word(MCONTEXT + 8 * slot, self.regs.gpr[reg]);
        }
        word(IP, self.regs.ip);
        word(FLAGS, self.regs.flags);
        // cs, gs, fs, ss, of which gs and fs are no longer saved.
        word(CS, u64::from(self.regs.cs) | u64::from(self.regs.ss) << 48);
        word(ERR, u64::from(self.trap.error_code));
        word(TRAPNO, u64::from(self.trap.trap_nr));
        word(OLDMASK, self.mask);
        word(CR2, self.trap.cr2);
        word(FPSTATE, self.fpstate);
        word(UC_SIGMASK, self.mask);
        if let Some(info) = &self.siginfo {
            bytes.extend_from_slice(info);
        }
        bytes
    }
}

/// What rt_sigreturn takes from a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Restored {
    /// Registers.
    pub regs: PtRegs,
    /// Whether an SS that IRET would refuse is to be replaced.
    pub fixes_ss: bool,
    /// Signal mask.
    pub mask: u64,
    /// `uc_stack`.
    pub altstack: AltStack,
    /// Address of the vector state, 0 for none.
    pub fpstate: u64,
}

/// Reads a frame (its first [`SIGINFO`] bytes); `current` has the RFLAGS that a program
/// cannot change (`restore_sigcontext`).
#[must_use]
pub fn restore(bytes: &[u8; SIGINFO], current: &PtRegs) -> Restored {
    let mut regs = *current;
    for (slot, reg) in ORDER.into_iter().enumerate() {
        regs.gpr[reg] = word_at(bytes, MCONTEXT + 8 * slot);
    }
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    regs.ip = word_at(bytes, IP);
    regs.flags = current.flags & !FIX_EFLAGS | word_at(bytes, FLAGS) & FIX_EFLAGS;
    regs.cs = half(CS) | 3;
    regs.ss = half(SS) | 3;
    let strict = word_at(bytes, UCONTEXT) & UC_STRICT_RESTORE_SS != 0;
    regs.orig_ax = u64::MAX;
    let flags = word_at(bytes, UC_STACK + 8) as u32;
    Restored {
        regs,
        fixes_ss: !strict && regs.cs == USER_CS,
        mask: word_at(bytes, UC_SIGMASK),
        altstack: (word_at(bytes, UC_STACK), word_at(bytes, UC_STACK + 16), flags),
        fpstate: word_at(bytes, FPSTATE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FX: FpuFormat = FpuFormat::Fxsave;
    const NO_STACK: AltStack = (0, 0, ss::DISABLE);

    /// glibc's `offsetof` for ucontext_t (gregs at 40, fpregs at 224, sigmask at 296).
    #[test]
    fn offsets_are_those_of_the_abi() {
        assert_eq!((UC_STACK, MCONTEXT, UC_SIGMASK), (24, 48, 304));
        assert_eq!((SIGINFO, FRAME_BYTES), (312, 440));
        let in_ucontext = |at: usize| at - UCONTEXT;
        assert_eq!(in_ucontext(IP), 40 + 16 * 8, "REG_RIP is 16");
        assert_eq!(in_ucontext(FLAGS), 40 + 17 * 8, "REG_EFL is 17");
        assert_eq!(in_ucontext(CS), 40 + 18 * 8, "REG_CSGSFS is 18");
        assert_eq!(in_ucontext(ERR), 40 + 19 * 8, "REG_ERR is 19");
        assert_eq!(in_ucontext(TRAPNO), 40 + 20 * 8, "REG_TRAPNO is 20");
        assert_eq!(in_ucontext(CR2), 40 + 22 * 8, "REG_CR2 is 22");
        assert_eq!(in_ucontext(FPSTATE), 224);
        assert_eq!(in_ucontext(UC_SIGMASK), 296);
    }

    #[test]
    fn registers_stand_in_the_order_of_sigcontext() {
        let mut regs = PtRegs::new_user(100, 200);
        regs.gpr[RAX] = 1;
        regs.gpr[RDI] = 2;
        regs.gpr[15] = 3;
        let contents = FrameContents {
            restorer: 9,
            regs,
            mask: 0x55,
            altstack: NO_STACK,
            trap: TrapNumbers { trap_nr: 14, error_code: 6, cr2: 0xdead },
            fpstate: 0x1000,
            fpu: FpuFormat::Fxsave,
            siginfo: None,
        };
        let bytes = contents.to_bytes();
        let greg = |index: usize| word_at(&bytes, MCONTEXT + 8 * index);
        let got = [13, 8, 7, 15, 16, 17, 19, 20, 21, 22, 23].map(greg);
        assert_eq!(got, [1, 2, 3, 200, 100, 0x202, 6, 14, 0x55, 0xdead, 0x1000]);
        assert_eq!(greg(18), 0x002b_0000_0000_0033);
        assert_eq!((bytes.len(), word_at(&bytes, 0)), (SIGINFO, 9));
    }

    #[test]
    fn frames_are_aligned_for_a_call() {
        for sp in 0x7fff_0000..0x7fff_0100_u64 {
            let place = place(sp, NO_STACK, StackChoice::Alternate, FX).unwrap();
            assert_eq!((place.frame + 8) % 16, 0);
            assert_eq!(place.fpstate % 64, 0);
            assert!(place.fpstate + 512 <= sp - 128, "the red zone stays");
            assert!(place.frame + FRAME_BYTES as u64 <= place.fpstate);
        }
    }

    #[test]
    fn the_alternate_stack_is_used_once_and_not_overrun() {
        let stack = (0x1000, 0x1000, 0);
        let entered = place(0x9000, stack, StackChoice::Alternate, FX).unwrap();
        assert!((0x1000..0x2000).contains(&entered.frame));
        let nested = place(entered.frame, stack, StackChoice::Alternate, FX).unwrap();
        assert!(nested.frame < entered.frame);
        assert_eq!(place(0x1200, stack, StackChoice::Current, FX), None);
        let other = place(0x9000, stack, StackChoice::Current, FX).unwrap();
        assert!(other.frame > 0x8000);
        assert_eq!(place(0x9000, (0x1000, 0x300, 0), StackChoice::Alternate, FX), None);
    }

    proptest! {
        #[test]
        fn what_is_saved_is_restored(gpr: [u64; 16], ip: u64, flags: u64, mask: u64) {
            let user = PtRegs::new_user(ip, 0);
            let regs = PtRegs { gpr, flags, ..user };
            let altstack = (gpr[0], gpr[1] | 1, gpr[2] as u32);
            let trap = TrapNumbers::default();
            let (restorer, fpstate, siginfo) = (0, 64, None);
            let contents =
                FrameContents { restorer, regs, mask, altstack, trap, fpstate, fpu: FX, siginfo };
            let bytes: [u8; SIGINFO] = contents.to_bytes().try_into().unwrap();
            let restored = restore(&bytes, &user);
            let want = 0x202 | flags & FIX_EFLAGS;
            prop_assert_eq!(restored.regs, PtRegs { flags: want, ..regs });
            prop_assert_eq!(
                (restored.mask, restored.altstack, restored.fpstate),
                (mask, altstack, fpstate)
            );
        }
    }
}
