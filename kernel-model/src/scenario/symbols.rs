//! Where a scenario's variables and functions are: the same addresses in every task. Names that
//! the scenario does not declare are the kernel's own symbols.

use std::collections::BTreeMap;

use super::error::ScenarioError;
use super::op::{Place, PlaceBase, SymbolName};
use crate::arch::x86::scenario_program::PIECE_BYTES;
use crate::kernel::Kernel;
use crate::mm::layout::PAGE_SIZE;

/// Start of the program's own pieces (one page), which the functions follow.
pub(super) const CODE: u64 = 0x40_0000;
/// Bytes of the program's own pieces.
pub(super) const CODE_BYTES: u64 = PAGE_SIZE;
/// Start of the functions.
pub(super) const FUNCTIONS: u64 = CODE + CODE_BYTES;
/// Bytes of functions.
pub(super) const FUNCTIONS_BYTES: u64 = 4 * PAGE_SIZE;
/// Start of the variables.
pub(super) const DATA: u64 = 0x60_0000;
/// Bytes of variables.
pub(super) const DATA_BYTES: u64 = 16 * PAGE_SIZE;
/// Start of the stack.
pub(super) const STACK: u64 = 0x70_0000;
/// Bytes of the stack, enough for a signal frame with all vector state.
pub(super) const STACK_BYTES: u64 = 8 * PAGE_SIZE;
/// Bytes of a variable.
pub(super) const VAR_BYTES: u64 = 64;

/// A symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Symbol {
    address: u64,
    bytes: u64,
}

/// The symbols of a scenario.
#[derive(Clone, Debug, Default)]
pub(super) struct Symbols {
    by_name: BTreeMap<SymbolName, Symbol>,
    nr_vars: u64,
    nr_functions: u64,
}

impl Symbols {
    /// Adds a variable.
    pub(super) fn add_var(&mut self, name: &SymbolName) -> Result<(), ScenarioError> {
        let offset = self.nr_vars * VAR_BYTES;
        if offset >= DATA_BYTES {
            return Err(ScenarioError::TooManySymbols);
        }
        self.add(name, Symbol { address: DATA + offset, bytes: VAR_BYTES })?;
        self.nr_vars += 1;
        Ok(())
    }

    /// Adds a function.
    pub(super) fn add_function(&mut self, name: &SymbolName) -> Result<(), ScenarioError> {
        let offset = self.nr_functions * PIECE_BYTES;
        if offset >= FUNCTIONS_BYTES {
            return Err(ScenarioError::TooManySymbols);
        }
        self.add(name, Symbol { address: FUNCTIONS + offset, bytes: PIECE_BYTES })?;
        self.nr_functions += 1;
        Ok(())
    }

    fn add(&mut self, name: &SymbolName, symbol: Symbol) -> Result<(), ScenarioError> {
        if self.by_name.contains_key(name) {
            return Err(ScenarioError::NameTaken(name.0.clone()));
        }
        self.by_name.insert(name.clone(), symbol);
        Ok(())
    }

    /// The linear address of a place.
    pub(super) fn resolve(&self, place: &Place) -> Result<u64, ScenarioError> {
        let base = match &place.base {
            PlaceBase::Address(address) => *address,
            PlaceBase::Symbol(name) => {
                let own = self.by_name.get(name).map(|symbol| symbol.address);
                let address = own.or_else(|| Kernel::symbol(&name.0).map(|(address, _)| address));
                address.ok_or_else(|| ScenarioError::NoSuchSymbol(name.clone()))?
            }
        };
        Ok(base.wrapping_add(place.offset))
    }

    /// Whether an address is a function's first byte.
    pub(super) fn is_function(&self, address: u64) -> bool {
        let functions = FUNCTIONS..FUNCTIONS + self.nr_functions * PIECE_BYTES;
        functions.contains(&address) && address.is_multiple_of(PIECE_BYTES)
    }

    /// The symbol that holds an address, and how far it is into it.
    pub(super) fn name_of(&self, address: u64) -> Option<(String, u64)> {
        let holds = |symbol: &Symbol| address.checked_sub(symbol.address);
        self.by_name
            .iter()
            .find_map(|(name, symbol)| {
                let offset = holds(symbol).filter(|offset| *offset < symbol.bytes)?;
                Some((name.0.clone(), offset))
            })
            .or_else(|| Kernel::symbol_at(address).map(|(name, offset)| (name.to_owned(), offset)))
    }
}
