//! The run loop on small programs: results, counts, deadlines, self-modifying code.

use emulator::cpuid::CpuModel;
use emulator::flat::{self, Level};
use emulator::machine::{Machine, MachineConfig};
use emulator::regs::gpr::reg::{RAX, RCX};
use emulator::run::Exit;
use emulator::timing::TimingChoice;
use iced_x86::code_asm::*;

const CODE: u64 = 0x10_0000;
const STACK: u64 = 0x20_0000;

fn machine(timing: TimingChoice, code: CodeAssembler) -> Machine {
    let mut code = code;
    let config = MachineConfig { nr_cpus: 1, ram_bytes: 16 << 20, timing, model: CpuModel::V1 };
    let mut machine = Machine::new(&config);
    machine.mem.write(CODE, &code.assemble(CODE).expect("assembles"));
    flat::start(&mut machine, 0, Level::Kernel, CODE, STACK);
    machine
}

fn sum_loop(rounds: u32) -> CodeAssembler {
    let mut a = CodeAssembler::new(64).expect("64 bit");
    let mut top = a.create_label();
    a.xor(eax, eax).unwrap();
    a.mov(ecx, rounds).unwrap();
    a.set_label(&mut top).unwrap();
    a.add(rax, rcx).unwrap();
    a.dec(ecx).unwrap();
    a.jne(top).unwrap();
    a.hlt().unwrap();
    a
}

#[test]
fn a_loop_gives_its_sum_and_counts_its_instructions() {
    for timing in [TimingChoice::None, TimingChoice::Table] {
        let mut machine = machine(timing, sum_loop(1000));
        assert_eq!(machine.run(0, u64::MAX), Exit::Halted);
        assert_eq!(machine.cpu(0).regs.gpr.get(RAX), 500_500);
        assert_eq!(machine.cpu(0).icount(), 2 + 3000 + 1);
        if timing == TimingChoice::None {
            assert_eq!(machine.cpu(0).cycles(), machine.cpu(0).icount());
        }
    }
}

#[test]
fn a_deadline_is_the_first_boundary_that_reaches_it() {
    let mut whole = machine(TimingChoice::Table, sum_loop(5000));
    whole.run(0, u64::MAX);
    for step in [1, 7, 100, 5000] {
        let mut sliced = machine(TimingChoice::Table, sum_loop(5000));
        let mut deadline = 0;
        loop {
            deadline = sliced.cpu(0).cycles().max(deadline) + step;
            match sliced.run(0, deadline) {
                Exit::Deadline => assert!(sliced.cpu(0).cycles() >= deadline),
                exit => break assert_eq!(exit, Exit::Halted),
            }
        }
        assert_eq!(sliced.cpu(0).regs.gpr, whole.cpu(0).regs.gpr);
        assert_eq!(sliced.cpu(0).icount(), whole.cpu(0).icount());
    }
}

#[test]
fn code_that_changes_the_next_instruction() {
    let mut a = CodeAssembler::new(64).expect("64 bit");
    let mut patched = a.create_label();
    a.lea(rbx, ptr(patched)).unwrap();
    a.mov(byte_ptr(rbx + 1), 7).unwrap();
    a.set_label(&mut patched).unwrap();
    a.mov(ecx, 1).unwrap();
    a.hlt().unwrap();
    let mut machine = machine(TimingChoice::None, a);
    assert_eq!(machine.run(0, u64::MAX), Exit::Halted);
    assert_eq!(machine.cpu(0).regs.gpr.get(RCX), 7);
}

#[test]
fn an_exception_without_handlers_is_a_shutdown() {
    let mut a = CodeAssembler::new(64).expect("64 bit");
    a.ud2().unwrap();
    let mut machine = machine(TimingChoice::None, a);
    assert_eq!(machine.run(0, u64::MAX), Exit::Shutdown);
}
