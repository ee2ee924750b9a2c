//! The registers of a CPU as a debugger reads and writes them.
//! Source: Linux 6.18 arch/x86/kernel/kgdb.c (`dbg_get_reg`, `dbg_set_reg`).

use emulator::regs::gpr::reg::RSP;
use emulator::regs::{RFlags, SegmentReg};
use perf_core::{CpuId, Errno};

use crate::arch::x86::fpu::{FXSAVE_BYTES, FpuState};
use crate::arch::x86::hw::{Hw, PAGE_SIZE};
use crate::arch::x86::layout::Stub;
use crate::arch::x86::pt_regs::PtRegs;

/// Where the registers of the interrupted code are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegsPlace {
    /// In the CPU: it stands at an instruction boundary.
    Cpu,
    /// Those of its current task as saved at the exception that it is in.
    Task,
}

/// General, segment, x87 and SSE registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DebugRegs {
    /// RAX to R15 in the manual's order (RSP at index 4).
    pub gpr: [u64; 16],
    /// RIP.
    pub ip: u64,
    /// RFLAGS.
    pub flags: u64,
    /// Selectors of CS, SS, DS, ES, FS, GS.
    pub selectors: [u16; 6],
    /// Base of FS.
    pub fs_base: u64,
    /// Base of GS.
    pub gs_base: u64,
    /// x87 and SSE state as FXSAVE64 stores it.
    pub fxsave: [u8; FXSAVE_BYTES],
}

/// The bytes of an FXSAVE image that software or the manual leaves for other use begin here.
const FXSAVE_STATE_BYTES: usize = 416;

const SELECTORS: [SegmentReg; 6] = [
    SegmentReg::Cs,
    SegmentReg::Ss,
    SegmentReg::Ds,
    SegmentReg::Es,
    SegmentReg::Fs,
    SegmentReg::Gs,
];

impl DebugRegs {
    /// The same with a task's saved registers for those that are saved.
    #[must_use]
    pub fn with_saved(mut self, saved: &PtRegs) -> Self {
        (self.gpr, self.ip, self.flags) = (saved.gpr, saved.ip, saved.flags);
        (self.selectors[0], self.selectors[1]) = (saved.cs, saved.ss);
        self
    }

    /// Puts what is saved of a task into its saved registers.
    pub fn save_to(&self, saved: &mut PtRegs) {
        (saved.gpr, saved.ip, saved.flags) = (self.gpr, self.ip, user_flags(self.flags));
    }
}

/// RFLAGS as user code may have them: a debugger cannot raise IOPL or switch interrupts off.
const fn user_flags(flags: u64) -> u64 {
    const FIXED: u64 = RFlags::IF | RFlags::FIXED;
    flags & !(RFlags::IOPL | RFlags::NT) | FIXED
}

impl Hw {
    /// The registers in a CPU.
    #[must_use]
    pub fn debug_regs(&self, cpu: CpuId) -> DebugRegs {
        let regs = &self.machine().cpu(cpu.0 as usize).regs;
        let (fs_base, gs_base) = self.bases(cpu);
        let mut fxsave = [0; FXSAVE_BYTES];
        let image = self.save_fpu(cpu).to_frame(self.fpu_format());
        fxsave[..FXSAVE_STATE_BYTES].copy_from_slice(&image[..FXSAVE_STATE_BYTES]);
        DebugRegs {
            gpr: regs.gpr.all(),
            ip: regs.rip,
            flags: regs.rflags(),
            selectors: SELECTORS.map(|reg| regs.seg[reg as usize].selector),
            fs_base,
            gs_base,
            fxsave,
        }
    }

    /// Puts general registers, RIP and RFLAGS into a CPU.
    pub fn set_debug_gprs(&mut self, cpu: CpuId, regs: &DebugRegs) {
        let is_user = self.is_user(cpu);
        let processor = self.machine_mut().cpu_mut(cpu.0 as usize);
        for (number, value) in (0..).zip(regs.gpr) {
            processor.regs.gpr.set(number, value);
        }
        processor.regs.rip = regs.ip;
        processor.set_rflags(if is_user { user_flags(regs.flags) } else { regs.flags });
    }

    /// Puts x87 and SSE state and the bases of FS and GS into a CPU.
    ///
    /// # Errors
    /// EINVAL where MXCSR has reserved bits or a base is not canonical; nothing has changed.
    pub fn set_debug_state(&mut self, cpu: CpuId, regs: &DebugRegs) -> Result<(), Errno> {
        let is_canonical = |base: u64| base as i64 == (base as i64) << 16 >> 16;
        if !is_canonical(regs.fs_base) || !is_canonical(regs.gs_base) {
            return Err(Errno::EINVAL);
        }
        let format = self.fpu_format();
        let mut image = self.save_fpu(cpu).to_frame(format);
        image[..FXSAVE_STATE_BYTES].copy_from_slice(&regs.fxsave[..FXSAVE_STATE_BYTES]);
        let state = FpuState::from_frame(&image, format).ok_or(Errno::EINVAL)?;
        self.load_fpu(cpu, &state);
        self.load_bases(cpu, regs.fs_base, regs.gs_base);
        Ok(())
    }

    /// Whether a CPU is in user mode.
    #[must_use]
    pub fn is_user(&self, cpu: CpuId) -> bool {
        self.machine().cpu(cpu.0 as usize).regs.cpl() == 3
    }

    /// Whether a CPU's next instruction is the kernel's return to the interrupted code.
    #[must_use]
    pub fn is_returning(&self, cpu: CpuId) -> bool {
        [Stub::InterruptReturn, Stub::SyscallReturn]
            .iter()
            .any(|stub| stub.address() == self.ip(cpu))
    }

    /// Whether the last instruction of a CPU has a debug trap to deliver.
    #[must_use]
    pub fn has_pending_debug(&self, cpu: CpuId) -> bool {
        self.machine().cpu(cpu.0 as usize).pending_debug() != 0
    }

    /// Writes memory as a debugger would, past rights and debug registers; tells how many
    /// bytes could be written.
    pub fn poke(&mut self, cpu: CpuId, linear: u64, data: &[u8]) -> usize {
        let (processor, mem) = self.machine_mut().cpu_and_mem(cpu.0 as usize);
        let mut done = 0;
        while done < data.len() {
            let at = linear.wrapping_add(done as u64);
            let Some(physical) = processor.peek_translate(mem, at) else { break };
            let room = PAGE_SIZE - at % PAGE_SIZE;
            let end = data.len().min(done + room as usize);
            mem.write(physical, &data[done..end]);
            done = end;
        }
        done
    }
}

const _: () = assert!(RSP == 4, "gpr[4] is RSP");
