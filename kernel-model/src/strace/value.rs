//! What an argument of a system call means, as a tree: whoever shows it decides how.

/// A decoded argument, or part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number, an address or names of constants, as C would have it.
    Word(String),
    /// Bytes of a string or a buffer.
    Bytes {
        /// At most as many as were asked for ([`super::call::STRING_BYTES`]).
        bytes: Vec<u8>,
        /// Whether there are more than these.
        is_cut: bool,
    },
    /// Bytes that are no text: as [`Value::Bytes`].
    Binary {
        /// The first of them.
        bytes: Vec<u8>,
        /// Whether there are more than these.
        is_cut: bool,
    },
    /// A structure: its fields by name.
    Struct {
        /// The fields that are shown.
        fields: Vec<(&'static str, Value)>,
        /// Whether there are others.
        is_cut: bool,
    },
    /// Several of a kind.
    List {
        /// The items that are shown.
        items: Vec<Value>,
        /// Whether there are more.
        is_cut: bool,
    },
    /// What the kernel made of something: before, after.
    Becomes(Box<Value>, Box<Value>),
}

impl Value {
    /// A number, an address or a name.
    pub(crate) fn word(text: impl Into<String>) -> Self {
        Self::Word(text.into())
    }

    /// A structure of which all is shown.
    pub(crate) const fn whole(fields: Vec<(&'static str, Self)>) -> Self {
        Self::Struct { fields, is_cut: false }
    }

    /// A structure with fields that are not shown.
    pub(crate) const fn abridged(fields: Vec<(&'static str, Self)>) -> Self {
        Self::Struct { fields, is_cut: true }
    }

    /// A list of which all is shown.
    pub(crate) const fn list(items: Vec<Self>) -> Self {
        Self::List { items, is_cut: false }
    }

    /// An address in hexadecimal, or NULL.
    pub(crate) fn address(addr: u64) -> Self {
        Self::Word(if addr == 0 { String::from("NULL") } else { format!("{addr:#x}") })
    }

    /// A decimal number.
    pub(crate) fn decimal(number: impl std::fmt::Display) -> Self {
        Self::Word(number.to_string())
    }

    /// A hexadecimal number; 0 has no prefix.
    pub(crate) fn hex(number: u64) -> Self {
        Self::Word(hex(number))
    }
}

/// As C's `%#lx`: 0 has no prefix.
pub(crate) fn hex(number: u64) -> String {
    if number == 0 { String::from("0") } else { format!("{number:#x}") }
}
