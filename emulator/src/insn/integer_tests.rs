//! Integer instructions of later processors that cannot be compared natively, and
//! details of older ones as a processor has them.

use crate::cpuid::CpuModel;
use crate::flat::{self, Level};
use crate::machine::{Machine, MachineConfig};
use crate::regs::control::cr4;
use crate::regs::gpr::reg::{RAX, RBP, RCX, RDX, RSP};
use crate::regs::{RFlags, SegmentReg};
use crate::run::Exit;
use crate::timing::TimingChoice;

const CODE: u64 = 0x1_0000;
const STACK: u64 = 0x3_0000;

/// Two vCPUs in user mode before `code` and HLT, which ends the run: there is no IDT.
fn machine(code: &[u8]) -> Machine {
    let mut machine = Machine::new(&MachineConfig {
        nr_cpus: 2,
        ram_bytes: 0x4_0000,
        timing: TimingChoice::None,
        model: CpuModel::V3,
    });
    for cpu in 0..2 {
        flat::start(&mut machine, cpu, Level::User, CODE, STACK);
        machine.cpu_mut(cpu).regs.control.cr4 |= cr4::FSGSBASE;
    }
    machine.mem.write(CODE, code);
    machine.mem.write(CODE + code.len() as u64, &[0xf4]);
    machine
}

fn run(machine: &mut Machine, cpu: usize) {
    assert_eq!(machine.run(cpu, 1000), Exit::Shutdown);
}

/// RAX, RCX and RDX after the code on a vCPU.
fn drawn(machine: &mut Machine, cpu: usize) -> [u64; 3] {
    for reg in [RAX, RCX, RDX] {
        machine.cpu_mut(cpu).regs.gpr.set(reg, u64::MAX);
    }
    run(machine, cpu);
    [RAX, RCX, RDX].map(|reg| machine.cpu(cpu).regs.gpr.get(reg))
}

/// rdrand ax; rdseed ecx; rdrand rdx
const DRAW: &[u8] = &[0x66, 0x0f, 0xc7, 0xf0, 0x0f, 0xc7, 0xf9, 0x48, 0x0f, 0xc7, 0xf2];

#[test]
fn random_numbers_come_from_the_seed() {
    let with_seed = |seed: Option<u64>, cpu: usize| {
        let mut machine = machine(DRAW);
        if let Some(seed) = seed {
            machine.seed_random(seed);
        }
        machine.cpu_mut(cpu).set_rflags(RFlags::STATUS | RFlags::FIXED);
        let numbers = drawn(&mut machine, cpu);
        assert_eq!(machine.cpu(cpu).regs.status.image(), RFlags::CF);
        numbers
    };
    let numbers = with_seed(Some(7), 0);
    assert_eq!(numbers[0] | 0xffff, u64::MAX);
    assert_eq!(numbers[1] >> 32, 0);
    assert_ne!(numbers[2] >> 32, 0);
    assert_eq!(numbers, with_seed(Some(7), 0));
    assert_eq!(with_seed(None, 0), with_seed(Some(0), 0));
    for other in [with_seed(Some(8), 0), with_seed(Some(7), 1)] {
        assert!(numbers.iter().zip(other).all(|(number, other)| *number != other));
    }
}

#[test]
fn the_digest_tells_of_the_numbers_to_come() {
    let digest = |seed: u64| {
        let mut bytes = Vec::new();
        let mut machine = machine(DRAW);
        machine.seed_random(seed);
        machine.digest(&mut |part| bytes.extend_from_slice(part));
        bytes
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

#[test]
fn bases_are_registers() {
    // wrfsbase rax; rdfsbase ecx; wrgsbase eax; rdgsbase rdx
    let code = [
        [0xf3, 0x48, 0x0f, 0xae, 0xd0].as_slice(),
        &[0xf3, 0x0f, 0xae, 0xc1],
        &[0xf3, 0x0f, 0xae, 0xd8],
        &[0xf3, 0x48, 0x0f, 0xae, 0xca],
    ]
    .concat();
    let mut machine = machine(&code);
    let base = 0xffff_8123_9abc_def0;
    machine.cpu_mut(0).regs.gpr.set(RAX, base);
    machine.cpu_mut(0).regs.gpr.set(RCX, u64::MAX);
    run(&mut machine, 0);
    let regs = &machine.cpu(0).regs;
    assert_eq!(regs.seg[SegmentReg::Fs as usize].base, base);
    assert_eq!(regs.seg[SegmentReg::Gs as usize].base, base & 0xffff_ffff);
    assert_eq!(regs.gpr.get(RCX), base & 0xffff_ffff);
    assert_eq!(regs.gpr.get(RDX), base & 0xffff_ffff);
    assert_eq!(regs.rip, CODE + code.len() as u64);
}

#[test]
fn bases_must_be_canonical_and_the_instructions_enabled() {
    let wrfsbase = [0xf3, 0x48, 0x0f, 0xae, 0xd0];
    for (base, enabled) in [(1 << 47, cr4::FSGSBASE), (0, 0)] {
        let mut machine = machine(&wrfsbase);
        let cpu = machine.cpu_mut(0);
        cpu.regs.control.cr4 = cpu.regs.control.cr4 & !cr4::FSGSBASE | enabled;
        cpu.regs.seg[SegmentReg::Fs as usize].base = 77;
        cpu.regs.gpr.set(RAX, base);
        run(&mut machine, 0);
        let regs = &machine.cpu(0).regs;
        assert_eq!((regs.rip, regs.seg[SegmentReg::Fs as usize].base), (CODE, 77));
    }
}

#[test]
fn rdpid_reads_the_auxiliary_word() {
    let mut machine = machine(&[0xf3, 0x0f, 0xc7, 0xf8]);
    machine.cpu_mut(1).regs.msrs.tsc_aux = 0x1_0001;
    machine.cpu_mut(1).regs.control.cr4 |= cr4::TSD;
    run(&mut machine, 1);
    assert_eq!(machine.cpu(1).regs.gpr.get(RAX), 0x1_0001);
}

/// Measured: words are pushed, and all of RSP moves.
#[test]
fn enter_with_an_operand_size_prefix_pushes_words() {
    // enter 16,3
    let mut machine = machine(&[0x66, 0xc8, 0x10, 0, 3]);
    let frame = 0x2_0880;
    machine.mem.write(frame - 4, &[0x34, 0x12, 0x78, 0x56]);
    machine.cpu_mut(0).regs.gpr.set(RBP, frame);
    run(&mut machine, 0);
    let gpr = &machine.cpu(0).regs.gpr;
    assert_eq!(gpr.get(RSP), STACK - 2 * 4 - 16);
    assert_eq!(gpr.get(RBP), frame & !0xffff | (STACK - 2) & 0xffff);
    let mut words = [0; 8];
    machine.mem.read(STACK - 8, &mut words);
    assert_eq!(words, [0xfe, 0xff, 0x34, 0x12, 0x78, 0x56, 0x80, 0x08]);
}

/// SYSENTER: #GP(0) with a null IA32_SYSENTER_CS, else to CPL 0 without IF (SDM vol. 2B).
#[test]
fn sysenter_goes_where_its_registers_say() {
    // sysenter; the target has HLT, which ends the run at CPL 0.
    let mut refused = machine(&[0x0f, 0x34]);
    run(&mut refused, 0);
    let mut entered = machine(&[0x0f, 0x34]);
    let msrs = &mut entered.cpu_mut(0).regs.msrs;
    (msrs.sysenter_cs, msrs.sysenter_esp, msrs.sysenter_eip) = (0x13, STACK - 64, CODE + 2);
    entered.cpu_mut(0).set_rflags(RFlags::FIXED | RFlags::IF | RFlags::ID);
    assert_eq!(entered.run(0, 1000), Exit::Halted);
    let regs = &entered.cpu(0).regs;
    let selectors = [SegmentReg::Cs, SegmentReg::Ss].map(|seg| regs.seg[seg as usize].selector);
    assert_eq!((selectors, regs.cpl()), ([0x10, 0x18], 0));
    assert_eq!(regs.gpr.get(RSP), STACK - 64);
    assert_eq!(regs.rflags() & (RFlags::IF | RFlags::ID), RFlags::ID);
}
