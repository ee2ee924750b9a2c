//! Blocks: straight-line runs of lowered instructions within one page.
//!
//! A block ends at a control transfer, before an instruction at which a
//! breakpoint is armed, before one that crosses the page, and after
//! [`MAX_INSNS`]. Only a block of one instruction may cross a page.

use iced_x86::{Decoder, DecoderError, DecoderOptions, Instruction};

use super::lower::{self, Ends};
use crate::cpu::Cpu;
use crate::event::Exception;
use crate::event::exception::Faulted;
use crate::insn::{self, fused};
use crate::mem::paging::Want;
use crate::mem::phys::PhysMem;
use crate::mem::{PAGE_OFFSET_MASK, PAGE_SHIFT, PAGE_SIZE, segment};
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

impl Link {
    /// A link to nowhere: no epoch has all bits set.
    pub(crate) const DEAD: Self = Self { rip: u64::MAX, id: BlockId(u32::MAX), epoch: u32::MAX };
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
    /// Instruction pointer at the first instruction.
    pub(crate) rip: u64,
    /// Instruction pointer after the last instruction.
    pub(crate) end: u64,
    /// Linear address of the first instruction.
    linear: u64,
    /// Bytes of the instructions.
    len: u64,
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
        let inside = |&at: &u64| (1..self.len).contains(&at.wrapping_sub(self.linear));
        let inside = armed.iter().any(inside);
        let end = self.linear.wrapping_add(self.len);
        let needless_cut = self.cut_for_breakpoint && !armed.contains(&end);
        unchanged && !inside && !needless_cut
    }

    /// Cycles of the first `nr_insns` instructions.
    pub(crate) fn cost_of_first(&self, nr_insns: u32) -> u32 {
        self.before.get(nr_insns as usize).copied().unwrap_or(self.total)
    }
}

/// The bytes from which a block is decoded.
struct Code {
    /// To the end of the page, of the code segment, or of what a block may take.
    bytes: Vec<u8>,
    frame: u64,
    /// Instruction pointer and linear address of the first byte.
    rip: u64,
    linear: u64,
    /// 16, 32 or 64.
    bits: u32,
}

impl Code {
    fn decoder<'a>(&self, bytes: &'a [u8]) -> Decoder<'a> {
        Decoder::with_ip(self.bits, bytes, self.rip, DecoderOptions::NONE)
    }
}

/// Translates the block at the CPU's RIP.
///
/// # Errors
/// The fetch of the first instruction faulted.
pub(crate) fn build(cpu: &mut Cpu, mem: &mut PhysMem) -> Result<Block, Faulted> {
    let rip = cpu.regs.rip;
    let code = fetch_page(cpu, mem, rip)?;
    let mut draft = Draft::default();
    decode_run(cpu, &code, &mut draft);
    let first = code.frame;
    let mut second = first;
    if draft.insns.is_empty() {
        second = decode_crossing(cpu, mem, &code, &mut draft)?;
    }
    let end = cpu.code.wrap(rip.wrapping_add(draft.len));
    let offset = code.linear & PAGE_OFFSET_MASK;
    mem.add_code(first, offset, (offset + draft.len - 1).min(PAGE_OFFSET_MASK));
    if second != first {
        let last = offset + draft.len - 1;
        mem.add_code(second, 0, last & PAGE_OFFSET_MASK);
    }
    if cpu.code.is_64() {
        draft.fuse();
    }
    let source = |frame| Source { frame, generation: mem.code_generation(frame) };
    let sources = [source(first), source(second)];
    let cost = cpu.timing.block(&draft.insns);
    Ok(Block {
        rip,
        end,
        linear: code.linear,
        len: draft.len,
        nr_insns: draft.insns.len() as u32,
        branch: if cpu.timing.observes_branches() { draft.branch() } else { None },
        ops: draft.ops.into_boxed_slice(),
        before: cost.before.into_boxed_slice(),
        total: cost.total,
        links: [Link::DEAD; 2],
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
        if let Some(mut check) = segment::check_op(insn) {
            place(&mut check);
            self.ops.push(check);
        }
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
    let linear = cpu.code.linear(rip);
    let privilege = cpu.privilege();
    let physical = cpu.translate(mem, linear, Want::Fetch, privilege)?;
    let page = PAGE_SIZE - (linear & PAGE_OFFSET_MASK);
    let most = (MAX_INSNS * MAX_INSN_BYTES) as u64;
    let mut bytes = vec![0; page.min(most).min(room_in_segment(cpu)) as usize];
    mem.read(physical, &mut bytes);
    let bits = cpu.code.size.bits();
    Ok(Code { bytes, frame: physical >> PAGE_SHIFT, rip, linear, bits })
}

/// Bytes from RIP to the end of the code segment.
fn room_in_segment(cpu: &Cpu) -> u64 {
    let view = &cpu.code;
    if view.limit >= 0xffff_ffff {
        return u64::MAX;
    }
    view.limit.wrapping_sub(cpu.regs.rip).saturating_add(1)
}

/// Decodes whole instructions as long as the block goes on.
fn decode_run(cpu: &Cpu, code: &Code, draft: &mut Draft) {
    let mut decoder = code.decoder(&code.bytes);
    let mut insn = Instruction::default();
    while decoder.can_decode() {
        let start = decoder.position();
        let at = cpu.code.linear(decoder.ip());
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
    draft: &mut Draft,
) -> Result<u64, Faulted> {
    let room = room_in_segment(cpu);
    if room <= code.bytes.len() as u64 {
        return Err(cpu.raise(Exception::gp0()));
    }
    let next_page = (code.linear & !PAGE_OFFSET_MASK).wrapping_add(PAGE_SIZE);
    let next_page = cpu.code.wrap(next_page);
    let privilege = cpu.privilege();
    let physical = cpu.translate(mem, next_page, Want::Fetch, privilege)?;
    let mut bytes = code.bytes.clone();
    let held = bytes.len();
    bytes.resize(MAX_INSN_BYTES.max(held), 0);
    mem.read(physical, &mut bytes[held..]);
    bytes.truncate(usize::try_from(room).unwrap_or(usize::MAX));
    let mut decoder = code.decoder(&bytes);
    let insn = decoder.decode();
    if decoder.last_error() == DecoderError::NoMoreBytes && bytes.len() < MAX_INSN_BYTES {
        return Err(cpu.raise(Exception::gp0()));
    }
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
    let run = if is_too_long(cpu.code.size.bits(), bytes) {
        insn::system::too_long
    } else {
        insn::system::undefined
    };
    let mut insn = Instruction::default();
    insn.set_len(1);
    draft.push(cpu, &insn, &bytes[..1]);
    if let Some(op) = draft.ops.last_mut() {
        op.run = run;
    }
}

/// Whether an instruction that the decoder refuses would be one but for its length:
/// without some of its prefixes it is, and with them it has more than 15 bytes.
fn is_too_long(bits: u32, bytes: &[u8]) -> bool {
    let read = Decoder::new(bits, bytes, DecoderOptions::NO_INVALID_CHECK).decode();
    if !read.is_invalid() {
        // Short enough: something else is wrong with it, LOCK for instance.
        return false;
    }
    let head = &bytes[..bytes.len().min(MAX_INSN_BYTES)];
    let prefixes = head.iter().take_while(|&&byte| lower::is_legacy_prefix(byte)).count();
    (1..=prefixes).any(|dropped| {
        let mut decoder = Decoder::new(bits, &bytes[dropped..], DecoderOptions::NO_INVALID_CHECK);
        let insn = decoder.decode();
        let goes_on = decoder.last_error() == DecoderError::NoMoreBytes;
        goes_on || (!insn.is_invalid() && dropped + insn.len() > MAX_INSN_BYTES)
    })
}
