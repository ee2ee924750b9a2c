//! Copies between kernel and user memory, made by the CPU itself: kernel code in
//! guest memory runs REP MOVSB, REP STOS or a single MOV, so that page faults, rights and debug
//! registers take part as they do on silicon (linux-hw-breakpoint section 4.5). Single words go
//! in one access, as `get_user` and `put_user` have it, and zeroes in words of 8 bytes.

use perf_core::{CpuId, Errno};

use super::{Kernel, StopReason};
use crate::arch::x86::entry::{RoutineArgs, RunExit};
use crate::arch::x86::layout::{BOUNCE_BYTES, EntryPoint, PAGE_OFFSET, Stub};
use crate::arch::x86::traps::KernelTrap;
use crate::mm::layout::{PAGE_SIZE, TASK_SIZE_MAX};

/// Whether `[addr, addr + len)` lies in user space (`access_ok`).
fn access_ok(addr: u64, len: u64) -> bool {
    addr.checked_add(len).is_some_and(|end| end <= TASK_SIZE_MAX)
}

impl Kernel {
    /// Copies from the current task's memory (`copy_from_user`).
    pub(crate) fn copy_from_user(&mut self, addr: u64, out: &mut [u8]) -> Result<(), Errno> {
        if !access_ok(addr, out.len() as u64) {
            return Err(Errno::EFAULT);
        }
        let area = *self.layout.area(self.this_cpu);
        for (chunk, at) in
            out.chunks_mut(BOUNCE_BYTES as usize).zip((addr..).step_by(BOUNCE_BYTES as usize))
        {
            let rcx = chunk.len() as u64;
            let args = RoutineArgs { rdi: area.bounce, rsi: at, rcx, ..RoutineArgs::default() };
            if self.run_counted(Stub::CopyUser, args) != 0 {
                return Err(Errno::EFAULT);
            }
            area.drain_bounce(&self.hw, chunk);
        }
        Ok(())
    }

    /// Copies to the current task's memory; tells how many bytes went before a fault.
    pub(crate) fn copy_to_user_partial(&mut self, addr: u64, data: &[u8]) -> usize {
        if !access_ok(addr, data.len() as u64) {
            return 0;
        }
        let area = *self.layout.area(self.this_cpu);
        let mut done = 0;
        for chunk in data.chunks(BOUNCE_BYTES as usize) {
            area.fill_bounce(&mut self.hw, chunk);
            let rdi = addr + done as u64;
            let rcx = chunk.len() as u64;
            let args = RoutineArgs { rdi, rsi: area.bounce, rcx, ..RoutineArgs::default() };
            let left = self.run_counted(Stub::CopyUser, args);
            done += chunk.len() - (left as usize).min(chunk.len());
            if left != 0 {
                break;
            }
        }
        done
    }

    /// Copies to the current task's memory (`copy_to_user`).
    pub(crate) fn copy_to_user(&mut self, addr: u64, data: &[u8]) -> Result<(), Errno> {
        if self.copy_to_user_partial(addr, data) == data.len() {
            Ok(())
        } else {
            Err(Errno::EFAULT)
        }
    }

    /// Reads a 64-bit word (`get_user`).
    pub(crate) fn read_user_u64(&mut self, addr: u64) -> Result<u64, Errno> {
        self.get_user(Stub::GetUser8, addr, 8)
    }

    /// Reads a 32-bit word (`get_user`).
    pub(crate) fn read_user_u32(&mut self, addr: u64) -> Result<u32, Errno> {
        self.get_user(Stub::GetUser4, addr, 4).map(|value| value as u32)
    }

    /// Writes a 64-bit word (`put_user`).
    pub(crate) fn write_user_u64(&mut self, addr: u64, value: u64) -> Result<(), Errno> {
        self.put_user(Stub::PutUser8, addr, 8, value)
    }

    /// Writes a 32-bit word (`put_user`).
    pub(crate) fn write_user_u32(&mut self, addr: u64, value: u32) -> Result<(), Errno> {
        self.put_user(Stub::PutUser4, addr, 4, u64::from(value))
    }

    fn get_user(&mut self, stub: Stub, addr: u64, len: u64) -> Result<u64, Errno> {
        let args = RoutineArgs { rsi: addr, rcx: 1, ..RoutineArgs::default() };
        if access_ok(addr, len) && self.run_routine(stub, args) == 0 {
            Ok(self.hw.routine_value(self.this_cpu))
        } else {
            Err(Errno::EFAULT)
        }
    }

    fn put_user(&mut self, stub: Stub, addr: u64, len: u64, value: u64) -> Result<(), Errno> {
        let args = RoutineArgs { rdi: addr, rcx: 1, rax: value, ..RoutineArgs::default() };
        if access_ok(addr, len) && self.run_routine(stub, args) == 0 {
            Ok(())
        } else {
            Err(Errno::EFAULT)
        }
    }

    /// Zeroes user memory (`clear_user`); tells how many bytes went before a fault.
    pub(crate) fn clear_user_partial(&mut self, addr: u64, len: u64) -> u64 {
        if !access_ok(addr, len) {
            return 0;
        }
        let (words, tail) = (len / 8, len % 8);
        let args = RoutineArgs { rdi: addr, rcx: words, ..RoutineArgs::default() };
        let left = self.run_counted(Stub::ClearUserWords, args).min(words);
        if left != 0 {
            return 8 * (words - left);
        }
        let args = RoutineArgs { rdi: addr + 8 * words, rcx: tail, ..RoutineArgs::default() };
        len - self.run_counted(Stub::ClearUserTail, args).min(tail)
    }

    /// Copies from the current task's memory to physical memory of one page, through the kernel's
    /// direct map, where breakpoints on kernel addresses match (linux-hw-breakpoint rule 4.5.4);
    /// tells how many bytes went.
    pub(crate) fn copy_user_to_direct_map(&mut self, from: u64, physical: u64, len: u64) -> u64 {
        self.copy_over_direct_map(from, PAGE_OFFSET + physical, from, len)
    }

    /// The other way round.
    pub(crate) fn copy_direct_map_to_user(&mut self, to: u64, physical: u64, len: u64) -> u64 {
        self.copy_over_direct_map(to, to, PAGE_OFFSET + physical, len)
    }

    fn copy_over_direct_map(&mut self, user: u64, rdi: u64, rsi: u64, len: u64) -> u64 {
        if !access_ok(user, len) {
            return 0;
        }
        let args = RoutineArgs { rdi, rsi, rcx: len, ..RoutineArgs::default() };
        len - self.run_counted(Stub::CopyUser, args).min(len)
    }

    /// Reads a string of at most `max` bytes with its NUL (`strncpy_from_user`); the
    /// NUL is not part of the answer.
    pub(crate) fn read_user_cstr(&mut self, addr: u64, max: usize) -> Result<Vec<u8>, Errno> {
        let mut text = Vec::new();
        while text.len() < max {
            let at = addr.wrapping_add(text.len() as u64);
            let room = (PAGE_SIZE - at % PAGE_SIZE) as usize;
            let mut piece = vec![0; room.min(max - text.len()).min(256)];
            self.copy_from_user(at, &mut piece)?;
            if let Some(end) = piece.iter().position(|&byte| byte == 0) {
                text.extend_from_slice(&piece[..end]);
                return Ok(text);
            }
            text.extend_from_slice(&piece);
        }
        Err(Errno::ENAMETOOLONG)
    }

    /// Runs a routine that counts RCX down; tells how much it has left, not 0 where a fault could
    /// not be repaired.
    fn run_counted(&mut self, stub: Stub, args: RoutineArgs) -> u64 {
        if args.rcx == 0 { 0 } else { self.run_routine(stub, args) }
    }

    /// Runs a routine of the kernel's text on this CPU; tells what is left in RCX.
    pub(super) fn run_routine(&mut self, stub: Stub, args: RoutineArgs) -> u64 {
        let cpu = self.this_cpu;
        let area = *self.layout.area(cpu);
        self.hw.start_routine(cpu, &area, stub, args);
        loop {
            match self.hw.run(cpu, self.kgdb_deadline(cpu, u64::MAX)) {
                RunExit::Entry(EntryPoint::RoutineDone) => return self.hw.routine_left(cpu),
                RunExit::Entry(entry) => match self.kernel_trap(cpu, entry) {
                    KernelTrap::Resumed => {}
                    // The exception table's way out: what is left is not copied.
                    KernelTrap::Fixup => return self.hw.routine_left(cpu),
                    KernelTrap::Fatal(what) => return self.kernel_fault(cpu, what),
                },
                RunExit::Deadline => self.kgdb_boundary(cpu, false),
                RunExit::Unsupported(_) => {
                    return self.kernel_fault(cpu, "a kernel routine stopped");
                }
                RunExit::Broken(what) => return self.kernel_fault(cpu, what),
            }
        }
    }

    /// Stops the run for a defect in the modelled kernel; nothing was copied.
    fn kernel_fault(&mut self, cpu: CpuId, what: &'static str) -> u64 {
        let ip = self.hw.ip(cpu);
        self.stop(StopReason::KernelFault { cpu: cpu.0, what, ip });
        u64::MAX
    }
}
