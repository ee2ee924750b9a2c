//! Kernel entry and exit: from CPU registers to `pt_regs` and back, and routines of
//! the kernel's text that run on the CPU. Source: Linux 6.18 `arch/x86/entry/entry_64.S`.

use emulator::regs::control::{TableReg, cr0, cr4, efer};
use emulator::regs::gpr::reg::{R11, RAX, RCX, RDI, RSI, RSP};
use emulator::regs::{RFlags, Segment, SegmentReg};
use emulator::run::Exit;
use perf_core::CpuId;

use super::fpu::FpuState;
use super::hw::Hw;
use super::layout::{
    self, CpuArea, EntryPoint, GDT_LIMIT, IDT_LIMIT, KERNEL_CS, KERNEL_DS, KernelLayout, Stub,
    TIMER_VECTOR, TSS_LIMIT, TSS_SELECTOR,
};
use super::pt_regs::{PtRegs, USER_CS, USER_DS};
use crate::observe::AccessKind;

/// RFLAGS that SYSCALL clears (`syscall_init`).
const SYSCALL_MASK: u64 = RFlags::STATUS
    | RFlags::TF
    | RFlags::IF
    | RFlags::DF
    | RFlags::IOPL
    | RFlags::NT
    | RFlags::RF
    | RFlags::AC
    | RFlags::ID;
/// Access rights of flat segments (bits 40 to 55 of their descriptors).
const CODE64: u16 = 0xa09b;
const DATA: u16 = 0xc093;
const DPL3: u16 = 0x60;

/// Why a CPU stopped running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunExit {
    /// The deadline was reached.
    Deadline,
    /// The guest entered the kernel.
    Entry(EntryPoint),
    /// An instruction that is not built; the text names it.
    Unsupported(String),
    /// A triple fault, a HLT or a VMCALL where none belongs.
    Broken(&'static str),
}

/// What the hardware pushed at an exception or interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrapFrame {
    /// Error code, 0 where there is none.
    pub error: u32,
    /// Saved RIP.
    pub ip: u64,
    /// Saved CS.
    pub cs: u16,
    /// Saved RFLAGS.
    pub flags: u64,
    /// Saved RSP.
    pub sp: u64,
    /// Saved SS.
    pub ss: u16,
    /// Where the frame is: the address of the saved RIP.
    at: u64,
}

impl TrapFrame {
    /// Whether it was taken in user mode (`user_mode`).
    #[must_use]
    pub fn from_user(&self) -> bool {
        self.cs & 3 == 3
    }
}

/// The data access behind one hit, as the emulator tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HitAccess {
    /// Load or store.
    pub kind: AccessKind,
    /// Address of the instruction.
    pub insn_ip: u64,
    /// First byte accessed.
    pub addr: u64,
    /// Bytes accessed.
    pub len: u32,
    /// Watched bytes before.
    pub old: u64,
    /// Watched bytes after.
    pub new: u64,
}

/// Vectors whose frames have an error code (SDM vol. 3A, table 6-1).
fn has_error_code(vector: u8) -> bool {
    matches!(vector, 8 | 10..=14 | 17 | 21)
}

fn flat(selector: u16, access: u16) -> Segment {
    let dpl = if selector & 3 == 3 { DPL3 } else { 0 };
    Segment { selector, base: 0, limit: u32::MAX, access: access | dpl }
}

impl Hw {
    /// Brings a CPU up: 64-bit mode, descriptor tables, system call entry
    /// (`cpu_init`, `syscall_init`).
    pub fn bring_up(&mut self, cpu: CpuId, layout: &KernelLayout) {
        let area = *layout.area(cpu);
        let processor = self.machine_mut().cpu_mut(cpu.0 as usize);
        let model = processor.model();
        let control = &mut processor.regs.control;
        control.cr0 = cr0::PE | cr0::NE | cr0::WP | cr0::AM | cr0::PG;
        control.cr4 = cr4::PAE | cr4::PGE | cr4::DE | cr4::OSFXSR | cr4::OSXMMEXCPT;
        // `setup_cr_pinning` and `fpu__init_cpu_xstate`, for what the processor has.
        if model.xcr0_supported() != 0 {
            control.cr4 |= cr4::OSXSAVE;
            control.xcr0 = model.xcr0_supported();
        }
        if model.has_fsgsbase() {
            control.cr4 |= cr4::FSGSBASE;
        }
        control.efer = efer::SCE | efer::LME | efer::LMA | efer::NXE;
        control.cr3 = layout.template.physical();
        control.gdtr = TableReg { base: area.gdt, limit: GDT_LIMIT };
        control.idtr = TableReg { base: layout.idt(), limit: IDT_LIMIT };
        control.tr = TSS_SELECTOR;
        control.tss_base = area.tss;
        control.tss_limit = TSS_LIMIT;
        let msrs = &mut processor.regs.msrs;
        msrs.lstar = Stub::EntrySyscall.address();
        msrs.star = u64::from(KERNEL_CS) << 32 | 0x23 << 48;
        msrs.fmask = SYSCALL_MASK;
        msrs.tsc_aux = u64::from(cpu.0);
        processor.flush_tlb();
        self.enter_kernel_mode(cpu, &area);
    }

    /// Kernel segments, the kernel stack, interrupts off.
    fn enter_kernel_mode(&mut self, cpu: CpuId, area: &CpuArea) {
        let processor = self.machine_mut().cpu_mut(cpu.0 as usize);
        processor.regs.seg[SegmentReg::Cs as usize] = flat(KERNEL_CS, CODE64);
        processor.regs.seg[SegmentReg::Ss as usize] = flat(KERNEL_DS, DATA);
        processor.regs.gpr.set(RSP, area.kernel_stack_top);
        processor.set_rflags(RFlags::FIXED);
    }

    /// Runs a CPU until it enters the kernel or reaches a cycle count.
    pub fn run(&mut self, cpu: CpuId, deadline: u64) -> RunExit {
        let index = cpu.0 as usize;
        match self.machine_mut().run(index, deadline) {
            Exit::Deadline => RunExit::Deadline,
            Exit::Hypercall => {
                let rip = self.machine().cpu(index).regs.rip;
                layout::entry_point(rip)
                    .map_or(RunExit::Broken("a hypercall outside the entry points"), RunExit::Entry)
            }
            Exit::Unsupported(unsupported) => RunExit::Unsupported(unsupported.to_string()),
            Exit::Halted => RunExit::Broken("HLT in the kernel"),
            Exit::Shutdown => RunExit::Broken("triple fault"),
        }
    }

    /// RIP of a CPU.
    #[must_use]
    pub fn ip(&self, cpu: CpuId) -> u64 {
        self.machine().cpu(cpu.0 as usize).regs.rip
    }

    /// Makes the timer interrupt pending.
    pub fn raise_timer(&mut self, cpu: CpuId) {
        self.machine_mut().cpu_mut(cpu.0 as usize).raise_interrupt(TIMER_VECTOR);
    }

    /// Takes back what is pending for the task that leaves a CPU.
    pub fn cancel_timer(&mut self, cpu: CpuId) {
        self.machine_mut().cpu_mut(cpu.0 as usize).cancel_interrupt();
    }

    /// General registers of a CPU in the manual's order.
    #[must_use]
    pub fn gprs(&self, cpu: CpuId) -> [u64; 16] {
        self.machine().cpu(cpu.0 as usize).regs.gpr.all()
    }

    /// User registers after SYSCALL: RIP is in RCX and RFLAGS in R11.
    #[must_use]
    pub fn syscall_regs(&self, cpu: CpuId) -> PtRegs {
        let gpr = self.gprs(cpu);
        PtRegs {
            gpr,
            ip: gpr[RCX as usize],
            flags: gpr[R11 as usize],
            cs: USER_CS,
            ss: USER_DS,
            orig_ax: gpr[0],
        }
    }

    /// The frame that an exception or interrupt has pushed.
    pub fn trap_frame(&mut self, cpu: CpuId, entry: EntryPoint) -> TrapFrame {
        let mut at = self.gprs(cpu)[RSP as usize];
        let mut error = 0;
        if let EntryPoint::Exception(vector) = entry
            && has_error_code(vector)
        {
            error = self.peek_u64(cpu, at) as u32;
            at += 8;
        }
        self.trap_frame_at(cpu, at, error)
    }

    fn trap_frame_at(&mut self, cpu: CpuId, at: u64, error: u32) -> TrapFrame {
        TrapFrame {
            error,
            ip: self.peek_u64(cpu, at),
            cs: self.peek_u64(cpu, at + 8) as u16,
            flags: self.peek_u64(cpu, at + 16),
            sp: self.peek_u64(cpu, at + 24),
            ss: self.peek_u64(cpu, at + 32) as u16,
            at,
        }
    }

    /// User registers after an exception or interrupt from user mode.
    #[must_use]
    pub fn trap_regs(&self, cpu: CpuId, frame: &TrapFrame) -> PtRegs {
        let mut gpr = self.gprs(cpu);
        gpr[RSP as usize] = frame.sp;
        let TrapFrame { ip, flags, cs, ss, .. } = *frame;
        PtRegs { gpr, ip, flags, cs, ss, orig_ax: u64::MAX }
    }

    /// Goes back to user mode with these registers: the CPU's next instruction is
    /// the kernel's IRETQ, or SYSRETQ where that gives the same
    /// (`do_syscall_64`'s conditions).
    ///
    /// `stack_top` is where the IRETQ frame ends: the kernel stack's top, or another address
    /// of that page.
    pub fn return_to_user(
        &mut self,
        cpu: CpuId,
        area: &CpuArea,
        stack_top: u64,
        regs: &PtRegs,
        by: ReturnBy,
    ) {
        let index = cpu.0 as usize;
        self.enter_kernel_mode(cpu, area);
        let sysret = by == ReturnBy::SysretIfPossible
            && regs.gpr[RCX as usize] == regs.ip
            && regs.gpr[R11 as usize] == regs.flags
            && regs.flags & (RFlags::RF | RFlags::TF) == 0
            && regs.ip < crate::mm::layout::TASK_SIZE_MAX
            && (regs.cs, regs.ss) == (USER_CS, USER_DS);
        let frame = [regs.ip, u64::from(regs.cs), regs.flags, regs.sp(), u64::from(regs.ss)];
        let frame_at = stack_top - 8 * frame.len() as u64;
        if !sysret {
            for (slot, word) in frame.iter().enumerate() {
                self.poke_u64(cpu, frame_at + 8 * slot as u64, *word);
            }
        }
        let processor = self.machine_mut().cpu_mut(index);
        for (reg, value) in regs.gpr.iter().enumerate() {
            processor.regs.gpr.set(reg as u8, *value);
        }
        let stub = if sysret { Stub::SyscallReturn } else { Stub::InterruptReturn };
        if !sysret {
            processor.regs.gpr.set(RSP, frame_at);
        }
        processor.regs.rip = stub.address();
    }

    /// The registers that an IRETQ to user mode was to load when it faulted; `None` where
    /// the fault is another one (`fixup_bad_iret`).
    pub fn bad_iret(&mut self, cpu: CpuId, frame: &TrapFrame) -> Option<TrapFrame> {
        if frame.ip != Stub::InterruptReturn.address() {
            return None;
        }
        let target = self.trap_frame_at(cpu, frame.sp, frame.error);
        target.from_user().then_some(target)
    }

    /// Whether the way back to user mode that a CPU is on is SYSRET.
    #[must_use]
    pub fn returns_by_sysret(&self, cpu: CpuId) -> bool {
        self.ip(cpu) == Stub::SyscallReturn.address()
    }

    /// Goes back to the kernel code that a trap interrupted. `flags` replaces the
    /// saved RFLAGS.
    pub fn return_to_kernel(&mut self, cpu: CpuId, frame: &TrapFrame, flags: u64) {
        self.poke_u64(cpu, frame.at + 16, flags);
        let processor = self.machine_mut().cpu_mut(cpu.0 as usize);
        processor.regs.gpr.set(RSP, frame.at);
        processor.regs.rip = Stub::InterruptReturn.address();
    }

    /// Prepares a CPU to run a routine of the kernel's text with the arguments in
    /// RDI, RSI and RCX.
    pub fn start_routine(&mut self, cpu: CpuId, area: &CpuArea, stub: Stub, args: RoutineArgs) {
        self.enter_kernel_mode(cpu, area);
        let processor = self.machine_mut().cpu_mut(cpu.0 as usize);
        processor.regs.gpr.set(RDI, args.rdi);
        processor.regs.gpr.set(RSI, args.rsi);
        processor.regs.gpr.set(RCX, args.rcx);
        processor.regs.gpr.set(RAX, args.rax);
        processor.regs.rip = stub.address();
    }

    /// What RCX holds: the bytes that a routine has left.
    #[must_use]
    pub fn routine_left(&self, cpu: CpuId) -> u64 {
        self.gprs(cpu)[RCX as usize]
    }

    /// What the routine has read into RAX.
    #[must_use]
    pub fn routine_value(&self, cpu: CpuId) -> u64 {
        self.gprs(cpu)[RAX as usize]
    }

    /// CR2: the address of the last page fault.
    #[must_use]
    pub fn cr2(&self, cpu: CpuId) -> u64 {
        self.machine().cpu(cpu.0 as usize).regs.control.cr2
    }

    /// Takes a CPU's vector and x87 state.
    #[must_use]
    pub fn save_fpu(&self, cpu: CpuId) -> FpuState {
        FpuState::of(&self.machine().cpu(cpu.0 as usize).regs)
    }

    /// Gives a CPU a task's vector and x87 state.
    pub fn load_fpu(&mut self, cpu: CpuId, state: &FpuState) {
        state.load(&mut self.machine_mut().cpu_mut(cpu.0 as usize).regs);
    }

    /// Loads the FS and GS bases of user mode.
    pub fn load_bases(&mut self, cpu: CpuId, fs: u64, gs: u64) {
        let seg = &mut self.machine_mut().cpu_mut(cpu.0 as usize).regs.seg;
        seg[SegmentReg::Fs as usize].base = fs;
        seg[SegmentReg::Gs as usize].base = gs;
    }

    /// The FS and GS bases of user mode, which programs change with WRFSBASE and WRGSBASE.
    #[must_use]
    pub fn bases(&self, cpu: CpuId) -> (u64, u64) {
        let seg = &self.machine().cpu(cpu.0 as usize).regs.seg;
        (seg[SegmentReg::Fs as usize].base, seg[SegmentReg::Gs as usize].base)
    }

    /// Takes what the emulator noted of the accesses that hit, by register.
    pub fn take_hit_accesses(&mut self, cpu: CpuId) -> [Option<HitAccess>; 4] {
        let records = self.machine_mut().cpu_mut(cpu.0 as usize).take_access_records();
        records.map(|record| {
            record.map(|record| HitAccess {
                kind: match record.kind {
                    emulator::debug::AccessKind::Read => AccessKind::Read,
                    emulator::debug::AccessKind::Write => AccessKind::Write,
                },
                insn_ip: record.rip,
                addr: record.linear,
                len: record.size,
                old: record.old,
                new: record.new,
            })
        })
    }

    /// Reads memory as a debugger would; tells how many bytes could be read.
    pub fn peek(&mut self, cpu: CpuId, linear: u64, out: &mut [u8]) -> usize {
        self.machine_mut().peek(cpu.0 as usize, linear, out)
    }

    pub(super) fn peek_u64(&mut self, cpu: CpuId, linear: u64) -> u64 {
        let mut bytes = [0; 8];
        self.peek(cpu, linear, &mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Writes a word of the kernel's stack.
    pub(super) fn poke_u64(&mut self, cpu: CpuId, linear: u64, value: u64) {
        let (processor, mem) = self.machine_mut().cpu_and_mem(cpu.0 as usize);
        if let Some(physical) = processor.peek_translate(mem, linear) {
            mem.write_u64(physical, value);
        }
    }

    /// Feeds all machine state that the future depends on to `hasher`.
    pub fn digest(&mut self, hasher: &mut dyn FnMut(&[u8])) {
        self.machine_mut().digest(hasher);
    }
}

/// How to go back to user mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnBy {
    /// SYSRET where its conditions hold, as after a system call.
    SysretIfPossible,
    /// IRET.
    Iret,
}

/// Arguments of a routine of the kernel's text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoutineArgs {
    /// Destination.
    pub rdi: u64,
    /// Source.
    pub rsi: u64,
    /// Count.
    pub rcx: u64,
    /// Value to store.
    pub rax: u64,
}
