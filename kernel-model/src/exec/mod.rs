//! Starting a program: reading its ELF file, mapping it, and building its first stack.
//!
//! [`elf::parse`] checks the file's bytes, [`load::load_elf`] maps the segments into a
//! new [`crate::mm::address_space::AddressSpace`], [`stack::build`] writes what the
//! program finds at RSP, [`script::parse`] reads a `#!` line. Nothing is placed at random.
//! Source: Linux 6.18 `fs/binfmt_elf.c`, `fs/exec.c`; System V ABI (gabi), AMD64 psABI.

pub mod elf;
pub mod elf_error;
pub mod load;
pub mod script;
pub mod stack;

#[cfg(test)]
pub(crate) mod tiny_elf;
