//! Control registers, EFER, descriptor tables, and MSRs that are only stored.
//! Source: SDM vol. 3A, 2.5, and vol. 4.

/// Bits of CR0.
pub mod cr0 {
    /// Protected mode.
    pub const PE: u64 = 1 << 0;
    /// No x87 and no SSE: their use raises #NM or #UD.
    pub const EM: u64 = 1 << 2;
    /// Task switched: x87/SSE use raises #NM.
    pub const TS: u64 = 1 << 3;
    /// Native x87 errors.
    pub const NE: u64 = 1 << 5;
    /// Supervisor writes honour read-only pages.
    pub const WP: u64 = 1 << 16;
    /// Alignment checks allowed.
    pub const AM: u64 = 1 << 18;
    /// Extension type: always set.
    pub const ET: u64 = 1 << 4;
    /// Not write-through.
    pub const NW: u64 = 1 << 29;
    /// Cache disable.
    pub const CD: u64 = 1 << 30;
    /// Paging.
    pub const PG: u64 = 1 << 31;
    /// Value after reset and INIT.
    pub const RESET: u64 = CD | NW | ET;
}

/// Bits of CR4.
pub mod cr4 {
    /// RDTSC only at CPL 0.
    pub const TSD: u64 = 1 << 2;
    /// Debugging extensions: I/O breakpoints, DR4/DR5 undefined.
    pub const DE: u64 = 1 << 3;
    /// Physical-address extension.
    pub const PAE: u64 = 1 << 5;
    /// Global pages.
    pub const PGE: u64 = 1 << 7;
    /// SSE and FXSAVE enabled.
    pub const OSFXSR: u64 = 1 << 9;
    /// Unmasked SIMD exceptions raise #XM.
    pub const OSXMMEXCPT: u64 = 1 << 10;
    /// SGDT and its like only at CPL 0.
    pub const UMIP: u64 = 1 << 11;
    /// RDFSBASE and its like.
    pub const FSGSBASE: u64 = 1 << 16;
    /// XSAVE enabled.
    pub const OSXSAVE: u64 = 1 << 18;
    /// Supervisor execution of user pages refused.
    pub const SMEP: u64 = 1 << 20;
    /// Supervisor access to user pages refused.
    pub const SMAP: u64 = 1 << 21;
}

/// Bits of XCR0 (SDM vol. 1, 13.3).
pub mod xcr0 {
    /// x87 state, always set.
    pub const X87: u64 = 1 << 0;
    /// XMM registers and MXCSR.
    pub const SSE: u64 = 1 << 1;
    /// Upper halves of the YMM registers.
    pub const AVX: u64 = 1 << 2;
    /// What AVX instructions need.
    pub const AVX_STATE: u64 = SSE | AVX;
}

/// Bits of IA32_EFER.
pub mod efer {
    /// SYSCALL enabled.
    pub const SCE: u64 = 1 << 0;
    /// Long mode enabled.
    pub const LME: u64 = 1 << 8;
    /// Long mode active.
    pub const LMA: u64 = 1 << 10;
    /// No-execute pages.
    pub const NXE: u64 = 1 << 11;
}

/// A descriptor table register (GDTR, IDTR).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableReg {
    /// Linear address of the table.
    pub base: u64,
    /// Last valid byte offset.
    pub limit: u16,
}

/// Control registers and the system table registers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Control {
    /// CR0.
    pub cr0: u64,
    /// CR2: linear address of the last page fault.
    pub cr2: u64,
    /// CR3: physical address of the top page table.
    pub cr3: u64,
    /// CR4.
    pub cr4: u64,
    /// CR8: task priority.
    pub cr8: u64,
    /// IA32_EFER.
    pub efer: u64,
    /// XCR0.
    pub xcr0: u64,
    /// GDTR.
    pub gdtr: TableReg,
    /// IDTR.
    pub idtr: TableReg,
    /// Linear base of the task state segment (TR's hidden part).
    pub tss_base: u64,
    /// Limit of the task state segment.
    pub tss_limit: u32,
    /// TR's selector.
    pub tr: u16,
    /// LDTR's selector.
    pub ldtr: u16,
}

/// Model-specific registers that software sets and instructions read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Msrs {
    /// IA32_STAR.
    pub star: u64,
    /// IA32_LSTAR: SYSCALL's target.
    pub lstar: u64,
    /// IA32_CSTAR.
    pub cstar: u64,
    /// IA32_FMASK: RFLAGS bits that SYSCALL clears.
    pub fmask: u64,
    /// IA32_KERNEL_GS_BASE.
    pub kernel_gs_base: u64,
    /// IA32_TSC_AUX.
    pub tsc_aux: u64,
    /// Added to the cycle count to give the TSC.
    pub tsc_offset: u64,
    /// IA32_DEBUGCTL.
    pub debugctl: u64,
    /// IA32_PAT.
    pub pat: u64,
    /// IA32_SYSENTER_CS: zero where the system serves no SYSENTER.
    pub sysenter_cs: u64,
    /// IA32_SYSENTER_ESP.
    pub sysenter_esp: u64,
    /// IA32_SYSENTER_EIP.
    pub sysenter_eip: u64,
}
