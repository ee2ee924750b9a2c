//! The vector table of real mode (SDM vol. 3B, 21.1.4).

use super::{Arrival, clear_flags};
use crate::cpu::Cpu;
use crate::event::exception::Faulted;
use crate::event::{Exception, Vector};
use crate::insn::stack::push;
use crate::mem::access::MemWidth;
use crate::mem::phys::PhysMem;
use crate::regs::{B16, B32, RFlags, SegmentReg};

/// Enters a handler: FLAGS, CS and IP of 16 bits, and no error code.
pub(super) fn enter(cpu: &mut Cpu, mem: &mut PhysMem, arrival: &Arrival) -> Result<(), Faulted> {
    let table = cpu.regs.control.idtr;
    let offset = u64::from(arrival.vector) * 4;
    if offset + 3 > u64::from(table.limit) {
        return Err(cpu.raise(Exception::gp0()));
    }
    let entry = B32::load(cpu, mem, table.base.wrapping_add(offset) & 0xffff_ffff)?;
    let top = cpu.stack_pointer(0);
    let code = u64::from(cpu.regs.seg[SegmentReg::Cs as usize].selector);
    let rip = cpu.regs.rip;
    for word in [arrival.image, code, rip] {
        if push::<B16>(cpu, mem, word).is_err() {
            cpu.set_stack_pointer(top);
            return Err(cpu.raise(Exception::with_error(Vector::StackFault, 0)));
        }
    }
    clear_flags(cpu, true);
    cpu.regs.system_flags &= !RFlags::AC;
    cpu.set_real_segment(SegmentReg::Cs as u8, (entry >> 16) as u16);
    cpu.regs.rip = entry & 0xffff;
    Ok(())
}
