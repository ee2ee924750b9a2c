//! Plays a rule and compares.

use emulator::event::KeptHits;
use emulator::regs::RFlags;
use emulator::regs::control::cr4;
use emulator::run::Exit;

use super::rule::{CODE, Expected, Handler, Rule, Values};
use crate::stand::layout::{CODE0, DATA0};
use crate::stand::paging::Rights;
use crate::stand::{Frame, Stand, Stop};

/// Four pages of data.
const DATA: u64 = 0x2000_0000;
/// What RBX holds where nothing is set.
const POINTER: u64 = 0x2000_0100;
/// Stacks of the programs.
const STACK3: u64 = DATA + 0x2000;
const STACK0: u64 = 0xffff_8000_0000_5000;
/// General registers in the manual's order.
const GPR_NAMES: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];

/// Plays a rule; the error says what differs.
pub(crate) fn play(rule: &Rule) -> Result<(), String> {
    let mut stand = prepare(rule);
    for (nth, expected) in rule.stops.iter().enumerate() {
        let stop = stand.run();
        check_stop(&mut stand, expected, &stop).map_err(|why| format!("stop {nth}: {why}"))?;
        if expected.handler != Handler::Syscall {
            leave(&mut stand, expected);
        }
    }
    let Some(end) = &rule.end else { return Ok(()) };
    let stop = stand.run();
    let last = CODE + rule.code.len() as u64;
    let ended = match &stop {
        Stop::Exception(13, _) if rule.user => stand.frame().rip == last,
        Stop::Ended(Exit::Halted) => stand.machine.cpu(0).regs.rip == last + 1,
        _ => false,
    };
    if !ended {
        return Err(format!("does not end: {stop:x?}, frame {:x?}", stand.frame()));
    }
    check_values(&stand, end)
}

fn prepare(rule: &Rule) -> Stand {
    let mut stand = Stand::new();
    stand.map(CODE, Rights::Execute);
    for page in 0..4 {
        stand.map(DATA + page * 0x1000, Rights::Write);
    }
    let mut code = rule.code.clone();
    code.push(0xf4);
    stand.poke(CODE, &code);
    for (at, bytes) in &rule.mem {
        stand.poke(*at, bytes);
    }
    let value = |name: &str| rule.set.get(name).copied();
    let rflags = value("rflags").unwrap_or(RFlags::FIXED);
    let frame = if rule.user {
        Stand::user_frame(CODE, rflags, value("rsp").unwrap_or(STACK3))
    } else {
        let rsp = value("rsp").unwrap_or(STACK0);
        Frame { rip: CODE, cs: u64::from(CODE0), rflags, rsp, ss: u64::from(DATA0) }
    };
    stand.set_gpr(3, POINTER);
    for (reg, name) in (0..).zip(GPR_NAMES) {
        if let Some(value) = value(name) {
            stand.set_gpr(reg, value);
        }
    }
    stand.start(frame);
    set_rest(&mut stand, &rule.set);
    stand
}

/// Sets what is no general register.
fn set_rest(stand: &mut Stand, values: &Values) {
    let cpu = stand.machine.cpu_mut(0);
    for (name, &value) in values {
        match name.as_str() {
            "dr0" => cpu.set_dr_address(0, value),
            "dr1" => cpu.set_dr_address(1, value),
            "dr2" => cpu.set_dr_address(2, value),
            "dr3" => cpu.set_dr_address(3, value),
            "dr6" => cpu.set_dr6(value),
            "dr7" => cpu.set_dr7(value),
            "de" => cpu.regs.control.cr4 |= cr4::DE,
            "fmask" => cpu.regs.msrs.fmask = value,
            "irq" => cpu.raise_interrupt(value as u8),
            "kept" => cpu.set_kept_hits(KeptHits::Delivered),
            "rflags" => {}
            name => assert!(GPR_NAMES.contains(&name), "unknown name {name}"),
        }
    }
}

fn check_stop(stand: &mut Stand, expected: &Expected, stop: &Stop) -> Result<(), String> {
    let (vector, error) = match (expected.handler, stop) {
        (Handler::Syscall, Stop::Syscall) => {
            for (name, &value) in &expected.values {
                let reg = GPR_NAMES.iter().position(|known| known == name).expect("a register");
                stand.set_gpr(reg as u8, value);
            }
            return Ok(());
        }
        (Handler::Vector(vector), Stop::Exception(found, error)) if vector == *found => {
            (vector, error)
        }
        _ => return Err(format!("{stop:x?}, frame {:x?}", stand.frame())),
    };
    let frame = stand.frame();
    equal("rip", expected.rip, frame.rip)?;
    for (word, flag) in [("rf", RFlags::RF), ("tf", RFlags::TF)] {
        equal(word, u64::from(expected.has(word)), u64::from(frame.rflags & flag != 0))?;
    }
    // Rule T6.
    let cleared = RFlags::TF | RFlags::RF | RFlags::NT | RFlags::IF;
    equal("flags of the handler", 0, stand.machine.cpu(0).regs.rflags() & cleared)?;
    for (name, &value) in &expected.values {
        let found = match name.as_str() {
            "flags" => frame.rflags & (RFlags::STATUS | RFlags::FIXED),
            "error" => error.ok_or(format!("vector {vector} has no error code"))?,
            "skip" => continue,
            _ => named(stand, name),
        };
        equal(name, value, found)?;
    }
    Ok(())
}

/// What the handler does before it returns.
fn leave(stand: &mut Stand, expected: &Expected) {
    let mut frame = stand.frame();
    if let Some(skip) = expected.values.get("skip") {
        frame.rip += skip;
        frame.rflags &= !RFlags::RF;
    }
    if expected.has("resume") {
        frame.rflags |= RFlags::RF;
    }
    if expected.has("notf") {
        frame.rflags &= !RFlags::TF;
    }
    stand.set_frame(frame);
}

fn check_values(stand: &Stand, values: &Values) -> Result<(), String> {
    values.iter().try_for_each(|(name, &value)| equal(name, value, named(stand, name)))
}

/// The value of a register.
fn named(stand: &Stand, name: &str) -> u64 {
    let debug = stand.machine.cpu(0).debug();
    match name {
        "dr6" => debug.dr6(),
        "dr7" => debug.dr7().0,
        name => {
            let reg = GPR_NAMES.iter().position(|known| *known == name).expect("a register");
            stand.gpr(reg as u8)
        }
    }
}

fn equal(what: &str, expected: u64, found: u64) -> Result<(), String> {
    if expected == found {
        return Ok(());
    }
    Err(format!("{what}: expected {expected:#x}, found {found:#x}"))
}
