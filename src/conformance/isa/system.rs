//! What instructions near the system need: selectors of Linux's descriptor table, far
//! pointers, areas of saved state, bases of FS and GS.
//! Source: Linux 6.18 arch/x86/include/asm/segment.h; SDM vol. 1, 13.4.

use emulator::regs::RFlags;
use iced_x86::{Code, Instruction, Mnemonic, OpKind};

use super::super::case::Patch;
use super::super::layout::{DATA, FS_BASE, GS_BASE, READ_ONLY, USER_CS, USER_SS};
use super::operands::Draft;
use super::registers::{RAX, RDX, RSP};
use super::values;

/// Bytes of an area with x87, SSE and AVX state.
const AREA_BYTES: u64 = 832;
/// What such an area is aligned to.
const AREA_ALIGNMENT: u64 = 64;
/// Offset of MXCSR in an area.
const MXCSR_AT: u64 = 24;
/// Offset of the XSAVE header.
const HEADER_AT: u64 = 512;
/// x87, SSE and AVX.
const COMPONENTS: u64 = 7;
/// XCOMP_BV: the compacted format.
const COMPACTED: u64 = 1 << 63;

/// What the instruction has to do with the system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Its operand is a selector.
    Selector,
    /// A selector is on the stack.
    StackSelector,
    /// Its operand is a far pointer to data.
    Pointer,
    /// Its operand is a far pointer to code.
    Target,
    /// A far pointer to code is on the stack, of so many bytes and a selector.
    StackTarget(u64),
    /// A whole frame is on the stack, of words of so many bytes.
    StackFrame(usize),
    /// It saves or loads state as EDX:EAX asks for.
    Area,
    /// It sets a segment base.
    Base,
}

fn kind(code: Code) -> Option<Kind> {
    use Mnemonic::*;
    match code {
        Code::Mov_Sreg_rm16 | Code::Mov_Sreg_r32m16 | Code::Mov_Sreg_r64m16 => {
            return Some(Kind::Selector);
        }
        Code::Popw_FS | Code::Popw_GS | Code::Popq_FS | Code::Popq_GS => {
            return Some(Kind::StackSelector);
        }
        Code::Retfw | Code::Retfw_imm16 => return Some(Kind::StackTarget(2)),
        Code::Retfd | Code::Retfd_imm16 => return Some(Kind::StackTarget(4)),
        Code::Retfq | Code::Retfq_imm16 => return Some(Kind::StackTarget(8)),
        Code::Iretw => return Some(Kind::StackFrame(2)),
        Code::Iretd => return Some(Kind::StackFrame(4)),
        Code::Iretq => return Some(Kind::StackFrame(8)),
        Code::Jmp_m1616
        | Code::Jmp_m1632
        | Code::Jmp_m1664
        | Code::Call_m1616
        | Code::Call_m1632
        | Code::Call_m1664 => return Some(Kind::Target),
        _ => {}
    }
    match code.mnemonic() {
        Lar | Lsl | Verr | Verw => Some(Kind::Selector),
        Lss | Lfs | Lgs => Some(Kind::Pointer),
        Xsave | Xsave64 | Xsavec | Xsavec64 | Xsaveopt | Xsaveopt64 | Xrstor | Xrstor64 => {
            Some(Kind::Area)
        }
        Wrfsbase | Wrgsbase => Some(Kind::Base),
        _ => None,
    }
}

/// Whether an instruction changes segment registers or their bases.
pub(super) fn changes_segments(code: Code) -> bool {
    use Kind::{Base, Pointer, StackSelector};
    let loads = matches!(kind(code), Some(StackSelector | Pointer | Base));
    loads || matches!(code, Code::Mov_Sreg_rm16 | Code::Mov_Sreg_r32m16 | Code::Mov_Sreg_r64m16)
}

/// Whether an instruction saves or loads all state that EDX:EAX asks for. What it
/// writes depends on which state is in use, so none may be left out.
pub(super) fn saves_or_loads_state(code: Code) -> bool {
    kind(code) == Some(Kind::Area)
}

/// Whether random operands could lead anywhere: only prepared ones may run.
pub(super) fn needs_preparation(code: Code) -> bool {
    kind(code).is_some()
}

/// Prepares registers and stack.
pub(super) fn prepare(draft: &mut Draft<'_>, insn: &Instruction) {
    let top = draft.start.gpr[RSP];
    match kind(insn.code()) {
        Some(Kind::Selector) => {
            let source = insn.op_count() - 1;
            if insn.op_kind(source) == OpKind::Register {
                let value = draft.rng.word() << 16 | u64::from(selector(draft));
                draft.suggest(insn.op_register(source).full_register().number(), value);
            }
        }
        Some(Kind::StackSelector) => {
            let value = selector(draft);
            draft.patch(top, &value.to_le_bytes());
        }
        Some(Kind::StackTarget(bytes)) => {
            let pointer = far_pointer(draft, bytes as usize);
            draft.patch(top, &pointer);
        }
        Some(Kind::StackFrame(bytes)) => {
            let frame = frame(draft, bytes);
            draft.patch(top, &frame);
        }
        Some(Kind::Area) => {
            let asked = if draft.rng.chance(60) { COMPONENTS } else { draft.rng.below(8) };
            draft.set(RAX, asked);
            draft.set(RDX, 0);
        }
        Some(Kind::Base) => {
            let value = match draft.rng.below(3) {
                0 => draft.rng.pick(&[FS_BASE, GS_BASE, DATA]),
                1 => draft.rng.word() & 0x7fff_ffff_ffff,
                _ => values::integer(draft.rng),
            };
            draft.suggest(insn.op0_register().full_register().number(), value);
        }
        Some(Kind::Pointer | Kind::Target) | None => {}
    }
}

/// Where the area of an instruction that saves or loads state is; `None` for others.
pub(super) fn area(draft: &mut Draft<'_>, code: Code) -> Option<u64> {
    if kind(code) != Some(Kind::Area) || draft.rng.chance(15) {
        return None;
    }
    let places = (READ_ONLY - DATA - AREA_BYTES) / AREA_ALIGNMENT;
    let at = DATA + draft.rng.below(places) * AREA_ALIGNMENT;
    let slip = if draft.rng.chance(10) { draft.rng.below(AREA_ALIGNMENT) } else { 0 };
    Some(at + slip)
}

/// Bytes that an instruction may reach beyond what its operand's size says.
pub(super) fn reach(code: Code) -> u64 {
    if kind(code) == Some(Kind::Area) { AREA_BYTES } else { 0 }
}

/// What the memory operand at `at`, of `size` bytes, holds.
pub(super) fn prepare_operand(draft: &mut Draft<'_>, code: Code, at: u64, size: u64) {
    match kind(code) {
        Some(Kind::Selector) => {
            let value = selector(draft);
            draft.patch(at, &value.to_le_bytes());
        }
        Some(Kind::Pointer) => {
            let value = selector(draft);
            draft.patch(at.wrapping_add(size.saturating_sub(2)), &value.to_le_bytes());
        }
        Some(Kind::Target) => {
            let pointer = far_pointer(draft, size.saturating_sub(2) as usize);
            draft.patch(at, &pointer);
        }
        Some(Kind::Area) => prepare_area(draft, at),
        Some(Kind::StackSelector | Kind::StackTarget(_) | Kind::StackFrame(_) | Kind::Base)
        | None => {}
    }
}

/// MXCSR and header of an area: mostly such as can be loaded.
fn prepare_area(draft: &mut Draft<'_>, at: u64) {
    let mxcsr = values::mxcsr(draft.rng, 10);
    draft.patch(at.wrapping_add(MXCSR_AT), &mxcsr.to_le_bytes());
    let mut header = [0; Patch::MAX_BYTES];
    let mut present = draft.rng.below(COMPONENTS + 1);
    let mut format = match draft.rng.below(3) {
        0 => COMPACTED | COMPONENTS,
        1 => COMPACTED | present | draft.rng.below(COMPONENTS + 1),
        _ => 0,
    };
    match draft.rng.below(24) {
        // What no processor has.
        0 => present |= 1 << 62,
        1 => format ^= 1 << (40 + draft.rng.below(20)),
        2 => header[16 + draft.rng.below(48) as usize] = 1,
        3 => format ^= 1 << draft.rng.below(3),
        _ => {}
    }
    header[..8].copy_from_slice(&present.to_le_bytes());
    header[8..16].copy_from_slice(&format.to_le_bytes());
    draft.patch(at.wrapping_add(HEADER_AT), &header);
}

/// Linux's selectors, and some that name nothing. Not those whose descriptors are the
/// machine's: the CPU number's (0x78), and in code those of compatibility mode.
fn selector(draft: &mut Draft<'_>) -> u16 {
    const CPU_NUMBER: u16 = 0x78;
    const KNOWN: [u16; 12] =
        [0, 1, 3, USER_SS, USER_SS, 0x28, USER_CS, 0x23, 0x10, 0x18, 0x1b, 0x2a];
    if draft.rng.chance(85) {
        return draft.rng.pick(&KNOWN);
    }
    let any = draft.rng.word() as u16;
    if any & !7 == CPU_NUMBER { 0 } else { any }
}

/// What IRET pops: RIP, CS, RFLAGS, RSP and SS.
fn frame(draft: &mut Draft<'_>, bytes: usize) -> Vec<u8> {
    let pointer = far_pointer(draft, bytes);
    let (offset, code) = pointer.split_at(bytes);
    let stack = if draft.rng.chance(70) { USER_SS } else { selector(draft) };
    // Not AC: IRET checks its own frame by the new flags, and Linux 6.18 takes an #AC with
    // AC clear for a split lock and tries again, for ever.
    let flags = (values::flags(draft.rng) | draft.rng.word() & RFlags::ID) & !RFlags::AC;
    let top = values::integer(draft.rng);
    let mut frame = offset.to_vec();
    frame.extend(code);
    frame.resize(2 * bytes, 0);
    for word in [flags, top, u64::from(stack)] {
        frame.extend(&word.to_le_bytes()[..bytes]);
    }
    frame
}

/// An offset of `bytes` bytes and a selector of code.
fn far_pointer(draft: &mut Draft<'_>, bytes: usize) -> Vec<u8> {
    const COMPATIBILITY: u16 = 0x20;
    let selector = match draft.rng.below(4) {
        0 => selector(draft),
        _ => USER_CS,
    };
    let selector = if selector & !7 == COMPATIBILITY { USER_CS } else { selector };
    let offset = super::setting::landing(draft);
    let mut pointer = offset.to_le_bytes()[..bytes.min(8)].to_vec();
    pointer.extend(selector.to_le_bytes());
    pointer
}
