//! The state of a vCPU as a stream of bytes, for digests.

use super::Cpu;
use crate::regs::{Control, Msrs};

impl Cpu {
    /// Feeds all state that the future depends on to `hasher`.
    pub fn digest(&self, hasher: &mut dyn FnMut(&[u8])) {
        for word in self.regs.gpr.all() {
            hasher(&word.to_le_bytes());
        }
        for index in 0..16 {
            let reg = self.regs.vector.ymm(index);
            hasher(&reg.lo.to_le_bytes());
            hasher(&reg.hi.to_le_bytes());
        }
        let debug = &self.debug;
        let words = [
            self.regs.rip,
            self.regs.rflags(),
            u64::from(self.regs.vector.mxcsr),
            self.regs.control.cr0,
            self.regs.control.cr2,
            self.regs.control.cr3,
            self.regs.control.cr4,
            debug.address(0),
            debug.address(1),
            debug.address(2),
            debug.address(3),
            debug.dr6(),
            debug.dr7().0,
            self.pending.debug,
            self.cycles,
            self.icount,
            self.random.state(),
        ];
        let system = self.system_words();
        for word in words.into_iter().chain(system) {
            hasher(&word.to_le_bytes());
        }
        let mut x87 = [0; 160];
        self.regs.x87.store_fxsave(&mut x87);
        hasher(&x87);
        let pending = &self.pending;
        hasher(&[
            u8::from(pending.ss_shadow),
            u8::from(pending.sti_shadow),
            u8::from(pending.icebp),
            u8::from(self.halted),
            u8::from(self.waits_for_startup),
            u8::from(pending.line),
            u8::from(pending.nmi),
            u8::from(pending.nmi_blocked),
            u8::from(pending.interrupt.is_some()),
            pending.interrupt.unwrap_or(0),
        ]);
        for segment in &self.regs.seg {
            hasher(&segment.selector.to_le_bytes());
            hasher(&segment.base.to_le_bytes());
            hasher(&segment.limit.to_le_bytes());
            hasher(&segment.access.to_le_bytes());
        }
        self.timing.digest(hasher);
    }

    /// System registers that are seldom written: the rest of the control registers,
    /// the table registers and the MSRs.
    fn system_words(&self) -> impl Iterator<Item = u64> {
        let Control {
            cr0: _,
            cr2: _,
            cr3: _,
            cr4: _,
            cr8,
            efer,
            xcr0,
            gdtr,
            idtr,
            tss_base,
            tss_limit,
            tr,
            tr_access,
            ldtr,
            ldt_base,
            ldt_limit,
        } = &self.regs.control;
        let Msrs {
            star,
            lstar,
            cstar,
            fmask,
            kernel_gs_base,
            tsc_aux,
            tsc_offset,
            debugctl,
            pat,
            last_branches,
            misc_enable,
            spec_ctrl,
            mtrr_def_type,
            mtrr_fixed,
            mtrr_variable,
            sysenter_cs,
            sysenter_esp,
            sysenter_eip,
        } = &self.regs.msrs;
        [
            *cr8,
            *efer,
            *xcr0,
            gdtr.base,
            u64::from(gdtr.limit),
            idtr.base,
            u64::from(idtr.limit),
            *tss_base,
            u64::from(*tss_limit),
            u64::from(*tr),
            u64::from(*tr_access),
            u64::from(*ldtr),
            *ldt_base,
            u64::from(*ldt_limit),
            *star,
            *lstar,
            *cstar,
            *fmask,
            *kernel_gs_base,
            *tsc_aux,
            *tsc_offset,
            *debugctl,
            *pat,
            last_branches.top(),
            last_branches.last().from,
            last_branches.last().to,
            *misc_enable,
            *spec_ctrl,
            *mtrr_def_type,
            *sysenter_cs,
            *sysenter_esp,
            *sysenter_eip,
            u64::from(self.apic_id),
        ]
        .into_iter()
        .chain(*mtrr_fixed)
        .chain(*mtrr_variable)
    }
}
