//! 32-bit paging: 4 KiB pages, and 4 MiB pages with CR4.PSE (SDM vol. 3A, 4.3).

use super::{Access, Marks, Refused, Want, allows, entry, error_code, refuse};
use crate::mem::phys::PhysMem;
use crate::regs::control::{Control, cr4};

/// Bit 21 of a 4 MiB page's entry is reserved; bits 20 to 13 are address bits 39 to 32.
const LARGE_RESERVED: u32 = 1 << 21;

fn read(mem: &PhysMem, at: u64) -> u32 {
    let mut bytes = [0; 4];
    mem.read(at, &mut bytes);
    u32::from_le_bytes(bytes)
}

/// Translates `linear`, checks rights, and sets accessed and dirty bits.
pub(super) fn walk(
    mem: &mut PhysMem,
    control: &Control,
    linear: u64,
    access: Access,
) -> Result<u64, Refused> {
    let Access { want, privilege, marks } = access;
    let fault = |extra: u32| refuse(control, want, privilege, extra);
    let directory = (control.cr3 & 0xffff_f000) + (linear >> 22 & 0x3ff) * 4;
    let upper = read(mem, directory);
    if u64::from(upper) & entry::PRESENT == 0 {
        return Err(fault(0));
    }
    let large = u64::from(upper) & entry::PAGE_SIZE != 0 && control.cr4 & cr4::PSE != 0;
    let mut path = vec![directory];
    let (leaf, physical) = if large {
        if upper & LARGE_RESERVED != 0 {
            return Err(fault(error_code::PRESENT | error_code::RESERVED));
        }
        let high = u64::from(upper >> 13 & 0xff) << 32;
        (upper, high | u64::from(upper & 0xffc0_0000) | linear & 0x3f_ffff)
    } else {
        let at = u64::from(upper & 0xffff_f000) + (linear >> 12 & 0x3ff) * 4;
        let lower = read(mem, at);
        if u64::from(lower) & entry::PRESENT == 0 {
            return Err(fault(0));
        }
        path.push(at);
        (lower, u64::from(lower & 0xffff_f000) | linear & 0xfff)
    };
    let rights = u64::from(upper & leaf);
    if !allows(control, rights, false, want, privilege) {
        return Err(fault(error_code::PRESENT));
    }
    if marks == Marks::Set {
        set_marks(mem, &path, want);
    }
    Ok(physical)
}

/// Sets the accessed bits of the path and the dirty bit of its last entry.
fn set_marks(mem: &mut PhysMem, path: &[u64], want: Want) {
    for (nth, &at) in path.iter().enumerate() {
        let value = read(mem, at);
        let is_leaf = nth + 1 == path.len();
        let dirty = if is_leaf && want == Want::Write { entry::DIRTY as u32 } else { 0 };
        let marked = value | entry::ACCESSED as u32 | dirty;
        if marked != value {
            mem.write(at, &marked.to_le_bytes());
        }
    }
}
