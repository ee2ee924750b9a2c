//! Single instructions against what a processor did with them, and the faults.

use crate::alu::x87::convert::from_integer;
use crate::cpuid::CpuModel;
use crate::event::Vector;
use crate::insn::test_machine::{self, CODE, DATA, run};
use crate::machine::Machine;
use crate::regs::control::cr0;
use crate::regs::gpr::reg::{RAX, RBX};
use crate::regs::x87::{FXSAVE_X87_BYTES, X87, status};
use crate::regs::{RFlags, Regs};

/// Instruction, name, state before, state after; a state is control, status and tag
/// words, flags, AX, ST0 to ST7, and the memory operand.
const MEASURED: &str = include_str!("../../alu/x87/testdata/instructions.txt");
/// The same for functions whose last place is not specified; no memory operands.
const TRANSCENDENTAL: &str = include_str!("../../alu/x87/testdata/transcendental.txt");

/// A machine with RBX at [`DATA`].
fn machine() -> Machine {
    let mut machine = test_machine::machine(CpuModel::V3);
    let cpu = machine.cpu_mut(0);
    cpu.regs.gpr.set(RBX, DATA);
    machine
}

fn number(text: &str) -> u64 {
    u64::from_str_radix(text, 16).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn bytes(text: &str) -> Vec<u8> {
    (0..text.len() & !1).step_by(2).map(|at| number(&text[at..at + 2]) as u8).collect()
}

/// Puts a state as the data names it into a machine.
fn load(machine: &mut Machine, text: &str) {
    let fields: Vec<&str> = text.split(' ').collect();
    let [control, status, tags, flags, ax, registers @ .., memory] = &fields[..] else {
        panic!("fields of {text}")
    };
    let mut image = [0; FXSAVE_X87_BYTES];
    image[..2].copy_from_slice(&(number(control) as u16).to_le_bytes());
    image[2..4].copy_from_slice(&(number(status) as u16).to_le_bytes());
    image[4] = number(tags) as u8;
    for (register, place) in registers.iter().zip(image[32..].chunks_exact_mut(16)) {
        let (se, sig) = register.split_once(':').expect("a register");
        place[..8].copy_from_slice(&number(sig).to_le_bytes());
        place[8..10].copy_from_slice(&(number(se) as u16).to_le_bytes());
    }
    machine.mem.write(DATA, &bytes(memory));
    let cpu = machine.cpu_mut(0);
    cpu.regs.x87.load_fxsave(&image);
    cpu.regs.gpr.set(RAX, number(ax));
    cpu.set_rflags(number(flags) | RFlags::FIXED);
}

/// The state as the data names it, with the instruction pointer left out.
fn state(regs: &Regs, memory: &[u8]) -> String {
    let mut image = [0; FXSAVE_X87_BYTES];
    regs.x87.store_fxsave(&mut image);
    let word = |at: usize| u16::from_le_bytes([image[at], image[at + 1]]);
    let registers: Vec<String> = (0..8)
        .map(|i| regs.x87.raw(i))
        .map(|value| format!("{:x}:{:x}", value.se, value.sig))
        .collect();
    let memory: String = memory.iter().map(|byte| format!("{byte:02x}")).collect();
    format!(
        "{:x} {:x} {:x} {:x} {:x} {} {}",
        word(0),
        word(2),
        image[4],
        regs.rflags() & RFlags::STATUS,
        regs.gpr.get(RAX),
        registers.join(" "),
        if memory.is_empty() { "-" } else { &memory },
    )
}

/// Clears the pointers of an environment, which name where the code was.
fn clear_pointers(name: &str, memory: &mut [u8]) {
    match name {
        "fnstenv" | "fnsave" => memory[12..28].fill(0),
        "fnstenv16" | "fnsave16" => memory[6..14].fill(0),
        _ => {}
    }
}

/// Runs each measured instruction: the line, what was found, and what is expected.
fn replay(data: &str) -> Vec<(&str, String, &str)> {
    let lines = data.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let parts: Vec<&str> = line.split(" ; ").collect();
            let [code, name, before, after] = parts[..] else { panic!("parts of {line}") };
            let mut machine = machine();
            load(&mut machine, before);
            assert_eq!(run(&mut machine, &bytes(code)), None, "{line}");
            let operand = after.rsplit(' ').next().unwrap_or("-");
            let mut memory = vec![0; operand.len() / 2];
            machine.mem.read(DATA, &mut memory);
            clear_pointers(name, &mut memory);
            (line, state(&machine.cpu(0).regs, &memory), after)
        })
        .collect()
}

#[test]
fn measured_instructions() {
    let cases = replay(MEASURED);
    for (line, found, expected) in &cases {
        assert_eq!(found, expected, "{line}");
    }
    assert!(cases.len() > 300, "{} cases", cases.len());
}

/// The transcendental functions: the processor errs by up to a unit of the last
/// place, and C1 follows that.
#[test]
fn measured_transcendentals() {
    let cases = replay(TRANSCENDENTAL);
    for (line, found, expected) in &cases {
        for (field, (found, expected)) in found.split(' ').zip(expected.split(' ')).enumerate() {
            let Some(((se, sig), (true_se, true_sig))) =
                found.split_once(':').zip(expected.split_once(':'))
            else {
                if found == "-" {
                    continue;
                }
                let c1 = if field == 1 { u64::from(status::C1) } else { 0 };
                let pair = (number(found) | c1, number(expected) | c1);
                assert_eq!(pair.0, pair.1, "{line}");
                continue;
            };
            assert_eq!(se, true_se, "{line}");
            assert!(number(sig).abs_diff(number(true_sig)) <= 1, "{line}: {sig}");
        }
    }
    assert!(cases.len() > 150, "{} cases", cases.len());
}

/// fldcw [rbx]; fld1; fldz; fdivp: a division by zero that is not masked.
const DIVIDE: [u8; 8] = [0xd9, 0x2b, 0xd9, 0xe8, 0xd9, 0xee, 0xde, 0xf9];

/// x86-debug rule P5: #MF comes before the store.
#[test]
fn pending_error_is_raised_before_the_store() {
    let mut machine = machine();
    machine.mem.write(DATA, &0x37bu16.to_le_bytes());
    assert_eq!(run(&mut machine, &DIVIDE), None);
    assert_eq!(machine.cpu(0).regs.x87.status_word() & 0x8084, 0x8084);
    // fstp dword [rbx], also where the page is not there: #MF, not #PF.
    let fault = Some(Vector::X87Error as u64);
    assert_eq!(run(&mut machine, &[0xd9, 0x1b]), fault);
    machine.cpu_mut(0).regs.gpr.set(RBX, 1 << 30);
    assert_eq!(run(&mut machine, &[0xd9, 0x1b]), fault);
    assert_eq!(run(&mut machine, &[0x9b]), fault);
    // fnstsw ax; fnclex do not wait.
    assert_eq!(run(&mut machine, &[0xdf, 0xe0, 0xdb, 0xe2, 0x9b]), None);
    assert_eq!(machine.cpu(0).regs.gpr.get(RAX) as u16 & 0x8084, 0x8084);
    assert_eq!(run(&mut machine, &[0xd9, 0x1b]), Some(Vector::PageFault as u64));
}

#[test]
fn task_switched_refuses_and_wait_needs_mp() {
    let mut machine = machine();
    machine.cpu_mut(0).regs.control.cr0 |= cr0::TS;
    let absent = Some(Vector::DeviceNotAvailable as u64);
    assert_eq!(run(&mut machine, &[0xd9, 0xe8]), absent);
    assert_eq!(run(&mut machine, &[0xdb, 0xe3]), absent);
    assert_eq!(run(&mut machine, &[0x9b]), None);
    machine.cpu_mut(0).regs.control.cr0 |= 2;
    assert_eq!(run(&mut machine, &[0x9b]), absent);
}

/// FXSAVE [rbx]; FNINIT; FXRSTOR [rbx] keeps the state.
#[test]
fn fxsave_and_fxrstor_keep_the_state() {
    let mut machine = machine();
    // fld1; fldpi; fchs; fincstp, so that TOP and tags matter.
    let code = [0xd9, 0xe8, 0xd9, 0xeb, 0xd9, 0xe0, 0xd9, 0xf7];
    assert_eq!(run(&mut machine, &code), None);
    let before = machine.cpu(0).regs.x87.clone();
    assert_ne!(before, X87::default());
    assert_eq!(before.last_ip, CODE + 6);
    assert_eq!(run(&mut machine, &[0x48, 0x0f, 0xae, 0x03, 0xdb, 0xe3]), None);
    assert_ne!(machine.cpu(0).regs.x87, before);
    assert_eq!(run(&mut machine, &[0x48, 0x0f, 0xae, 0x0b]), None);
    assert_eq!(machine.cpu(0).regs.x87, before);
}

/// EMMS empties all registers: fld1; emms; fld1 finds room whatever was there.
#[test]
fn emms_empties_the_stack() {
    let mut machine = machine();
    assert_eq!(run(&mut machine, &[0xd9, 0xe8, 0x0f, 0x77]), None);
    let x87 = &machine.cpu(0).regs.x87;
    assert_eq!((x87.tag_word(), x87.status_word()), (0xffff, 0));
    machine.cpu_mut(0).regs.control.cr0 |= 4;
    assert_eq!(run(&mut machine, &[0x0f, 0x77]), Some(Vector::InvalidOpcode as u64));
}

/// Two numbers on the stack, ST(3) in use as well.
fn three_registers() -> Machine {
    let mut machine = machine();
    let x87 = &mut machine.cpu_mut(0).regs.x87;
    x87.init();
    for value in [3, 2, 1] {
        x87.push(from_integer(value));
    }
    x87.set_conditions(status::CONDITIONS, status::CONDITIONS);
    machine
}

/// FFREEP ST(1): both that register and ST(0) are empty then (measured).
#[test]
fn ffreep_frees_and_pops() {
    let mut machine = three_registers();
    assert_eq!(run(&mut machine, &[0xdf, 0xc1]), None);
    let x87 = &machine.cpu(0).regs.x87;
    assert_eq!((x87.st(0), x87.st(1)), (None, Some(from_integer(3))));
    assert_eq!(x87.status_word(), 6 << 11 | status::CONDITIONS & !status::C1);
    assert_eq!(x87.last_ip, CODE);
}

/// FSTPNCE ST(1): as FSTP, but an empty ST(0) is no fault and is not stored (measured).
#[test]
fn fstpnce_takes_an_empty_register() {
    let mut machine = three_registers();
    assert_eq!(run(&mut machine, &[0xd9, 0xd9]), None);
    assert_eq!(machine.cpu(0).regs.x87.st(0), Some(from_integer(1)));

    let mut machine = three_registers();
    machine.cpu_mut(0).regs.x87.free(0);
    // All exceptions unmasked.
    machine.cpu_mut(0).regs.x87.set_control(0x340);
    assert_eq!(run(&mut machine, &[0xd9, 0xd9]), None);
    let x87 = &machine.cpu(0).regs.x87;
    assert_eq!(x87.st(0), Some(from_integer(2)));
    assert_eq!(x87.status_word(), 6 << 11 | status::CONDITIONS & !status::C1);
}

/// FNENI, FNDISI and FNSETPM do nothing, even with an exception pending; their forms
/// with WAIT, as those of all control instructions, raise it first.
#[test]
fn forms_with_and_without_wait() {
    let outcome = |code: &[u8]| {
        let mut machine = three_registers();
        let x87 = &mut machine.cpu_mut(0).regs.x87;
        x87.set_control(0x37e);
        x87.set_status_word(5 << 11 | 1);
        let before = x87.clone();
        let vector = run(&mut machine, code);
        (vector, machine.cpu(0).regs.x87 == before)
    };
    for code in [[0xdb, 0xe0], [0xdb, 0xe1], [0xdb, 0xe4]] {
        assert_eq!(outcome(&code), (None, true), "{code:02x?}");
    }
    let pending = Some(Vector::X87Error as u64);
    // FENI, FDISI, FSETPM, FCLEX, FINIT, FSTSW AX; FSTCW, FSTENV, FSAVE, FSTSW [RBX].
    let forms = [[0xdb, 0xe0], [0xdb, 0xe1], [0xdb, 0xe4], [0xdb, 0xe2], [0xdb, 0xe3]];
    let stores = [[0xdf, 0xe0], [0xd9, 0x3b], [0xd9, 0x33], [0xdd, 0x33], [0xdd, 0x3b]];
    for form in forms.into_iter().chain(stores) {
        let [first, second] = form;
        assert_eq!(outcome(&[0x9b, first, second]), (pending, true), "{form:02x?}");
        // With nothing pending they are done.
        let mut machine = three_registers();
        assert_eq!(run(&mut machine, &[0x9b, first, second]), None, "{form:02x?}");
    }
}
