//! The kernel's own memory: text with the entry points, descriptor tables, stacks.
//!
//! An entry point is code in guest memory that asks the monitor (VMCALL); the
//! kernel model runs there, and the guest's own IRETQ or SYSRETQ goes back. So
//! kernel addresses, symbols, pushed frames and breakpoints in the kernel are real.
//! Source: Linux 6.18 `Documentation/arch/x86/x86_64/mm.rst`, `arch/x86/entry/`.

use perf_core::{CpuId, Errno};

use super::hw::{Hw, PAGE_SIZE};
use crate::mm::frame::{FrameAllocator, Pfn};
use crate::mm::page_table::{PageTable, bits};

/// Where kernel text is mapped.
const TEXT_BASE: u64 = 0xffff_ffff_8100_0000;
/// Where the kernel's variables are mapped: one page of data.
pub(crate) const DATA_BASE: u64 = 0xffff_ffff_8180_0000;
/// Where the IDT is mapped.
const IDT_BASE: u64 = 0xffff_ffff_8200_0000;
/// The direct map of all physical memory (`page_offset_base`).
pub const PAGE_OFFSET: u64 = 0xffff_8880_0000_0000;
/// The first per-CPU area (`CPU_ENTRY_AREA_PER_CPU`).
const CPU_AREA_BASE: u64 = 0xffff_fe00_0000_1000;
/// Where CPU 0 sees the LDT of its task; a full one has 16 pages.
const LDT_BASE: u64 = 0xffff_fe10_0000_0000;
/// Bytes between the LDTs of CPUs.
const LDT_STRIDE: u64 = 16 * PAGE_SIZE;
/// Where stacks are for returns to 16-bit stack segments (`ESPFIX_BASE_ADDR`): at each multiple
/// of 64 KiB of 4 GiB, a page for each CPU.
const ESPFIX_BASE: u64 = 0xffff_fe20_0000_0000;
/// Pages of CPUs before the upper half of an address has to differ.
const ESPFIX_CPUS: u64 = 16;
/// Pages of a per-CPU area, the last one unmapped as a guard.
const CPU_AREA_PAGES: u64 = 8;
/// Bytes in a large page of the direct map.
const LARGE_PAGE: u64 = 2 << 20;

/// `__KERNEL_CS`.
pub const KERNEL_CS: u16 = 0x10;
/// `__KERNEL_DS`.
pub const KERNEL_DS: u16 = 0x18;
/// Selector of the task state segment.
pub const TSS_SELECTOR: u16 = 0x40;
/// Limit of the GDT: `GDT_ENTRIES` descriptors.
pub const GDT_LIMIT: u16 = 16 * 8 - 1;
/// Slot of the descriptor whose limit tells user code its CPU (`GDT_ENTRY_CPUNODE`)...
const CPUNODE_SLOT: u64 = 15;
/// ...and that descriptor for CPU 0 (`setup_getcpu`).
const CPUNODE: u64 = 0x0040_f500_0000_0000;
/// Limit of the IDT: 256 gates.
pub const IDT_LIMIT: u16 = 256 * 16 - 1;
/// Limit of the TSS: no I/O bitmap.
pub const TSS_LIMIT: u32 = 103;
/// Vector of 32-bit system calls (`IA32_SYSCALL_VECTOR`).
const INT80_VECTOR: u64 = 0x80;
/// Vector of the local APIC timer (`LOCAL_TIMER_VECTOR`).
pub const TIMER_VECTOR: u8 = 0xec;

/// Descriptors of the GDT up to the TSS, by selector / 8.
const GDT: [u64; 8] = [
    0,
    0x00cf_9b00_0000_ffff,
    0x00af_9b00_0000_ffff,
    0x00cf_9300_0000_ffff,
    0x00cf_fb00_0000_ffff,
    0x00cf_f300_0000_ffff,
    0x00af_fb00_0000_ffff,
    0,
];

/// Bytes of code that entry points are made of.
const VMCALL: [u8; 3] = [0x0f, 0x01, 0xc1];
const SYSRETQ: [u8; 3] = [0x48, 0x0f, 0x07];
const IRETQ: [u8; 2] = [0x48, 0xcf];
const REP_MOVSB: [u8; 2] = [0xf3, 0xa4];
const REP_STOSQ: [u8; 3] = [0xf3, 0x48, 0xab];
const REP_STOSB: [u8; 2] = [0xf3, 0xaa];
/// One access by a register, and then nothing is left: MOV and XOR ECX, ECX.
const GET_USER_4: [u8; 4] = [0x8b, 0x06, 0x31, 0xc9];
const GET_USER_8: [u8; 5] = [0x48, 0x8b, 0x06, 0x31, 0xc9];
const PUT_USER_4: [u8; 4] = [0x89, 0x07, 0x31, 0xc9];
const PUT_USER_8: [u8; 5] = [0x48, 0x89, 0x07, 0x31, 0xc9];
/// `add [rdi], rsi`.
const ADD_MEM_RSI: [u8; 3] = [0x48, 0x01, 0x37];
/// `inc qword [rdi]`.
const INC_MEM: [u8; 3] = [0x48, 0xff, 0x07];
/// `mov eax, [rdi]`.
const LOAD_EAX: [u8; 2] = [0x8b, 0x07];

/// Bytes between the entry points of exceptions.
const STUB_BYTES: u64 = 16;
/// Offset of the first exception's entry point in the text.
const EXCEPTIONS: u64 = 0x200;
/// Exceptions with entry points.
const NR_EXCEPTIONS: u64 = 32;

/// Routines and entry points of the kernel's text, with their offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Stub {
    /// LSTAR.
    EntrySyscall = 0x00,
    /// The way back by SYSRET.
    SyscallReturn = 0x20,
    /// The way back by IRET.
    InterruptReturn = 0x40,
    /// Copies RCX bytes from RSI to RDI.
    CopyUser = 0x60,
    /// The timer interrupt.
    Timer = 0xa0,
    /// Zeroes RCX words of 8 bytes at RDI.
    ClearUserWords = 0xc0,
    /// Zeroes RCX bytes at RDI.
    ClearUserTail = 0xd0,
    /// Reads 4 bytes at RSI into EAX.
    GetUser4 = 0xe0,
    /// Reads 8 bytes at RSI into RAX.
    GetUser8 = 0xf0,
    /// Writes EAX to RDI.
    PutUser4 = 0x100,
    /// Writes RAX to RDI.
    PutUser8 = 0x110,
    /// Adds RSI to the 64-bit variable at RDI.
    DoTimer = 0x120,
    /// Counts up the 64-bit variable at RDI.
    CopyProcess = 0x130,
    /// Counts up the 64-bit variable at RDI.
    Schedule = 0x140,
    /// Loads the 32-bit variable at RDI into EAX.
    AllocPid = 0x150,
    /// INT 0x80.
    Int80 = 0x160,
}

impl Stub {
    /// Its linear address.
    #[must_use]
    pub const fn address(self) -> u64 {
        TEXT_BASE + self as u64
    }
}

/// Names of the text's symbols, as in Linux's kallsyms.
const SYMBOLS: [(Stub, &str, &[&[u8]]); 16] = [
    (Stub::EntrySyscall, "entry_SYSCALL_64", &[&VMCALL]),
    (Stub::SyscallReturn, "entry_SYSRETQ_unsafe_stack", &[&SYSRETQ]),
    (Stub::InterruptReturn, "common_interrupt_return", &[&IRETQ]),
    (Stub::CopyUser, "rep_movs_alternative", &[&REP_MOVSB, &VMCALL]),
    (Stub::Timer, "asm_sysvec_apic_timer_interrupt", &[&VMCALL]),
    (Stub::ClearUserWords, "rep_stos_alternative", &[&REP_STOSQ, &VMCALL]),
    (Stub::ClearUserTail, "rep_stos_alternative_tail", &[&REP_STOSB, &VMCALL]),
    (Stub::GetUser4, "__get_user_4", &[&GET_USER_4, &VMCALL]),
    (Stub::GetUser8, "__get_user_8", &[&GET_USER_8, &VMCALL]),
    (Stub::PutUser4, "__put_user_4", &[&PUT_USER_4, &VMCALL]),
    (Stub::PutUser8, "__put_user_8", &[&PUT_USER_8, &VMCALL]),
    (Stub::DoTimer, "do_timer", &[&ADD_MEM_RSI, &VMCALL]),
    (Stub::CopyProcess, "copy_process", &[&INC_MEM, &VMCALL]),
    (Stub::Schedule, "__schedule", &[&INC_MEM, &VMCALL]),
    (Stub::AllocPid, "alloc_pid", &[&LOAD_EAX, &VMCALL]),
    (Stub::Int80, "asm_int80_emulation", &[&VMCALL]),
];

/// Names of the exceptions' entry points by vector.
const EXCEPTION_NAMES: [&str; 20] = [
    "asm_exc_divide_error",
    "asm_exc_debug",
    "asm_exc_nmi",
    "asm_exc_int3",
    "asm_exc_overflow",
    "asm_exc_bounds",
    "asm_exc_invalid_op",
    "asm_exc_device_not_available",
    "asm_exc_double_fault",
    "asm_exc_coproc_segment_overrun",
    "asm_exc_invalid_tss",
    "asm_exc_segment_not_present",
    "asm_exc_stack_segment",
    "asm_exc_general_protection",
    "asm_exc_page_fault",
    "asm_spurious_interrupt",
    "asm_exc_coprocessor_error",
    "asm_exc_alignment_check",
    "asm_exc_machine_check",
    "asm_exc_simd_coprocessor_error",
];

/// What an entry from the guest is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryPoint {
    /// SYSCALL.
    Syscall,
    /// INT 0x80.
    Int80,
    /// An exception, by vector.
    Exception(u8),
    /// The timer.
    Timer,
    /// A routine of the kernel's text has finished.
    RoutineDone,
}

/// Pages of a per-CPU area.
#[derive(Clone, Copy, Debug)]
#[repr(u64)]
enum CpuPage {
    Gdt = 0,
    Tss = 1,
    DebugStack = 2,
    OtherStack = 3,
    KernelStack = 4,
    Bounce = 5,
}

/// Bytes that a bounce buffer holds.
pub const BOUNCE_BYTES: u64 = 2 * PAGE_SIZE;

/// Addresses of one CPU's own structures.
#[derive(Clone, Copy, Debug)]
pub struct CpuArea {
    /// GDT.
    pub gdt: u64,
    /// TSS.
    pub tss: u64,
    /// Top of the stack for entries from user mode (TSS.RSP0).
    pub kernel_stack_top: u64,
    /// Linear address of the buffer through which user memory is copied.
    pub bounce: u64,
    /// Physical addresses of its two pages.
    bounce_frames: [Pfn; 2],
}

/// The kernel image in guest memory.
#[derive(Debug)]
pub struct KernelLayout {
    /// The page table whose kernel half every address space has.
    pub template: PageTable,
    /// The frame of the kernel's variables.
    data: Pfn,
    areas: Vec<CpuArea>,
}

/// A named place of the kernel's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextSymbol {
    /// Its name in Linux's kallsyms.
    pub name: &'static str,
    /// Linear address.
    pub addr: u64,
    /// Bytes of code.
    pub size: u64,
}

impl KernelLayout {
    /// Builds the image.
    ///
    /// # Errors
    /// ENOMEM where RAM is too small for it.
    pub fn build(hw: &mut Hw, frames: &mut FrameAllocator) -> Result<Self, Errno> {
        let mut template = PageTable::new(hw, frames)?;
        map_direct(hw, frames, &mut template)?;
        let text = frames.alloc_zeroed(hw)?;
        template.map(hw, frames, TEXT_BASE, text, bits::GLOBAL)?;
        write_text(hw, text);
        let idt = frames.alloc_zeroed(hw)?;
        template.map(hw, frames, IDT_BASE, idt, bits::GLOBAL | bits::NX)?;
        write_idt(hw, idt);
        let cpus: Vec<CpuId> = hw.cpus().collect();
        let areas = cpus
            .into_iter()
            .map(|cpu| build_area(hw, frames, &mut template, cpu))
            .collect::<Result<_, _>>()?;
        let data = frames.alloc_zeroed(hw)?;
        let flags = bits::WRITE | bits::NX | bits::GLOBAL;
        template.map(hw, frames, DATA_BASE, data, flags)?;
        Ok(Self { template, data, areas })
    }

    /// Gives a variable its value at boot: `bytes` at `offset` of the page of data.
    pub(crate) fn init_data(&self, hw: &mut Hw, offset: u64, bytes: &[u8]) {
        hw.write_phys(self.data.physical() + offset, bytes);
    }

    /// One CPU's structures.
    #[must_use]
    pub fn area(&self, cpu: CpuId) -> &CpuArea {
        &self.areas[cpu.0 as usize]
    }

    /// Linear address of a CPU's LDT, whose pages are there from its first use on.
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn ldt_area(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        cpu: CpuId,
    ) -> Result<u64, Errno> {
        let base = LDT_BASE + u64::from(cpu.0) * LDT_STRIDE;
        for page in (0..LDT_STRIDE).step_by(PAGE_SIZE as usize) {
            if !self.template.entry(hw, base + page).is_present() {
                let frame = frames.alloc_zeroed(hw)?;
                let flags = bits::WRITE | bits::NX | bits::GLOBAL;
                self.template.map(hw, frames, base + page, frame, flags)?;
            }
        }
        Ok(base)
    }

    /// An address of a CPU's kernel stack page whose bits 16 to 31 are those of `sp`: a return to
    /// a 16-bit stack segment leaves them as they are (`init_espfix_ap`).
    ///
    /// # Errors
    /// ENOMEM.
    pub(crate) fn espfix_stack_top(
        &mut self,
        hw: &mut Hw,
        frames: &mut FrameAllocator,
        cpu: CpuId,
        sp: u64,
    ) -> Result<u64, Errno> {
        let cpu_index = u64::from(cpu.0);
        let page = ESPFIX_BASE
            + ((cpu_index / ESPFIX_CPUS) << 32)
            + (sp & 0xffff_0000)
            + cpu_index % ESPFIX_CPUS * PAGE_SIZE;
        if !self.template.entry(hw, page).is_present() {
            let stack = self.area(cpu).kernel_stack_top - PAGE_SIZE;
            let frame = self.template.entry(hw, stack).pfn();
            let flags = bits::WRITE | bits::NX | bits::GLOBAL;
            self.template.map(hw, frames, page, frame, flags)?;
        }
        Ok(page + PAGE_SIZE)
    }

    /// Linear address of the IDT.
    #[must_use]
    pub const fn idt(&self) -> u64 {
        IDT_BASE
    }

    /// Symbol and offset of a kernel text address.
    #[must_use]
    pub fn symbol(address: u64) -> Option<(&'static str, u64)> {
        let offset = address.checked_sub(TEXT_BASE)?;
        if (EXCEPTIONS..EXCEPTIONS + NR_EXCEPTIONS * STUB_BYTES).contains(&offset) {
            let vector = (offset - EXCEPTIONS) / STUB_BYTES;
            let name = EXCEPTION_NAMES.get(vector as usize)?;
            return Some((name, (offset - EXCEPTIONS) % STUB_BYTES));
        }
        SYMBOLS
            .iter()
            .rev()
            .find(|(stub, _, _)| *stub as u64 <= offset)
            .filter(|_| offset < EXCEPTIONS)
            .map(|(stub, name, _)| (*name, offset - *stub as u64))
    }

    /// All symbols of the kernel's text, by address.
    pub fn text_symbols() -> impl Iterator<Item = TextSymbol> {
        let routines = SYMBOLS.iter().map(|(stub, name, pieces)| TextSymbol {
            name,
            addr: stub.address(),
            size: pieces.iter().map(|piece| piece.len() as u64).sum(),
        });
        let exceptions = (0..).zip(EXCEPTION_NAMES).map(|(vector, name)| TextSymbol {
            name,
            addr: TEXT_BASE + EXCEPTIONS + vector * STUB_BYTES,
            size: VMCALL.len() as u64,
        });
        routines.chain(exceptions)
    }
}

impl CpuArea {
    /// Puts bytes into the bounce buffer.
    pub fn fill_bounce(&self, hw: &mut Hw, data: &[u8]) {
        for (frame, chunk) in self.bounce_frames.iter().zip(data.chunks(PAGE_SIZE as usize)) {
            hw.write_phys(frame.physical(), chunk);
        }
    }

    /// Takes bytes out of the bounce buffer.
    pub fn drain_bounce(&self, hw: &Hw, out: &mut [u8]) {
        for (frame, chunk) in self.bounce_frames.iter().zip(out.chunks_mut(PAGE_SIZE as usize)) {
            hw.read_phys(frame.physical(), chunk);
        }
    }
}

/// What the address after an executed VMCALL means.
#[must_use]
pub fn entry_point(rip: u64) -> Option<EntryPoint> {
    let offset = rip.checked_sub(TEXT_BASE + VMCALL.len() as u64)?;
    if let Some(from_first) = offset.checked_sub(EXCEPTIONS) {
        let vector = from_first / STUB_BYTES;
        let exact = from_first % STUB_BYTES == 0 && vector < NR_EXCEPTIONS;
        return exact.then_some(EntryPoint::Exception(vector as u8));
    }
    // A routine asks at its end, the entry points at once.
    let is_end = |(stub, _, pieces): &(Stub, &str, &[&[u8]])| match pieces {
        [code, _vmcall] => offset == *stub as u64 + code.len() as u64,
        _ => false,
    };
    match offset {
        o if o == Stub::EntrySyscall as u64 => Some(EntryPoint::Syscall),
        o if o == Stub::Timer as u64 => Some(EntryPoint::Timer),
        o if o == Stub::Int80 as u64 => Some(EntryPoint::Int80),
        _ if SYMBOLS.iter().any(is_end) => Some(EntryPoint::RoutineDone),
        _ => None,
    }
}

fn map_direct(
    hw: &mut Hw,
    frames: &mut FrameAllocator,
    template: &mut PageTable,
) -> Result<(), Errno> {
    let bytes = hw.nr_frames() * PAGE_SIZE;
    let flags = bits::WRITE | bits::NX | bits::GLOBAL;
    let mut at = 0;
    while at < bytes {
        template.map_large(hw, frames, PAGE_OFFSET + at, at, flags)?;
        at += LARGE_PAGE;
    }
    Ok(())
}

fn write_text(hw: &mut Hw, text: Pfn) {
    for (stub, _, pieces) in &SYMBOLS {
        let code = pieces.concat();
        hw.write_phys(text.physical() + *stub as u64, &code);
    }
    for vector in 0..NR_EXCEPTIONS {
        hw.write_phys(text.physical() + EXCEPTIONS + vector * STUB_BYTES, &VMCALL);
    }
}

/// A 64-bit interrupt gate.
fn gate(target: u64, dpl: u64, ist: u64) -> [u64; 2] {
    const PRESENT_INTERRUPT_GATE: u64 = 0x8e << 40;
    let low = target & 0xffff
        | u64::from(KERNEL_CS) << 16
        | ist << 32
        | PRESENT_INTERRUPT_GATE
        | dpl << 45
        | (target >> 16 & 0xffff) << 48;
    [low, target >> 32]
}

fn write_idt(hw: &mut Hw, idt: Pfn) {
    const DEBUG: u64 = 1;
    const NMI: u64 = 2;
    const BREAKPOINT: u64 = 3;
    const OVERFLOW: u64 = 4;
    const DOUBLE_FAULT: u64 = 8;
    const MACHINE_CHECK: u64 = 18;
    let mut set = |vector: u64, gate: [u64; 2]| {
        hw.write_phys_u64(idt.physical() + vector * 16, gate[0]);
        hw.write_phys_u64(idt.physical() + vector * 16 + 8, gate[1]);
    };
    for vector in 0..NR_EXCEPTIONS {
        let target = TEXT_BASE + EXCEPTIONS + vector * STUB_BYTES;
        let dpl = if matches!(vector, BREAKPOINT | OVERFLOW) { 3 } else { 0 };
        let ist = match vector {
            DEBUG => 1,
            NMI | DOUBLE_FAULT | MACHINE_CHECK => 2,
            _ => 0,
        };
        set(vector, gate(target, dpl, ist));
    }
    set(u64::from(TIMER_VECTOR), gate(Stub::Timer.address(), 0, 0));
    set(INT80_VECTOR, gate(Stub::Int80.address(), 3, 0));
}

fn build_area(
    hw: &mut Hw,
    frames: &mut FrameAllocator,
    template: &mut PageTable,
    cpu: CpuId,
) -> Result<CpuArea, Errno> {
    let base = CPU_AREA_BASE + u64::from(cpu.0) * CPU_AREA_PAGES * PAGE_SIZE;
    let at = |page: CpuPage| base + page as u64 * PAGE_SIZE;
    let mut pages = Vec::new();
    for page in 0..=CpuPage::Bounce as u64 + 1 {
        let frame = frames.alloc_zeroed(hw)?;
        let flags = bits::WRITE | bits::NX | bits::GLOBAL;
        template.map(hw, frames, base + page * PAGE_SIZE, frame, flags)?;
        pages.push(frame);
    }
    let top = |page: CpuPage| at(page) + PAGE_SIZE;
    let tss = pages[CpuPage::Tss as usize].physical();
    // RSP0, then IST1 and IST2 (SDM vol. 3A, figure 8-11); the fields are unaligned.
    hw.write_phys(tss + 4, &top(CpuPage::KernelStack).to_le_bytes());
    hw.write_phys(tss + 0x24, &top(CpuPage::DebugStack).to_le_bytes());
    hw.write_phys(tss + 0x2c, &top(CpuPage::OtherStack).to_le_bytes());
    // No I/O bitmap: it would begin beyond the limit (`IO_BITMAP_OFFSET_INVALID`).
    hw.write_phys(tss + 102, &(TSS_LIMIT as u16 + 1).to_le_bytes());
    let gdt = pages[CpuPage::Gdt as usize].physical();
    for (slot, descriptor) in GDT.iter().enumerate() {
        hw.write_phys_u64(gdt + 8 * slot as u64, *descriptor);
    }
    hw.write_phys_u64(gdt + 8 * CPUNODE_SLOT, CPUNODE | u64::from(cpu.0));
    let bounce = CpuPage::Bounce as usize;
    Ok(CpuArea {
        gdt: at(CpuPage::Gdt),
        tss: at(CpuPage::Tss),
        kernel_stack_top: top(CpuPage::KernelStack),
        bounce: at(CpuPage::Bounce),
        bounce_frames: [pages[bounce], pages[bounce + 1]],
    })
}
