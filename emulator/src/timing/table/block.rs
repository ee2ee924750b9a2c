//! What a block costs: an out-of-order core approximated at translation.
//!
//! The block is simulated as its own successor, copy after copy, until it runs steadily; its cost is the
//! mean distance between the retirements of two copies. So a dependency that a loop carries counts in full,
//! and work that overlaps with the next block counts for the ports and slots it takes.
//!
//! Modelled: fetch of 32 bytes a cycle with length-changing prefixes, issue of 6 a cycle, a window of 512,
//! ports by class, units that are not pipelined, loads and stores through memory of the same block (addresses
//! compared by base register and offset), zero-latency moves, zeroing, folded constants and memory renaming.
//! Not modelled: the limits of the decoders and of the schedulers, and anything across different blocks.
//!
//! Key type: [`BlockModel`]. Neighbours: `lower` (the input), `pipeline` (slots, ports and units), `costs`.

use iced_x86::{Instruction, InstructionInfoFactory};

use super::super::BlockCost;
use super::classify::{Class, Classes, Kind};
use super::costs::{Costs, to_cycles};
use super::data::{DataError, TICKS_PER_CYCLE, Ticks};
use super::lower::{Effect, Op, lower};
use super::operand::{MemOperand, MemUse, RegId};
use super::pipeline::{BRANCH_PORTS, Pipeline};
use super::store_forward::{Address, ForwardCosts, Store, Stores};

/// Largest constant that may stay folded, in either direction.
const FOLD_LIMIT: i64 = 1023;

/// The model of a core that blocks are run through.
pub(super) struct BlockModel {
    classes: Classes,
    factory: InstructionInfoFactory,
    latency: Latencies,
}

/// Latencies that belong to no class.
#[derive(Debug, Clone, Copy)]
struct Latencies {
    load_gpr: Ticks,
    load_vector: Ticks,
    forward: ForwardCosts,
    lcp: Ticks,
    fetch_128_bytes: Ticks,
}

impl BlockModel {
    /// A model with the figures of `costs`.
    pub(super) fn new(costs: &Costs) -> Result<Self, DataError> {
        Ok(BlockModel {
            classes: Classes::load(costs)?,
            factory: InstructionInfoFactory::new(),
            latency: Latencies {
                load_gpr: costs.rule("load_gpr")?,
                load_vector: costs.rule("load_vector")?,
                forward: ForwardCosts::new(costs)?,
                lcp: costs.rule("length_changing_prefix")?,
                fetch_128_bytes: costs.rule("fetch_128_bytes")?,
            },
        })
    }

    /// The cost of a block.
    pub(super) fn cost(&mut self, insns: &[Instruction]) -> BlockCost {
        let ops = lower(insns, &self.classes, &mut self.factory);
        let (nr_warm, nr_measured) = nr_copies(ops.len());
        let mut run = Run::new(&self.classes, self.latency);
        for _ in 0..nr_warm {
            run.copy(&ops, &mut []);
        }
        // Sum over the measured copies of the time from a copy's start to each instruction's retirement.
        let mut sums = vec![0; ops.len()];
        for _ in 0..nr_measured {
            run.copy(&ops, &mut sums);
        }
        let cycles = |sum: &Ticks| to_cycles(sum / nr_measured);
        let total = sums.last().map_or(0, |sum| cycles(sum).max(1));
        let starts =
            sums.iter().take(ops.len().saturating_sub(1)).map(|sum| cycles(sum).min(total));
        BlockCost { before: std::iter::once(0).chain(starts).take(ops.len()).collect(), total }
    }
}

/// Copies of a block of `len` instructions to run before and while measuring. A short block needs more
/// for its fractions of a cycle to show.
fn nr_copies(len: usize) -> (u32, Ticks) {
    match len {
        0..=8 => (4, 12),
        9..=32 => (3, 6),
        _ => (2, 3),
    }
}

/// What is known of a register.
#[derive(Debug, Clone, Copy, Default)]
struct Reg {
    /// When its value can be used.
    ready: Ticks,
    /// The constant that was added at rename and is not in the register yet.
    folded: i64,
    /// Its value, as a number of an unknown value and an offset from it.
    value: Value,
}

/// A value that is known up to an unknown: equal roots and offsets are equal values.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Value {
    /// Number of the unknown.
    pub(super) root: u32,
    /// Offset from it.
    pub(super) offset: i64,
}

/// What a load delivers.
#[derive(Debug, Clone, Copy)]
struct Loaded {
    /// When.
    ready: Ticks,
    /// The value, where it is known to be a register's.
    value: Option<Value>,
}

/// One run of copies of a block.
struct Run<'a> {
    classes: &'a Classes,
    latency: Latencies,
    pipeline: Pipeline,
    regs: [Reg; RegId::NR],
    stores: Stores,
    next_root: u32,
}

impl<'a> Run<'a> {
    fn new(classes: &'a Classes, latency: Latencies) -> Self {
        let mut regs = [Reg::default(); RegId::NR];
        for (reg, root) in regs.iter_mut().zip(1..) {
            reg.value.root = root;
        }
        Run {
            classes,
            latency,
            pipeline: Pipeline::default(),
            regs,
            stores: Stores::default(),
            next_root: RegId::NR as u32 + 1,
        }
    }

    /// Runs one copy, adding the time of each instruction's retirement since the copy's start to `sums`.
    fn copy(&mut self, ops: &[Op], sums: &mut [Ticks]) {
        let start = self.pipeline.last_retired();
        let mut sums = sums.iter_mut();
        for op in ops {
            let finish = self.execute(op);
            let retired = self.pipeline.retire(finish);
            self.stores.retired(retired);
            if let Some(sum) = sums.next() {
                *sum += retired - start;
            }
        }
    }

    /// Executes one instruction; returns when it is finished.
    fn execute(&mut self, op: &Op) -> Ticks {
        let fetch = Ticks::from(op.nr_bytes) * self.latency.fetch_128_bytes / 128;
        let stall = if op.has_lcp { self.latency.lcp } else { 0 };
        let issue = self.pipeline.issue(op.nr_slots, fetch + stall);
        let class = self.classes.class(op.class);
        let finish = match class.kind {
            Kind::Nop | Kind::Event => issue,
            Kind::Zero => {
                self.write_all(op, issue);
                issue
            }
            Kind::Move => self.copy_register(op, issue),
            Kind::Fold => self.fold(op, class, issue),
            Kind::Normal | Kind::Renamed | Kind::Whole => self.operate(op, class, issue),
            Kind::Serial => {
                let done = issue.max(self.pipeline.last_retired()) + class.latency;
                self.pipeline.hold(done);
                self.write_all(op, done);
                done
            }
        };
        let rsp = &mut self.regs[RegId::RSP.index()].value;
        rsp.offset = rsp.offset.wrapping_add(op.stack_increment);
        finish
    }

    /// Gives every destination a new value at `ready`.
    fn write_all(&mut self, op: &Op, ready: Ticks) {
        for id in &op.writes {
            let value = Value { root: self.next_root, offset: 0 };
            self.next_root = self.next_root.wrapping_add(1);
            self.regs[id.index()] = Reg { ready, folded: 0, value };
        }
    }

    fn copy_register(&mut self, op: &Op, issue: Ticks) -> Ticks {
        let Effect::Copy { to, from, is_whole } = op.effect else {
            self.write_all(op, issue);
            return issue;
        };
        let source = self.regs[from.index()];
        self.write_all(op, source.ready);
        if is_whole {
            self.regs[to.index()] = source;
        }
        issue
    }

    /// An addition of a constant: free while the sum of constants stays small, and then an addition.
    fn fold(&mut self, op: &Op, class: &Class, issue: Ticks) -> Ticks {
        let Effect::Add { to, from, constant } = op.effect else {
            return self.operate(op, class, issue);
        };
        let source = self.regs[from.index()];
        let value = Value { offset: source.value.offset.wrapping_add(constant), ..source.value };
        let sum = source.folded.saturating_add(constant);
        let fits = |constant: i64| (-FOLD_LIMIT..=FOLD_LIMIT).contains(&constant);
        if op.is_fused_head || !fits(constant) || !fits(sum) {
            let finish = self.operate(op, class, issue);
            self.regs[to.index()].value = value;
            return finish;
        }
        // The flags, where anyone asks for them, are computed.
        self.write_all(op, source.ready.max(issue) + class.latency);
        self.regs[to.index()] = Reg { ready: source.ready, folded: sum, value };
        issue
    }

    /// Loads, executes, stores.
    fn operate(&mut self, op: &Op, class: &Class, issue: Ticks) -> Ticks {
        let mut inputs = issue;
        for id in &op.reads {
            let reg = self.regs[id.index()];
            let extra = if reg.folded == 0 { 0 } else { class.after_fold };
            inputs = inputs.max(reg.ready + extra);
        }
        let mut forwarded = None;
        for operand in op.memory.iter().filter(|operand| operand.usage == MemUse::Load) {
            let loaded = self.load(operand, issue, class.kind);
            inputs = inputs.max(loaded.ready);
            forwarded = loaded.value;
        }
        let result = self.run_uops(op, class, inputs) + class.latency;
        let saved = match op.effect {
            Effect::Save { from } => Some(self.regs[from.index()].value),
            _ => None,
        };
        let mut finish = result;
        for operand in op.memory.iter().filter(|operand| operand.usage == MemUse::Store) {
            finish = finish.max(self.store(operand, issue, result, saved));
        }
        let frame = self.regs[RegId::RBP.index()];
        self.write_all(op, result);
        let reloaded = match op.effect {
            Effect::Reload { to } => Some(to),
            Effect::Leave => {
                let value = Value { offset: frame.value.offset.wrapping_add(8), ..frame.value };
                self.regs[RegId::RSP.index()] = Reg { value, ..frame };
                Some(RegId::RBP)
            }
            Effect::None | Effect::Add { .. } | Effect::Copy { .. } | Effect::Save { .. } => None,
        };
        if let (Some(to), Some(value)) = (reloaded, forwarded) {
            self.regs[to.index()].value = value;
        }
        finish
    }

    /// Takes ports and units for the micro-operations that are ready at `inputs`; returns the start of the first.
    fn run_uops(&mut self, op: &Op, class: &Class, inputs: Ticks) -> Ticks {
        let mut start = inputs;
        if op.is_fused_head {
            start = self.pipeline.port(BRANCH_PORTS, inputs);
        } else if !op.is_fused_tail {
            for (index, mask) in class.ports.iter().enumerate() {
                let taken = self.pipeline.port(*mask, inputs);
                if index == 0 {
                    start = taken;
                }
            }
        }
        match class.unit {
            Some((unit, busy)) => self.pipeline.unit(unit, start, busy),
            None => start,
        }
    }

    /// When the registers of an address are ready, and the address as far as it is known.
    fn address(&self, operand: &MemOperand, issue: Ticks) -> (Ticks, Address) {
        let base = operand.base.map(|id| self.regs[id.index()]).unwrap_or_default();
        let index = operand.index.map(|id| self.regs[id.index()]).unwrap_or_default();
        let scaled = index.value.offset.wrapping_mul(i64::from(operand.scale));
        let offset = operand.displacement.wrapping_add(base.value.offset).wrapping_add(scaled);
        let address = Address {
            segment: operand.segment,
            base_root: base.value.root,
            index_root: index.value.root,
            scale: if operand.index.is_some() { operand.scale } else { 1 },
            offset,
        };
        (issue.max(base.ready).max(index.ready), address)
    }

    fn load(&mut self, operand: &MemOperand, issue: Ticks, kind: Kind) -> Loaded {
        let (ready, address) = self.address(operand, issue);
        let bank = address.bank();
        let start = self.pipeline.load_port(bank, ready);
        if kind == Kind::Whole {
            return Loaded { ready, value: None };
        }
        let from_cache = start
            + if operand.is_vector { self.latency.load_vector } else { self.latency.load_gpr };
        match self.stores.forward(operand, &address, &self.latency.forward) {
            None => Loaded { ready: from_cache, value: None },
            Some(forwarded) if forwarded.is_renamed => {
                Loaded { ready: forwarded.ready.max(issue), value: forwarded.value }
            }
            Some(forwarded) => {
                Loaded { ready: forwarded.ready.max(from_cache), value: forwarded.value }
            }
        }
    }

    /// Executes a store of data that is there at `data`; returns when it is finished.
    fn store(
        &mut self,
        operand: &MemOperand,
        issue: Ticks,
        data: Ticks,
        value: Option<Value>,
    ) -> Ticks {
        let (ready, address) = self.address(operand, issue);
        let address_done = self.pipeline.store_address_port(ready) + TICKS_PER_CYCLE;
        let data_done = self.pipeline.store_data_port(data) + TICKS_PER_CYCLE;
        let finish = address_done.max(data_done);
        self.stores.push(Store::new(operand, address, data, value));
        self.pipeline.commit(address.line(), finish)
    }
}
