//! Registers as operands.

use iced_x86::{OpCodeOperandKind, Register};

use super::super::rng::Rng;
use super::setting::Setting;

/// The manual's numbers of registers with a part to play.
pub(super) const RAX: usize = 0;
pub(super) const RCX: usize = 1;
pub(super) const RDX: usize = 2;
pub(super) const RBX: usize = 3;
pub(super) const RSP: usize = 4;
pub(super) const RBP: usize = 5;
pub(super) const RSI: usize = 6;
pub(super) const RDI: usize = 7;

/// How an address is to be put together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Address {
    /// With an index register.
    pub(super) with_index: bool,
    /// With 32-bit registers.
    pub(super) short: bool,
}

/// The general registers of a width, in the manual's order.
const R8: [Register; 20] = {
    use Register::*;
    [
        AL, CL, DL, BL, SPL, BPL, SIL, DIL, R8L, R9L, R10L, R11L, R12L, R13L, R14L, R15L, AH, CH,
        DH, BH,
    ]
};

/// The general register of `bits` with the manual's number.
pub(super) fn general(bits: u32, number: usize) -> Register {
    let first = match bits {
        8 => return R8[number % 20],
        16 => Register::AX,
        32 => Register::EAX,
        _ => Register::RAX,
    };
    first + (number % 16) as u32
}

/// A register for an operand of this kind; `None` for kinds without register.
pub(super) fn operand(
    rng: &mut Rng,
    setting: Setting,
    kind: OpCodeOperandKind,
) -> Option<Register> {
    use OpCodeOperandKind as K;
    let numbered = |first: Register, count: u64, rng: &mut Rng| first + rng.below(count) as u32;
    Some(match kind {
        K::r8_or_mem | K::r8_reg | K::r8_opcode => {
            let high = rng.chance(20);
            let number = if high { 16 + rng.below(4) as usize } else { setting.number(rng) };
            general(8, number)
        }
        K::r16_or_mem | K::r16_reg | K::r16_reg_mem | K::r16_rm | K::r16_opcode => {
            general(16, setting.number(rng))
        }
        K::r32_or_mem | K::r32_reg | K::r32_reg_mem | K::r32_rm | K::r32_opcode | K::r32_vvvv => {
            general(32, setting.number(rng))
        }
        K::r64_or_mem | K::r64_reg | K::r64_reg_mem | K::r64_rm | K::r64_opcode | K::r64_vvvv => {
            general(64, setting.number(rng))
        }
        K::cr_reg => rng.pick(&[Register::CR0, Register::CR2, Register::CR3, Register::CR4]),
        K::dr_reg => numbered(Register::DR0, 8, rng),
        K::seg_reg => numbered(Register::ES, 6, rng),
        K::mm_or_mem | K::mm_reg | K::mm_rm => numbered(Register::MM0, 8, rng),
        K::xmm_or_mem | K::xmm_reg | K::xmm_rm | K::xmm_vvvv | K::xmm_is4 => {
            numbered(Register::XMM0, 16, rng)
        }
        K::ymm_or_mem | K::ymm_reg | K::ymm_rm | K::ymm_vvvv | K::ymm_is4 => {
            numbered(Register::YMM0, 16, rng)
        }
        K::es => Register::ES,
        K::cs => Register::CS,
        K::ss => Register::SS,
        K::ds => Register::DS,
        K::fs => Register::FS,
        K::gs => Register::GS,
        K::al => Register::AL,
        K::cl => Register::CL,
        K::ax => Register::AX,
        K::dx => Register::DX,
        K::eax => Register::EAX,
        K::rax => Register::RAX,
        K::st0 => Register::ST0,
        K::sti_opcode => numbered(Register::ST0, 8, rng),
        _ => return None,
    })
}
