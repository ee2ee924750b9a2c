//! Programs for the emulator's benches: one loop each, in a bare 64-bit machine.

#![allow(dead_code, reason = "every bench uses another part")]

pub(crate) mod process;

use emulator::cpuid::CpuModel;
use emulator::flat::{self, Level};
use emulator::machine::{Machine, MachineConfig};
use emulator::timing::TimingChoice;
use iced_x86::code_asm::*;

const CODE: u64 = 0x10_0000;
const STACK: u64 = 0x20_0000;
/// The array that memory loops walk over.
pub(crate) const DATA: u64 = 0x40_0000;
/// A page that no loop touches.
pub(crate) const ELSEWHERE: u64 = 0x80_0000;

/// What a loop's body is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Body {
    /// Register arithmetic only.
    Integer,
    /// Loads and stores over 32 KiB.
    Memory,
    /// A data-dependent branch in each round.
    Branchy,
}

impl Body {
    /// Its name in bench ids.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Memory => "memory",
            Self::Branchy => "branchy",
        }
    }
}

/// A machine that will run `rounds` of the body.
pub(crate) fn looping(body: Body, rounds: u32, timing: TimingChoice) -> Machine {
    let mut a = CodeAssembler::new(64).expect("64-bit code");
    assemble(&mut a, body, rounds).expect("the loop assembles");
    let config = MachineConfig { nr_cpus: 1, ram_bytes: 16 << 20, timing, model: CpuModel::V1 };
    let mut machine = Machine::new(&config);
    let code = a.assemble(CODE).expect("the loop assembles");
    machine.mem.write(CODE, &code);
    flat::start(&mut machine, 0, Level::User, CODE, STACK);
    machine
}

fn assemble(a: &mut CodeAssembler, body: Body, rounds: u32) -> Result<(), iced_x86::IcedError> {
    let mut top = a.create_label();
    a.mov(ecx, rounds)?;
    a.mov(rbx, DATA)?;
    a.mov(eax, 1)?;
    a.set_label(&mut top)?;
    match body {
        Body::Integer => {
            a.add(rax, rcx)?;
            a.xor(rdx, rax)?;
            a.lea(rsi, ptr(rax + rdx * 2 + 5))?;
            a.shr(rsi, 3)?;
            a.sub(rdi, rsi)?;
            a.imul_2(rdi, rsi)?;
            a.and(rdi, 0xffff)?;
        }
        Body::Memory => {
            a.mov(rsi, rcx)?;
            a.and(esi, 0xfff)?;
            a.mov(rdx, qword_ptr(rbx + rsi * 8))?;
            a.add(rdx, rcx)?;
            a.mov(qword_ptr(rbx + rsi * 8), rdx)?;
            a.add(qword_ptr(rbx + rsi * 8), 3)?;
            a.cmp(rdx, qword_ptr(rbx + 64))?;
        }
        Body::Branchy => {
            let mut even = a.create_label();
            let mut join = a.create_label();
            a.imul_3(eax, eax, 1_103_515_245)?;
            a.add(eax, 12_345)?;
            a.test(eax, 0x1_0000)?;
            a.je(even)?;
            a.add(rdx, 1)?;
            a.jmp(join)?;
            a.set_label(&mut even)?;
            a.sub(rdx, 1)?;
            a.set_label(&mut join)?;
            a.nop()?;
        }
    }
    a.dec(ecx)?;
    a.jne(top)?;
    a.ud2()
}

/// Where the handler of #DB is: VMCALL and IRETQ.
const HANDLER: u64 = 0x30_0000;
/// The IDT, of which only the gate of #DB is there.
const IDT: u64 = 0x31_0000;

/// A machine that will store `stores` times to one word, and whose #DB handler asks the
/// monitor; the word is watched if `armed`.
pub(crate) fn stepping(stores: u32, armed: bool) -> Machine {
    let mut a = CodeAssembler::new(64).expect("64-bit code");
    store_loop(&mut a, stores).expect("the loop assembles");
    let config = MachineConfig {
        nr_cpus: 1,
        ram_bytes: 16 << 20,
        timing: TimingChoice::None,
        model: CpuModel::V1,
    };
    let mut machine = Machine::new(&config);
    let code = a.assemble(CODE).expect("the loop assembles");
    machine.mem.write(CODE, &code);
    machine.mem.write(HANDLER, &[0x0f, 0x01, 0xc1, 0x48, 0xcf]);
    flat::start(&mut machine, 0, Level::Kernel, CODE, STACK);
    let gate = HANDLER & 0xffff | u64::from(flat::CODE0) << 16 | 0x8e00 << 32 | HANDLER >> 16 << 48;
    machine.mem.write_u64(IDT + 16, gate);
    let cpu = machine.cpu_mut(0);
    (cpu.regs.control.idtr.base, cpu.regs.control.idtr.limit) = (IDT, 0xfff);
    if armed {
        cpu.set_dr_address(0, DATA);
        // G0, writes, 4 bytes.
        cpu.set_dr7(0x000d_0002);
    }
    machine
}

fn store_loop(a: &mut CodeAssembler, stores: u32) -> Result<(), iced_x86::IcedError> {
    let mut top = a.create_label();
    a.mov(ecx, stores)?;
    a.mov(rbx, DATA)?;
    a.set_label(&mut top)?;
    a.mov(dword_ptr(rbx), ecx)?;
    a.dec(ecx)?;
    a.jne(top)?;
    a.ud2()
}

/// Arms all four debug registers with 8-byte read-write watches from `first` on.
pub(crate) fn arm_four(machine: &mut Machine, first: u64) {
    let cpu = machine.cpu_mut(0);
    for index in 0..4 {
        cpu.set_dr_address(index, first + 8 * index as u64);
    }
    // G0 to G3, R/W 11 and LEN 10 in every entry.
    cpu.set_dr7(0xbbbb_02aa);
}

/// Runs the loop to its end; tells the instructions retired.
pub(crate) fn finish(machine: &mut Machine) -> u64 {
    machine.run(0, u64::MAX);
    machine.cpu(0).icount()
}
