//! Typed reading of JSON: every value knows the path by which it was reached, so that a
//! [`BadField`] can name it.
//!
//! Numbers are hexadecimal text (`"0x10"`) or JSON integers. `null` counts as absent.

use serde_json::{Map, Value};

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadField {
    /// A field that has to be there is not.
    #[error("{path}: absent")]
    Absent {
        /// The field.
        path: String,
    },
    /// The value has another type.
    #[error("{path}: not {wanted}")]
    Type {
        /// The field.
        path: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// Text that should be hexadecimal and is not, or is too long.
    #[error("{path}: not hexadecimal: {text:?}")]
    Hex {
        /// The field.
        path: String,
        /// Its text, at most a line of it.
        text: String,
    },
    /// A number that the field cannot have.
    #[error("{path}: {value} is out of range")]
    Range {
        /// The field.
        path: String,
        /// The number.
        value: i64,
    },
}

/// Longest text that an error quotes.
const QUOTED: usize = 40;

/// An object.
#[derive(Clone, Debug)]
pub(super) struct Object<'a> {
    map: &'a Map<String, Value>,
    path: String,
}

/// A value.
#[derive(Clone, Debug)]
pub(super) struct Field<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Object<'a> {
    /// The object of a whole line.
    pub(super) fn of_line(value: &'a Value) -> Result<Self, BadField> {
        Field { value, path: String::from("line") }
            .object()
            .map(|object| Self { map: object.map, path: String::new() })
    }

    /// A field, if it is there.
    pub(super) fn find(&self, name: &str) -> Option<Field<'a>> {
        let value = self.map.get(name).filter(|value| !value.is_null())?;
        Some(Field { value, path: self.path_of(name) })
    }

    /// A field that has to be there.
    pub(super) fn get(&self, name: &str) -> Result<Field<'a>, BadField> {
        self.find(name).ok_or_else(|| BadField::Absent { path: self.path_of(name) })
    }

    /// All fields, by name.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, Field<'a>)> {
        self.map
            .iter()
            .map(|(name, value)| (name.as_str(), Field { value, path: self.path_of(name) }))
    }

    fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

impl<'a> Field<'a> {
    fn wrong(&self, wanted: &'static str) -> BadField {
        BadField::Type { path: self.path.clone(), wanted }
    }

    fn bad_hex(&self, text: &str) -> BadField {
        BadField::Hex { path: self.path.clone(), text: text.chars().take(QUOTED).collect() }
    }

    /// The complaint about a number.
    pub(super) fn out_of_range(&self, value: i64) -> BadField {
        BadField::Range { path: self.path.clone(), value }
    }

    /// As text.
    pub(super) fn text(&self) -> Result<&'a str, BadField> {
        self.value.as_str().ok_or_else(|| self.wrong("text"))
    }

    /// As true or false.
    pub(super) fn flag(&self) -> Result<bool, BadField> {
        self.value.as_bool().ok_or_else(|| self.wrong("true or false"))
    }

    /// As an object.
    pub(super) fn object(&self) -> Result<Object<'a>, BadField> {
        let map = self.value.as_object().ok_or_else(|| self.wrong("an object"))?;
        Ok(Object { map, path: self.path.clone() })
    }

    /// As a list.
    pub(super) fn list(&self) -> Result<impl Iterator<Item = Field<'a>>, BadField> {
        let values = self.value.as_array().ok_or_else(|| self.wrong("a list"))?;
        let path = self.path.clone();
        let one = move |(nth, value)| Field { value, path: format!("{path}[{nth}]") };
        Ok(values.iter().enumerate().map(one))
    }

    /// As a list of exactly `N` values.
    pub(super) fn array<const N: usize>(&self) -> Result<[Field<'a>; N], BadField> {
        let values: Vec<Field<'a>> = self.list()?.collect();
        values.try_into().map_err(|_| self.wrong("a list of that length"))
    }

    /// As a list of which every value is read by `read`.
    pub(super) fn list_of<T>(
        &self,
        read: impl Fn(&Field<'a>) -> Result<T, BadField>,
    ) -> Result<Vec<T>, BadField> {
        self.list()?.map(|field| read(&field)).collect()
    }

    /// As a number: hexadecimal text, or an integer that is not negative.
    pub(super) fn number(&self) -> Result<u64, BadField> {
        match self.value {
            Value::String(text) => {
                let digits = text.strip_prefix("0x").ok_or_else(|| self.bad_hex(text))?;
                let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
                let value = u64::from_str_radix(digits, 16).ok().filter(|_| plain);
                value.ok_or_else(|| self.bad_hex(text))
            }
            other => other.as_u64().ok_or_else(|| self.wrong("a hexadecimal number")),
        }
    }

    /// As an integer that may be negative.
    pub(super) fn signed(&self) -> Result<i64, BadField> {
        self.value.as_i64().ok_or_else(|| self.wrong("an integer"))
    }

    /// As bytes: two hexadecimal digits each.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, BadField> {
        let text = self.text()?;
        let nibble = |digit: u8| char::from(digit).to_digit(16).map(|value| value as u8);
        let byte = |pair: &[u8]| match *pair {
            [high, low] => Some(nibble(high)? << 4 | nibble(low)?),
            _ => None,
        };
        let bytes: Option<Vec<u8>> = text.as_bytes().chunks(2).map(byte).collect();
        bytes.ok_or_else(|| self.bad_hex(text))
    }
}
