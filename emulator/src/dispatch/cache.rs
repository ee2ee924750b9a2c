//! The code cache of one vCPU: blocks by address, and a direct-mapped table of
//! those that were executed last.

use rustc_hash::FxHashMap;

use super::block::{self, Block, BlockId, Link};
use crate::cpu::Cpu;
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::mem::paging::Want;
use crate::mem::phys::PhysMem;
use crate::mem::{PAGE_SHIFT, is_canonical};
use crate::regs::CodeView;

/// Entries of the table of recent blocks.
const RECENT: usize = 4096;
/// Blocks after which the cache starts afresh.
const MAX_BLOCKS: usize = 1 << 17;

/// What identifies a block: where it is seen and where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key {
    rip: u64,
    frame: u64,
    /// The code segment.
    size: u32,
    base: u64,
    limit: u64,
}

/// Blocks and the ways to them.
#[derive(Debug)]
pub(crate) struct CodeCache {
    pub(crate) blocks: Vec<Block>,
    by_key: FxHashMap<Key, BlockId>,
    recent: Box<[Link]>,
}

impl Default for CodeCache {
    fn default() -> Self {
        Self {
            blocks: Vec::new(),
            by_key: FxHashMap::default(),
            recent: vec![Link::DEAD; RECENT].into_boxed_slice(),
        }
    }
}

impl CodeCache {
    /// The block at the CPU's RIP if it was executed lately.
    #[inline(always)]
    pub(crate) fn find_recent(&self, cpu: &Cpu) -> Option<BlockId> {
        let rip = cpu.regs.rip;
        let link = &self.recent[recent_index(rip)];
        (link.rip == rip && link.epoch == cpu.epoch).then_some(link.id)
    }

    /// The block at the CPU's RIP, translated now if need be. One with an
    /// instruction breakpoint armed at its start is never among the recent ones:
    /// its first boundary has to be looked at.
    ///
    /// # Errors
    /// The fetch of its first instruction faulted.
    #[cold]
    #[inline(never)]
    pub(crate) fn find(&mut self, cpu: &mut Cpu, mem: &mut PhysMem) -> Result<BlockId, Faulted> {
        let rip = cpu.regs.rip;
        let id = self.find_or_build(cpu, mem)?;
        if !cpu.watch.watches_execute(cpu.code.linear(rip)) {
            self.recent[recent_index(rip)] = Link { rip, id, epoch: cpu.epoch };
        }
        Ok(id)
    }

    fn find_or_build(&mut self, cpu: &mut Cpu, mem: &mut PhysMem) -> Result<BlockId, Faulted> {
        let rip = cpu.regs.rip;
        let CodeView { size, base, limit } = cpu.code;
        let reachable = if cpu.code.is_64() { is_canonical(rip) } else { rip <= limit };
        if !reachable {
            return Err(cpu.raise(Exception::gp0()));
        }
        let privilege = cpu.privilege();
        let physical = cpu.translate(mem, cpu.code.linear(rip), Want::Fetch, privilege)?;
        let key = Key { rip, frame: physical >> PAGE_SHIFT, size: size.bits(), base, limit };
        let known = self.by_key.get(&key).copied();
        if let Some(id) = known
            && self.blocks[id.0 as usize].is_current(cpu, mem)
        {
            return Ok(id);
        }
        let block = block::build(cpu, mem)?;
        cpu.sync_write_tlb(mem);
        if let Some(id) = known {
            self.blocks[id.0 as usize] = block;
            return Ok(id);
        }
        if self.blocks.len() >= MAX_BLOCKS {
            self.blocks.clear();
            self.by_key.clear();
            self.recent.fill(Link::DEAD);
            cpu.drop_links();
        }
        let id = BlockId(self.blocks.len() as u32);
        self.blocks.push(block);
        self.by_key.insert(key, id);
        Ok(id)
    }
}

/// Place of an address in the table of recent blocks.
#[inline(always)]
fn recent_index(rip: u64) -> usize {
    (rip ^ rip >> 12) as usize % RECENT
}
