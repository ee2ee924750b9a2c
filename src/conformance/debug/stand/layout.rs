//! Where the stand's system structures lie, and what is in them.
//! Selectors are those of Linux (arch/x86/include/asm/segment.h).

/// Bytes of RAM.
pub(crate) const RAM_BYTES: u64 = 512 << 10;
/// Physical address of the first page table.
pub(crate) const RAM_TABLES: u64 = 0x1000;

/// 64-bit code at CPL 0.
pub(crate) const CODE0: u16 = 0x10;
/// Data at CPL 0.
pub(crate) const DATA0: u16 = 0x18;
/// 32-bit code at CPL 3.
pub(crate) const CODE32: u16 = 0x23;
/// Data at CPL 3.
pub(crate) const DATA3: u16 = 0x2b;
/// 64-bit code at CPL 3.
pub(crate) const CODE3: u16 = 0x33;

/// Handlers, 16 bytes a vector.
pub(crate) const STUBS: u64 = 0xffff_8000_0000_0000;
/// Target of SYSCALL.
pub(crate) const SYSCALL_STUB: u64 = STUBS + 0x1000;
/// An IRETQ to start with.
pub(crate) const IRET_STUB: u64 = STUBS + 0x1010;
/// An LLDT of AX, and VMCALL after it.
pub(crate) const LLDT_STUB: u64 = STUBS + 0x1020;
/// Interrupt descriptor table: a whole page.
pub(crate) const IDT: u64 = STUBS + 0x2000;
/// Global descriptor table.
pub(crate) const GDT: u64 = STUBS + 0x3000;
/// Descriptors in it.
pub(crate) const GDT_ENTRIES: u16 = 16;
/// Task state segment.
pub(crate) const TSS: u64 = GDT + 0x800;
/// Local descriptor table, where one was asked for.
pub(crate) const LDT: u64 = GDT + 0xc00;
/// Most descriptors in it.
pub(crate) const LDT_ENTRIES: u16 = 0x80;
/// Its selector.
pub(crate) const LDT_SELECTOR: u16 = 0x50;
/// Top of the stack at CPL 0.
pub(crate) const STACK0: u64 = STUBS + 0x6000;
/// Pages of the structures above.
pub(crate) const SYSTEM_PAGES: [u64; 6] =
    [STUBS, SYSCALL_STUB, IDT, GDT, STACK0 - 0x2000, STACK0 - 0x1000];

/// The flat descriptor behind a selector.
pub(crate) fn descriptor(selector: u16) -> u64 {
    match selector & !3 {
        0x10 => 0x00af_9b00_0000_ffff,
        0x18 => 0x00cf_9300_0000_ffff,
        0x20 => 0x00cf_fb00_0000_ffff,
        0x28 => 0x00cf_f300_0000_ffff,
        0x30 => 0x00af_fb00_0000_ffff,
        _ => 0,
    }
}

/// Whether delivery of a vector pushes an error code (SDM vol. 3A, table 6-1).
pub(crate) fn has_error_code(vector: u8) -> bool {
    matches!(vector, 8 | 10..=14 | 17)
}

/// The descriptor of the local descriptor table: 16 bytes in 64-bit mode.
pub(crate) fn ldt_descriptor() -> [u8; 16] {
    const PRESENT_LDT: u64 = 0x82;
    let limit = u64::from(LDT_ENTRIES) * 8 - 1;
    let low = limit | (LDT & 0xff_ffff) << 16 | PRESENT_LDT << 40 | (LDT >> 24 & 0xff) << 56;
    (u128::from(low) | u128::from(LDT >> 32) << 64).to_le_bytes()
}

/// A handler: VMCALL, drop the error code, IRETQ.
pub(crate) fn stub(vector: u8) -> &'static [u8] {
    if has_error_code(vector) {
        &[0x0f, 0x01, 0xc1, 0x48, 0x83, 0xc4, 0x08, 0x48, 0xcf]
    } else {
        &[0x0f, 0x01, 0xc1, 0x48, 0xcf]
    }
}

/// An interrupt gate. As Linux has it, INT3, INTO and INT 0x80 may be used at CPL 3.
pub(crate) fn gate(vector: u8) -> [u8; 16] {
    let offset = STUBS + 16 * u64::from(vector);
    let dpl: u64 = if matches!(vector, 3 | 4 | 0x80) { 3 } else { 0 };
    let low = offset & 0xffff
        | u64::from(CODE0) << 16
        | (0x8e | dpl << 5) << 40
        | (offset >> 16 & 0xffff) << 48;
    (u128::from(low) | u128::from(offset >> 32) << 64).to_le_bytes()
}
