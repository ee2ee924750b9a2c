//! Page walks: 4-level paging with 4 KiB, 2 MiB and 1 GiB pages, PAE paging and 32-bit
//! paging. Source: SDM vol. 3A, 4.3 to 4.5 (the modes), 4.6 (access rights), 4.7 (page
//! faults).

mod two_level;

use super::phys::PhysMem;
use super::tlb::Privilege;
use crate::regs::control::{Control, cr0, cr4, efer};

/// Bits of a paging-structure entry.
pub mod entry {
    /// Present.
    pub const PRESENT: u64 = 1 << 0;
    /// Writable.
    pub const WRITE: u64 = 1 << 1;
    /// Accessible at CPL 3.
    pub const USER: u64 = 1 << 2;
    /// Accessed.
    pub const ACCESSED: u64 = 1 << 5;
    /// Dirty.
    pub const DIRTY: u64 = 1 << 6;
    /// Page size: the entry maps a 2 MiB or 1 GiB page.
    pub const PAGE_SIZE: u64 = 1 << 7;
    /// Global.
    pub const GLOBAL: u64 = 1 << 8;
    /// No execute.
    pub const NX: u64 = 1 << 63;
    /// Physical address of the next table or of a 4 KiB frame.
    pub const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
}

/// Bits of a page-fault error code (SDM vol. 3A, 4.7).
pub mod error_code {
    /// The page was present: a rights violation.
    pub const PRESENT: u32 = 1 << 0;
    /// The access was a write.
    pub const WRITE: u32 = 1 << 1;
    /// The access was made at CPL 3.
    pub const USER: u32 = 1 << 2;
    /// A reserved bit was set in an entry.
    pub const RESERVED: u32 = 1 << 3;
    /// The access was an instruction fetch.
    pub const FETCH: u32 = 1 << 4;
}

/// What an access wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// A load.
    Read,
    /// A store.
    Write,
    /// An instruction fetch.
    Fetch,
}

/// An access refused by paging: the error code of the page fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Error code to push.
    pub error: u32,
}

/// Bits 51 down to the processor's physical address width are reserved.
pub(crate) const PHYSICAL_BITS: u32 = 46;
const RESERVED_HIGH: u64 = 0x000f_ffff_ffff_ffff & !((1 << PHYSICAL_BITS) - 1);

/// Whether the walk leaves marks in the tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marks {
    /// Set accessed and dirty bits, as an access does.
    Set,
    /// Change nothing, as a debugger's look does.
    Leave,
}

/// An access that is translated.
#[derive(Clone, Copy, Debug)]
struct Access {
    want: Want,
    privilege: Privilege,
    marks: Marks,
}

/// Whether the four page-directory pointers may be loaded, where PAE paging is on: no
/// reserved bit is set in one that is present.
pub(crate) fn pdptes_are_valid(mem: &PhysMem, control: &Control) -> bool {
    let used =
        control.cr0 & cr0::PG != 0 && control.cr4 & cr4::PAE != 0 && control.efer & efer::LMA == 0;
    if !used {
        return true;
    }
    let table = control.cr3 & 0xffff_ffe0;
    let reserved = RESERVED_HIGH | entry::NX | 0x7ff0_0000_0000_0000 | 0x1e6;
    (0..4)
        .map(|index| mem.read_u64(table + 8 * index))
        .all(|pointer| pointer & entry::PRESENT == 0 || pointer & reserved == 0)
}

/// Translates `linear`, checks rights, and sets accessed and dirty bits.
///
/// # Errors
/// The page-fault error code where the walk finds no page or no right.
pub fn walk(
    mem: &mut PhysMem,
    control: &Control,
    linear: u64,
    want: Want,
    privilege: Privilege,
    marks: Marks,
) -> Result<u64, Refused> {
    if control.cr0 & cr0::PG == 0 {
        return Ok(linear & 0xffff_ffff);
    }
    let access = Access { want, privilege, marks };
    if control.cr4 & cr4::PAE == 0 {
        return two_level::walk(mem, control, linear, access);
    }
    let mut path = [0u64; 4];
    let mut rights = entry::WRITE | entry::USER;
    let mut no_execute = false;
    let mut table = control.cr3 & entry::ADDRESS;
    let fault = |extra: u32| refuse(control, want, privilege, extra);
    let mut levels = 4u32;
    if control.efer & efer::LMA == 0 {
        let pointer = mem.read_u64((control.cr3 & 0xffff_ffe0) + (linear >> 30 & 3) * 8);
        if pointer & entry::PRESENT == 0 {
            return Err(fault(0));
        }
        table = pointer & entry::ADDRESS;
        levels = 2;
    }
    for level in (0..levels).rev() {
        let shift = 12 + 9 * level;
        let at = table + (linear >> shift & 0x1ff) * 8;
        let value = mem.read_u64(at);
        if value & entry::PRESENT == 0 {
            return Err(fault(0));
        }
        let is_leaf = level == 0 || (level < 3 && value & entry::PAGE_SIZE != 0);
        if has_reserved_bits(control, value, level, is_leaf) {
            return Err(fault(error_code::PRESENT | error_code::RESERVED));
        }
        rights &= value;
        no_execute |= value & entry::NX != 0;
        path[level as usize] = at;
        if is_leaf {
            if !allows(control, rights, no_execute, want, privilege) {
                return Err(fault(error_code::PRESENT));
            }
            if marks == Marks::Set {
                set_marks(mem, &path[..levels as usize], level, want);
            }
            let offset_mask = (1u64 << shift) - 1;
            return Ok(value & entry::ADDRESS & !offset_mask | linear & offset_mask);
        }
        table = value & entry::ADDRESS;
    }
    Err(fault(0))
}

/// The error code of a fault with the cause bits in `extra`.
fn refuse(control: &Control, want: Want, privilege: Privilege, extra: u32) -> Refused {
    let mut error = extra;
    if want == Want::Write {
        error |= error_code::WRITE;
    }
    if privilege == Privilege::User {
        error |= error_code::USER;
    }
    let tells_fetch = control.efer & efer::NXE != 0 || control.cr4 & cr4::SMEP != 0;
    if want == Want::Fetch && tells_fetch {
        error |= error_code::FETCH;
    }
    Refused { error }
}

/// Reserved bits: physical width, NX without EFER.NXE, low address bits of large
/// pages, and the page-size bit of the top level.
fn has_reserved_bits(control: &Control, value: u64, level: u32, is_leaf: bool) -> bool {
    let mut reserved = RESERVED_HIGH;
    if control.efer & efer::NXE == 0 {
        reserved |= entry::NX;
    }
    if level == 3 {
        reserved |= entry::PAGE_SIZE;
    }
    if is_leaf && level > 0 {
        // Bit 12 of a large page is its PAT bit.
        reserved |= ((1u64 << (12 + 9 * level)) - 1) & !0x1fff;
    }
    value & reserved != 0
}

/// Access rights of SDM vol. 3A, 4.6.1.
fn allows(
    control: &Control,
    rights: u64,
    no_execute: bool,
    want: Want,
    privilege: Privilege,
) -> bool {
    let user_page = rights & entry::USER != 0;
    let writable = rights & entry::WRITE != 0;
    let executable = !(no_execute && control.efer & efer::NXE != 0);
    match (privilege, want) {
        (Privilege::User, Want::Read) => user_page,
        (Privilege::User, Want::Write) => user_page && writable,
        (Privilege::User, Want::Fetch) => user_page && executable,
        (Privilege::Supervisor | Privilege::SupervisorOfUser, Want::Fetch) => {
            executable && !(user_page && control.cr4 & cr4::SMEP != 0)
        }
        (Privilege::Supervisor | Privilege::SupervisorOfUser, want) => {
            let smap = control.cr4 & cr4::SMAP != 0 && privilege == Privilege::Supervisor;
            let write_ok = writable || control.cr0 & cr0::WP == 0;
            !(user_page && smap) && (want == Want::Read || write_ok)
        }
    }
}

/// Sets the accessed bits of the path and the dirty bit of its leaf.
fn set_marks(mem: &mut PhysMem, path: &[u64], leaf_level: u32, want: Want) {
    for (level, &at) in (0u32..).zip(path).skip(leaf_level as usize) {
        let value = mem.read_u64(at);
        let mut marked = value | entry::ACCESSED;
        if level == leaf_level && want == Want::Write {
            marked |= entry::DIRTY;
        }
        if marked != value {
            mem.write_u64(at, marked);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tables at 0x1000.., one page of each size.
    fn tables() -> (PhysMem, Control) {
        let mut mem = PhysMem::new(0x40_0000);
        let all = entry::PRESENT | entry::WRITE | entry::USER;
        mem.write_u64(0x1000, 0x2000 | all);
        mem.write_u64(0x2000, 0x3000 | all);
        mem.write_u64(0x2008, 0x4000_0000 | entry::PRESENT | entry::PAGE_SIZE | entry::NX);
        mem.write_u64(0x3000, 0x4000 | all);
        mem.write_u64(0x3008, 0x20_0000 | all | entry::PAGE_SIZE);
        mem.write_u64(0x4000 + 8 * 5, 0x9000 | entry::PRESENT | entry::USER);
        let control = Control {
            cr0: cr0::PG | cr0::PE | cr0::WP,
            cr3: 0x1000,
            cr4: cr4::PAE,
            efer: efer::LMA | efer::LME | efer::NXE,
            ..Control::default()
        };
        (mem, control)
    }

    fn go(linear: u64, want: Want, privilege: Privilege) -> Result<u64, Refused> {
        let (mut mem, control) = tables();
        walk(&mut mem, &control, linear, want, privilege, Marks::Set)
    }

    #[test]
    fn three_page_sizes() {
        assert_eq!(go(0x5123, Want::Read, Privilege::User), Ok(0x9123));
        assert_eq!(go(0x21_2345, Want::Write, Privilege::User), Ok(0x21_2345));
        assert_eq!(go(0x4765_4321, Want::Read, Privilege::Supervisor), Ok(0x4765_4321));
    }

    #[test]
    fn error_codes() {
        use error_code::{FETCH, PRESENT, USER, WRITE};
        let error = |linear, want, privilege| go(linear, want, privilege).map_err(|r| r.error);
        assert_eq!(error(0x6000, Want::Read, Privilege::User), Err(USER));
        assert_eq!(error(0x5000, Want::Write, Privilege::User), Err(PRESENT | WRITE | USER));
        assert_eq!(error(0x5000, Want::Write, Privilege::Supervisor), Err(PRESENT | WRITE));
        assert_eq!(error(0x4000_0000, Want::Read, Privilege::User), Err(PRESENT | USER));
        assert_eq!(error(0x4000_0000, Want::Fetch, Privilege::Supervisor), Err(PRESENT | FETCH));
    }

    #[test]
    fn marks_are_set_only_by_accesses() {
        let (mut mem, control) = tables();
        let mut go = |marks| {
            let _ = walk(&mut mem, &control, 0x20_0000, Want::Write, Privilege::User, marks);
            mem.read_u64(0x3008) & (entry::ACCESSED | entry::DIRTY)
        };
        assert_eq!(go(Marks::Leave), 0);
        assert_eq!(go(Marks::Set), entry::ACCESSED | entry::DIRTY);
    }
}
