//! Gathers and masked moves run by a machine: faults, breakpoints and restarts in the
//! middle.

use crate::cpuid::CpuModel;
use crate::event::Vector;
use crate::flat::{self, Level};
use crate::machine::{Machine, MachineConfig};
use crate::regs::gpr::reg::RBX;
use crate::regs::vector::VectorReg;
use crate::run::Exit;
use crate::timing::TimingChoice;

mod gather;
mod masked;

/// Where the code is, and where RBX points.
const CODE: u64 = 0x1_0000;
pub(super) const DATA: u64 = 0x2_0000;
/// Where the first GiB's identity mapping ends.
pub(super) const UNMAPPED: u64 = 1 << 30;
/// The IDT, and the handler of vector 0; the others follow, 16 bytes each.
const IDT: u64 = 0x4000;
const HANDLERS: u64 = 0x5000;
const HLT: u8 = 0xf4;

const DEBUG: Option<u64> = Some(Vector::Debug as u64);
pub(super) const INVALID_OPCODE: Option<u64> = Some(Vector::InvalidOpcode as u64);
pub(super) const PAGE_FAULT: Option<u64> = Some(Vector::PageFault as u64);
const GENERAL_PROTECTION: Option<u64> = Some(Vector::GeneralProtection as u64);
const ALIGNMENT: Option<u64> = Some(Vector::AlignmentCheck as u64);

/// A machine at CPL 0 whose exception handlers stop at once. The byte at `DATA + n` is
/// the low byte of n.
pub(super) fn machine() -> Machine {
    let mut machine = Machine::new(&MachineConfig {
        nr_cpus: 1,
        ram_bytes: 0x4_0000,
        timing: TimingChoice::None,
        model: CpuModel::V3,
    });
    flat::start(&mut machine, 0, Level::Kernel, CODE, 0x3_0000);
    for vector in 0..32 {
        let handler = HANDLERS + 16 * vector;
        machine
            .mem
            .write_u64(IDT + 16 * vector, handler | u64::from(flat::CODE0) << 16 | 0x8e00 << 32);
        machine.mem.write(handler, &[HLT]);
    }
    let bytes: Vec<u8> = (0..0x1000).map(|n| n as u8).collect();
    machine.mem.write(DATA, &bytes);
    let cpu = machine.cpu_mut(0);
    cpu.regs.control.idtr.base = IDT;
    cpu.regs.control.idtr.limit = 0x1ff;
    cpu.regs.gpr.set(RBX, DATA);
    machine
}

/// Runs one instruction: the vector of the exception that it raised.
pub(super) fn run(machine: &mut Machine, code: &[u8]) -> Option<u64> {
    machine.mem.write(CODE, code);
    machine.mem.write(CODE + code.len() as u64, &[HLT]);
    let cpu = machine.cpu_mut(0);
    cpu.regs.rip = CODE;
    cpu.wake();
    assert_eq!(machine.run(0, u64::MAX), Exit::Halted, "{code:02x?}");
    let rip = machine.cpu(0).regs.rip;
    let vector = (rip - 1).checked_sub(HANDLERS).map(|offset| offset / 16);
    vector.filter(|_| rip < CODE)
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
