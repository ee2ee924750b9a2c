//! From what was typed to what the kernel is asked for: symbols become addresses.
//!
//! Rules 1.3.1 and 1.3.2 of linux-hw-breakpoint (alignment, wrapping ends) are
//! told here already, because the kernel's EINVAL does not say which it was.

use kernel_model::kernel::Kernel;
use kernel_model::observe::WatchRequest;

use super::plan::Watch;
use crate::cli::watch_spec::{Place, WatchSpec};
use crate::symbols::{LookupError, Symbols};

/// Why an event cannot be a watch of this program.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The symbol stands for no one address.
    #[error("{source}")]
    Symbol {
        /// What the symbol table says.
        source: LookupError,
    },
    /// The offset leads beyond the address space.
    #[error("{name}+{offset:#x} lies beyond the end of the address space")]
    Offset {
        /// The symbol.
        name: String,
        /// The offset.
        offset: u64,
    },
    /// The range would cross the end of the address space.
    #[error("{len} bytes at {addr:#x} reach beyond the end of the address space")]
    Wraps {
        /// First byte.
        addr: u64,
        /// Bytes.
        len: u64,
    },
    /// A data range that no debug register can hold.
    #[error(
        "{addr:#x} is not a multiple of {len}, and debug registers watch aligned ranges; \
         /{} fits this address", fitting(*.addr)
    )]
    Misaligned {
        /// First byte.
        addr: u64,
        /// Bytes.
        len: u64,
    },
}

/// The longest range that may start at this address.
const fn fitting(addr: u64) -> u64 {
    let zeros = addr.trailing_zeros();
    1 << if zeros > 3 { 3 } else { zeros }
}

/// Resolves one event.
///
/// # Errors
/// If its symbol is not known or no debug register could hold its range.
pub fn resolve(spec: &WatchSpec, symbols: &Symbols<'_>) -> Result<Watch, ResolveError> {
    let addr = match &spec.place {
        Place::Address(addr) => *addr,
        Place::Symbol { name, offset, .. } => {
            let sum = symbol_addr(name, symbols)?.checked_add(*offset);
            sum.ok_or_else(|| ResolveError::Offset { name: name.clone(), offset: *offset })?
        }
    };
    let (len, access) = (spec.len, spec.access);
    if addr.checked_add(len - 1).is_none() {
        return Err(ResolveError::Wraps { addr, len });
    }
    let is_data = access != kernel_model::observe::WatchAccess::Execute;
    if is_data && !addr.is_multiple_of(len) {
        return Err(ResolveError::Misaligned { addr, len });
    }
    Ok(Watch { text: spec.text.clone(), request: WatchRequest { addr, len, access } })
}

/// The address of a symbol of the program, or of the kernel where the program has none.
fn symbol_addr(name: &str, symbols: &Symbols<'_>) -> Result<u64, ResolveError> {
    match (symbols.lookup(name), Kernel::symbol(name)) {
        (Ok(symbol), _) => Ok(symbol.addr),
        (Err(LookupError::Unknown { .. } | LookupError::NoTable), Some((addr, _size))) => Ok(addr),
        (Err(source), _) => Err(ResolveError::Symbol { source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(text: &str) -> Result<u64, ResolveError> {
        let spec = WatchSpec::parse(text).unwrap();
        resolve(&spec, &Symbols::default()).map(|watch| watch.request.addr)
    }

    #[test]
    fn addresses_are_checked() {
        assert_eq!(resolved("mem:0x1000/8:w"), Ok(0x1000));
        assert_eq!(resolved("mem:0x1001:x"), Ok(0x1001));
        assert_eq!(
            resolved("mem:0x1002/4:w"),
            Err(ResolveError::Misaligned { addr: 0x1002, len: 4 })
        );
        assert!(resolved("mem:0x1002/4:w").unwrap_err().to_string().contains("/2 fits"));
        assert!(resolved("mem:0x1001/8:w").unwrap_err().to_string().contains("/1 fits"));
        assert_eq!(resolved("mem:0xfffffffffffffff8/8:w"), Ok(u64::MAX - 7));
        assert!(matches!(resolved("mem:0xfffffffffffffff9:x"), Err(ResolveError::Wraps { .. })));
        assert!(matches!(resolved("mem:main:x"), Err(ResolveError::Symbol { .. })));
        assert_eq!(resolved("mem:jiffies/8:w").ok(), Kernel::symbol("jiffies").map(|at| at.0));
    }
}
