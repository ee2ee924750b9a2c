//! Exceptions: from vectors to signals, page faults and the exception table.
//! Source: Linux 6.18 `arch/x86/kernel/traps.c`, `arch/x86/mm/fault.c`.

use perf_core::{CpuId, TaskId};

use super::costs::Work;
use super::entry::{ReturnBy, TrapFrame};
use super::layout::EntryPoint;
use super::pmc::NMI_VECTOR;
use super::pt_regs::PtRegs;
use super::segments::SEGMENT_TI;
use crate::kernel::Kernel;
use crate::mm::fault::FaultResult;
use crate::mm::layout::TASK_SIZE_MAX;
use crate::observe::Observation;
use crate::signal::SigInfo;
use crate::signal::action::Disposition;
use crate::uapi::signal::si_code::{
    BUS_ADRALN, BUS_ADRERR, FPE_FLTDIV, FPE_FLTINV, FPE_FLTOVF, FPE_FLTRES, FPE_FLTUND, FPE_INTDIV,
    ILL_ILLOPN,
};
use crate::uapi::signal::{SIGBUS, SIGFPE, SIGILL, SIGKILL, SIGSEGV, SIGTRAP, sigmask};

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

/// Most bytes of an instruction.
const MAX_INSN_BYTES: usize = 15;
/// Error code of a page fault: the page is present. Linux claims it of every kernel
/// address, so that programs learn nothing (`sanitize_error_code`).
const PF_PROT: u32 = 1 << 0;

/// Vectors by number, as the manual names them.
mod vector {
    pub(super) const DE: u8 = 0;
    pub(super) const DB: u8 = 1;
    pub(super) const BP: u8 = 3;
    pub(super) const OF: u8 = 4;
    pub(super) const UD: u8 = 6;
    pub(super) const NP: u8 = 11;
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
        if vector == vector::BP && self.kgdb_handle_bp(cpu, task) {
            return;
        }
        let ip = frame.ip;
        let info = match vector {
            vector::DB => return self.exc_debug_user(cpu, task),
            vector::PF => return self.user_page_fault(cpu, task, frame),
            vector::DE => SigInfo::fault(SIGFPE, FPE_INTDIV, ip),
            vector::BP => SigInfo::from_kernel(SIGTRAP),
            vector::UD => {
                self.tell_undefined(cpu, task, ip);
                SigInfo::fault(SIGILL, ILL_ILLOPN, ip)
            }
            vector::NP | vector::SS => SigInfo::from_kernel(SIGBUS),
            vector::OF | vector::GP => SigInfo::from_kernel(SIGSEGV),
            vector::AC => SigInfo::fault(SIGBUS, BUS_ADRALN, 0),
            vector::MF | vector::XM => {
                let code = self.simd_error_code(cpu).unwrap_or(FPE_FLTINV);
                SigInfo::fault(SIGFPE, code, ip)
            }
            // Segment faults of user code end as its other protection faults do.
            _ => SigInfo::from_kernel(SIGSEGV),
        };
        // #DF and its like have an error code; the other vectors' frames say 0.
        self.note_trap(task, vector, frame.error);
        self.force_signal(task, info);
    }

    /// What signal frames will say of the last trap (`thread.trap_nr` and
    /// `thread.error_code`).
    fn note_trap(&mut self, task: TaskId, trap_nr: u8, error_code: u32) {
        let trap = &mut self.tasks.task_mut(task).trap;
        (trap.trap_nr, trap.error_code) = (trap_nr, error_code);
    }

    /// Tells of an undefined instruction, where no handler takes the signal.
    fn tell_undefined(&mut self, cpu: CpuId, task: TaskId, ip: u64) {
        let blocked = self.tasks.task(task).blocked & sigmask(SIGILL) != 0;
        let disposition = self.tasks.process_of(task).handlers.disposition(SIGILL);
        if matches!(disposition, Disposition::Handle(_)) && !blocked {
            return;
        }
        let mut insn_bytes = vec![0; MAX_INSN_BYTES];
        let read = self.hw.peek(cpu, ip, &mut insn_bytes);
        insn_bytes.truncate(read);
        let task = self.tasks.tag(task);
        self.observations.push(Observation::UndefinedInsn { ip, insn_bytes, task });
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
        if address >= TASK_SIZE_MAX && self.emulate_vsyscall(task, address, frame.error) {
            return;
        }
        let info = match self.handle_fault(cpu, task, address, frame) {
            FaultResult::Handled => return,
            FaultResult::Segv { code } => SigInfo::fault(SIGSEGV, code.si_code(), address),
            FaultResult::Bus => SigInfo::fault(SIGBUS, BUS_ADRERR, address),
            // The victim may be this process; another one goes on when memory has been freed.
            FaultResult::OutOfMemory if self.out_of_memory() => return,
            FaultResult::OutOfMemory => SigInfo::from_kernel(SIGKILL),
        };
        let error = frame.error | if address >= TASK_SIZE_MAX { PF_PROT } else { 0 };
        self.note_trap(task, vector::PF, error);
        self.tasks.task_mut(task).trap.cr2 = address;
        self.force_signal(task, info);
    }

    fn handle_fault(
        &mut self,
        cpu: CpuId,
        task: TaskId,
        address: u64,
        frame: &TrapFrame,
    ) -> FaultResult {
        if address >= TASK_SIZE_MAX {
            return FaultResult::Segv { code: crate::mm::fault::SegvCode::MapErr };
        }
        self.hw.charge_work(cpu, Work::PageFault);
        let mm = self.tasks.task(task).mm;
        let Some((space, _)) = self.tasks.spaces.get_mut(&mm) else {
            return FaultResult::OutOfMemory;
        };
        let result = space.handle_fault(&mut self.hw, &mut self.frames, address, frame.error);
        self.count_page_fault(cpu, task, frame, address, &result);
        result
    }

    /// Goes back to user mode; to a stack segment of the LDT by way of a stack whose address
    /// has the upper half of ESP, which 16-bit ones do not load (`native_irq_return_ldt`).
    pub(crate) fn return_to_user(&mut self, cpu: CpuId, regs: &PtRegs, by: ReturnBy) {
        let area = *self.layout.area(cpu);
        let mut stack_top = area.kernel_stack_top;
        if regs.ss & SEGMENT_TI != 0 {
            let top = self.layout.espfix_stack_top(&mut self.hw, &mut self.frames, cpu, regs.sp());
            stack_top = top.unwrap_or(stack_top);
        }
        self.hw.return_to_user(cpu, &area, stack_top, regs, by);
    }

    /// A fault of the IRETQ to user mode is the program's, with the registers that it was to get
    /// (`fixup_bad_iret`); tells whether it was one. With a stack segment of the LDT Linux
    /// loses track of which fault it was (`exc_double_fault`).
    pub(crate) fn fixup_bad_iret(&mut self, cpu: CpuId, entry: EntryPoint) -> bool {
        let EntryPoint::Exception(vector @ (vector::NP | vector::SS | vector::GP)) = entry else {
            return false;
        };
        let fault = self.hw.trap_frame(cpu, entry);
        let (Some(mut target), Some(task)) = (self.hw.bad_iret(cpu, &fault), self.current_on(cpu))
        else {
            return false;
        };
        let by_espfix = target.ss & SEGMENT_TI != 0;
        let (vector, error) = if by_espfix { (vector::GP, 0) } else { (vector, target.error) };
        self.tasks.task_mut(task).regs = self.hw.trap_regs(cpu, &target);
        target.error = error;
        self.user_trap(cpu, task, vector, &target);
        self.exit_to_user(cpu, ReturnBy::Iret);
        true
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
            NMI_VECTOR => {
                self.counter_nmi(cpu, task, &frame);
                frame.flags
            }
            vector::PF => {
                let address = self.hw.cr2(cpu);
                match self.handle_fault(cpu, task, address, &frame) {
                    FaultResult::Handled => frame.flags,
                    FaultResult::OutOfMemory
                        if self.out_of_memory()
                            && self.tasks.process_of(task).exiting.is_none() =>
                    {
                        frame.flags
                    }
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
