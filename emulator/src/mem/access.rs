//! The CPU's data port: loads and stores at linear addresses.
//!
//! The fast path is a tag compare and the bytes. Everything else (page walks,
//! page splits, canonical and alignment checks, debug register matches, code that
//! is overwritten) happens in the slow path, which the TLB's fast tags exclude by
//! construction.

use super::paging::{Marks, Want, walk};
use super::phys::PhysMem;
use super::tlb::{NEVER_FAST, Privilege, Speed};
use super::{PAGE_OFFSET_MASK, PAGE_SHIFT, PAGE_SIZE, is_canonical};
use crate::cpu::Cpu;
use crate::debug::matcher::DataAccess;
use crate::debug::{AccessKind, AccessRecord};
use crate::event::exception::Faulted;
use crate::event::pending::Attention;
use crate::event::{Exception, Vector};
use crate::op::Flow;
use crate::regs::{B8, B16, B32, B64, Width};

/// The physical pieces of an access: it touches two pages at most.
#[derive(Clone, Copy, Debug)]
struct Pieces {
    first: u64,
    first_len: u64,
    second: u64,
}

/// A width that can be loaded and stored.
pub trait MemWidth: Width {
    /// Loads a zero-extended value.
    fn load(cpu: &mut Cpu, mem: &mut PhysMem, linear: u64) -> Result<u64, Faulted>;
    /// Stores the low bits of `value`.
    fn store(cpu: &mut Cpu, mem: &mut PhysMem, linear: u64, value: u64) -> Result<(), Faulted>;
    /// Loads a value if nothing but the bytes matters.
    fn load_fast(cpu: &Cpu, mem: &PhysMem, linear: u64) -> Option<u64>;
    /// Stores a value if nothing but the bytes matters.
    fn store_fast(cpu: &Cpu, mem: &mut PhysMem, linear: u64, value: u64) -> Option<()>;
    /// Changes the value at a physical address that the fast path gave.
    fn replace(mem: &mut PhysMem, physical: u64, change: impl FnOnce(u64) -> u64) -> Option<()>;
}

/// Implements [`MemWidth`] for a width and the integer of its size.
macro_rules! mem_width {
    ($width:ty, $int:ty) => {
        impl MemWidth for $width {
            #[inline(always)]
            fn load(cpu: &mut Cpu, mem: &mut PhysMem, linear: u64) -> Result<u64, Faulted> {
                cpu.load_bytes(mem, linear).map(|bytes| u64::from(<$int>::from_le_bytes(bytes)))
            }

            #[inline(always)]
            fn store(
                cpu: &mut Cpu,
                mem: &mut PhysMem,
                linear: u64,
                value: u64,
            ) -> Result<(), Faulted> {
                cpu.store_bytes(mem, linear, (value as $int).to_le_bytes())
            }

            #[inline(always)]
            fn load_fast(cpu: &Cpu, mem: &PhysMem, linear: u64) -> Option<u64> {
                let bytes = cpu.load_bytes_fast(mem, linear)?;
                Some(u64::from(<$int>::from_le_bytes(bytes)))
            }

            #[inline(always)]
            fn store_fast(cpu: &Cpu, mem: &mut PhysMem, linear: u64, value: u64) -> Option<()> {
                cpu.store_bytes_fast(mem, linear, (value as $int).to_le_bytes())
            }

            #[inline(always)]
            fn replace(
                mem: &mut PhysMem,
                physical: u64,
                change: impl FnOnce(u64) -> u64,
            ) -> Option<()> {
                let place = mem.array_mut(physical)?;
                let new = change(u64::from(<$int>::from_le_bytes(*place)));
                *place = (new as $int).to_le_bytes();
                Some(())
            }
        }
    };
}

mem_width!(B8, u8);
mem_width!(B16, u16);
mem_width!(B32, u32);
mem_width!(B64, u64);

impl Cpu {
    /// Loads `N` bytes at a linear address with the present privilege.
    ///
    /// # Errors
    /// The fault is in the CPU; nothing was read.
    #[inline(always)]
    pub fn load_bytes<const N: usize>(
        &mut self,
        mem: &mut PhysMem,
        linear: u64,
    ) -> Result<[u8; N], Faulted> {
        if let Some(bytes) = self.load_bytes_fast(mem, linear) {
            return Ok(bytes);
        }
        let mut bytes = [0; N];
        self.load_slow(mem, linear, &mut bytes)?;
        Ok(bytes)
    }

    /// Loads `N` bytes if nothing but the bytes matters.
    #[inline(always)]
    pub(crate) fn load_bytes_fast<const N: usize>(
        &self,
        mem: &PhysMem,
        linear: u64,
    ) -> Option<[u8; N]> {
        mem.array(self.tlbs.read.fast(linear, N as u64, self.mode)?)
    }

    /// Stores `N` bytes if nothing but the bytes matters.
    #[inline(always)]
    pub(crate) fn store_bytes_fast<const N: usize>(
        &self,
        mem: &mut PhysMem,
        linear: u64,
        bytes: [u8; N],
    ) -> Option<()> {
        *mem.array_mut(self.tlbs.write.fast(linear, N as u64, self.mode)?)? = bytes;
        Some(())
    }

    /// Stores `N` bytes at a linear address with the present privilege.
    ///
    /// # Errors
    /// The fault is in the CPU; nothing was written.
    #[inline(always)]
    pub fn store_bytes<const N: usize>(
        &mut self,
        mem: &mut PhysMem,
        linear: u64,
        bytes: [u8; N],
    ) -> Result<(), Faulted> {
        match self.store_bytes_fast(mem, linear, bytes) {
            Some(()) => Ok(()),
            None => self.store_slow(mem, linear, &bytes),
        }
    }

    /// Checks that a store of `size` bytes would not fault, and does nothing else:
    /// for instructions that must not change anything when their last store fails.
    ///
    /// # Errors
    /// The fault that the store would raise.
    pub fn probe_store(
        &mut self,
        mem: &mut PhysMem,
        linear: u64,
        size: u64,
    ) -> Result<(), Faulted> {
        if self.tlbs.write.fast(linear, size, self.mode).is_some() {
            return Ok(());
        }
        self.pieces(mem, linear, size, Want::Write).map(|_| ())
    }

    /// Loads any number of bytes (at most a page) through every check.
    ///
    /// # Errors
    /// The fault is in the CPU; `out` is unchanged.
    #[cold]
    #[inline(never)]
    pub fn load_slow(
        &mut self,
        mem: &mut PhysMem,
        linear: u64,
        out: &mut [u8],
    ) -> Result<(), Faulted> {
        self.slow_accesses += 1;
        let size = out.len() as u64;
        let pieces = self.pieces(mem, linear, size, Want::Read)?;
        let (head, tail) = out.split_at_mut(pieces.first_len as usize);
        self.read_physical(mem, pieces.first, head);
        self.read_physical(mem, pieces.second, tail);
        if self.matches_page(linear, size, DataAccess::Load) {
            self.note_hits(mem, linear, size, DataAccess::Load, None);
        }
        Ok(())
    }

    /// Stores any number of bytes (at most a page) through every check.
    ///
    /// # Errors
    /// The fault is in the CPU; nothing was written.
    #[cold]
    #[inline(never)]
    pub fn store_slow(
        &mut self,
        mem: &mut PhysMem,
        linear: u64,
        data: &[u8],
    ) -> Result<(), Faulted> {
        self.slow_accesses += 1;
        let size = data.len() as u64;
        let pieces = self.pieces(mem, linear, size, Want::Write)?;
        let watched = self.matches_page(linear, size, DataAccess::Store);
        let before = watched.then(|| self.watched_values(mem));
        let code_epoch = mem.code_epoch();
        let (head, tail) = data.split_at(pieces.first_len as usize);
        self.write_physical(mem, pieces.first, head);
        self.write_physical(mem, pieces.second, tail);
        if mem.code_epoch() != code_epoch {
            self.attention.raise(Attention::CODE_CHANGED);
        }
        if watched {
            self.note_hits(mem, linear, size, DataAccess::Store, before);
        }
        Ok(())
    }

    /// Reads RAM, or devices beyond it.
    fn read_physical(&mut self, mem: &mut PhysMem, physical: u64, out: &mut [u8]) {
        let from = self.bus_cycle();
        let beyond = physical >= mem.size() && !out.is_empty();
        match mem.bus_mut() {
            Some(bus) if beyond => {
                bus.read_memory(from, physical, out);
                self.after_bus(mem);
            }
            _ => mem.read(physical, out),
        }
    }

    /// Writes RAM, or devices beyond it.
    fn write_physical(&mut self, mem: &mut PhysMem, physical: u64, data: &[u8]) {
        let from = self.bus_cycle();
        let beyond = physical >= mem.size() && !data.is_empty();
        match mem.bus_mut() {
            Some(bus) if beyond => {
                bus.write_memory(from, physical, data);
                self.after_bus(mem);
            }
            _ => mem.write(physical, data),
        }
    }

    /// Raises a fault: remembers it and returns its marker.
    #[cold]
    pub fn raise(&mut self, exception: Exception) -> Faulted {
        self.fault = Some(exception);
        Faulted
    }

    /// How a completed instruction goes on: to the next one, or to the boundary.
    #[inline(always)]
    pub(crate) fn completed(&self) -> Flow {
        if self.attention.is_quiet() { Flow::Next } else { Flow::Boundary }
    }

    /// A linear address behind an access: outside IA-32e mode they have 32 bits.
    fn wrap_linear(&self, linear: u64) -> u64 {
        if self.code.is_64() || linear >> 32 != 1 { linear } else { linear & 0xffff_ffff }
    }

    /// Translates every byte of an access.
    fn pieces(
        &mut self,
        mem: &mut PhysMem,
        linear: u64,
        size: u64,
        want: Want,
    ) -> Result<Pieces, Faulted> {
        // Measured: #AC comes after #GP for the first byte's address, and before #GP for
        // the last one's and #PF, though the manual lists it last.
        if self.in_long_mode() && !is_canonical(linear) {
            return Err(self.raise(Exception::non_canonical(linear)));
        }
        if self.mode & NEVER_FAST != 0 && !is_aligned(linear, size) {
            return Err(self.raise(Exception::with_error(Vector::AlignmentCheck, 0)));
        }
        let last = linear.wrapping_add(size.saturating_sub(1));
        if self.in_long_mode() && !is_canonical(last) {
            return Err(self.raise(Exception::non_canonical(last)));
        }
        let privilege = self.privilege();
        let first = self.translate(mem, linear, want, privilege)?;
        let room = PAGE_SIZE - (linear & PAGE_OFFSET_MASK);
        let mut pieces = Pieces { first, first_len: size, second: 0 };
        if size > room {
            pieces.first_len = room;
            let next = self.wrap_linear(linear.wrapping_add(room));
            pieces.second = self.translate(mem, next, want, privilege)?;
        }
        Ok(pieces)
    }

    /// Physical address of a byte; fills the TLB.
    pub(crate) fn translate(
        &mut self,
        mem: &mut PhysMem,
        linear: u64,
        want: Want,
        privilege: Privilege,
    ) -> Result<u64, Faulted> {
        let tlb = match want {
            Want::Read => &self.tlbs.read,
            Want::Write => &self.tlbs.write,
            Want::Fetch => &self.tlbs.fetch,
        };
        let known = tlb.full(linear, privilege);
        let physical = match known {
            Some(physical) => physical,
            None => {
                let control = &self.regs.control;
                walk(mem, control, linear, want, privilege, Marks::Set)
                    .map_err(|refused| self.raise(Exception::page_fault(linear, refused.error)))?
            }
        };
        self.remember(mem, linear, physical, want, privilege);
        Ok(physical)
    }

    /// Fills the TLB; the entry is fast where nothing needs to be looked at.
    fn remember(
        &mut self,
        mem: &mut PhysMem,
        linear: u64,
        physical: u64,
        want: Want,
        privilege: Privilege,
    ) {
        let frame = physical >> PAGE_SHIFT;
        let in_ram = frame < mem.nr_frames();
        let (tlb, plain) = match want {
            Want::Read => (&mut self.tlbs.read, !self.watch.watches_read(linear)),
            Want::Write => {
                let plain = !self.watch.watches_write(linear) && !mem.is_code(frame);
                if plain && in_ram {
                    mem.mark_written(frame);
                }
                (&mut self.tlbs.write, plain)
            }
            Want::Fetch => (&mut self.tlbs.fetch, true),
        };
        let speed = if plain && in_ram { Speed::Fast } else { Speed::Checked };
        tlb.fill(linear, physical, privilege, speed);
    }

    /// Whether an access touches a page on which such accesses are watched.
    fn matches_page(&self, linear: u64, size: u64, access: DataAccess) -> bool {
        let last = self.wrap_linear(linear.wrapping_add(size.saturating_sub(1)));
        match access {
            DataAccess::Load => self.watch.watches_read(linear) || self.watch.watches_read(last),
            DataAccess::Store => self.watch.watches_write(linear) || self.watch.watches_write(last),
        }
    }

    /// Compares an access with the debug registers and makes its hits pending.
    fn note_hits(
        &mut self,
        mem: &mut PhysMem,
        linear: u64,
        size: u64,
        access: DataAccess,
        before: Option<[u64; 4]>,
    ) {
        let hits = self.match_wrapping(linear, size, access);
        if hits == 0 {
            return;
        }
        self.pending.debug |= hits;
        self.attention.raise(Attention::DEBUG);
        let now = self.watched_values(mem);
        for index in (0..4).filter(|index| hits >> index & 1 != 0) {
            let old = before.map_or(now[index], |values| values[index]);
            // A read-modify-write is one report: the first old value, the store's
            // address (rule M7). A record with an address belongs to an instruction
            // that is done.
            let earlier = self.records[index].filter(|record| record.rip == 0);
            let first_old = earlier.map_or(old, |record| record.old);
            let was_write = earlier.is_some_and(|record| record.kind == AccessKind::Write);
            let kind = if access == DataAccess::Store || was_write {
                AccessKind::Write
            } else {
                AccessKind::Read
            };
            self.records[index] = Some(AccessRecord {
                kind,
                rip: 0,
                linear,
                size: size as u32,
                old: first_old,
                new: now[index],
            });
        }
    }

    /// The entries that an access matches; one that goes around 4 GiB touches both ends.
    fn match_wrapping(&self, linear: u64, size: u64, access: DataAccess) -> u64 {
        let end = linear.wrapping_add(size);
        let behind = self.wrap_linear(end);
        if behind == end || behind == 0 {
            return self.debug.match_data(linear, size, access);
        }
        let head = self.debug.match_data(linear, size - behind, access);
        head | self.debug.match_data(0, behind, access)
    }

    /// The bytes that each enabled entry covers, as they are now.
    fn watched_values(&self, mem: &mut PhysMem) -> [u64; 4] {
        std::array::from_fn(|index| {
            if !self.debug.dr7().is_enabled(index) {
                return 0;
            }
            let (base, last) = self.debug.range(index);
            let mut bytes = [0; 8];
            let len = (last - base + 1) as usize;
            // A look, not an access: it must leave no marks and fault nowhere.
            self.peek(mem, base, &mut bytes[..len]);
            u64::from_le_bytes(bytes)
        })
    }

    /// Reads memory as a debugger would: any mapped page, no marks, no matches.
    /// Returns how many bytes could be read.
    pub fn peek(&self, mem: &mut PhysMem, linear: u64, out: &mut [u8]) -> usize {
        let mut done = 0;
        while done < out.len() {
            let at = linear.wrapping_add(done as u64);
            let Some(physical) = self.peek_translate(mem, at) else { break };
            let room = (PAGE_SIZE - (at & PAGE_OFFSET_MASK)) as usize;
            let len = room.min(out.len() - done);
            mem.read(physical, &mut out[done..done + len]);
            done += len;
        }
        done
    }

    /// Physical address of a mapped linear address, without marks or rights.
    #[must_use]
    pub fn peek_translate(&self, mem: &mut PhysMem, linear: u64) -> Option<u64> {
        let control = &self.regs.control;
        let privilege = Privilege::SupervisorOfUser;
        walk(mem, control, linear, Want::Read, privilege, Marks::Leave).ok()
    }
}

/// Alignment as #AC checks it (SDM vol. 3A, table 6-7; measured): accesses of 16 and
/// 32 bytes need none, extended-precision numbers and far pointers that of a
/// quadword, saved environments that of their fields.
fn is_aligned(linear: u64, size: u64) -> bool {
    let unit = match size {
        1 | 16 | 32 => 1,
        2 | 14 | 94 => 2,
        8..=13 | 15 => 8,
        _ => 4,
    };
    linear.is_multiple_of(unit)
}
