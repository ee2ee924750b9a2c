//! The x87 FPU's registers, of which the MMX registers are a part
//! (SDM vol. 1, 8.1 and 9.6).
//!
//! The eight data registers are kept by their physical numbers, so that MMX
//! register i is the significand of register i whatever TOP is.

use crate::alu::x87::env::{Env, flag};
use crate::alu::x87::format::{Class, F80, SIGN};

/// Control word after FNINIT: all exceptions masked, 64 bits, to nearest.
pub const CONTROL_INIT: u16 = 0x37f;
/// Control word bits that can be set; the others read as in [`CONTROL_FIXED`].
const CONTROL_BITS: u16 = 0x1f3f;
/// Control word bit that reads as one.
const CONTROL_FIXED: u16 = 0x40;
/// Bytes of the x87 part of an FXSAVE area, with the place of MXCSR.
pub const FXSAVE_X87_BYTES: usize = 160;

/// Bits of the status word (SDM vol. 1, 8.1.3).
pub mod status {
    /// Condition code C0.
    pub const C0: u16 = 1 << 8;
    /// Condition code C1.
    pub const C1: u16 = 1 << 9;
    /// Condition code C2.
    pub const C2: u16 = 1 << 10;
    /// Condition code C3.
    pub const C3: u16 = 1 << 14;
    /// All condition codes.
    pub const CONDITIONS: u16 = C0 | C1 | C2 | C3;
    /// ES and B: an unmasked exception is pending.
    pub const ERROR: u16 = 0x8080;
    /// Exception flags and SF.
    pub const FLAGS: u16 = 0x7f;
    /// Lowest bit of TOP.
    pub const TOP_SHIFT: u32 = 11;
}

/// State of the x87 FPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct X87 {
    regs: [F80; 8],
    top: u8,
    /// A bit for each physical register in use.
    used: u8,
    control: u16,
    /// Exception flags, SF and condition codes.
    status: u16,
    /// Address of the last instruction that is not a control instruction.
    pub last_ip: u64,
    /// Address of its memory operand, as restored; this processor keeps it for
    /// unmasked exceptions only (CPUID.07H.EBX bit 6) and it is not updated here.
    pub last_dp: u64,
    /// Its opcode, as restored; not updated either.
    pub last_opcode: u16,
}

impl Default for X87 {
    /// The state that FNINIT leaves, with zero in all registers.
    fn default() -> Self {
        Self {
            regs: [F80::ZERO; 8],
            top: 0,
            used: 0,
            control: CONTROL_INIT,
            status: 0,
            last_ip: 0,
            last_dp: 0,
            last_opcode: 0,
        }
    }
}

impl X87 {
    /// Physical number of ST(i).
    fn physical(&self, i: u8) -> u8 {
        self.top.wrapping_add(i) & 7
    }

    /// ST(i); `None` where the register is empty.
    #[must_use]
    pub fn st(&self, i: u8) -> Option<F80> {
        let reg = self.physical(i);
        (self.used >> reg & 1 != 0).then(|| self.regs[usize::from(reg)])
    }

    /// What the register of ST(i) holds, in use or not.
    #[must_use]
    pub fn raw(&self, i: u8) -> F80 {
        self.regs[usize::from(self.physical(i))]
    }

    /// Writes the register of ST(i) and leaves its tag.
    pub fn set_raw(&mut self, i: u8, value: F80) {
        self.regs[usize::from(self.physical(i))] = value;
    }

    /// Writes ST(i), which is in use then.
    pub fn set_st(&mut self, i: u8, value: F80) {
        let reg = self.physical(i);
        self.regs[usize::from(reg)] = value;
        self.used |= 1 << reg;
    }

    /// Whether a push finds its register empty.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.st(7).is_none()
    }

    /// Pushes a value.
    pub fn push(&mut self, value: F80) {
        self.rotate(7);
        self.set_st(0, value);
    }

    /// Empties ST(0) and raises TOP.
    pub fn pop(&mut self) {
        self.free(0);
        self.rotate(1);
    }

    /// Makes ST(i) empty.
    pub fn free(&mut self, i: u8) {
        self.used &= !(1 << self.physical(i));
    }

    /// Adds to TOP, modulo 8.
    pub fn rotate(&mut self, by: u8) {
        self.top = self.physical(by);
    }

    /// FNINIT: the data registers keep what they hold, but are empty.
    pub fn init(&mut self) {
        *self = Self { regs: self.regs, ..Self::default() };
    }

    /// The control word.
    #[must_use]
    pub fn control(&self) -> u16 {
        self.control
    }

    /// Sets the control word; bits that do not exist keep their values.
    pub fn set_control(&mut self, value: u16) {
        self.control = value & CONTROL_BITS | CONTROL_FIXED;
    }

    /// Masks all exceptions, as FNSTENV does.
    pub fn mask_all(&mut self) {
        self.control |= flag::ALL;
    }

    /// Whether an unmasked exception is pending: ES.
    #[must_use]
    pub fn has_error(&self) -> bool {
        self.status & flag::ALL & !self.control != 0
    }

    /// The status word. ES and B follow from the flags and their masks.
    #[must_use]
    pub fn status_word(&self) -> u16 {
        let error = if self.has_error() { status::ERROR } else { 0 };
        self.status | u16::from(self.top) << status::TOP_SHIFT | error
    }

    /// Sets the status word; ES and B are not taken.
    pub fn set_status_word(&mut self, value: u16) {
        self.status = value & (status::FLAGS | status::CONDITIONS);
        self.top = (value >> status::TOP_SHIFT & 7) as u8;
    }

    /// FNCLEX: clears the exception flags, and with them ES and B.
    pub fn clear_exceptions(&mut self) {
        self.status &= !status::FLAGS;
    }

    /// Sets the condition codes in `mask` to those in `value`.
    pub fn set_conditions(&mut self, mask: u16, value: u16) {
        self.status = self.status & !mask | value & mask;
    }

    /// Takes the exceptions and C1 of an operation.
    pub fn note(&mut self, env: &Env) {
        self.status |= env.raised & status::FLAGS;
        self.set_conditions(status::C1, if env.rounded_up { status::C1 } else { 0 });
    }

    /// The tag word: two bits for each physical register.
    #[must_use]
    pub fn tag_word(&self) -> u16 {
        (0..8).fold(0, |word, reg| {
            let tag = match self.regs[reg].class() {
                _ if self.used >> reg & 1 == 0 => 3,
                Class::Zero => 1,
                Class::Normal => 0,
                _ => 2,
            };
            word | tag << (2 * reg)
        })
    }

    /// Sets the tag word; only empty and in use differ.
    pub fn set_tag_word(&mut self, value: u16) {
        self.used = (0..8).fold(0, |used, reg| used | u8::from(value >> (2 * reg) & 3 != 3) << reg);
    }

    /// MMX register `reg` (0 to 7).
    #[must_use]
    pub fn mm(&self, reg: u8) -> u64 {
        self.regs[usize::from(reg & 7)].sig
    }

    /// Writes an MMX register: sign and exponent become all ones.
    pub fn set_mm(&mut self, reg: u8, value: u64) {
        self.regs[usize::from(reg & 7)] = F80 { sig: value, se: u16::MAX };
    }

    /// What every MMX instruction but EMMS does: TOP is 0, all registers in use.
    pub fn enter_mmx(&mut self) {
        self.top = 0;
        self.used = u8::MAX;
    }

    /// TOP is 0: what an MMX store does before its access (measured).
    pub fn clear_top(&mut self) {
        self.top = 0;
    }

    /// EMMS: all registers are empty, and TOP is 0.
    pub fn leave_mmx(&mut self) {
        self.top = 0;
        self.used = 0;
    }

    /// Writes the x87 part of an FXSAVE area in its 64-bit form (SDM vol. 1,
    /// 10.5.1); the eight bytes of MXCSR and its mask stay.
    pub fn store_fxsave(&self, image: &mut [u8; FXSAVE_X87_BYTES]) {
        image[..2].copy_from_slice(&self.control.to_le_bytes());
        image[2..4].copy_from_slice(&self.status_word().to_le_bytes());
        image[4] = self.used;
        image[5] = 0;
        image[6..8].copy_from_slice(&self.last_opcode.to_le_bytes());
        image[8..16].copy_from_slice(&self.last_ip.to_le_bytes());
        image[16..24].copy_from_slice(&self.last_dp.to_le_bytes());
        let (slots, _) = image[32..].as_chunks_mut::<16>();
        for (i, slot) in slots.iter_mut().enumerate() {
            *slot = [0; 16];
            slot[..10].copy_from_slice(&self.raw(i as u8).to_bytes());
        }
    }

    /// Reads it.
    pub fn load_fxsave(&mut self, image: &[u8; FXSAVE_X87_BYTES]) {
        let word = |at: usize| u16::from_le_bytes([image[at], image[at + 1]]);
        self.set_control(word(0));
        self.set_status_word(word(2));
        self.used = image[4];
        self.last_opcode = word(6) & 0x7ff;
        let (pointers, _) = image[8..24].as_chunks::<8>();
        // Measured: FIP is extended from 57 bits, and FDP is taken as it is.
        self.last_ip = ((u64::from_le_bytes(pointers[0]) << 7).cast_signed() >> 7).cast_unsigned();
        self.last_dp = u64::from_le_bytes(pointers[1]);
        let (slots, _) = image[32..].as_chunks::<16>();
        for (i, slot) in slots.iter().enumerate() {
            let mut bytes = [0; 10];
            bytes.copy_from_slice(&slot[..10]);
            self.set_raw(i as u8, F80::from_bytes(bytes));
        }
    }

    /// FXAM's condition codes for ST(0).
    #[must_use]
    pub fn examine(&self) -> u16 {
        use status::{C0, C1, C2, C3};
        let sign = if self.raw(0).se & SIGN != 0 { C1 } else { 0 };
        let class = match self.st(0).map(F80::class) {
            None => C3 | C0,
            Some(Class::Unsupported) => 0,
            Some(Class::Quiet | Class::Signalling) => C0,
            Some(Class::Normal) => C2,
            Some(Class::Infinity) => C2 | C0,
            Some(Class::Zero) => C3,
            Some(Class::Denormal) => C3 | C2,
        };
        class | sign
    }
}
