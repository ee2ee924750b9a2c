//! Linear addresses that both sides map, and how a case's memory image is laid out.

/// First byte of the code area: one slot a case of a batch.
pub const CODE: u64 = 0x1000_0000;
/// Distance of two code slots. Not a divisor of the page size, so that the code of
/// some slots crosses a page.
pub const CODE_STRIDE: u64 = 768;
/// Cases that run in one batch.
pub const BATCH: usize = 128;
/// Bytes of the code area: whole pages.
pub const CODE_BYTES: u64 = CODE_STRIDE * BATCH as u64;
/// Bytes that the instructions of a case may take.
pub const MAX_CODE: usize = 600;
/// What fills the code area between cases: INT3.
pub const FILLER: u8 = 0xcc;

/// First byte of the data area; the page before it is not mapped.
pub const DATA: u64 = 0x2000_0000;
/// Bytes of the data area that can be written.
pub const DATA_BYTES: u64 = 0x2000;
/// The page after the data area, which can only be read; the one after it is not mapped.
pub const READ_ONLY: u64 = DATA + DATA_BYTES;
/// Bytes that can only be read.
pub const READ_ONLY_BYTES: u64 = 0x1000;
/// First byte of the stack; the pages around it are not mapped.
pub const STACK: u64 = 0x3000_0000;
/// Bytes of the stack.
pub const STACK_BYTES: u64 = 0x1000;
/// RSP of a case that does not say otherwise.
pub const STACK_MIDDLE: u64 = STACK + STACK_BYTES / 2;
/// FS base of every case.
pub const FS_BASE: u64 = DATA + 0x400;
/// GS base of every case.
pub const GS_BASE: u64 = DATA + 0x1400;

/// Bytes of the memory that a case can change: data, then stack.
pub const IMAGE_BYTES: usize = (DATA_BYTES + STACK_BYTES) as usize;

/// Selector of CS, as Linux has it.
pub const USER_CS: u16 = 0x33;
/// Selector of SS, as Linux has it.
pub const USER_SS: u16 = 0x2b;

/// Place of an address in the memory image.
#[must_use]
pub fn image_offset(address: u64) -> Option<usize> {
    let within = |base: u64, bytes: u64| address.checked_sub(base).filter(|&at| at < bytes);
    let data = within(DATA, DATA_BYTES);
    let offset = data.or_else(|| within(STACK, STACK_BYTES).map(|at| at + DATA_BYTES))?;
    usize::try_from(offset).ok()
}

/// Address of a place in the memory image.
#[must_use]
pub fn image_address(offset: usize) -> u64 {
    let offset = offset as u64;
    if offset < DATA_BYTES { DATA + offset } else { STACK + (offset - DATA_BYTES) }
}

/// Start of the code slot of the `index`th case of a run.
#[must_use]
pub fn code_slot(index: u64) -> u64 {
    CODE + index % BATCH as u64 * CODE_STRIDE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_offsets_and_addresses_are_inverse() {
        for offset in [0, 0x1fff, 0x2000, IMAGE_BYTES - 1] {
            assert_eq!(image_offset(image_address(offset)), Some(offset));
        }
        for outside in [DATA - 1, READ_ONLY, STACK - 1, STACK + STACK_BYTES, u64::MAX] {
            assert_eq!(image_offset(outside), None);
        }
        assert_eq!(CODE_BYTES % 4096, 0);
    }
}
