//! The registers as gdb lays them out: core, x87, SSE, and the bases of FS and GS.
//!
//! `target.xml` describes them to gdb in the order in which [`Registers`] are sent. Source: GDB
//! manual, appendix G (target descriptions), features `org.gnu.gdb.i386.core`, `.sse` and
//! `.segments`; SDM vol. 1, 10.5.1 (FXSAVE area).

use gdbstub::arch::Arch;
use gdbstub_arch::x86::reg::{X86_64CoreRegs, X87FpuInternalRegs};
use kernel_model::arch::x86::kgdb::DebugRegs;

/// This machine's architecture.
#[derive(Debug)]
pub(super) enum KgdbX86 {}

impl Arch for KgdbX86 {
    type Usize = u64;
    type Registers = Registers;
    type BreakpointKind = usize;
    type RegId = ();

    fn target_description_xml() -> Option<&'static str> {
        Some(include_str!("target.xml"))
    }
}

/// All registers of a CPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Registers {
    core: X86_64CoreRegs,
    fs_base: u64,
    gs_base: u64,
}

/// The number in the manual's order of each of gdb's general registers.
const GPRS: [usize; 16] = [0, 3, 1, 2, 6, 7, 5, 4, 8, 9, 10, 11, 12, 13, 14, 15];

/// Offsets in an FXSAVE area.
mod fxsave {
    pub(super) const FCW: usize = 0;
    pub(super) const FSW: usize = 2;
    pub(super) const FTW: usize = 4;
    pub(super) const FOP: usize = 6;
    pub(super) const FIP: usize = 8;
    pub(super) const FDP: usize = 16;
    pub(super) const MXCSR: usize = 24;
    pub(super) const ST0: usize = 32;
    pub(super) const XMM0: usize = 160;
}

/// Little-endian bytes at an offset.
fn take<const N: usize>(image: &[u8], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&image[at..at + N]);
    bytes
}

fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    image[at..at + bytes.len()].copy_from_slice(bytes);
}

/// Two bits a register, 3 where it is empty, from one bit a register, 0 where it is empty.
fn full_tag(abridged: u8) -> u32 {
    (0..8).filter(|reg| abridged >> reg & 1 == 0).map(|reg| 3 << (2 * reg)).sum()
}

/// The other way.
fn abridged_tag(full: u32) -> u8 {
    (0..8).filter(|reg| full >> (2 * reg) & 3 != 3).map(|reg| 1 << reg).sum()
}

impl Registers {
    /// What gdb is sent.
    pub(super) fn of(regs: &DebugRegs) -> Self {
        let word = |at| u32::from(u16::from_le_bytes(take(&regs.fxsave, at)));
        let long = |at| u32::from_le_bytes(take(&regs.fxsave, at));
        let fpu = X87FpuInternalRegs {
            fctrl: word(fxsave::FCW),
            fstat: word(fxsave::FSW),
            ftag: full_tag(regs.fxsave[fxsave::FTW]),
            fop: word(fxsave::FOP),
            // The pointers are of 64 bits: what gdb calls segments is their high half.
            fioff: long(fxsave::FIP),
            fiseg: long(fxsave::FIP + 4),
            fooff: long(fxsave::FDP),
            foseg: long(fxsave::FDP + 4),
        };
        let mut core = X86_64CoreRegs {
            regs: GPRS.map(|number| regs.gpr[number]),
            eflags: regs.flags as u32,
            rip: regs.ip,
            fpu,
            mxcsr: long(fxsave::MXCSR),
            ..X86_64CoreRegs::default()
        };
        let [cs, ss, ds, es, fs, gs] = regs.selectors.map(u32::from);
        let segments = &mut core.segments;
        (segments.cs, segments.ss, segments.ds) = (cs, ss, ds);
        (segments.es, segments.fs, segments.gs) = (es, fs, gs);
        for (number, st) in core.st.iter_mut().enumerate() {
            *st = take(&regs.fxsave, fxsave::ST0 + 16 * number);
        }
        for (number, xmm) in core.xmm.iter_mut().enumerate() {
            *xmm = u128::from_le_bytes(take(&regs.fxsave, fxsave::XMM0 + 16 * number));
        }
        Self { core, fs_base: regs.fs_base, gs_base: regs.gs_base }
    }

    /// Changes a CPU's registers to what gdb has sent.
    pub(super) fn put_into(&self, regs: &mut DebugRegs) {
        let core = &self.core;
        for (value, number) in core.regs.iter().zip(GPRS) {
            regs.gpr[number] = *value;
        }
        regs.ip = core.rip;
        regs.flags = u64::from(core.eflags);
        let s = &core.segments;
        regs.selectors = [s.cs, s.ss, s.ds, s.es, s.fs, s.gs].map(|selector| selector as u16);
        (regs.fs_base, regs.gs_base) = (self.fs_base, self.gs_base);
        let (image, fpu) = (&mut regs.fxsave[..], &core.fpu);
        put(image, fxsave::FCW, &(fpu.fctrl as u16).to_le_bytes());
        put(image, fxsave::FSW, &(fpu.fstat as u16).to_le_bytes());
        put(image, fxsave::FTW, &[abridged_tag(fpu.ftag)]);
        put(image, fxsave::FOP, &(fpu.fop as u16).to_le_bytes());
        for (at, value) in [
            (fxsave::FIP, fpu.fioff),
            (fxsave::FIP + 4, fpu.fiseg),
            (fxsave::FDP, fpu.fooff),
            (fxsave::FDP + 4, fpu.foseg),
            (fxsave::MXCSR, core.mxcsr),
        ] {
            put(image, at, &value.to_le_bytes());
        }
        for (number, st) in core.st.iter().enumerate() {
            put(image, fxsave::ST0 + 16 * number, st);
        }
        for (number, xmm) in core.xmm.iter().enumerate() {
            put(image, fxsave::XMM0 + 16 * number, &xmm.to_le_bytes());
        }
    }
}

impl gdbstub::arch::Registers for Registers {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.core.rip
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        self.core.gdb_serialize(&mut write_byte);
        let bases = self.fs_base.to_le_bytes().into_iter().chain(self.gs_base.to_le_bytes());
        bases.for_each(|byte| write_byte(Some(byte)));
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        let core = bytes.len().checked_sub(16).ok_or(())?;
        self.core.gdb_deserialize(&bytes[..core])?;
        self.fs_base = u64::from_le_bytes(take(bytes, core));
        self.gs_base = u64::from_le_bytes(take(bytes, core + 8));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gdbstub::arch::Registers as _;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// What gdb reads and sends back changes nothing.
        #[test]
        fn registers_survive_the_way_to_gdb_and_back(
            gpr: [u64; 16],
            ip: u64,
            flags: u32,
            selectors: [u16; 6],
            bases: (u64, u64),
            state in prop::collection::vec(any::<u8>(), 512),
        ) {
            let mut fxsave = [0; 512];
            fxsave[..416].copy_from_slice(&state[..416]);
            let (fs_base, gs_base) = bases;
            let flags = u64::from(flags);
            let before = DebugRegs { gpr, ip, flags, selectors, fs_base, gs_base, fxsave };
            let mut sent = Vec::new();
            Registers::of(&before).gdb_serialize(|byte| sent.extend(byte));
            let mut back = Registers::default();
            prop_assert_eq!(back.gdb_deserialize(&sent), Ok(()));
            let mut after = before.clone();
            back.put_into(&mut after);
            prop_assert_eq!(after, before);
        }

        #[test]
        fn short_and_long_register_packets_are_refused_or_taken(len in 0usize..600) {
            let _answer = Registers::default().gdb_deserialize(&vec![0xff; len]);
        }
    }

    #[test]
    fn the_description_has_as_many_bytes_as_are_sent() {
        let xml = KgdbX86::target_description_xml().unwrap();
        let bits = |line: &str| -> Option<usize> {
            line.split_once("bitsize=\"")?.1.split_once('"')?.0.parse().ok()
        };
        let described: usize = xml.lines().filter_map(bits).sum();
        let mut sent = 0;
        Registers::default().gdb_serialize(|_| sent += 1);
        assert_eq!(described / 8, sent);
    }
}
