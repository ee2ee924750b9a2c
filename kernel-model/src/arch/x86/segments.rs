//! Segment selectors of user code, and the descriptors of its own that they name: TLS slots of the
//! GDT, and the LDT.
//!
//! [`ThreadStruct`] is what a task carries; [`UserDesc`] is how programs write a descriptor.
//! While a task is on a CPU its DS, ES, FS and GS are there: the kernel's code does not touch them.
//! Source: Linux 6.18 `arch/x86/include/asm/desc.h`, `arch/x86/kernel/process_64.c`,
//! `arch/x86/include/uapi/asm/ldt.h`.

use emulator::regs::{Segment, SegmentReg};
use perf_core::{CpuId, Errno};

use super::hw::Hw;
use super::int80::SyscallAbi;
use super::layout::CpuArea;
use super::tsc::TscMode;

/// `GDT_ENTRY_TLS_MIN`.
pub const GDT_ENTRY_TLS_MIN: u32 = 12;
/// TLS descriptors of a task (`GDT_ENTRY_TLS_ENTRIES`).
pub const GDT_ENTRY_TLS_ENTRIES: usize = 3;
/// Most entries of an LDT (`LDT_ENTRIES`).
pub const LDT_ENTRIES: u32 = 8192;
/// Selector of the LDT's descriptor (`GDT_ENTRY_LDT`).
const LDT_SELECTOR: u16 = 10 * 8;
/// Table indicator of a selector: the LDT.
pub const SEGMENT_TI: u16 = 1 << 2;
/// Index of `AR` bits in a descriptor: type, S, DPL and P are bits 40 to 47.
const AR_SHIFT: u32 = 40;

/// DS, ES, FS and GS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserSelectors {
    /// DS.
    pub ds: u16,
    /// ES.
    pub es: u16,
    /// FS (`fsindex`).
    pub fs: u16,
    /// GS (`gsindex`).
    pub gs: u16,
}

/// What a task carries that only this architecture has (part of `thread_struct`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ThreadStruct {
    /// Selectors while it is not in user mode.
    pub selectors: UserSelectors,
    /// Its descriptors in the GDT.
    pub tls: [u64; GDT_ENTRY_TLS_ENTRIES],
    /// How the system call that it is in was made (`TS_COMPAT`).
    pub abi: SyscallAbi,
    /// What RDTSC does in it.
    pub tsc: TscMode,
}

/// A descriptor as programs write it (`struct user_desc`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UserDesc {
    /// Which entry.
    pub entry_number: u32,
    /// Base address.
    pub base: u32,
    /// Limit.
    pub limit: u32,
    /// `seg_32bit` and the bits after it.
    pub flags: u32,
}

/// Bits of [`UserDesc::flags`].
mod flag {
    pub(super) const SEG_32BIT: u32 = 1;
    pub(super) const CONTENTS_SHIFT: u32 = 1;
    pub(super) const READ_EXEC_ONLY: u32 = 1 << 3;
    pub(super) const LIMIT_IN_PAGES: u32 = 1 << 4;
    pub(super) const SEG_NOT_PRESENT: u32 = 1 << 5;
    pub(super) const USEABLE: u32 = 1 << 6;
    pub(super) const LM: u32 = 1 << 7;
    pub(super) const ALL: u32 = 0xff;
}

/// Bytes of `struct user_desc`.
pub const USER_DESC_BYTES: usize = 16;
/// `AVL` of a descriptor.
pub const AVL: u64 = 1 << 52;

impl UserDesc {
    /// Reads the structure.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; USER_DESC_BYTES]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        let word = |at: usize| u32::from_le_bytes(words[at]);
        Self { entry_number: word(0), base: word(1), limit: word(2), flags: word(3) & flag::ALL }
    }

    /// The structure.
    #[must_use]
    pub fn to_bytes(self) -> [u8; USER_DESC_BYTES] {
        let mut bytes = [0; USER_DESC_BYTES];
        for (at, word) in [self.entry_number, self.base, self.limit, self.flags].iter().enumerate()
        {
            bytes[4 * at..4 * at + 4].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The segment's kind: data, data that grows downwards, code, conforming code.
    #[must_use]
    pub const fn contents(&self) -> u32 {
        self.flags >> flag::CONTENTS_SHIFT & 3
    }

    /// Whether it is marked as not present.
    #[must_use]
    pub const fn is_not_present(&self) -> bool {
        self.flags & flag::SEG_NOT_PRESENT != 0
    }

    /// Whether base and limit are 0.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        self.base == 0 && self.limit == 0
    }

    /// Whether it asks for an empty entry (`LDT_empty`).
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.is_null() && self.flags == flag::READ_EXEC_ONLY | flag::SEG_NOT_PRESENT
    }

    /// Whether it is all zeroes, which also asks for an empty TLS entry (`LDT_zero`).
    #[must_use]
    pub const fn is_zero(&self) -> bool {
        self.is_null() && self.flags == 0
    }

    /// Whether a TLS entry may hold it (`tls_desc_okay`).
    #[must_use]
    pub const fn is_okay_for_tls(&self) -> bool {
        self.is_empty()
            || self.is_zero()
            || self.flags & flag::SEG_32BIT != 0 && self.contents() <= 1 && !self.is_not_present()
    }

    /// The descriptor (`fill_ldt`): for user mode, marked as accessed.
    #[must_use]
    pub fn descriptor(&self) -> u64 {
        let has = |bit: u32| u64::from(self.flags & bit != 0);
        let (base, limit) = (self.base as u64, self.limit as u64);
        let kind = (has(flag::READ_EXEC_ONLY) ^ 1) << 1 | (self.contents() as u64) << 2 | 1;
        let access = kind | 1 << 4 | 3 << 5 | (has(flag::SEG_NOT_PRESENT) ^ 1) << 7;
        limit & 0xffff
            | (base & 0xff_ffff) << 16
            | access << AR_SHIFT
            | (limit >> 16 & 0xf) << 48
            | has(flag::USEABLE) << 52
            | has(flag::SEG_32BIT) << 54
            | has(flag::LIMIT_IN_PAGES) << 55
            | (base >> 24) << 56
    }

    /// What a TLS entry tells (`fill_user_desc`).
    #[must_use]
    pub fn of_descriptor(entry_number: u32, descriptor: u64) -> Self {
        let bit = |at: u32| (descriptor >> at & 1) as u32;
        let contents = (descriptor >> 42 & 3) as u32;
        let flags = [
            (bit(54), flag::SEG_32BIT),
            (contents, 1 << flag::CONTENTS_SHIFT),
            (bit(41) ^ 1, flag::READ_EXEC_ONLY),
            (bit(55), flag::LIMIT_IN_PAGES),
            (bit(47) ^ 1, flag::SEG_NOT_PRESENT),
            (bit(52), flag::USEABLE),
            (bit(53), flag::LM),
        ];
        let flags = flags.iter().map(|(value, place)| value * place).sum();
        let base = (descriptor >> 16 & 0xff_ffff | descriptor >> 32 & 0xff00_0000) as u32;
        let limit = (descriptor & 0xffff | descriptor >> 32 & 0xf_0000) as u32;
        Self { entry_number, base, limit, flags }
    }
}

/// A selector that names nothing.
const fn is_null(selector: u16) -> bool {
    selector & !3 == 0
}

/// The data segment that a selector gives, where the kernel can load it (SDM vol. 3A, 5.4.1).
fn loadable(selector: u16, descriptor: Option<u64>) -> Option<Segment> {
    if is_null(selector) {
        return Some(Segment { selector, ..Segment::default() });
    }
    let segment = Segment::from_descriptor(selector, descriptor?);
    let access = segment.access;
    let is_memory = access & 0x10 != 0;
    let is_code = access & 8 != 0;
    let is_readable = !is_code || access & 2 != 0;
    let is_conforming = is_code && access & 4 != 0;
    let is_reachable = is_conforming || selector & 3 <= access >> 5 & 3;
    let is_present = access & Segment::PRESENT != 0;
    (is_memory && is_readable && is_reachable && is_present).then_some(segment)
}

impl Hw {
    /// DS, ES, FS and GS of a CPU.
    #[must_use]
    pub fn selectors(&self, cpu: CpuId) -> UserSelectors {
        let seg = &self.machine().cpu(cpu.0 as usize).regs.seg;
        let selector = |reg: SegmentReg| seg[reg as usize].selector;
        UserSelectors {
            ds: selector(SegmentReg::Ds),
            es: selector(SegmentReg::Es),
            fs: selector(SegmentReg::Fs),
            gs: selector(SegmentReg::Gs),
        }
    }

    /// The descriptor that a selector names, if its table has it.
    fn descriptor(&mut self, cpu: CpuId, selector: u16) -> Option<u64> {
        let control = &self.machine().cpu(cpu.0 as usize).regs.control;
        let (base, limit) = if selector & SEGMENT_TI == 0 {
            (control.gdtr.base, u32::from(control.gdtr.limit))
        } else if control.ldtr == 0 {
            return None;
        } else {
            (control.ldt_base, control.ldt_limit)
        };
        let offset = u32::from(selector & !7);
        (offset + 7 <= limit).then(|| self.peek_u64(cpu, base + u64::from(offset)))
    }

    /// Loads a segment register; one that cannot be loaded becomes null (`loadsegment`).
    pub(super) fn load_segment(&mut self, cpu: CpuId, reg: SegmentReg, selector: u16) {
        let descriptor = self.descriptor(cpu, selector);
        let segment = loadable(selector, descriptor).unwrap_or_default();
        self.machine_mut().cpu_mut(cpu.0 as usize).regs.seg[reg as usize] = segment;
    }

    /// Loads DS, ES, FS and GS, and the bases of the last two where they do not follow from the
    /// descriptors (`x86_fsgsbase_load`).
    pub fn load_selectors(&mut self, cpu: CpuId, selectors: &UserSelectors, fs: u64, gs: u64) {
        self.load_segment(cpu, SegmentReg::Ds, selectors.ds);
        self.load_segment(cpu, SegmentReg::Es, selectors.es);
        self.load_segment(cpu, SegmentReg::Fs, selectors.fs);
        self.load_segment(cpu, SegmentReg::Gs, selectors.gs);
        let processor = self.machine_mut().cpu_mut(cpu.0 as usize);
        let has_bases = processor.model().has_fsgsbase();
        for (reg, base) in [(SegmentReg::Fs, fs), (SegmentReg::Gs, gs)] {
            let segment = &mut processor.regs.seg[reg as usize];
            if has_bases || is_null(segment.selector) {
                segment.base = base;
            }
        }
    }

    /// Loads again those segment registers for which `is_stale` holds, as their descriptors have
    /// changed.
    pub fn refresh_segments(
        &mut self,
        cpu: CpuId,
        which: Refreshed,
        is_stale: impl Fn(u16) -> bool,
    ) {
        let all = [SegmentReg::Ds, SegmentReg::Es, SegmentReg::Fs, SegmentReg::Gs];
        let regs = match which {
            Refreshed::DsEs => &all[..2],
            Refreshed::All => &all[..],
        };
        for &reg in regs {
            let seg = &self.machine().cpu(cpu.0 as usize).regs.seg;
            let selector = seg[reg as usize].selector;
            if is_stale(selector) {
                self.load_segment(cpu, reg, selector);
            }
        }
    }

    /// Writes a task's TLS descriptors into a CPU's GDT (`load_TLS`).
    pub fn load_tls(&mut self, cpu: CpuId, area: &CpuArea, tls: &[u64; GDT_ENTRY_TLS_ENTRIES]) {
        let at = area.gdt + 8 * u64::from(GDT_ENTRY_TLS_MIN);
        for (slot, descriptor) in (0..).zip(tls) {
            self.poke_u64(cpu, at + 8 * slot, *descriptor);
        }
    }

    /// Loads LDTR with the table at `base`, which has these entries (`load_mm_ldt`).
    pub fn load_ldt(&mut self, cpu: CpuId, base: u64, entries: &[u64]) {
        for (slot, descriptor) in (0..).zip(entries) {
            self.poke_u64(cpu, base + 8 * slot, *descriptor);
        }
        let control = &mut self.machine_mut().cpu_mut(cpu.0 as usize).regs.control;
        let limit = (8 * entries.len() as u32).saturating_sub(1);
        (control.ldtr, control.ldt_base, control.ldt_limit) =
            if entries.is_empty() { (0, 0, 0) } else { (LDT_SELECTOR, base, limit) };
    }

    /// Whether a CPU's LDTR is loaded.
    #[must_use]
    pub fn has_ldt(&self, cpu: CpuId) -> bool {
        self.machine().cpu(cpu.0 as usize).regs.control.ldtr != 0
    }

    /// Whether a handler may run with this stack segment (`force_valid_ss`): writable data of
    /// user mode that is present.
    #[must_use]
    pub fn is_valid_ss(&mut self, cpu: CpuId, selector: u16) -> bool {
        const WRITABLE: u64 = 0xf2;
        const ACCESSED_OR_EXPAND_DOWN: u64 = 5;
        let access = self.descriptor(cpu, selector).map(|word| word >> AR_SHIFT & 0xff);
        access.is_some_and(|access| access & !ACCESSED_OR_EXPAND_DOWN == WRITABLE)
    }
}

/// Which segment registers follow a change of their descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refreshed {
    /// DS and ES, when an LDT changes (`refresh_ldt_segments`).
    DsEs,
    /// All, when a TLS descriptor changes (`do_set_thread_area`).
    All,
}

/// Checks a descriptor for an LDT, and gives it (`write_ldt`).
///
/// # Errors
/// EINVAL for an entry that is none, or a kind that may not be.
pub fn checked_ldt_descriptor(info: &UserDesc, form: LdtForm) -> Result<u64, Errno> {
    if info.entry_number >= LDT_ENTRIES {
        return Err(Errno::EINVAL);
    }
    if info.contents() == 3 && (form == LdtForm::Old || !info.is_not_present()) {
        return Err(Errno::EINVAL);
    }
    if form == LdtForm::Old && info.is_null() || info.is_empty() {
        return Ok(0);
    }
    let descriptor = info.descriptor();
    Ok(if form == LdtForm::Old { descriptor & !AVL } else { descriptor })
}

/// Which function of modify_ldt writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LdtForm {
    /// 1.
    Old,
    /// 0x11.
    New,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn desc(base: u32, limit: u32, flags: u32) -> UserDesc {
        UserDesc { entry_number: 2, base, limit, flags }
    }

    /// Access rights as LAR shows them, measured on Linux 6.18.
    #[test]
    fn descriptors_have_the_rights_that_were_asked_for() {
        for (flags, limit, want) in [
            (0b000_0101, 10, 0x0040_fb00),
            (0b001_0101, 10, 0x00c0_fb00),
            (0b101_0101, 10, 0x00d0_fb00),
            (0b111_0101, 10, 0x00d0_7b00),
            (0b111_0100, 10, 0x0090_7b00),
            (0b111_1001, 10, 0x00d0_7100),
        ] {
            let word = desc(0, limit, flags).descriptor();
            assert_eq!(word >> 32 & 0x00f0_ff00, want, "{flags:#b}");
        }
    }

    #[test]
    fn what_an_ldt_takes() {
        let conforming = desc(0, 1, 0b111);
        let absent = desc(0, 1, 0b10_0111);
        assert_eq!(checked_ldt_descriptor(&conforming, LdtForm::New), Err(Errno::EINVAL));
        assert!(checked_ldt_descriptor(&absent, LdtForm::New).is_ok());
        assert_eq!(checked_ldt_descriptor(&absent, LdtForm::Old), Err(Errno::EINVAL));
        assert_eq!(checked_ldt_descriptor(&desc(0, 0, 1), LdtForm::Old), Ok(0));
        assert_ne!(checked_ldt_descriptor(&desc(0, 0, 1), LdtForm::New), Ok(0));
        assert_eq!(checked_ldt_descriptor(&desc(0, 0, 0b10_1000), LdtForm::New), Ok(0));
        let beyond = UserDesc { entry_number: LDT_ENTRIES, ..absent };
        assert_eq!(checked_ldt_descriptor(&beyond, LdtForm::New), Err(Errno::EINVAL));
    }

    #[test]
    fn selectors_that_load() {
        let data = desc(0x1000, 10, 1).descriptor();
        let execute_only = desc(0, 10, 0b1101).descriptor();
        let absent = desc(0, 10, 0b10_0001).descriptor();
        assert_eq!(loadable(7, Some(data)).map(|segment| segment.base), Some(0x1000));
        assert_eq!(loadable(7, Some(execute_only)), None);
        assert_eq!(loadable(7, Some(absent)), None);
        assert_eq!(loadable(7, None), None);
        assert_eq!(loadable(0x1b, Some(0x00cf_9300_0000_ffff)), None, "the kernel's own");
        assert_eq!(loadable(3, None).map(|segment| segment.selector), Some(3));
    }

    proptest! {
        #[test]
        fn a_descriptor_tells_what_was_written(base: u32, limit in 0u32..1 << 20, flags in 0u32..128) {
            let info = desc(base, limit, flags);
            prop_assert_eq!(UserDesc::of_descriptor(2, info.descriptor()), info);
            prop_assert_eq!(UserDesc::from_bytes(&info.to_bytes()), info);
        }
    }
}
