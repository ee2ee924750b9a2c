//! Control registers, EFER, descriptor tables, and MSRs that are only stored.
//! Source: SDM vol. 3A, 2.5, and vol. 4.

use super::Segment;

/// Bits of CR0.
pub mod cr0 {
    /// Protected mode.
    pub const PE: u64 = 1 << 0;
    /// WAIT too raises #NM while TS is set.
    pub const MP: u64 = 1 << 1;
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
    /// Virtual-8086 extensions.
    pub const VME: u64 = 1 << 0;
    /// Virtual interrupts in protected mode.
    pub const PVI: u64 = 1 << 1;
    /// RDTSC only at CPL 0.
    pub const TSD: u64 = 1 << 2;
    /// Debugging extensions: I/O breakpoints, DR4/DR5 undefined.
    pub const DE: u64 = 1 << 3;
    /// 4 MiB pages in 32-bit paging.
    pub const PSE: u64 = 1 << 4;
    /// Physical-address extension.
    pub const PAE: u64 = 1 << 5;
    /// Machine checks.
    pub const MCE: u64 = 1 << 6;
    /// Global pages.
    pub const PGE: u64 = 1 << 7;
    /// RDPMC at every privilege.
    pub const PCE: u64 = 1 << 8;
    /// SSE and FXSAVE enabled.
    pub const OSFXSR: u64 = 1 << 9;
    /// Unmasked SIMD exceptions raise #XM.
    pub const OSXMMEXCPT: u64 = 1 << 10;
    /// SGDT and its like only at CPL 0.
    pub const UMIP: u64 = 1 << 11;
    /// RDFSBASE and its like.
    pub const FSGSBASE: u64 = 1 << 16;
    /// Process-context identifiers.
    pub const PCIDE: u64 = 1 << 17;
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

/// Bits of IA32_DEBUGCTL.
pub mod debugctl {
    /// Last branches are recorded.
    pub const LBR: u64 = 1 << 0;
    /// Single-stepping stops at taken branches only (rule X3).
    pub const BTF: u64 = 1 << 1;
}

/// A branch that was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TakenBranch {
    /// Linear address of the branch.
    pub from: u64,
    /// Linear address of its target.
    pub to: u64,
}

/// The last branches taken while IA32_DEBUGCTL.LBR was set (SDM vol. 3B, 18.4.8).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastBranches {
    entries: [TakenBranch; 16],
    top: u8,
}

impl LastBranches {
    /// Adds a branch.
    pub(crate) fn push(&mut self, branch: TakenBranch) {
        self.top = (self.top + 1) % self.entries.len() as u8;
        self.entries[usize::from(self.top)] = branch;
    }

    /// Number of the entry that was written last.
    #[must_use]
    pub fn top(&self) -> u64 {
        u64::from(self.top)
    }

    /// The branch that was recorded last.
    #[must_use]
    pub fn last(&self) -> TakenBranch {
        self.entries[usize::from(self.top)]
    }

    /// An entry; `None` beyond the sixteen.
    #[must_use]
    pub fn entry(&self, index: usize) -> Option<TakenBranch> {
        self.entries.get(index).copied()
    }
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
    /// TR's access rights: bits 40 to 55 of its descriptor.
    pub tr_access: u16,
    /// LDTR's selector. With a null one there is no LDT.
    pub ldtr: u16,
    /// Linear base of the LDT.
    pub ldt_base: u64,
    /// Limit of the LDT.
    pub ldt_limit: u32,
}

impl Control {
    /// Whether TR holds a TSS of 32 or 64 bits, not of 16.
    #[must_use]
    pub fn has_wide_tss(&self) -> bool {
        self.tr_access & Segment::WIDE_TSS != 0
    }
}

/// Model-specific registers that software sets and instructions read.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// What IA32_DEBUGCTL.LBR recorded.
    pub last_branches: LastBranches,
    /// IA32_MISC_ENABLE.
    pub misc_enable: u64,
    /// IA32_SPEC_CTRL.
    pub spec_ctrl: u64,
    /// IA32_MTRR_DEF_TYPE.
    pub mtrr_def_type: u64,
    /// The fixed MTRRs: of 64 KiB, of 16 KiB (two), of 4 KiB (eight).
    pub mtrr_fixed: [u64; 11],
    /// The variable MTRRs: base and mask of each pair.
    pub mtrr_variable: [u64; 16],
    /// IA32_SYSENTER_CS: zero where the system serves no SYSENTER.
    pub sysenter_cs: u64,
    /// IA32_SYSENTER_ESP.
    pub sysenter_esp: u64,
    /// IA32_SYSENTER_EIP.
    pub sysenter_eip: u64,
}

/// IA32_PAT after reset: WB, WT, UC-, UC, twice.
const PAT_RESET: u64 = 0x0007_0406_0007_0406;

impl Default for Msrs {
    /// The values after reset.
    fn default() -> Self {
        Self {
            star: 0,
            lstar: 0,
            cstar: 0,
            fmask: 0,
            kernel_gs_base: 0,
            tsc_aux: 0,
            tsc_offset: 0,
            debugctl: 0,
            pat: PAT_RESET,
            last_branches: LastBranches::default(),
            misc_enable: 0,
            spec_ctrl: 0,
            mtrr_def_type: 0,
            mtrr_fixed: [0; 11],
            mtrr_variable: [0; 16],
            sysenter_cs: 0,
            sysenter_esp: 0,
            sysenter_eip: 0,
        }
    }
}
