//! The run loop: blocks while nothing is pending, single instructions otherwise.

mod step;

use crate::cpu::{Cpu, StepRule};
use crate::dispatch::block::{Block, BlockId, Link};
use crate::dispatch::cache::CodeCache;
use crate::event::exception::Faulted;
use crate::event::pending::Attention;
use crate::event::{KeptHits, delivery};
use crate::mem::phys::PhysMem;
use crate::op::{Flow, go_on};
use crate::regs::RFlags;
use crate::regs::control::{TakenBranch, debugctl};
use crate::timing::BranchEvent;

/// Why a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The cycle count reached the deadline.
    Deadline,
    /// VMCALL at CPL 0: the monitor is asked for something. RIP is after it.
    Hypercall,
    /// HLT: nothing happens until an interrupt.
    Halted,
    /// Triple fault.
    Shutdown,
    /// An instruction that exists but is not built (RIP is at it).
    Unsupported(Unsupported),
}

/// An instruction that the processor has and this emulator has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// Linear address.
    pub rip: u64,
    /// Name and operand form, as the decoder calls it.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl std::fmt::Display for Unsupported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "instruction {} at {:#x} is not supported (bytes", self.name, self.rip)?;
        for byte in &self.bytes {
            write!(f, " {byte:02x}")?;
        }
        f.write_str(")")
    }
}

impl std::error::Error for Unsupported {}

/// Runs until something ends the run; at the latest at the first instruction
/// boundary at which the cycle count is `deadline` or more.
pub(crate) fn run(cpu: &mut Cpu, cache: &mut CodeCache, mem: &mut PhysMem, deadline: u64) -> Exit {
    cpu.deadline = deadline;
    cpu.soft_deadline = deadline.saturating_sub(cpu.timing.max_block_cycles());
    cpu.attention.set(Attention::DEADLINE, cpu.cycles >= cpu.soft_deadline);
    cpu.sync_write_tlb(mem);
    cpu.drop_stale_links(mem);
    if cpu.halted {
        if !cpu.takes_interrupt() && !cpu.takes_nmi() {
            return Exit::Halted;
        }
        cpu.halted = false;
    }
    loop {
        if !cpu.attention.is_quiet() {
            match step::step(cpu, cache, mem) {
                Some(exit) => return exit,
                None => continue,
            }
        }
        let id = match cache.find_recent(cpu) {
            Some(id) => id,
            // An instruction breakpoint comes before the fetch's faults (rule P2).
            None if cpu.watches_next_instruction() => match step::step(cpu, cache, mem) {
                Some(exit) => return exit,
                None => continue,
            },
            None => match cache.find(cpu, mem) {
                Ok(id) => id,
                Err(Faulted) => match delivery::deliver_fault(cpu, mem) {
                    Some(exit) => return exit,
                    None => continue,
                },
            },
        };
        if let Some(exit) = run_linked(cpu, cache, mem, id) {
            return exit;
        }
    }
}

/// Runs a block and the ones that follow it, as long as they are known and quiet.
fn run_linked(
    cpu: &mut Cpu,
    cache: &mut CodeCache,
    mem: &mut PhysMem,
    mut id: BlockId,
) -> Option<Exit> {
    loop {
        let block = &cache.blocks[id.0 as usize];
        cpu.cycles += u64::from(block.total);
        cpu.icount += u64::from(block.nr_insns);
        match run_ops(cpu, mem, block) {
            Ended::AtEnd => cpu.regs.rip = block.end,
            Ended::Jumped => {}
            Ended::Early(flow) => return settle(cpu, mem, block, flow),
        }
        if let Some(kind) = block.branch {
            let event = BranchEvent {
                rip: block.end,
                kind,
                taken: cpu.regs.rip != block.end,
                target: cpu.regs.rip,
                fallthrough: block.end,
            };
            let cost = cpu.timing.branch(&event);
            cpu.cycles += u64::from(cost);
        }
        if cpu.cycles >= cpu.soft_deadline {
            cpu.attention.raise(Attention::DEADLINE);
        }
        if !cpu.attention.is_quiet() {
            let last = block.ops.last().map_or(0, |op| u64::from(op.offset));
            cpu.stamp_records(block.rip.wrapping_add(last));
            return None;
        }
        let rip = cpu.regs.rip;
        let follows = |link: &Link| link.rip == rip && link.epoch == cpu.epoch;
        if follows(&block.links[0]) {
            id = block.links[0].id;
        } else if follows(&block.links[1]) {
            id = block.links[1].id;
        } else {
            let next = cache.find_recent(cpu)?;
            let links = &mut cache.blocks[id.0 as usize].links;
            links[1] = links[0];
            links[0] = Link { rip, id: next, epoch: cpu.epoch };
            id = next;
        }
    }
}

/// How the ops of a block ended.
enum Ended {
    /// After the last one.
    AtEnd,
    /// By a jump, which is always the last one.
    Jumped,
    /// With a flow that wants a look.
    Early(Result<Flow, Faulted>),
}

/// Executes the ops of a block.
#[inline(always)]
fn run_ops(cpu: &mut Cpu, mem: &mut PhysMem, block: &Block) -> Ended {
    match go_on(cpu, mem, &block.ops) {
        Ok(Flow::Next) => Ended::AtEnd,
        Ok(Flow::Jump) => Ended::Jumped,
        flow => Ended::Early(flow),
    }
}

/// Puts RIP and the counts right after a block that ended early.
#[cold]
#[inline(never)]
fn settle(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    block: &Block,
    flow: Result<Flow, Faulted>,
) -> Option<Exit> {
    let op = &block.ops[block.ops.len() - 1 - cpu.nr_skipped];
    let done = u32::from(op.nth) + u32::from(completes(flow));
    cpu.icount -= u64::from(block.nr_insns - done);
    cpu.cycles -= u64::from(block.total - block.cost_of_first(done));
    if flow.is_err() && op.is_on_stack() {
        cpu.blame_stack();
    }
    let rip = block.rip.wrapping_add(u64::from(op.offset));
    let before = Before { trap_flag: false, ss_shadow: false };
    let next_rip = cpu.code.wrap(rip.wrapping_add(u64::from(op.len)));
    finish(cpu, mem, flow, rip, next_rip, before)
}

/// Whether a flow means that the instruction has retired.
fn completes(flow: Result<Flow, Faulted>) -> bool {
    match flow {
        Ok(Flow::Next | Flow::Boundary | Flow::Jump | Flow::JumpBoundary | Flow::Exit) => true,
        Ok(Flow::Again | Flow::Refused) | Err(Faulted) => false,
    }
}

/// What held when an instruction started.
#[derive(Clone, Copy, Debug)]
struct Before {
    trap_flag: bool,
    ss_shadow: bool,
}

/// Step 7 of the boundary algorithm: what an instruction leaves pending.
fn finish(
    cpu: &mut Cpu,
    mem: &mut PhysMem,
    flow: Result<Flow, Faulted>,
    rip: u64,
    next_rip: u64,
    before: Before,
) -> Option<Exit> {
    use crate::debug::dr6;

    let rule = std::mem::take(&mut cpu.rule);
    match flow {
        Err(Faulted) => {
            cpu.regs.rip = rip;
            cpu.drop_hits();
            return delivery::deliver_fault(cpu, mem);
        }
        Ok(Flow::Next | Flow::Boundary | Flow::Exit) => cpu.regs.rip = next_rip,
        Ok(Flow::Jump | Flow::JumpBoundary) => {}
        Ok(Flow::Refused) => {
            cpu.regs.rip = rip;
            return refuse(cpu, mem, next_rip.wrapping_sub(rip));
        }
        Ok(Flow::Again) => {
            cpu.regs.rip = rip;
            // An interrupted REP resumes with RF set (rule T3).
            cpu.regs.system_flags |= RFlags::RF;
            cpu.attention.raise(Attention::RESUME_FLAG);
        }
    }
    cpu.stamp_records(rip);
    let jumped = matches!(flow, Ok(Flow::Jump | Flow::JumpBoundary));
    if jumped {
        cpu.record_branch(rip);
    }
    let on_branches = cpu.regs.msrs.debugctl & debugctl::BTF != 0;
    let steps = match rule {
        // Rule X3: taken branches only.
        _ if on_branches && !jumped => false,
        StepRule::Normal => before.trap_flag,
        StepRule::Never => false,
        StepRule::AtEnd => cpu.regs.system_flags & RFlags::TF != 0,
        StepRule::OpensShadow => {
            if !before.ss_shadow {
                cpu.pending.ss_shadow = true;
                cpu.attention.raise(Attention::SHADOW);
            }
            before.trap_flag && before.ss_shadow
        }
    };
    if steps {
        cpu.pending.debug |= dr6::BS;
        cpu.attention.raise(Attention::DEBUG);
    }
    let exit = if flow == Ok(Flow::Exit) { cpu.exit.take() } else { None };
    if exit == Some(Exit::Halted) && cpu.pending.debug != 0 {
        // A debug trap after HLT ends the wait at once (x86-debug section 6).
        cpu.halted = false;
        return None;
    }
    exit
}

/// Ends the run at an instruction that is not built, with its bytes.
fn refuse(cpu: &mut Cpu, mem: &mut PhysMem, len: u64) -> Option<Exit> {
    let Some(Exit::Unsupported(mut unsupported)) = cpu.exit.take() else {
        return Some(Exit::Shutdown);
    };
    unsupported.rip = cpu.regs.rip;
    unsupported.bytes = vec![0; len as usize];
    unsupported.rip = cpu.code.linear(unsupported.rip);
    let read = cpu.peek(mem, unsupported.rip, &mut unsupported.bytes);
    unsupported.bytes.truncate(read);
    Some(Exit::Unsupported(unsupported))
}

impl Cpu {
    /// Whether an instruction breakpoint is armed at the instruction to come.
    fn watches_next_instruction(&self) -> bool {
        self.watch.watches_execute(self.code.linear(self.regs.rip))
    }

    /// Gives the accesses that matched the address of their instruction.
    fn stamp_records(&mut self, rip: u64) {
        for record in self.records.iter_mut().flatten().filter(|record| record.rip == 0) {
            record.rip = rip;
        }
    }

    /// Records a taken branch where IA32_DEBUGCTL.LBR asks for it.
    fn record_branch(&mut self, from: u64) {
        if self.regs.msrs.debugctl & debugctl::LBR != 0 {
            let (from, to) = (self.code.linear(from), self.code.linear(self.regs.rip));
            self.regs.msrs.last_branches.push(TakenBranch { from, to });
        }
    }

    /// Forgets the debug conditions that wait for a boundary, and their accesses
    /// (rules F1, S5).
    pub(crate) fn drop_hits(&mut self) {
        self.pending.debug = 0;
        self.records = [None; 4];
        self.attention.clear(Attention::DEBUG);
    }

    /// The same for a hit that MOV SS kept, at an instruction that enters a handler,
    /// unless it is to be delivered there (rule S6).
    pub(crate) fn drop_kept_hits(&mut self) {
        if self.kept_hits == KeptHits::Lost {
            self.drop_hits();
        }
    }

    /// Sends stores to frames that became code through the slow path.
    pub(crate) fn sync_write_tlb(&mut self, mem: &PhysMem) {
        if self.tlbs.write_epoch != mem.write_tlb_epoch() {
            self.tlbs.write_epoch = mem.write_tlb_epoch();
            self.tlbs.write.slow_down();
        }
    }

    /// Drops links to blocks whose code was overwritten while this CPU did not run.
    fn drop_stale_links(&mut self, mem: &PhysMem) {
        if self.code_epoch != mem.code_epoch() {
            self.code_epoch = mem.code_epoch();
            self.drop_links();
        }
    }
}
