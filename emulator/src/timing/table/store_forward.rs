//! Stores of a block that later loads may read: forwarding, memory renaming, blocked loads.
//!
//! Addresses are known as an unknown value and an offset from it; two with the same unknowns compare by
//! offset, all others are taken not to overlap. Key types: [`Stores`], [`Address`].
//! Neighbours: `block`, `lower` (the operands), `costs` (the rules named `forward_*`).

use std::collections::VecDeque;

use iced_x86::Register;

use super::block::Value;
use super::costs::Costs;
use super::data::{DataError, Ticks};
use super::operand::{MemOperand, RegId};
use super::pipeline::{Bank, Line};

/// Stores that are remembered.
const NR_STORES: usize = 48;
/// Bits of an address within an L1 bank.
const BANK_SHIFT: u32 = 3;
/// Bits of an address within a cache line.
const LINE_SHIFT: u32 = 6;
/// Bytes of the widest legacy vector register.
const XMM_BYTES: i64 = 16;

/// An address as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Address {
    /// FS, GS or none.
    pub(super) segment: Register,
    /// The unknown of the base; 0 without a base.
    pub(super) base_root: u32,
    /// The unknown of the index; 0 without an index.
    pub(super) index_root: u32,
    /// Scale of the index; 1 without.
    pub(super) scale: u32,
    /// Offset from the unknowns.
    pub(super) offset: i64,
}

impl Address {
    /// The L1 bank.
    pub(super) fn bank(&self) -> Bank {
        Bank(self.piece(BANK_SHIFT))
    }

    /// The cache line.
    pub(super) fn line(&self) -> Line {
        Line(self.piece(LINE_SHIFT))
    }

    /// The address with the low `bits` of the offset gone: equal for all of one aligned piece.
    fn piece(&self, bits: u32) -> Address {
        Address { offset: self.offset >> bits, ..*self }
    }

    /// Whether the other has the same unknowns.
    fn is_comparable(&self, other: &Address) -> bool {
        Address { offset: 0, ..*self } == Address { offset: 0, ..*other }
    }
}

/// What a load costs that reads an earlier store, in ticks from the store's data to the load's.
#[derive(Debug, Clone, Copy)]
pub(super) struct ForwardCosts {
    gpr: Ticks,
    indexed: Ticks,
    gpr_to_vector: Ticks,
    vector_to_gpr: Ticks,
    vector: Ticks,
    ymm: Ticks,
    blocked: Ticks,
}

impl ForwardCosts {
    /// The rules of `costs`.
    pub(super) fn new(costs: &Costs) -> Result<Self, DataError> {
        Ok(ForwardCosts {
            gpr: costs.rule("forward_gpr")?,
            indexed: costs.rule("forward_indexed")?,
            gpr_to_vector: costs.rule("forward_gpr_to_vector")?,
            vector_to_gpr: costs.rule("forward_vector_to_gpr")?,
            vector: costs.rule("forward_vector")?,
            ymm: costs.rule("forward_ymm")?,
            blocked: costs.rule("forward_blocked")?,
        })
    }

    fn latency(&self, store: &MemOperand, load: &MemOperand) -> Ticks {
        let is_slow = |operand: &MemOperand| operand.index.is_some() || operand.is_rmw;
        match (store.is_vector, load.is_vector) {
            (false, false) if is_slow(store) || is_slow(load) => self.indexed,
            (false, false) => self.gpr,
            (false, true) => self.gpr_to_vector,
            (true, false) => self.vector_to_gpr,
            (true, true) if size(store) > XMM_BYTES => self.ymm,
            (true, true) => self.vector,
        }
    }
}

/// Bytes of an access; one of unknown size counts as a GPR's.
fn size(operand: &MemOperand) -> i64 {
    if operand.size == 0 { 8 } else { i64::from(operand.size) }
}

/// A store of the block.
#[derive(Debug, Clone)]
pub(super) struct Store {
    operand: MemOperand,
    address: Address,
    /// When its data was there.
    data: Ticks,
    /// When it retired; 0 until then.
    retired: Ticks,
    /// The value stored, where it is a whole register's.
    value: Option<Value>,
}

impl Store {
    /// A store of data that is there at `data`.
    pub(super) fn new(
        operand: &MemOperand,
        address: Address,
        data: Ticks,
        value: Option<Value>,
    ) -> Self {
        Store { operand: *operand, address, data, retired: 0, value }
    }

    /// Whether a load overlaps it: in part, or wholly within it.
    fn overlap(&self, load: &MemOperand, address: &Address) -> Overlap {
        let start = address.offset.wrapping_sub(self.address.offset);
        let (store_size, load_size) = (size(&self.operand), size(load));
        if !self.address.is_comparable(address) || start >= store_size || start <= -load_size {
            Overlap::None
        } else if start >= 0 && start + load_size <= store_size {
            Overlap::Within
        } else {
            Overlap::Partial
        }
    }

    fn renames_to(&self, load: &MemOperand, address: &Address) -> bool {
        let same_base: Option<RegId> = self.operand.base.filter(|base| load.base == Some(*base));
        self.operand.renames && load.renames && same_base.is_some() && self.address == *address
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overlap {
    None,
    Within,
    Partial,
}

/// What a load gets from an earlier store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forwarded {
    /// When.
    pub(super) ready: Ticks,
    /// The value, where it is known to be a whole register's.
    pub(super) value: Option<Value>,
    /// Whether the load was replaced by a copy of the register, at rename.
    pub(super) is_renamed: bool,
}

/// The last stores, newest last.
#[derive(Debug, Clone, Default)]
pub(super) struct Stores {
    stores: VecDeque<Store>,
}

impl Stores {
    /// Remembers a store.
    pub(super) fn push(&mut self, store: Store) {
        if self.stores.len() == NR_STORES {
            self.stores.pop_front();
        }
        self.stores.push_back(store);
    }

    /// The stores of the last instruction retired.
    pub(super) fn retired(&mut self, time: Ticks) {
        for store in self.stores.iter_mut().rev().take_while(|store| store.retired == 0) {
            store.retired = time;
        }
    }

    /// What a load gets from the newest store that it overlaps.
    pub(super) fn forward(
        &self,
        load: &MemOperand,
        address: &Address,
        costs: &ForwardCosts,
    ) -> Option<Forwarded> {
        let overlaps = self.stores.iter().rev().map(|store| (store, store.overlap(load, address)));
        let (store, overlap) =
            overlaps.into_iter().find(|(_, overlap)| *overlap != Overlap::None)?;
        if overlap == Overlap::Partial {
            return Some(Forwarded {
                ready: store.retired + costs.blocked,
                value: None,
                is_renamed: false,
            });
        }
        let is_renamed = store.renames_to(load, address);
        let latency = if is_renamed { 0 } else { costs.latency(&store.operand, load) };
        let is_whole = store.address == *address && size(load) == size(&store.operand);
        Some(Forwarded {
            ready: store.data + latency,
            value: store.value.filter(|_| is_whole),
            is_renamed,
        })
    }
}
