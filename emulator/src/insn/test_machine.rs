//! The machine on which tests run single instructions: at CPL 0, with handlers that stop
//! at once.

use crate::cpuid::CpuModel;
use crate::flat::{self, Level};
use crate::machine::{Machine, MachineConfig};
use crate::run::Exit;
use crate::timing::TimingChoice;

/// Where the code is.
pub(crate) const CODE: u64 = 0x1_0000;
/// Memory for operands.
pub(crate) const DATA: u64 = 0x2_0000;
/// Where the first GiB's identity mapping ends.
pub(crate) const UNMAPPED: u64 = 1 << 30;
/// The IDT, and the handler of vector 0; the others follow, 16 bytes each.
const IDT: u64 = 0x4000;
const HANDLERS: u64 = 0x5000;
const HLT: u8 = 0xf4;

/// A machine whose handlers of vectors 0 to 31 are HLT.
pub(crate) fn machine(model: CpuModel) -> Machine {
    let config =
        MachineConfig { nr_cpus: 1, ram_bytes: 0x4_0000, timing: TimingChoice::None, model };
    let mut machine = Machine::new(&config);
    flat::start(&mut machine, 0, Level::Kernel, CODE, 0x3_0000);
    for vector in 0..32 {
        let handler = HANDLERS + 16 * vector;
        let gate = handler | u64::from(flat::CODE0) << 16 | 0x8e00 << 32;
        machine.mem.write_u64(IDT + 16 * vector, gate);
        machine.mem.write(handler, &[HLT]);
    }
    let idtr = &mut machine.cpu_mut(0).regs.control.idtr;
    (idtr.base, idtr.limit) = (IDT, 0x1ff);
    machine
}

/// Runs code: the vector of the exception that it raised.
pub(crate) fn run(machine: &mut Machine, code: &[u8]) -> Option<u64> {
    machine.mem.write(CODE, code);
    machine.mem.write(CODE + code.len() as u64, &[HLT]);
    let cpu = machine.cpu_mut(0);
    cpu.wake();
    cpu.regs.rip = CODE;
    assert_eq!(machine.run(0, u64::MAX), Exit::Halted, "{code:02x?}");
    let rip = machine.cpu(0).regs.rip;
    (rip < CODE).then(|| (rip - 1 - HANDLERS) / 16)
}
