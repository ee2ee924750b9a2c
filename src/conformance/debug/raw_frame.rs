//! Frames of #DBs before Linux edits them: RF as the processor pushes it, and hits in
//! the kernel.
//!
//! A row of the file has no program, only a name, so the programs are here, by these
//! names. They have the addresses that the rows report. Where Linux copied to or from the
//! program, its copy is REP MOVSB at CPL 0; everything else that Linux does is left out.

use emulator::debug::dr6;
use emulator::event::KeptHits;
use emulator::regs::RFlags;
use emulator::regs::gpr::reg::{RAX, RBX, RCX, RDI, RSI};
use emulator::run::Exit;

use super::layout;
use super::row::RawFrame;
use super::stand::layout::{CODE0, DATA0, STACK0};
use super::stand::{Frame, Stand, Stop};
use super::verdict::{Mismatch, Skip, Verdict, What, equal};
use super::{Options, Slices};

/// What the breakpoint watches.
#[derive(Clone, Copy)]
enum Watch {
    /// Execution of the first instruction.
    Execute,
    /// Loads and stores of eight bytes at [`WATCHED`].
    EightBytes,
    /// Stores to one byte.
    Byte(u64),
}

/// Where the program runs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    User,
    Kernel,
}

/// Which side of a copy is watched.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Copy {
    /// What it stores.
    To,
    /// What it loads.
    From,
}

/// A program: RBX, RSI and RDI point as [`prepare`] says, RCX is the count of a REP.
struct Scene {
    name: &'static str,
    level: Level,
    code: &'static [u8],
    /// What the row's addresses are relative to.
    base: u64,
    watch: Watch,
    flags: u64,
    count: u64,
    copy: Copy,
    /// Whether the outcome rests on what becomes of kept hits (rule S6).
    rests_on_kept_hits: bool,
}

const WATCHED: u64 = layout::DATA + 0x100;
const OTHER: u64 = layout::DATA + 0x800;
/// What a row has that its description does not mention.
const PLAIN: Scene = Scene {
    name: "",
    level: Level::User,
    code: &[],
    base: 0,
    watch: Watch::EightBytes,
    flags: RFlags::FIXED | RFlags::IF,
    count: 0,
    copy: Copy::To,
    rests_on_kept_hits: false,
};
const REP_MOVSB: &[u8] = &[0xf3, 0xa4, 0xf4];

/// MOV SS,[RBX] and an instruction that comes to an exception or a system call.
const fn shadowed(name: &'static str, code: &'static [u8], rests_on_kept_hits: bool) -> Scene {
    Scene { name, code, rests_on_kept_hits, base: 2, ..PLAIN }
}

const SCENES: [Scene; 16] = [
    Scene {
        name: "exec bp under TF",
        code: &[0x90, 0xf4],
        watch: Watch::Execute,
        flags: PLAIN.flags | RFlags::TF,
        ..PLAIN
    },
    Scene {
        name: "data W bp on MOV",
        code: &[0x88, 0x07, 0xf4],
        base: 2,
        watch: Watch::Byte(WATCHED),
        ..PLAIN
    },
    Scene {
        name: "data W bp mid REP MOVSB",
        code: REP_MOVSB,
        watch: Watch::Byte(WATCHED + 2),
        count: 6,
        ..PLAIN
    },
    Scene {
        name: "data W bp last REP iter",
        code: REP_MOVSB,
        watch: Watch::Byte(WATCHED + 5),
        count: 6,
        ..PLAIN
    },
    shadowed("MOVSS[hit];int 3 (CD03)", &[0x8e, 0x13, 0xcd, 0x03], true),
    shadowed("MOVSS[hit];icebp", &[0x8e, 0x13, 0xf1], true),
    shadowed("MOVSS[hit];syscall", &[0x8e, 0x13, 0x0f, 0x05], true),
    shadowed("MOVSS[hit];int 0x80", &[0x8e, 0x13, 0xcd, 0x80], true),
    shadowed("MOVSS[hit];ud2", &[0x8e, 0x13, 0x0f, 0x0b], false),
    shadowed("MOVSS[hit];hlt(#GP)", &[0x8e, 0x13, 0xf4], false),
    // MOV EAX,[RCX]
    shadowed("MOVSS[hit];load NULL(#PF)", &[0x8e, 0x13, 0x8b, 0x01], false),
    shadowed("MOVSS[hit];int 1 (CD01,#GP)", &[0x8e, 0x13, 0xcd, 0x01], false),
    // MOV SS,EAX, and a load of seven bytes from the watched address.
    shadowed(
        "MOVSS[hit];movss reg",
        &[0x8e, 0x13, 0x8e, 0xd0, 0x8b, 0x04, 0x25, 0x00, 0x01, 0x00, 0x20, 0xf4],
        false,
    ),
    Scene {
        name: "kernel put_user 8 bytes",
        level: Level::Kernel,
        code: REP_MOVSB,
        count: 8,
        ..PLAIN
    },
    Scene {
        name: "kernel copy_from_user 4",
        level: Level::Kernel,
        code: REP_MOVSB,
        count: 4,
        copy: Copy::From,
        ..PLAIN
    },
    // A limit and a base, of which the first eight bytes are watched.
    Scene {
        name: "SIDT under UMIP (emulated)",
        level: Level::Kernel,
        code: REP_MOVSB,
        count: 10,
        ..PLAIN
    },
];

/// Exceptions after which a run is given up.
const MAX_STOPS: usize = 64;

/// Plays the program of the row's name.
pub(super) fn play(name: &str, row: &RawFrame, options: &Options) -> Verdict {
    let Some(scene) = SCENES.iter().find(|scene| scene.name == name) else {
        return Skip::NoProgram.into();
    };
    let verdict = match hits(scene, options) {
        Ok(hits) => compare(&row.hits, &hits),
        Err(verdict) => verdict,
    };
    match verdict {
        Verdict::Failed(_)
            if scene.rests_on_kept_hits && options.kept_hits == KeptHits::Delivered =>
        {
            Skip::Microarchitectural(String::from("the pending data hit was lost")).into()
        }
        verdict => verdict,
    }
}

fn compare(expected: &[String], got: &[String]) -> Verdict {
    if let Err(mismatch) = equal(What::Count, expected.len() as u64, got.len() as u64) {
        return mismatch.into();
    }
    match expected.iter().zip(got).find(|(expected, got)| expected != got) {
        None => Verdict::Passed,
        Some((expected, got)) => {
            Mismatch::Frame { expected: expected.clone(), got: got.clone() }.into()
        }
    }
}

/// The frames of the #DBs that report the breakpoint, in the file's words.
fn hits(scene: &Scene, options: &Options) -> Result<Vec<String>, Verdict> {
    let mut stand = prepare(scene)?;
    if options.slices == Slices::Single {
        stand.slice = 1;
    }
    stand.machine.cpu_mut(0).set_kept_hits(options.kept_hits);
    let mut seen = Vec::new();
    for _ in 0..MAX_STOPS {
        match stand.run() {
            Stop::Exception(1, _) => {
                let mut frame = stand.frame();
                if stand.machine.cpu(0).debug().dr6() & dr6::B_MASK != 0 {
                    seen.push(describe(scene, &frame));
                    if matches!(scene.watch, Watch::Execute) {
                        frame.rflags |= RFlags::RF;
                    }
                }
                stand.machine.cpu_mut(0).set_dr6(dr6::RESET);
                stand.set_frame(frame);
            }
            Stop::Exception(..) | Stop::Syscall | Stop::Ended(Exit::Halted) => return Ok(seen),
            other => return Err(layout::unexpected(other)),
        }
    }
    Err(Mismatch::Endless.into())
}

fn describe(scene: &Scene, frame: &Frame) -> String {
    let flag = |mask| u8::from(frame.rflags & mask != 0);
    let (resume, trap) = (flag(RFlags::RF), flag(RFlags::TF));
    if frame.cs & 3 == 0 {
        return format!("kernel-mode hit fl.RF={resume} TF={trap}");
    }
    let distance = frame.rip.wrapping_sub(layout::CODE + scene.base) as i64;
    format!("user rip=base{distance:+} RF={resume} TF={trap}")
}

fn prepare(scene: &Scene) -> Result<Stand, Verdict> {
    const SS: u64 = 0x2b;
    let mut stand = layout::stand_with_memory();
    layout::place(&mut stand, layout::CODE, scene.code)?;
    layout::place(&mut stand, WATCHED, &SS.to_le_bytes())?;
    let (from, to) = match scene.copy {
        Copy::To => (OTHER, WATCHED),
        Copy::From => (WATCHED, OTHER),
    };
    for (reg, value) in [(RAX, SS), (RBX, WATCHED), (RCX, scene.count), (RSI, from), (RDI, to)] {
        stand.set_gpr(reg, value);
    }
    stand.start(match scene.level {
        Level::User => Stand::user_frame(layout::CODE, scene.flags, layout::RSP),
        Level::Kernel => Frame {
            rip: layout::CODE,
            cs: u64::from(CODE0),
            rflags: RFlags::FIXED,
            rsp: STACK0,
            ss: u64::from(DATA0),
        },
    });
    let (address, field) = match scene.watch {
        Watch::Execute => (layout::CODE, 0),
        Watch::EightBytes => (WATCHED, 0b1011),
        Watch::Byte(address) => (address, 0b0001),
    };
    let cpu = stand.machine.cpu_mut(0);
    cpu.set_dr_address(0, address);
    cpu.set_dr7(0x602 | field << 16);
    Ok(stand)
}
