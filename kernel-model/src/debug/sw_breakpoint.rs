//! Software breakpoints: INT3 in the memory of programs.
//!
//! Key type: [`SwBreakpoints`], the bytes that are to come back, by address space and address.
//! One is set in every process that runs the program of the CPU it was asked for on, since a
//! debugger of the machine knows addresses of programs and not processes; a child that is
//! forked meanwhile inherits the INT3 with its memory. Writes copy private pages first, so
//! files and other processes never see it.
//! Source: Linux 6.18 kernel/debug/debug_core.c (`dbg_set_sw_break`).

use std::collections::BTreeMap;

use perf_core::CpuId;

use super::DebugMemoryError;
use crate::kernel::Kernel;
use crate::mm::access::Access;
use crate::mm::layout::TASK_SIZE_MAX;
use crate::task::MmId;

/// INT3 (`arch_kgdb_ops.gdb_bpt_instr`).
const INT3: u8 = 0xcc;

/// The software breakpoints that are set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SwBreakpoints {
    /// The byte that INT3 stands for.
    saved: BTreeMap<(MmId, u64), u8>,
}

impl SwBreakpoints {
    /// Whether one is set at this address in any address space.
    pub(super) fn has(&self, addr: u64) -> bool {
        self.saved_at(addr).is_some()
    }

    /// The byte of any address space at this address.
    fn saved_at(&self, addr: u64) -> Option<u8> {
        self.saved.iter().find(|((_, at), _)| *at == addr).map(|(_, saved)| *saved)
    }

    /// The breakpoints in a range of addresses.
    fn within(&self, first: u64, len: usize) -> impl Iterator<Item = (MmId, u64, u8)> + '_ {
        let holds = move |at: u64| at.checked_sub(first).is_some_and(|from| from < len as u64);
        self.saved.iter().filter(move |((_, at), _)| holds(*at)).map(|((mm, at), b)| (*mm, *at, *b))
    }

    /// Puts the programs' bytes in the place of INT3 in what was read. Inherited ones, too.
    pub(super) fn hide(&self, mm: MmId, first: u64, bytes: &mut [u8]) {
        for (_, at, saved) in self.within(first, bytes.len()) {
            let byte = &mut bytes[(at - first) as usize];
            if *byte == INT3 {
                *byte = self.saved.get(&(mm, at)).copied().unwrap_or(saved);
            }
        }
    }

    /// Keeps INT3 in what is about to be written, and remembers the byte that it stands for.
    pub(super) fn keep(&mut self, mm: MmId, first: u64, bytes: &mut [u8]) {
        let len = bytes.len();
        for ((_, at), saved) in self.saved.iter_mut().filter(|((owner, _), _)| *owner == mm) {
            if let Some(from) = at.checked_sub(first).filter(|from| *from < len as u64) {
                *saved = std::mem::replace(&mut bytes[from as usize], INT3);
            }
        }
    }
}

impl Kernel {
    /// Sets a software breakpoint at an address of a CPU's program, in every process that runs
    /// that program.
    ///
    /// # Errors
    /// Where the byte cannot be read or written; nothing is set.
    pub fn kgdb_set_sw_break(&mut self, cpu: CpuId, addr: u64) -> Result<(), DebugMemoryError> {
        if addr >= TASK_SIZE_MAX {
            return Err(DebugMemoryError::KernelText);
        }
        let first = self.kgdb_mm(cpu).ok_or(DebugMemoryError::Fault(addr))?;
        self.kgdb_patch(first, addr)?;
        for other in self.kgdb_same_program(first) {
            // It may have unmapped that part of the program.
            let _absent = self.kgdb_patch(other, addr);
        }
        Ok(())
    }

    /// The other address spaces of processes that run the same program.
    fn kgdb_same_program(&self, mm: MmId) -> Vec<MmId> {
        let path_of = |wanted: MmId| {
            let task = self.tasks.tasks.values().find(|task| task.mm == wanted)?;
            Some(&self.tasks.processes.get(&task.process)?.exe_path)
        };
        let path = path_of(mm);
        let all = self.tasks.spaces.keys().copied();
        all.filter(|&other| other != mm && path_of(other) == path).collect()
    }

    fn kgdb_patch(&mut self, mm: MmId, addr: u64) -> Result<(), DebugMemoryError> {
        let fault = |_| DebugMemoryError::Fault(addr);
        let Some(kgdb) = &mut self.kgdb else { return Err(DebugMemoryError::Fault(addr)) };
        if kgdb.sw_breakpoints.saved.contains_key(&(mm, addr)) {
            return Ok(());
        }
        let Some((space, _)) = self.tasks.spaces.get_mut(&mm) else {
            return Err(DebugMemoryError::Fault(addr));
        };
        let (hw, frames) = (&mut self.hw, &mut self.frames);
        let mut saved = [0];
        space.read_bytes(hw, frames, addr, &mut saved, Access::Force).map_err(fault)?;
        space.write_bytes(hw, frames, addr, &[INT3], Access::Force).map_err(fault)?;
        // A child that inherited the INT3 of another one has that one's byte.
        let inherited = kgdb.sw_breakpoints.saved_at(addr).filter(|_| saved[0] == INT3);
        kgdb.sw_breakpoints.saved.insert((mm, addr), inherited.unwrap_or(saved[0]));
        Ok(())
    }

    /// Removes a software breakpoint from all processes.
    ///
    /// # Errors
    /// Where none is set at the address.
    pub fn kgdb_remove_sw_break(&mut self, addr: u64) -> Result<(), DebugMemoryError> {
        let breakpoints = self.kgdb.as_ref().map(|kgdb| &kgdb.sw_breakpoints);
        let of_any = breakpoints.and_then(|all| all.saved_at(addr));
        let of_any = of_any.ok_or(DebugMemoryError::Unknown)?;
        let spaces: Vec<MmId> = self.tasks.spaces.keys().copied().collect();
        for mm in spaces {
            self.kgdb_restore_byte(mm, addr, of_any);
        }
        // What is left belonged to processes that have ended.
        if let Some(kgdb) = &mut self.kgdb {
            kgdb.sw_breakpoints.saved.retain(|(_, at), _| *at != addr);
        }
        Ok(())
    }

    /// Puts the byte of a program back where INT3 is; `of_any` where the INT3 was inherited.
    fn kgdb_restore_byte(&mut self, mm: MmId, addr: u64, of_any: u8) {
        let Some(kgdb) = &mut self.kgdb else { return };
        let Some((space, _)) = self.tasks.spaces.get_mut(&mm) else { return };
        let saved = kgdb.sw_breakpoints.saved.get(&(mm, addr)).copied();
        // A page that is gone, or that the program has written itself, stays as it is.
        if space.peek_bytes(&self.hw, addr, 1) == [INT3] {
            let byte = [saved.unwrap_or(of_any)];
            let (hw, frames) = (&mut self.hw, &mut self.frames);
            let written = space.write_bytes(hw, frames, addr, &byte, Access::Force);
            debug_assert!(written.is_ok(), "a byte that was written can be written");
        }
    }

    /// Removes all software breakpoints.
    pub(super) fn kgdb_remove_all_sw_breakpoints(&mut self) {
        let Some(kgdb) = &self.kgdb else { return };
        let all: Vec<u64> = kgdb.sw_breakpoints.saved.keys().map(|(_, addr)| *addr).collect();
        for addr in all {
            // Two processes may have had one at the same address: then it is gone by now.
            let _gone = self.kgdb_remove_sw_break(addr);
        }
    }
}
