//! Gathers and masked moves run by a machine: faults, breakpoints and restarts in the
//! middle.

use crate::cpuid::CpuModel;
use crate::event::Vector;
use crate::insn::test_machine::{self, DATA};
use crate::machine::Machine;
use crate::regs::gpr::reg::RBX;
use crate::regs::vector::VectorReg;

mod gather;
mod masked;

const DEBUG: Option<u64> = Some(Vector::Debug as u64);
pub(super) const INVALID_OPCODE: Option<u64> = Some(Vector::InvalidOpcode as u64);
pub(super) const PAGE_FAULT: Option<u64> = Some(Vector::PageFault as u64);
const GENERAL_PROTECTION: Option<u64> = Some(Vector::GeneralProtection as u64);
const ALIGNMENT: Option<u64> = Some(Vector::AlignmentCheck as u64);

/// A machine at CPL 0 whose exception handlers stop at once. The byte at `DATA + n` is
/// the low byte of n.
pub(super) fn machine() -> Machine {
    let mut machine = test_machine::machine(CpuModel::V3);
    let bytes: Vec<u8> = (0..0x1000).map(|n| n as u8).collect();
    machine.mem.write(DATA, &bytes);
    machine.cpu_mut(0).regs.gpr.set(RBX, DATA);
    machine
}

/// A vector of lanes of `bytes` bytes, the lowest first.
fn vector(bytes: usize, lanes: &[u64]) -> VectorReg {
    let mut all: Vec<u8> =
        lanes.iter().flat_map(|lane| lane.to_le_bytes()[..bytes].to_vec()).collect();
    all.resize(32, 0);
    VectorReg::from_le_bytes(std::array::from_fn(|at| all[at]))
}

fn set(machine: &mut Machine, reg: u8, value: VectorReg) {
    machine.cpu_mut(0).regs.vector.set_ymm(reg, value);
}

fn get(machine: &Machine, reg: u8) -> [u8; 32] {
    machine.cpu(0).regs.vector.ymm(reg).to_le_bytes()
}
