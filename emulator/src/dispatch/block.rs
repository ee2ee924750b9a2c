//! Blocks: straight-line runs of lowered instructions within one page.
//!
//! A block ends at a control transfer, before an instruction at which a
//! breakpoint is armed, before one that crosses the page, and after
//! [`MAX_INSNS`]. Only a block of one instruction may cross a page.

use iced_x86::{Decoder, DecoderError, DecoderOptions, Instruction};

use super::lower::{self, Ends};
use crate::cpu::Cpu;
use crate::event::exception::Faulted;
use crate::insn::{self, fused};
use crate::mem::paging::Want;
use crate::mem::phys::PhysMem;
use crate::mem::{PAGE_OFFSET_MASK, PAGE_SHIFT, PAGE_SIZE, is_canonical};
use crate::op::Op;
use crate::timing::BranchKind;

/// Most instructions in a block.
const MAX_INSNS: usize = 64;
/// Most bytes in an instruction (SDM vol. 2A, 2.3.11).
const MAX_INSN_BYTES: usize = 15;

/// Index of a block in its cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BlockId(pub(crate) u32);

/// Where a block went last time: the successor at `rip`, while `epoch` lasts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link {
    pub(crate) rip: u64,
    pub(crate) id: BlockId,
    pub(crate) epoch: u32,
}

/// A frame that a block's bytes come from, and its code's generation then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Source {
    frame: u64,
    generation: u32,
}

/// A run of instructions.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// Linear address of the first instruction.
    pub(crate) rip: u64,
    /// Linear address after the last instruction.
    pub(crate) end: u64,
    /// The ops, in order.
    pub(crate) ops: Box<[Op]>,
    /// Instructions in the block.
    pub(crate) nr_insns: u32,
    /// Cycles before each instruction.
    pub(crate) before: Box<[u32]>,
    /// Cycles of the whole block.
    pub(crate) total: u32,
    /// The branch that ends the block, where the timing model watches branches.
    pub(crate) branch: Option<BranchKind>,
    /// Last two successors.
    pub(crate) links: [Link; 2],
    sources: [Source; 2],
    cut_for_breakpoint: bool,
}

impl Block {
    /// Whether the block's bytes are unchanged and no breakpoint armed since lies
    /// within it.
    pub(crate) fn is_current(&self, cpu: &Cpu, mem: &PhysMem) -> bool {
        let unchanged = self.sources.iter().all(|s| mem.code_generation(s.frame) == s.generation);
        let armed = cpu.watch.executes();
        let inside = armed.iter().any(|&at| at > self.rip && at < self.end);
        let needless_cut = self.cut_for_breakpoint && !armed.contains(&self.end);
        unchanged && !inside && !needless_cut
    }

    /// Cycles of the first `nr_insns` instructions.
    pub(crate) fn cost_of_first(&self, nr_insns: u32) -> u32 {
        self.before.get(nr_insns as usize).copied().unwrap_or(self.total)
    }
}

/// The bytes from which a block is decoded.
struct Code {
    bytes: Vec<u8>,
    frame: u64,
}

/// Translates the block at the CPU's RIP.
///
/// # Errors
/// The fetch of the first instruction faulted.
pub(crate) fn build(cpu: &mut Cpu, mem: &mut PhysMem) -> Result<Block, Faulted> {
    let rip = cpu.regs.rip;
    if !is_canonical(rip) {
        return Err(cpu.raise(crate::event::Exception::gp0()));
    }
    let code = fetch_page(cpu, mem, rip)?;
    let mut draft = Draft::default();
    decode_run(cpu, &code, rip, &mut draft);
    let first = code.frame;
    let mut second = first;
    if draft.insns.is_empty() {
        second = decode_crossing(cpu, mem, &code, rip, &mut draft)?;
    }
    let end = rip.wrapping_add(draft.len);
    let offset = rip & PAGE_OFFSET_MASK;
    mem.add_code(first, offset, (offset + draft.len - 1).min(PAGE_OFFSET_MASK));
    if second != first {
        mem.add_code(second, 0, end.wrapping_sub(1) & PAGE_OFFSET_MASK);
    }
    draft.fuse();
    let source = |frame| Source { frame, generation: mem.code_generation(frame) };
    let sources = [source(first), source(second)];
    let cost = cpu.timing.block(&draft.insns);
    let dead = Link { rip: 0, id: BlockId(u32::MAX), epoch: cpu.epoch.wrapping_sub(1) };
    Ok(Block {
        rip,
        end,
        nr_insns: draft.insns.len() as u32,
        branch: if cpu.timing.observes_branches() { draft.branch() } else { None },
        ops: draft.ops.into_boxed_slice(),
        before: cost.before.into_boxed_slice(),
        total: cost.total,
        links: [dead; 2],
        sources,
        cut_for_breakpoint: draft.cut_for_breakpoint,
    })
}

/// A block that is being put together.
#[derive(Default)]
struct Draft {
    insns: Vec<Instruction>,
    ops: Vec<Op>,
    len: u64,
    cut_for_breakpoint: bool,
}

impl Draft {
    /// Lowers an instruction onto the end. Returns whether the block goes on.
    fn push(&mut self, cpu: &Cpu, insn: &Instruction, bytes: &[u8]) -> bool {
        let mut lowered = lower::lower(cpu, insn, bytes);
        let nth = self.insns.len() as u8;
        let place = |op: &mut Op| {
            op.len = insn.len() as u8;
            op.nth = nth;
            op.offset = self.len as u16;
        };
        if cpu.timing.observes_memory() {
            for mut probe in lower::memory_probes(insn) {
                place(&mut probe);
                self.ops.push(probe);
            }
        }
        place(&mut lowered.op);
        self.ops.push(lowered.op);
        self.insns.push(*insn);
        self.len += insn.len() as u64;
        lowered.ends == Ends::No && self.insns.len() < MAX_INSNS
    }

    /// Lets the last instruction but one do the jump behind it as well, where there
    /// is an op for the two.
    fn fuse(&mut self) {
        let [.., compare, jump] = self.insns.as_slice() else { return };
        let [.., op, _] = self.ops.as_mut_slice() else { return };
        if let Some(chain) = fused::chain(compare, op, jump) {
            op.chain = chain;
        }
    }

    fn branch(&self) -> Option<BranchKind> {
        self.insns.last().and_then(lower::branch_kind)
    }
}

/// The bytes from `rip` to the end of its page.
fn fetch_page(cpu: &mut Cpu, mem: &mut PhysMem, rip: u64) -> Result<Code, Faulted> {
    let privilege = cpu.privilege();
    let physical = cpu.translate(mem, rip, Want::Fetch, privilege)?;
    let room = (PAGE_SIZE - (rip & PAGE_OFFSET_MASK)) as usize;
    let mut bytes = vec![0; room.min(MAX_INSNS * MAX_INSN_BYTES)];
    mem.read(physical, &mut bytes);
    Ok(Code { bytes, frame: physical >> PAGE_SHIFT })
}

/// Decodes whole instructions as long as the block goes on.
fn decode_run(cpu: &Cpu, code: &Code, rip: u64, draft: &mut Draft) {
    let mut decoder = Decoder::with_ip(64, &code.bytes, rip, DecoderOptions::NONE);
    let mut insn = Instruction::default();
    while decoder.can_decode() {
        let start = decoder.position();
        let at = decoder.ip();
        if !draft.insns.is_empty() && cpu.watch.watches_execute(at) {
            draft.cut_for_breakpoint = true;
            return;
        }
        decoder.decode_out(&mut insn);
        if decoder.last_error() == DecoderError::NoMoreBytes {
            return;
        }
        let first = draft.insns.is_empty();
        if !first && lower::must_start_block(&insn) {
            return;
        }
        if insn.is_invalid() {
            if first {
                push_invalid(cpu, &code.bytes[start..], draft);
            }
            return;
        }
        if !draft.push(cpu, &insn, &code.bytes[start..start + insn.len()]) {
            return;
        }
    }
}

/// Decodes one instruction that reaches into the next page; returns that page's frame.
fn decode_crossing(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    code: &Code,
    rip: u64,
    draft: &mut Draft,
) -> Result<u64, Faulted> {
    let next_page = (rip & !PAGE_OFFSET_MASK).wrapping_add(PAGE_SIZE);
    let privilege = cpu.privilege();
    let physical = cpu.translate(mem, next_page, Want::Fetch, privilege)?;
    let mut bytes = code.bytes.clone();
    let held = bytes.len();
    bytes.resize(MAX_INSN_BYTES.max(held), 0);
    mem.read(physical, &mut bytes[held..]);
    let insn = Decoder::with_ip(64, &bytes, rip, DecoderOptions::NONE).decode();
    if insn.is_invalid() {
        push_invalid(cpu, &bytes, draft);
    } else {
        draft.push(cpu, &insn, &bytes[..insn.len()]);
    }
    Ok(physical >> PAGE_SHIFT)
}

/// Puts an undefined instruction into a block: #UD, or #GP where only its length
/// is wrong (SDM vol. 2A, 2.3.11).
fn push_invalid(cpu: &Cpu, bytes: &[u8], draft: &mut Draft) {
    let run = if is_too_long(bytes) { insn::system::too_long } else { insn::system::undefined };
    let mut insn = Instruction::default();
    insn.set_len(1);
    draft.push(cpu, &insn, &bytes[..1]);
    if let Some(op) = draft.ops.last_mut() {
        op.run = run;
    }
}

/// Whether an instruction that the decoder refuses would be one but for its length:
/// without some of its prefixes it is, and with them it has more than 15 bytes.
fn is_too_long(bytes: &[u8]) -> bool {
    let read = Decoder::new(64, bytes, DecoderOptions::NO_INVALID_CHECK).decode();
    if !read.is_invalid() {
        // Short enough: something else is wrong with it, LOCK for instance.
        return false;
    }
    let head = &bytes[..bytes.len().min(MAX_INSN_BYTES)];
    let prefixes = head.iter().take_while(|&&byte| lower::is_legacy_prefix(byte)).count();
    (1..=prefixes).any(|dropped| {
        let mut decoder = Decoder::new(64, &bytes[dropped..], DecoderOptions::NO_INVALID_CHECK);
        let insn = decoder.decode();
        let goes_on = decoder.last_error() == DecoderError::NoMoreBytes;
        goes_on || (!insn.is_invalid() && dropped + insn.len() > MAX_INSN_BYTES)
    })
}
