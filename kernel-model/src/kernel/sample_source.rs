//! What a sample may hold beyond the hit itself: registers, stack, call chain, pages.
//!
//! Everything is taken at the moment of the hit, past the processor: reading it hits no
//! breakpoint. It is gathered only for events whose `sample_type` asks for any of it. Neighbour:
//! `hits.rs`, which lends it to perf core.
//! Source: Linux 6.18 `arch/x86/kernel/perf_regs.c`, `arch/x86/events/core.c`
//! (`perf_callchain_user`), `kernel/events/core.c` (`perf_output_sample_ustack`).

use perf_core::attr::abi::{
    PERF_SAMPLE_CALLCHAIN, PERF_SAMPLE_CODE_PAGE_SIZE, PERF_SAMPLE_DATA_PAGE_SIZE,
    PERF_SAMPLE_PHYS_ADDR, PERF_SAMPLE_REGS_INTR, PERF_SAMPLE_REGS_USER, PERF_SAMPLE_STACK_USER,
};
use perf_core::{EventId, Mode, SampleSource, TaskId};

use super::Kernel;
use super::hits::HitPlace;
use crate::arch::x86::pt_regs::{PtRegs, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP};
use crate::mm::layout::{PAGE_SIZE, TASK_SIZE_MAX};
use crate::mm::vma::VmFlags;

/// What needs more than the hit.
const GATHERED: u64 = PERF_SAMPLE_CALLCHAIN
    | PERF_SAMPLE_REGS_USER
    | PERF_SAMPLE_STACK_USER
    | PERF_SAMPLE_REGS_INTR
    | PERF_SAMPLE_PHYS_ADDR
    | PERF_SAMPLE_DATA_PAGE_SIZE
    | PERF_SAMPLE_CODE_PAGE_SIZE;
/// `PERF_SAMPLE_REGS_ABI_64`.
const ABI_64: u64 = 2;
/// Most frames that a call chain follows (`kernel.perf_event_max_stack`).
const MAX_FRAMES: usize = 127;

/// The state of a task at a hit.
#[derive(Clone, Debug)]
pub(super) struct Gathered {
    mode: Mode,
    ip: u64,
    regs: PtRegs,
    /// Return addresses of user code, the innermost first.
    callers: Vec<u64>,
    stack: Vec<u8>,
    stack_room: u64,
    physical: u64,
    is_data_mapped: bool,
    is_code_mapped: bool,
}

impl Kernel {
    /// The state that samples of this event ask for, if they ask for any.
    pub(super) fn gather_sample(
        &self,
        event: EventId,
        task: TaskId,
        place: HitPlace,
        addr: u64,
    ) -> Option<Gathered> {
        let HitPlace { mode, ip } = place;
        let attr = self.perf.event(event)?.attr();
        if attr.sample_type & GATHERED == 0 {
            return None;
        }
        let entry = self.tasks.task(task);
        let regs = entry.regs;
        let (space, _) = self.tasks.spaces.get(&entry.mm)?;
        let is_mapped = |at: u64| at >= TASK_SIZE_MAX || space.translate(&self.hw, at).is_some();
        let stack = if attr.sample_type & PERF_SAMPLE_STACK_USER != 0 {
            space.peek_bytes(&self.hw, regs.sp(), attr.sample_stack_user as usize)
        } else {
            Vec::new()
        };
        let area = space.find_vma(regs.sp()).filter(|vma| vma.flags.has(VmFlags::GROWSDOWN));
        let callers = if attr.sample_type & PERF_SAMPLE_CALLCHAIN != 0 {
            let frame = |at: u64| {
                let bytes = space.peek_bytes(&self.hw, at, 16);
                let (words, _) = bytes.as_chunks::<8>();
                match words {
                    [next, caller] => Some([*next, *caller].map(u64::from_le_bytes)),
                    _ => None,
                }
            };
            follow_frames(regs.gpr[RBP], &frame)
        } else {
            Vec::new()
        };
        Some(Gathered {
            mode,
            ip,
            regs,
            callers,
            stack,
            stack_room: area.map_or(0, |vma| vma.end.saturating_sub(regs.sp())),
            physical: space.translate(&self.hw, addr).map_or(0, |found| found.physical),
            is_data_mapped: is_mapped(addr),
            is_code_mapped: is_mapped(ip),
        })
    }
}

/// The callers that a chain of frames leads to: each frame has the next one's address and a
/// return address.
fn follow_frames(first: u64, frame: &dyn Fn(u64) -> Option<[u64; 2]>) -> Vec<u64> {
    let mut callers = Vec::new();
    let mut at = first;
    while callers.len() < MAX_FRAMES && at.is_multiple_of(8) && at < TASK_SIZE_MAX {
        let Some([next, caller]) = frame(at) else { break };
        callers.push(caller);
        at = next;
    }
    callers
}

impl SampleSource for Gathered {
    fn callchain_kernel(&self, max: usize) -> Vec<u64> {
        match self.mode {
            Mode::Kernel => vec![self.ip; max.min(1)],
            Mode::User => Vec::new(),
        }
    }

    fn callchain_user(&self, max: usize) -> Vec<u64> {
        std::iter::once(self.regs.ip).chain(self.callers.iter().copied()).take(max).collect()
    }

    fn user_abi(&self) -> u64 {
        ABI_64
    }

    /// The numbers of `enum perf_event_x86_regs`.
    fn user_reg(&self, index: u32) -> u64 {
        const GENERAL: [usize; 8] = [RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP];
        match index {
            0..=7 => self.regs.gpr[GENERAL[index as usize]],
            8 => self.regs.ip,
            9 => self.regs.flags,
            10 => u64::from(self.regs.cs),
            11 => u64::from(self.regs.ss),
            16..=23 => self.regs.gpr[index as usize - 8],
            // DS, ES, FS and GS are not kept for each task.
            _ => 0,
        }
    }

    fn intr_abi(&self) -> u64 {
        ABI_64
    }

    fn intr_reg(&self, index: u32) -> u64 {
        match index {
            8 => self.ip,
            _ => self.user_reg(index),
        }
    }

    fn user_stack(&self, max: usize) -> Vec<u8> {
        self.stack[..self.stack.len().min(max)].to_vec()
    }

    fn user_stack_room(&self) -> u64 {
        self.stack_room
    }

    fn phys_addr(&self, _addr: u64) -> u64 {
        self.physical
    }

    fn page_size(&self, addr: u64) -> u64 {
        let is_mapped = if addr == self.ip { self.is_code_mapped } else { self.is_data_mapped };
        if is_mapped { PAGE_SIZE } else { 0 }
    }

    fn cgroup(&self) -> u64 {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_followed_until_one_cannot_be_read() {
        let frame = |at| match at {
            0x1000 => Some([0x1010, 0xaa]),
            0x1010 => Some([0x3, 0xbb]),
            _ => None,
        };
        assert_eq!(follow_frames(0x1000, &frame), [0xaa, 0xbb]);
        assert_eq!(follow_frames(0x1001, &frame), [0_u64; 0]);
        let round = |_| Some([0x1000, 0xcc]);
        assert_eq!(follow_frames(0x1000, &round).len(), MAX_FRAMES);
    }
}
