//! A system call while it is looked at: its arguments, its result once it has one, and the
//! memory of the task that made it.
//!
//! Memory is read past the processor and past the page tables' accessed bits
//! ([`AddressSpace::view_bytes`]), so that looking changes nothing.

use super::value::Value;
use crate::arch::x86::hw::Hw;
use crate::mm::address_space::AddressSpace;
use crate::task::Task;

/// Bytes of a string or buffer that are kept.
pub const STRING_BYTES: usize = 32;
/// Bytes of a path that are kept (`PATH_MAX`).
const PATH_BYTES: usize = 4096;
/// Items of a list that are kept.
pub(super) const LIST_ITEMS: usize = 32;

/// A system call of a task.
pub(super) struct Call<'k> {
    pub(super) hw: &'k Hw,
    pub(super) space: &'k AddressSpace,
    pub(super) task: &'k Task,
    /// The arguments at entry.
    pub(super) args: [u64; 6],
    /// What it returned, errors negative; `None` at its entry.
    pub(super) result: Option<i64>,
}

/// Bytes of a structure in memory.
pub(super) struct Raw(Vec<u8>);

impl Raw {
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    pub(super) fn u64(&self, at: usize) -> u64 {
        self.u64_or_less(at, 8)
    }

    pub(super) fn i64(&self, at: usize) -> i64 {
        self.u64(at) as i64
    }

    pub(super) fn u32(&self, at: usize) -> u32 {
        self.u64_or_less(at, 4) as u32
    }

    pub(super) fn i32(&self, at: usize) -> i32 {
        self.u32(at) as i32
    }

    pub(super) fn u16(&self, at: usize) -> u16 {
        self.u64_or_less(at, 2) as u16
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn u64_or_less(&self, at: usize, len: usize) -> u64 {
        let mut word = [0; 8];
        if let Some(bytes) = self.0.get(at..at + len) {
            word[..len].copy_from_slice(bytes);
        }
        u64::from_le_bytes(word)
    }
}

impl Call<'_> {
    /// Whether it returned an error.
    pub(super) fn failed(&self) -> bool {
        self.result.is_some_and(|result| result < 0)
    }

    /// What it returned, 0 if that is none or an error.
    pub(super) fn count(&self) -> u64 {
        self.result.and_then(|result| u64::try_from(result).ok()).unwrap_or(0)
    }

    /// As many bytes as can be read at an address, at most `max`.
    pub(super) fn view(&self, addr: u64, max: usize) -> Vec<u8> {
        self.space.view_bytes(self.hw, addr, max)
    }

    /// Exactly `len` bytes.
    pub(super) fn raw(&self, addr: u64, len: usize) -> Option<Raw> {
        if addr == 0 {
            return None;
        }
        let bytes = self.view(addr, len);
        (bytes.len() == len).then_some(Raw(bytes))
    }

    /// A structure of `len` bytes, or its address where that cannot be read.
    pub(super) fn at(&self, addr: u64, len: usize, decode: impl FnOnce(&Raw) -> Value) -> Value {
        self.raw(addr, len).map_or_else(|| Value::address(addr), |raw| decode(&raw))
    }

    /// An array of `count` items of `size` bytes.
    pub(super) fn array(
        &self,
        addr: u64,
        count: u64,
        size: u64,
        decode: impl Fn(&Raw) -> Value,
    ) -> Value {
        if addr == 0 {
            return Value::address(0);
        }
        if count == 0 {
            return Value::list(Vec::new());
        }
        let mut items = Vec::new();
        for index in 0..count.min(LIST_ITEMS as u64) {
            match self.raw(addr.wrapping_add(index * size), size as usize) {
                Some(raw) => items.push(decode(&raw)),
                None if items.is_empty() => return Value::address(addr),
                None => return Value::List { items, is_cut: true },
            }
        }
        Value::List { items, is_cut: count > LIST_ITEMS as u64 }
    }

    /// A buffer of `len` bytes.
    pub(super) fn buffer(&self, addr: u64, len: u64) -> Value {
        if addr == 0 {
            return Value::address(0);
        }
        let wanted = len.min(STRING_BYTES as u64) as usize;
        let bytes = self.view(addr, wanted);
        if bytes.len() < wanted {
            return Value::address(addr);
        }
        Value::Bytes { bytes, is_cut: len > STRING_BYTES as u64 }
    }

    /// A string that ends with NUL.
    pub(super) fn text(&self, addr: u64, max: usize) -> Value {
        if addr == 0 {
            return Value::address(0);
        }
        let mut bytes = self.view(addr, max + 1);
        match bytes.iter().position(|byte| *byte == 0) {
            Some(end) => {
                bytes.truncate(end);
                Value::Bytes { bytes, is_cut: false }
            }
            None if bytes.len() == max + 1 => {
                bytes.truncate(max);
                Value::Bytes { bytes, is_cut: true }
            }
            None => Value::address(addr),
        }
    }

    /// A path.
    pub(super) fn path(&self, addr: u64) -> Value {
        self.text(addr, PATH_BYTES - 1)
    }
}
