//! The memory and the initial state of the file's header.

use emulator::regs::SegmentReg;
use emulator::regs::vector::VectorReg;

use super::case::{Bytes, GprValues};
use crate::stand::Stand;
use crate::stand::paging::Rights;

/// First byte of the code.
pub(crate) const CODE: u64 = 0x1000_0000;
const CODE_PAGES: u64 = 3;
const DATA: u64 = 0x2000_0000;
const READ_ONLY: u64 = 0x2000_4000;
const NO_ACCESS: u64 = 0x2000_5000;
const HIGH: u64 = 0x2000_6000;
const ALIAS: [u64; 2] = [0x2100_0000, 0x2200_0000];
const STACK: u64 = 0x3000_0000;
const PAGE: u64 = 0x1000;
/// Initial RSP where the case gives none.
const RSP: u64 = 0x3000_2000;
/// XCR0 of the measured processor under that kernel.
const XCR0: u64 = 0xe7;

/// Every range of the layout that a program can change: first address and length.
pub(crate) const RANGES: [(u64, u64); 4] =
    [(CODE, CODE_PAGES * PAGE), (DATA, 7 * PAGE), (ALIAS[0], PAGE), (STACK, 4 * PAGE)];

/// A stand with the header's memory and registers, and `code` in place.
pub(crate) fn prepare(code: &[u8], mem: &[Bytes], regs: &GprValues) -> Stand {
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
    stand.poke(CODE, code);
    for (at, bytes) in mem {
        stand.poke(*at, bytes);
    }
    set_registers(&mut stand, regs);
    stand
}

fn fill(stand: &mut Stand, first: u64, pages: u64, rights: Rights, byte: impl Fn(u64) -> u8) {
    for page in (first..first + pages * PAGE).step_by(PAGE as usize) {
        stand.map(page, rights);
    }
    let bytes: Vec<u8> = (first..first + pages * PAGE).map(byte).collect();
    stand.poke(first, &bytes);
}

fn set_registers(stand: &mut Stand, regs: &GprValues) {
    for (&reg, &value) in regs {
        stand.set_gpr(reg, value);
    }
    let cpu = stand.machine.cpu_mut(0);
    cpu.regs.seg[SegmentReg::Fs as usize].base = DATA + 2 * PAGE;
    cpu.regs.seg[SegmentReg::Gs as usize].base = DATA + 3 * PAGE;
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

/// RSP at the start of a case.
pub(crate) fn initial_rsp(regs: &GprValues) -> u64 {
    const NUMBER: u8 = 4;
    regs.get(&NUMBER).copied().unwrap_or(RSP)
}

/// The bytes of all ranges.
pub(crate) fn snapshot(stand: &Stand) -> Vec<Bytes> {
    RANGES.iter().map(|&(at, len)| (at, stand.peek(at, len as usize))).collect()
}
