//! The memory and the initial state of the file's header.

use emulator::regs::SegmentReg;
use emulator::regs::gpr::reg::RSP as RSP_NUMBER;
use emulator::regs::vector::VectorReg;

use super::row::{Bytes, CodeSize, Program, Protection};
use super::stand::layout::{CODE3, CODE32, DATA3, LDT_ENTRIES};
use super::stand::paging::Rights;
use super::stand::{Frame, Stand, Stop};
use super::verdict::{Mismatch, Skip, Verdict};

/// First byte of the code.
pub(super) const CODE: u64 = 0x1000_0000;
const CODE_PAGES: u64 = 3;
/// First byte of the data.
pub(super) const DATA: u64 = 0x2000_0000;
const READ_ONLY: u64 = 0x2000_4000;
const NO_ACCESS: u64 = 0x2000_5000;
const HIGH: u64 = 0x2000_6000;
/// Two names of one page.
const ALIAS: [u64; 2] = [0x2100_0000, 0x2200_0000];
const STACK: u64 = 0x3000_0000;
const PAGE: u64 = 0x1000;
/// Initial RSP where the row gives none.
pub(super) const RSP: u64 = 0x3000_2000;
/// XCR0 of the measured processor under that kernel.
pub(super) const XCR0: u64 = 0xe7;

/// Every range of the layout that a program can change: first address and length.
const RANGES: [(u64, u64); 4] =
    [(CODE, CODE_PAGES * PAGE), (DATA, 7 * PAGE), (ALIAS[0], PAGE), (STACK, 4 * PAGE)];

/// A program in its memory, ready to run at CPL 3.
pub(super) struct Prepared {
    /// The machine, at the IRETQ that starts the program.
    pub(super) stand: Stand,
    /// General registers at the start.
    pub(super) gpr: [u64; 16],
}

/// Puts a program in place.
///
/// # Errors
/// A reason to skip it, or an emulator that does not get so far.
pub(super) fn prepare(program: &Program, rflags: u64) -> Result<Prepared, Verdict> {
    let mut stand = stand_with_memory();
    for (at, bytes) in program.mem.iter().chain([&(CODE, program.code.clone())]) {
        place(&mut stand, *at, bytes)?;
    }
    for &(page, protection) in &program.prot {
        protect(&mut stand, page, protection)?;
    }
    load_ldt(&mut stand, program)?;
    set_vectors(&mut stand);
    for (&reg, &value) in &program.regs.gprs {
        stand.set_gpr(reg, value);
    }
    let mut gpr: [u64; 16] = std::array::from_fn(|reg| stand.gpr(reg as u8));
    let rsp = program.regs.gprs.get(&RSP_NUMBER).copied().unwrap_or(RSP);
    gpr[usize::from(RSP_NUMBER)] = rsp;
    let frame = start_frame(&mut stand, program, rflags, rsp);
    stand.start(frame);
    Ok(Prepared { stand, gpr })
}

/// The header's memory with nothing changed.
pub(super) fn stand_with_memory() -> Stand {
    let mut stand = Stand::new();
    fill(&mut stand, CODE, CODE_PAGES, Rights::Execute, |_| 0xf4);
    let data = |at: u64| at.wrapping_mul(7).wrapping_add(3) as u8;
    fill(&mut stand, DATA, 4, Rights::Write, data);
    fill(&mut stand, READ_ONLY, 1, Rights::Read, data);
    fill(&mut stand, NO_ACCESS, 1, Rights::None, data);
    fill(&mut stand, HIGH, 1, Rights::Write, data);
    let frame = stand.map(ALIAS[0], Rights::Execute);
    stand.map_to(ALIAS[1], frame, Rights::Execute);
    let bytes: Vec<u8> = (ALIAS[0]..ALIAS[0] + PAGE).map(data).collect();
    stand.poke(ALIAS[0], &bytes);
    fill(&mut stand, STACK, 4, Rights::Write, |at| at.wrapping_mul(5).wrapping_add(1) as u8);
    stand
}

fn fill(stand: &mut Stand, first: u64, pages: u64, rights: Rights, byte: impl Fn(u64) -> u8) {
    for page in (first..first + pages * PAGE).step_by(PAGE as usize) {
        stand.map(page, rights);
    }
    let bytes: Vec<u8> = (first..first + pages * PAGE).map(byte).collect();
    stand.poke(first, &bytes);
}

/// The same address under the name that [`RANGES`] knows.
fn first_name(address: u64) -> u64 {
    if (ALIAS[1]..ALIAS[1] + PAGE).contains(&address) {
        address - ALIAS[1] + ALIAS[0]
    } else {
        address
    }
}

/// Which range holds these bytes, and how far from its start.
fn position(address: u64, len: usize) -> Option<(usize, usize)> {
    let address = first_name(address);
    let end = address.checked_add(len as u64)?;
    let number = RANGES.iter().position(|&(at, size)| at <= address && end <= at + size)?;
    Some((number, (address - RANGES[number].0) as usize))
}

/// Writes bytes wherever the layout has memory.
pub(super) fn place(stand: &mut Stand, address: u64, bytes: &[u8]) -> Result<(), Skip> {
    position(address, bytes.len()).ok_or(Skip::OutsideLayout)?;
    stand.poke(address, bytes);
    Ok(())
}

/// Changes the rights of a page.
pub(super) fn protect(stand: &mut Stand, page: u64, protection: Protection) -> Result<(), Skip> {
    position(page, 1).ok_or(Skip::OutsideLayout)?;
    let rights = match protection {
        Protection::None => Rights::None,
        Protection::Read => Rights::Read,
        Protection::Write => Rights::Write,
        Protection::Execute => Rights::Execute,
    };
    stand.protect(page, rights);
    Ok(())
}

fn load_ldt(stand: &mut Stand, program: &Program) -> Result<(), Verdict> {
    if program.ldt.is_empty() {
        return Ok(());
    }
    let entries: Vec<(u16, u64)> =
        program.ldt.iter().map(|entry| (entry.selector >> 3, entry.descriptor)).collect();
    if entries.iter().any(|&(number, _)| number >= LDT_ENTRIES) {
        return Err(Skip::LdtEntry.into());
    }
    stand.load_ldt(&entries).map_err(unexpected)
}

/// What a stop means that is no exception of the program.
pub(super) fn unexpected(stop: Stop) -> Verdict {
    match stop {
        Stop::Missing(feature) => Skip::Feature(feature).into(),
        Stop::Unsupported(what) => Skip::NotBuilt(what.name).into(),
        Stop::Ended(exit) => Mismatch::NoStop(exit).into(),
        Stop::Exception(..) | Stop::Syscall | Stop::Monitor => Mismatch::Endless.into(),
    }
}

fn set_vectors(stand: &mut Stand) {
    let cpu = stand.machine.cpu_mut(0);
    cpu.regs.control.xcr0 = XCR0;
    for reg in 0..16u8 {
        let byte = |at: usize| {
            let place = usize::from(reg) * 64 + at;
            (place * 3 + usize::from(reg)) as u8
        };
        let half = |from: usize| u128::from_le_bytes(std::array::from_fn(|at| byte(from + at)));
        cpu.regs.vector.set_ymm(reg, VectorReg { lo: half(0), hi: half(16) });
    }
}

/// Loads the data segments and says where the program starts.
fn start_frame(stand: &mut Stand, program: &Program, rflags: u64, rsp: u64) -> Frame {
    let (cs, data) = match program.size {
        CodeSize::Bits64 => (CODE3, 0),
        CodeSize::Compatibility => (CODE32, DATA3),
    };
    let given = |reg: SegmentReg| program.regs.segments.get(&(reg as u8)).copied();
    for (reg, default, base) in [
        (SegmentReg::Es, data, None),
        (SegmentReg::Ds, data, None),
        (SegmentReg::Fs, 0, Some(DATA + 2 * PAGE)),
        (SegmentReg::Gs, 0, Some(DATA + 3 * PAGE)),
    ] {
        let selector = given(reg).unwrap_or(default);
        let mut segment = stand.segment(selector);
        if let (None, Some(base)) = (given(reg), base) {
            segment.base = base;
        }
        stand.machine.cpu_mut(0).regs.seg[reg as usize] = segment;
    }
    Frame {
        rip: program.regs.rip.unwrap_or(CODE),
        cs: u64::from(given(SegmentReg::Cs).unwrap_or(cs)),
        rflags,
        rsp,
        ss: u64::from(given(SegmentReg::Ss).unwrap_or(DATA3)),
    }
}

/// The bytes of all ranges.
pub(super) fn snapshot(stand: &Stand) -> Vec<Bytes> {
    RANGES.iter().map(|&(at, len)| (at, stand.peek(at, len as usize))).collect()
}

/// The bytes of a snapshot with others written over them.
///
/// # Errors
/// Where they are not in the layout.
pub(super) fn changed(mut snapshot: Vec<Bytes>, changes: &[Bytes]) -> Result<Vec<Bytes>, Skip> {
    for (address, bytes) in changes {
        let (range, from) = position(*address, bytes.len()).ok_or(Skip::OutsideLayout)?;
        snapshot[range].1[from..from + bytes.len()].copy_from_slice(bytes);
    }
    Ok(snapshot)
}
