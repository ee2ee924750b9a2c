//! Signal frames of x86-64 Linux: a case's registers in, and out.
//! Source: Linux 6.18 arch/x86/include/uapi/asm/sigcontext.h and ucontext.h,
//! arch/x86/kernel/fpu/signal.c; XSAVE area: SDM vol. 1, 13.4.

use super::super::case::{Case, Ending, Fault, RSP, Registers};
use super::super::layout::{USER_CS, USER_SS};
use super::super::x87::X87;
use super::BaseAccess;
use super::places::{
    BASES_AT, CONTEXT, FRAME_BYTES, INPUT_STRIDE, PATCH_COUNT, PATCHES, SELECTORS_AT, SIGNAL_STACK,
    SIGNAL_STACK_BYTES, XSAVE,
};
use super::stub::PATCH_STRIDE;

/// `uc_flags`: extended state, SS is saved, SS is restored as it is.
const FLAGS: u64 = 1 | 2 | 4;
/// Offset in `struct ucontext`: `uc_stack`.
const STACK_AT: usize = 16;
/// Offset in `struct ucontext`: `uc_mcontext`.
const MACHINE_AT: usize = 40;
/// The manual's numbers of the registers in the order of `struct sigcontext`.
const ORDER: [usize; 16] = [8, 9, 10, 11, 12, 13, 14, 15, 7, 6, 5, 3, 2, 0, 1, RSP];
/// Offsets in `struct sigcontext`.
const RIP_AT: usize = 128;
const FLAGS_AT: usize = 136;
const SEGMENTS_AT: usize = 144;
const ERROR_AT: usize = 152;
const VECTOR_AT: usize = 160;
const CR2_AT: usize = 176;
const XSAVE_AT: usize = 184;
/// Offset of `struct ucontext` in the frame that the kernel pushes: after the
/// handler's return address.
const PUSHED_CONTEXT: usize = 8;

/// Offsets in an XSAVE area.
const MXCSR_AT: usize = 24;
const MXCSR_MASK_AT: usize = 28;
const XMM_AT: usize = 160;
const SOFTWARE_AT: usize = 464;
const PRESENT_AT: usize = 512;
const YMM_AT: usize = 576;
/// Bytes to the end of the AVX state.
const XSAVE_BYTES: usize = 832;
/// Marks of an extended frame.
const MAGIC1: u32 = 0x4650_5853;
const MAGIC2: u32 = 0x4650_5845;
/// State components.
const FPU: u64 = 1;
const SSE: u64 = 2;
const AVX: u64 = 4;

/// Which state components a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Components {
    /// x87 and SSE.
    Sse,
    /// x87, SSE and AVX.
    Avx,
}

impl Components {
    fn mask(self) -> u64 {
        match self {
            Self::Sse => FPU | SSE,
            Self::Avx => FPU | SSE | AVX,
        }
    }
}

fn put(slot: &mut [u8], at: usize, bytes: &[u8]) {
    slot[at..at + bytes.len()].copy_from_slice(bytes);
}

fn word(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

fn wide(bytes: &[u8], at: usize) -> Option<u128> {
    let bytes = bytes.get(at..at.checked_add(16)?)?;
    Some(u128::from_le_bytes(bytes.try_into().ok()?))
}

/// Fills the input slot of a case; `address` is the slot's in the tracee.
pub(super) fn write_input(slot: &mut [u8], address: u64, case: &Case, components: Components) {
    debug_assert_eq!(slot.len(), INPUT_STRIDE as usize, "one slot");
    put(slot, PATCH_COUNT, &(case.patches.len() as u64).to_le_bytes());
    for (nth, patch) in case.patches.iter().enumerate() {
        let at = PATCHES + nth * PATCH_STRIDE;
        put(slot, at, &patch.at.to_le_bytes());
        put(slot, at + 8, &(patch.bytes.len() as u64).to_le_bytes());
        put(slot, at + 16, &patch.bytes);
    }
    let xsave = address + XSAVE as u64;
    write_context(&mut slot[CONTEXT..XSAVE], &case.start, xsave);
    write_xsave(&mut slot[XSAVE..PATCHES], &case.start, components);
}

fn write_context(context: &mut [u8], start: &Registers, xsave: u64) {
    put(context, 0, &FLAGS.to_le_bytes());
    put(context, STACK_AT, &SIGNAL_STACK.to_le_bytes());
    put(context, STACK_AT + 16, &SIGNAL_STACK_BYTES.to_le_bytes());
    let machine = &mut context[MACHINE_AT..];
    for (place, number) in ORDER.into_iter().enumerate() {
        put(machine, place * 8, &start.gpr[number].to_le_bytes());
    }
    put(machine, RIP_AT, &start.rip.to_le_bytes());
    put(machine, FLAGS_AT, &start.rflags.to_le_bytes());
    let segments = u64::from(USER_CS) | u64::from(USER_SS) << 48;
    put(machine, SEGMENTS_AT, &segments.to_le_bytes());
    put(machine, XSAVE_AT, &xsave.to_le_bytes());
}

fn write_xsave(area: &mut [u8], start: &Registers, components: Components) {
    if let Some(x87) = area.first_chunk_mut() {
        start.x87.to_fxsave(x87);
    }
    put(area, MXCSR_AT, &start.mxcsr.to_le_bytes());
    put(area, MXCSR_MASK_AT, &0xffff_u32.to_le_bytes());
    for (reg, [low, high]) in start.vector.iter().enumerate() {
        put(area, XMM_AT + 16 * reg, &low.to_le_bytes());
        put(area, YMM_AT + 16 * reg, &high.to_le_bytes());
    }
    let mask = components.mask();
    let bytes = match components {
        Components::Sse => YMM_AT,
        Components::Avx => XSAVE_BYTES,
    };
    put(area, SOFTWARE_AT, &MAGIC1.to_le_bytes());
    put(area, SOFTWARE_AT + 4, &(bytes as u32 + 4).to_le_bytes());
    put(area, SOFTWARE_AT + 8, &mask.to_le_bytes());
    put(area, SOFTWARE_AT + 16, &(bytes as u32).to_le_bytes());
    put(area, PRESENT_AT, &mask.to_le_bytes());
    put(area, bytes, &MAGIC2.to_le_bytes());
}

/// Reads the frame that ended a case. The stub has put the frame's address in the
/// place of the return address. `None` for what is not a frame.
pub(super) fn read_ending(frame: &[u8], bases: BaseAccess) -> Option<Ending> {
    debug_assert_eq!(frame.len(), FRAME_BYTES as usize, "one frame");
    let address = word(frame, 0)?;
    let machine = frame.get(PUSHED_CONTEXT + MACHINE_AT..)?;
    let mut registers = Registers::default();
    for (place, number) in ORDER.into_iter().enumerate() {
        registers.gpr[number] = word(machine, place * 8)?;
    }
    registers.rip = word(machine, RIP_AT)?;
    registers.rflags = word(machine, FLAGS_AT)?;
    let xsave = word(machine, XSAVE_AT)?.checked_sub(address)?;
    read_xsave(frame.get(usize::try_from(xsave).ok()?..)?, &mut registers)?;
    if bases == BaseAccess::Present {
        let selectors = word(frame, SELECTORS_AT)?;
        registers.selectors = std::array::from_fn(|nth| (selectors >> (16 * nth)) as u16);
        registers.bases = [word(frame, BASES_AT)?, word(frame, BASES_AT + 8)?];
    }
    let fault = Fault {
        vector: u8::try_from(word(machine, VECTOR_AT)?).ok()?,
        error: word(machine, ERROR_AT)? as u32,
        address: word(machine, CR2_AT)?,
    };
    Some(Ending { fault: without_leftovers(fault), registers })
}

/// Removes what the kernel keeps from earlier faults of the task.
fn without_leftovers(mut fault: Fault) -> Fault {
    const WITH_ERROR: [u8; 7] = [8, 10, 11, 12, 13, 14, 17];
    const PAGE_FAULT: u8 = 14;
    if !WITH_ERROR.contains(&fault.vector) {
        fault.error = 0;
    }
    if fault.vector != PAGE_FAULT {
        fault.address = 0;
    }
    fault
}

/// Components that are in their initial state may be left out of the area.
fn read_xsave(area: &[u8], registers: &mut Registers) -> Option<()> {
    let mxcsr = area.get(MXCSR_AT..MXCSR_AT + 4)?;
    registers.mxcsr = u32::from_le_bytes(mxcsr.try_into().ok()?);
    let present = word(area, PRESENT_AT)?;
    if present & FPU != 0 {
        registers.x87 = X87::from_fxsave(area.first_chunk()?);
    }
    for (reg, [low, high]) in registers.vector.iter_mut().enumerate() {
        if present & SSE != 0 {
            *low = wide(area, XMM_AT + 16 * reg)?;
        }
        if present & AVX != 0 {
            *high = wide(area, YMM_AT + 16 * reg)?;
        }
    }
    Some(())
}
