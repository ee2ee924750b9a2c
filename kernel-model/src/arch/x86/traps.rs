//! Exceptions: from vectors to signals, page faults and the exception table.
//! Source: Linux 6.18 `arch/x86/kernel/traps.c`, `arch/x86/mm/fault.c`.

use perf_core::{CpuId, TaskId};

use super::costs::Work;
use super::entry::TrapFrame;
use super::layout::EntryPoint;
use crate::kernel::Kernel;
use crate::mm::fault::FaultResult;
use crate::mm::layout::TASK_SIZE_MAX;
use crate::signal::SigInfo;
use crate::uapi::signal::si_code::{
    BUS_ADRALN, BUS_ADRERR, FPE_FLTDIV, FPE_FLTINV, FPE_FLTOVF, FPE_FLTRES, FPE_FLTUND, FPE_INTDIV,
    ILL_ILLOPN,
};
use crate::uapi::signal::{SIGBUS, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGTRAP};

/// What became of a trap in kernel mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelTrap {
    /// The CPU goes back to the interrupted code.
    Resumed,
    /// The exception table has a way out: the access failed.
    Fixup,
    /// The kernel cannot go on.
    Fatal(&'static str),
}

/// Vectors by number, as the manual names them.
mod vector {
    pub(super) const DE: u8 = 0;
    pub(super) const DB: u8 = 1;
    pub(super) const BP: u8 = 3;
    pub(super) const OF: u8 = 4;
    pub(super) const UD: u8 = 6;
    pub(super) const SS: u8 = 12;
    pub(super) const GP: u8 = 13;
    pub(super) const PF: u8 = 14;
    pub(super) const MF: u8 = 16;
    pub(super) const AC: u8 = 17;
    pub(super) const XM: u8 = 19;
}

impl Kernel {
    /// An exception in user mode. The task's registers are saved.
    pub(crate) fn user_trap(&mut self, cpu: CpuId, task: TaskId, vector: u8, frame: &TrapFrame) {
        let ip = frame.ip;
        let info = match vector {
            vector::DB => return self.exc_debug_user(cpu, task),
            vector::PF => return self.user_page_fault(cpu, task, frame),
            vector::DE => SigInfo::fault(SIGFPE, FPE_INTDIV, ip),
            vector::BP => SigInfo::from_kernel(SIGTRAP),
            vector::UD => SigInfo::fault(SIGILL, ILL_ILLOPN, ip),
            vector::SS => SigInfo::from_kernel(SIGBUS),
            vector::OF | vector::GP => SigInfo::from_kernel(SIGSEGV),
            vector::AC => SigInfo::fault(SIGBUS, BUS_ADRALN, 0),
            vector::MF | vector::XM => {
                let code = self.simd_error_code(cpu).unwrap_or(FPE_FLTINV);
                SigInfo::fault(SIGFPE, code, ip)
            }
            // Segment faults of user code end as its other protection faults do.
            _ => SigInfo::from_kernel(SIGSEGV),
        };
        self.force_signal(task, info);
    }

    /// The si_code of an unmasked SIMD exception (`fpu__exception_code`).
    fn simd_error_code(&self, cpu: CpuId) -> Option<i32> {
        let mxcsr = self.hw.mxcsr(cpu);
        let unmasked = mxcsr & !(mxcsr >> 7) & 0x3f;
        let by_bit = [
            (1 << 0, FPE_FLTINV),
            (1 << 2, FPE_FLTDIV),
            (1 << 3, FPE_FLTOVF),
            (1 << 4 | 1 << 1, FPE_FLTUND),
            (1 << 5, FPE_FLTRES),
        ];
        by_bit.iter().find(|(bits, _)| unmasked & bits != 0).map(|(_, code)| *code)
    }

    /// `do_user_addr_fault` for a fault in user mode.
    fn user_page_fault(&mut self, cpu: CpuId, task: TaskId, frame: &TrapFrame) {
        let address = self.hw.cr2(cpu);
        let info = match self.handle_fault(cpu, task, address, frame.error) {
            FaultResult::Handled => return,
            FaultResult::Segv { code } => SigInfo::fault(SIGSEGV, code.si_code(), address),
            FaultResult::Bus => SigInfo::fault(SIGBUS, BUS_ADRERR, address),
            FaultResult::OutOfMemory => SigInfo::from_kernel(SIGKILL),
        };
        self.force_signal(task, info);
    }

    fn handle_fault(&mut self, cpu: CpuId, task: TaskId, address: u64, error: u32) -> FaultResult {
        if address >= TASK_SIZE_MAX {
            return FaultResult::Segv { code: crate::mm::fault::SegvCode::MapErr };
        }
        self.hw.charge_work(cpu, Work::PageFault);
        let mm = self.tasks.task(task).mm;
        let Some((space, _)) = self.tasks.spaces.get_mut(&mm) else {
            return FaultResult::OutOfMemory;
        };
        let result = space.handle_fault(&mut self.hw, &mut self.frames, address, error);
        self.count_page_fault(cpu, task, address);
        result
    }

    /// A trap in kernel mode: page faults on user memory, and debug exceptions.
    pub(crate) fn kernel_trap(&mut self, cpu: CpuId, entry: EntryPoint) -> KernelTrap {
        let EntryPoint::Exception(vector) = entry else {
            return KernelTrap::Fatal("an unexpected entry in kernel mode");
        };
        let frame = self.hw.trap_frame(cpu, entry);
        if frame.from_user() {
            return KernelTrap::Fatal("user mode was entered amid a kernel routine");
        }
        let gprs = self.hw.gprs(cpu);
        let Some(task) = self.current_on(cpu) else {
            return KernelTrap::Fatal("a trap without a current task");
        };
        let flags = match vector {
            vector::DB => self.exc_debug_kernel(cpu, task, &frame),
            vector::PF => {
                let address = self.hw.cr2(cpu);
                match self.handle_fault(cpu, task, address, frame.error) {
                    FaultResult::Handled => frame.flags,
                    FaultResult::Segv { .. } | FaultResult::Bus | FaultResult::OutOfMemory => {
                        return KernelTrap::Fixup;
                    }
                }
            }
            vector::GP | vector::SS => return KernelTrap::Fixup,
            _ => return KernelTrap::Fatal("an exception in kernel mode"),
        };
        // Handlers run no guest code, so the registers are those of the trap.
        debug_assert_eq!(gprs, self.hw.gprs(cpu));
        self.hw.return_to_kernel(cpu, &frame, flags);
        KernelTrap::Resumed
    }
}
