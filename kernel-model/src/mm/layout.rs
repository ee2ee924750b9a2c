//! The user half of the address space: its limits and how addresses are rounded.
//! Source: Linux 6.18 `arch/x86/include/asm/page_64_types.h`, `arch/x86/mm/mmap.c`.

pub use crate::arch::x86::hw::{PAGE_SHIFT, PAGE_SIZE};

/// First address beyond user space: 47 bits less a guard page.
pub const TASK_SIZE_MAX: u64 = 0x7fff_ffff_f000;

/// Lowest address that a program may map (`vm.mmap_min_addr`).
pub const MMAP_MIN_ADDR: u64 = 65_536;

/// The end of the initial stack's mapping, without address randomisation.
pub const STACK_TOP: u64 = TASK_SIZE_MAX;

/// `RLIMIT_STACK` of a new process: 8 MiB.
pub const DEFAULT_STACK_LIMIT: u64 = 8 << 20;

/// Bytes that stay unmapped below a stack (`stack_guard_gap`: 256 pages).
pub const STACK_GUARD_GAP: u64 = 256 * PAGE_SIZE;

/// Where a position-independent program's heap goes (`ELF_ET_DYN_BASE`), rounded up to a page.
pub const ELF_ET_DYN_BASE: u64 = 0x5555_5555_5000;

/// Where a position-independent program with an interpreter goes: the same, rounded down.
pub const PIE_BASE: u64 = ELF_ET_DYN_BASE - PAGE_SIZE;

/// Most VMAs of one address space (`vm.max_map_count`).
pub const MAX_MAP_COUNT: usize = 65_530;

/// The least distance between the stack's top and the mapping area.
const MIN_STACK_GAP: u64 = 128 << 20;

/// The offset of an address in its page.
#[must_use]
pub const fn offset_in_page(addr: u64) -> u64 {
    addr & (PAGE_SIZE - 1)
}

/// An address rounded down to its page.
#[must_use]
pub const fn page_align_down(addr: u64) -> u64 {
    addr & !(PAGE_SIZE - 1)
}

/// An address or length rounded up to whole pages; nothing where that overflows.
#[must_use]
pub fn page_align_up(addr: u64) -> Option<u64> {
    addr.checked_next_multiple_of(PAGE_SIZE)
}

/// The upper end of the area in which mappings are placed, top down (`mmap_base`).
#[must_use]
pub fn mmap_base(stack_limit: u64) -> u64 {
    let gap = stack_limit.checked_add(STACK_GUARD_GAP).unwrap_or(stack_limit);
    let gap = gap.clamp(MIN_STACK_GAP, TASK_SIZE_MAX / 6 * 5);
    page_align_up(TASK_SIZE_MAX - gap).unwrap_or(TASK_SIZE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapping_area_ends_where_linux_has_it_without_randomisation() {
        assert_eq!(mmap_base(DEFAULT_STACK_LIMIT), 0x7fff_f7ff_f000);
        assert!(mmap_base(u64::MAX) < TASK_SIZE_MAX / 5);
    }

    #[test]
    fn dyn_base_is_two_thirds_of_the_address_space() {
        assert_eq!(page_align_up(TASK_SIZE_MAX / 3 * 2), Some(ELF_ET_DYN_BASE));
    }

    #[test]
    fn rounding_up_tells_of_overflow() {
        assert_eq!(page_align_up(1), Some(PAGE_SIZE));
        assert_eq!(page_align_up(u64::MAX - 4094), None);
    }
}
