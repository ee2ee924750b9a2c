//! Descriptors of a program's own: modify_ldt, set_thread_area, get_thread_area.
//! Source: Linux 6.18 `arch/x86/kernel/ldt.c`, `arch/x86/kernel/tls.c`.

use perf_core::{CpuId, Errno, TaskId};

use super::table::Syscall;
use crate::arch::x86::int80::SyscallAbi;
use crate::arch::x86::segments::{
    GDT_ENTRY_TLS_ENTRIES, GDT_ENTRY_TLS_MIN, LDT_ENTRIES, LdtForm, Refreshed, SEGMENT_TI,
    USER_DESC_BYTES, UserDesc, checked_ldt_descriptor,
};
use crate::kernel::Kernel;

pub(super) const CALLS: &[Syscall] = &[
    Syscall::plain(154, "modify_ldt", sys_modify_ldt),
    Syscall::plain(205, "set_thread_area", sys_set_thread_area)
        .partial("only by INT 0x80, as on Linux"),
    Syscall::plain(211, "get_thread_area", sys_get_thread_area)
        .partial("only by INT 0x80, as on Linux"),
];

/// Bytes of an LDT that is full.
const LDT_BYTES: u64 = 8 * LDT_ENTRIES as u64;
/// What modify_ldt's function 2 gives at most: zeroes.
const DEFAULT_LDT_BYTES: u64 = 128;

/// The result is an int: errors have no upper half.
fn sys_modify_ldt(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    let [function, addr, bytes, ..] = *args;
    let result = match function as u32 {
        0 => read_ldt(kernel, task, addr, bytes),
        1 => write_ldt(kernel, task, addr, bytes, LdtForm::Old),
        2 => {
            let bytes = bytes.min(DEFAULT_LDT_BYTES);
            clear(kernel, addr, bytes).map(|()| bytes)
        }
        0x11 => write_ldt(kernel, task, addr, bytes, LdtForm::New),
        _ => Err(Errno::ENOSYS),
    };
    Ok(result.unwrap_or_else(|errno| u64::from(errno.to_syscall() as u32)))
}

fn clear(kernel: &mut Kernel, addr: u64, bytes: u64) -> Result<(), Errno> {
    if kernel.clear_user_partial(addr, bytes) == bytes { Ok(()) } else { Err(Errno::EFAULT) }
}

/// Copies the table, and zeroes what is behind it.
fn read_ldt(kernel: &mut Kernel, task: TaskId, addr: u64, bytes: u64) -> Result<u64, Errno> {
    let ldt = &kernel.tasks.space_of_mut(task).ldt;
    if ldt.is_empty() {
        return Ok(0);
    }
    let bytes = bytes.min(LDT_BYTES);
    let mut image: Vec<u8> = ldt.iter().flat_map(|entry| entry.to_le_bytes()).collect();
    image.truncate(bytes as usize);
    kernel.copy_to_user(addr, &image)?;
    let held = image.len() as u64;
    if held < bytes {
        clear(kernel, addr.wrapping_add(held), bytes - held)?;
    }
    Ok(bytes)
}

fn read_user_desc(kernel: &mut Kernel, addr: u64) -> Result<UserDesc, Errno> {
    let mut bytes = [0; USER_DESC_BYTES];
    kernel.copy_from_user(addr, &mut bytes)?;
    Ok(UserDesc::from_bytes(&bytes))
}

fn write_ldt(
    kernel: &mut Kernel,
    task: TaskId,
    addr: u64,
    bytes: u64,
    form: LdtForm,
) -> Result<u64, Errno> {
    if bytes != USER_DESC_BYTES as u64 {
        return Err(Errno::EINVAL);
    }
    let info = read_user_desc(kernel, addr)?;
    let descriptor = checked_ldt_descriptor(&info, form)?;
    let ldt = &mut kernel.tasks.space_of_mut(task).ldt;
    let entry = info.entry_number as usize;
    if ldt.len() <= entry {
        ldt.resize(entry + 1, 0);
    }
    ldt[entry] = descriptor;
    kernel.install_ldt(task)?;
    Ok(0)
}

fn sys_set_thread_area(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    if kernel.tasks.task(task).arch.abi == SyscallAbi::X86_64 {
        return Err(Errno::ENOSYS);
    }
    kernel.do_set_thread_area(task, None, args[0]).map(|()| 0)
}

fn sys_get_thread_area(kernel: &mut Kernel, task: TaskId, args: &[u64; 6]) -> Result<u64, Errno> {
    if kernel.tasks.task(task).arch.abi == SyscallAbi::X86_64 {
        return Err(Errno::ENOSYS);
    }
    let entry = read_user_desc(kernel, args[0])?.entry_number;
    kernel.do_get_thread_area(task, entry, args[0]).map(|()| 0)
}

/// Slot of a TLS descriptor's number in the GDT.
fn tls_slot(entry: u32) -> Result<usize, Errno> {
    let slot = entry.checked_sub(GDT_ENTRY_TLS_MIN).ok_or(Errno::EINVAL)? as usize;
    if slot < GDT_ENTRY_TLS_ENTRIES { Ok(slot) } else { Err(Errno::EINVAL) }
}

impl Kernel {
    /// Sets a TLS descriptor of a task to what the caller has at `addr`: that of `entry`, or the
    /// one that the structure names or a free one (`do_set_thread_area`).
    ///
    /// # Errors
    /// EINVAL for a descriptor that may not be there, ESRCH where none is free.
    pub(crate) fn do_set_thread_area(
        &mut self,
        task: TaskId,
        entry: Option<u32>,
        addr: u64,
    ) -> Result<(), Errno> {
        const ANY: u32 = u32::MAX;
        let info = read_user_desc(self, addr)?;
        if !info.is_okay_for_tls() {
            return Err(Errno::EINVAL);
        }
        let mut number = entry.unwrap_or(info.entry_number);
        if number == ANY && entry.is_none() {
            let tls = &self.tasks.task(task).arch.tls;
            let free = tls.iter().position(|word| *word == 0).ok_or(Errno::ESRCH)?;
            number = GDT_ENTRY_TLS_MIN + free as u32;
            self.write_user_u32(addr, number)?;
        }
        let slot = tls_slot(number)?;
        let is_none = info.is_empty() || info.is_zero();
        let entry = self.tasks.task_mut(task);
        entry.arch.tls[slot] = if is_none { 0 } else { info.descriptor() };
        let (tls, cpu) = (entry.arch.tls, self.this_cpu);
        if self.current_on(cpu) == Some(task) {
            let area = *self.layout.area(cpu);
            self.hw.load_tls(cpu, &area, &tls);
            let is_stale = |selector| u32::from(selector >> 3) == number;
            self.refresh_segments(cpu, task, Refreshed::All, is_stale);
        }
        Ok(())
    }

    /// Writes a TLS descriptor of a task to the caller's memory (`do_get_thread_area`).
    ///
    /// # Errors
    /// EINVAL for a number that is none.
    pub(crate) fn do_get_thread_area(
        &mut self,
        task: TaskId,
        entry: u32,
        addr: u64,
    ) -> Result<(), Errno> {
        let descriptor = self.tasks.task(task).arch.tls[tls_slot(entry)?];
        let info = UserDesc::of_descriptor(entry, descriptor);
        self.copy_to_user(addr, &info.to_bytes())
    }

    /// A process's LDT has changed: the CPUs that run its threads load it (`flush_ldt`).
    fn install_ldt(&mut self, task: TaskId) -> Result<(), Errno> {
        let mm = self.tasks.task(task).mm;
        let cpus: Vec<CpuId> = self.hw.cpus().collect();
        for cpu in cpus {
            let Some(current) = self.current_on(cpu) else { continue };
            if self.tasks.task(current).mm != mm {
                continue;
            }
            self.load_mm_ldt(cpu, current)?;
            let is_stale = |selector| selector & SEGMENT_TI != 0;
            self.refresh_segments(cpu, current, Refreshed::DsEs, is_stale);
            if cpu != self.this_cpu {
                // CS and SS are checked when the interrupt that tells it returns.
                self.kick_task(current);
            }
        }
        Ok(())
    }

    /// Loads a CPU's LDTR for a task.
    ///
    /// # Errors
    /// ENOMEM where there is no room for the table.
    pub(crate) fn load_mm_ldt(&mut self, cpu: CpuId, task: TaskId) -> Result<(), Errno> {
        let mm = self.tasks.task(task).mm;
        let Some((space, _)) = self.tasks.spaces.get(&mm) else { return Ok(()) };
        if space.ldt.is_empty() && !self.hw.has_ldt(cpu) {
            return Ok(());
        }
        let base = self.layout.ldt_area(&mut self.hw, &mut self.frames, cpu)?;
        self.hw.load_ldt(cpu, base, &space.ldt);
        Ok(())
    }

    /// Loads a CPU's segment registers again whose descriptors have changed.
    fn refresh_segments(
        &mut self,
        cpu: CpuId,
        task: TaskId,
        which: Refreshed,
        is_stale: impl Fn(u16) -> bool,
    ) {
        self.hw.refresh_segments(cpu, which, is_stale);
        let (fs_base, gs_base) = self.hw.bases(cpu);
        let selectors = self.hw.selectors(cpu);
        let entry = self.tasks.task_mut(task);
        (entry.fs_base, entry.gs_base) = (fs_base, gs_base);
        entry.arch.selectors = selectors;
    }
}
