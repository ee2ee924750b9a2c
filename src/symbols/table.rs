//! The symbol table: by name and by address.

use std::collections::BTreeMap;

use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSymbol, SymbolKind};

use super::near_names::near_names;

/// A named place of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// The name, as in the symbol table.
    pub name: String,
    /// Linear address of its first byte.
    pub addr: u64,
    /// Its size in bytes; 0 where the table does not say.
    pub size: u64,
    binding: Binding,
}

/// Whose name it is; a weaker one gives way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Binding {
    Local,
    Weak,
    Global,
}

/// An address as a symbol and an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Near<'table> {
    /// The symbol that the address lies in.
    pub symbol: &'table Symbol,
    /// Bytes from its start.
    pub offset: u64,
}

impl std::fmt::Display for Near<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.offset {
            0 => write!(f, "{}", self.symbol.name),
            offset => write!(f, "{}+{offset:#x}", self.symbol.name),
        }
    }
}

/// Why a name stands for no one address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LookupError {
    /// The program has no symbols at all.
    #[error("the program has no symbol table (it was stripped); give an address")]
    NoTable,
    /// No such symbol.
    #[error("no symbol \"{name}\" in the program{}", suggestion(.near))]
    Unknown {
        /// The name.
        name: String,
        /// Names like it, the nearest first.
        near: Vec<String>,
    },
    /// One for each thread.
    #[error("\"{name}\" is thread-local: it has an address in each thread; give the address")]
    ThreadLocal {
        /// The name.
        name: String,
    },
    /// Several of the same strength.
    #[error("\"{name}\" stands for several places ({}); give the address", hex_list(.addrs))]
    Ambiguous {
        /// The name.
        name: String,
        /// Where they are.
        addrs: Vec<u64>,
    },
}

fn suggestion(near: &[String]) -> String {
    if near.is_empty() {
        return String::new();
    }
    format!("; near names: {}", near.join(", "))
}

fn hex_list(addrs: &[u64]) -> String {
    let shown: Vec<_> = addrs.iter().map(|addr| format!("{addr:#x}")).collect();
    shown.join(", ")
}

/// How many symbols that start before an address are asked whether they hold it.
const LOOK_BACK: usize = 64;

/// All symbols that have an address.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// By address, then the better name first.
    by_addr: Vec<Symbol>,
    /// Indices into `by_addr`.
    by_name: BTreeMap<String, Vec<usize>>,
    thread_local: Vec<String>,
}

impl Table {
    pub(super) fn read(elf: &ElfFile64<'_, LittleEndian>) -> Self {
        let mut symbols = Vec::new();
        let mut thread_local = Vec::new();
        for entry in elf.symbols() {
            let Ok(name) = entry.name() else { continue };
            if name.is_empty() || entry.is_undefined() {
                continue;
            }
            match entry.kind() {
                SymbolKind::Tls => thread_local.push(name.to_owned()),
                SymbolKind::Text | SymbolKind::Data | SymbolKind::Label | SymbolKind::Unknown => {
                    let binding = match (entry.is_local(), entry.is_weak()) {
                        (true, _) => Binding::Local,
                        (false, true) => Binding::Weak,
                        (false, false) => Binding::Global,
                    };
                    let (addr, size) = (entry.address(), entry.size());
                    symbols.push(Symbol { name: name.to_owned(), addr, size, binding });
                }
                // Sections and files are not places that one names.
                _ => {}
            }
        }
        thread_local.sort();
        Self::of(symbols, thread_local)
    }

    fn of(mut symbols: Vec<Symbol>, thread_local: Vec<String>) -> Self {
        // Of several names for one place, the sized, stronger and shorter is shown.
        symbols.sort_by(|a, b| {
            let key = |s: &Symbol| (s.addr, s.size == 0, std::cmp::Reverse(s.binding));
            key(a)
                .cmp(&key(b))
                .then_with(|| a.name.len().cmp(&b.name.len()))
                .then_with(|| a.name.cmp(&b.name))
        });
        symbols.dedup();
        let mut by_name: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (index, symbol) in symbols.iter().enumerate() {
            by_name.entry(symbol.name.clone()).or_default().push(index);
        }
        Self { by_addr: symbols, by_name, thread_local }
    }

    pub(super) fn lookup(&self, name: &str) -> Result<&Symbol, LookupError> {
        let Some(indices) = self.by_name.get(name) else {
            return Err(self.unknown(name));
        };
        let all = indices.iter().map(|&index| &self.by_addr[index]);
        let strongest = all.clone().map(|symbol| symbol.binding).max();
        let mut best: Vec<&Symbol> =
            all.filter(|symbol| Some(symbol.binding) == strongest).collect();
        best.dedup_by_key(|symbol| symbol.addr);
        match best.as_slice() {
            [one] => Ok(one),
            several => Err(LookupError::Ambiguous {
                name: name.to_owned(),
                addrs: several.iter().map(|symbol| symbol.addr).collect(),
            }),
        }
    }

    fn unknown(&self, name: &str) -> LookupError {
        let name = name.to_owned();
        if self.thread_local.binary_search(&name).is_ok() {
            return LookupError::ThreadLocal { name };
        }
        if self.by_name.is_empty() {
            return LookupError::NoTable;
        }
        let near = near_names(&name, self.by_name.keys().map(String::as_str));
        LookupError::Unknown { name, near }
    }

    pub(super) fn near(&self, addr: u64) -> Option<Near<'_>> {
        let after = self.by_addr.partition_point(|symbol| symbol.addr <= addr);
        let before = || self.by_addr[..after].iter().rev().take(LOOK_BACK);
        // The last of the equal maxima comes first in the table: the better name.
        let innermost =
            before().filter(|symbol| addr - symbol.addr < symbol.size).max_by_key(|s| s.addr);
        // Assembly labels have no size; anything with one ends where it says.
        let label = || before().max_by_key(|s| s.addr).filter(|symbol| symbol.size == 0);
        let symbol = innermost.or_else(label)?;
        Some(Near { symbol, offset: addr - symbol.addr })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(name: &str, addr: u64, size: u64, binding: Binding) -> Symbol {
        Symbol { name: name.to_owned(), addr, size, binding }
    }

    fn table() -> Table {
        use Binding::{Global, Local, Weak};
        let symbols = vec![
            symbol("main", 0x1000, 0x40, Global),
            symbol("inner", 0x1010, 0x8, Local),
            symbol("label", 0x1040, 0, Local),
            symbol("__write", 0x2000, 0x20, Global),
            symbol("write", 0x2000, 0x20, Weak),
            symbol("twice", 0x3000, 4, Local),
            symbol("twice", 0x3010, 4, Local),
            symbol("buf", 0x4000, 16, Local),
            symbol("buf", 0x4010, 16, Global),
        ];
        Table::of(symbols, vec!["errno".to_owned()])
    }

    fn near(addr: u64) -> Option<String> {
        table().near(addr).map(|near| near.to_string())
    }

    #[test]
    fn addresses_get_names() {
        assert_eq!(near(0xfff), None);
        assert_eq!(near(0x1000).unwrap(), "main");
        assert_eq!(near(0x100f).unwrap(), "main+0xf");
        assert_eq!(near(0x1010).unwrap(), "inner");
        assert_eq!(near(0x1018).unwrap(), "main+0x18");
        assert_eq!(near(0x1050).unwrap(), "label+0x10");
        assert_eq!(near(0x2004).unwrap(), "__write+0x4");
        assert_eq!(near(0x2020), None);
        assert_eq!(near(0x4020), None);
    }

    #[test]
    fn names_get_addresses() {
        let table = table();
        assert_eq!(table.lookup("write").unwrap().addr, 0x2000);
        assert_eq!(table.lookup("buf").unwrap().addr, 0x4010);
        assert_eq!(
            table.lookup("twice"),
            Err(LookupError::Ambiguous { name: "twice".into(), addrs: vec![0x3000, 0x3010] })
        );
        assert_eq!(table.lookup("errno"), Err(LookupError::ThreadLocal { name: "errno".into() }));
        assert_eq!(Table::default().lookup("main"), Err(LookupError::NoTable));
        let unknown = table.lookup("mian").unwrap_err();
        assert_eq!(unknown.to_string(), "no symbol \"mian\" in the program; near names: main");
    }
}
