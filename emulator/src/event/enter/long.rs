//! 64-bit gates (SDM vol. 3A, 6.14).

use super::{Arrival, clear_flags, code_segment, set_code};
use crate::cpu::Cpu;
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::mem::access::MemWidth;
use crate::mem::is_canonical;
use crate::mem::phys::PhysMem;
use crate::regs::gpr::reg::RSP;
use crate::regs::{B64, Segment, SegmentReg};

use super::Source;

/// Type field of a 64-bit interrupt gate; one more is a trap gate.
const INTERRUPT_GATE: u64 = 0xe;
const TRAP_GATE: u64 = 0xf;
/// Offset of RSP0 in a 64-bit TSS.
const TSS_RSP0: u64 = 4;
/// Offset of the (absent) IST0 in a 64-bit TSS.
const TSS_IST0: u64 = 0x1c;

/// A gate of the IDT.
#[derive(Clone, Copy, Debug)]
struct Gate {
    offset: u64,
    selector: u16,
    ist: u64,
    masks_interrupts: bool,
}

/// Enters a handler through a 64-bit gate.
pub(super) fn enter(cpu: &mut Cpu, mem: &mut PhysMem, arrival: &Arrival) -> Result<(), Faulted> {
    let gate = read_gate(cpu, mem, arrival)?;
    let cpl = cpu.regs.cpl();
    let (code, target) = code_segment(cpu, mem, arrival, gate.selector)?;
    let stack = select_stack(cpu, mem, arrival, &gate, target)?;

    let regs = &cpu.regs;
    let frame = [
        u64::from(regs.seg[SegmentReg::Ss as usize].selector),
        regs.gpr.get(RSP),
        arrival.image,
        u64::from(regs.seg[SegmentReg::Cs as usize].selector),
        regs.rip,
    ];
    let words = frame.iter().copied().chain(arrival.error.map(u64::from));
    let top = cpu.with_system_rights(|cpu| {
        let mut at = stack & !0xf;
        for word in words {
            at = at.wrapping_sub(8);
            B64::store(cpu, mem, at, word).map_err(|_| cpu.blame_stack())?;
        }
        Ok(at)
    })?;
    if !is_canonical(gate.offset) {
        return Err(
            cpu.raise(Exception::with_error(Vector::GeneralProtection, arrival.source.ext()))
        );
    }

    clear_flags(cpu, gate.masks_interrupts);
    set_code(cpu, code, target);
    if target != cpl {
        let null = Segment { selector: u16::from(target), ..Segment::default() };
        cpu.regs.seg[SegmentReg::Ss as usize] = null;
    }
    cpu.regs.gpr.set(RSP, top);
    cpu.regs.rip = gate.offset;
    Ok(())
}

/// Reads and checks a gate of the IDT.
fn read_gate(cpu: &mut Cpu, mem: &mut PhysMem, arrival: &Arrival) -> Result<Gate, Faulted> {
    let table = cpu.regs.control.idtr;
    let offset = u64::from(arrival.vector) * 16;
    if offset + 15 > u64::from(table.limit) {
        return Err(arrival.refuse_gate(cpu, Vector::GeneralProtection));
    }
    let at = table.base.wrapping_add(offset);
    let (low, high) = cpu.with_system_rights(|cpu| {
        Ok((B64::load(cpu, mem, at)?, B64::load(cpu, mem, at.wrapping_add(8))?))
    })?;
    let kind = low >> 40 & 0x1f;
    let dpl = (low >> 45 & 3) as u8;
    let refused = arrival.source == Source::Software && dpl < cpu.regs.cpl();
    if !matches!(kind, INTERRUPT_GATE | TRAP_GATE) || refused {
        return Err(arrival.refuse_gate(cpu, Vector::GeneralProtection));
    }
    if low >> 47 & 1 == 0 {
        return Err(arrival.refuse_gate(cpu, Vector::SegmentNotPresent));
    }
    Ok(Gate {
        offset: low & 0xffff | low >> 32 & 0xffff_0000 | high << 32,
        selector: (low >> 16) as u16,
        ist: low >> 32 & 7,
        masks_interrupts: kind == INTERRUPT_GATE,
    })
}

/// The stack of the handler: IST, the TSS's for a new privilege, or the present one.
fn select_stack(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    arrival: &Arrival,
    gate: &Gate,
    target: u8,
) -> Result<u64, Faulted> {
    let offset = if gate.ist != 0 {
        TSS_IST0 + 8 * gate.ist
    } else if target != cpu.regs.cpl() {
        TSS_RSP0 + 8 * u64::from(target)
    } else {
        return Ok(cpu.regs.gpr.get(RSP));
    };
    cpu.needed_tss_word::<B64>(mem, offset, arrival.source.ext())
}
