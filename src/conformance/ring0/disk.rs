//! A disk that starts the image on machines without a multiboot loader.
//!
//! Sector 0 is `workloads/ring0/bootsector.S`, sector 1 the command line, and the flat
//! image begins in sector 8; the boot sector copies it to 1 MiB in chunks of 64 sectors.

/// Bytes of a sector.
const SECTOR: usize = 512;
/// The sector in which the image begins.
const IMAGE_SECTOR: usize = 8;
/// Bytes that the boot sector copies at once.
const CHUNK: usize = 64 * SECTOR;
/// Where the boot sector keeps the number of chunks; the address of the place for the
/// entry point follows.
const CHUNKS_AT: usize = 500;
/// Where a boot sector is loaded.
const LOADED_AT: usize = 0x7c00;
/// Bytes of a cylinder: 16 heads of 63 sectors.
const CYLINDER: usize = 16 * 63 * SECTOR;

/// Why there is no disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiskError {
    /// The boot sector is not one.
    #[error("the boot sector has {0} bytes")]
    BootSector(usize),
    /// The boot sector has no place for the entry point.
    #[error("the entry point's place {0:#x} is outside the boot sector")]
    EntryPlace(usize),
    /// More chunks than the boot sector counts.
    #[error("an image of {0} bytes")]
    Image(usize),
    /// The command line does not fit into its sector.
    #[error("a command line of {0} bytes")]
    CommandLine(usize),
    /// The linked image is cut short.
    #[error("an ELF file of {0} bytes")]
    Elf(usize),
}

/// A disk image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskImage {
    /// All of it.
    pub bytes: Vec<u8>,
    /// Its cylinders.
    pub cylinders: usize,
}

/// The entry point of an ELF64 file below 4 GiB.
///
/// # Errors
/// If the file is shorter than its header.
pub fn entry_of(elf: &[u8]) -> Result<u32, DiskError> {
    let bytes = elf.get(24..28).and_then(|bytes| bytes.try_into().ok());
    bytes.map(u32::from_le_bytes).ok_or(DiskError::Elf(elf.len()))
}

/// Puts a disk together.
///
/// # Errors
/// If a part is not as the others need it.
pub fn image(
    boot_sector: &[u8],
    flat: &[u8],
    entry: u32,
    command_line: &str,
) -> Result<DiskImage, DiskError> {
    let mut sector: [u8; SECTOR] =
        boot_sector.try_into().map_err(|_| DiskError::BootSector(boot_sector.len()))?;
    let chunks = flat.len().div_ceil(CHUNK);
    let count = u16::try_from(chunks).map_err(|_| DiskError::Image(flat.len()))?;
    let (place, after) = (CHUNKS_AT + 2, CHUNKS_AT + 6);
    let address = sector[place..after].iter().rev().fold(0, |sum, b| sum << 8 | usize::from(*b));
    let at = address.wrapping_sub(LOADED_AT);
    sector[CHUNKS_AT..place].copy_from_slice(&count.to_le_bytes());
    let entry_place = at.checked_add(4).and_then(|end| sector.get_mut(at..end));
    entry_place.ok_or(DiskError::EntryPlace(address))?.copy_from_slice(&entry.to_le_bytes());
    if command_line.len() >= SECTOR {
        return Err(DiskError::CommandLine(command_line.len()));
    }

    let mut bytes = sector.to_vec();
    bytes.extend_from_slice(command_line.as_bytes());
    bytes.resize(IMAGE_SECTOR * SECTOR, 0);
    bytes.extend_from_slice(flat);
    bytes.resize(IMAGE_SECTOR * SECTOR + chunks * CHUNK, 0);
    let cylinders = bytes.len().div_ceil(CYLINDER);
    bytes.resize(cylinders * CYLINDER, 0);
    Ok(DiskImage { bytes, cylinders })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sector(entry_place: u32) -> Vec<u8> {
        let mut sector = vec![0x90; SECTOR];
        sector[CHUNKS_AT + 2..CHUNKS_AT + 6].copy_from_slice(&entry_place.to_le_bytes());
        sector
    }

    #[test]
    fn parts_are_where_the_boot_sector_looks() {
        let flat = vec![7; CHUNK + 1];
        let disk = image(&sector(0x7c10), &flat, 0x10_0040, "one-cpu").unwrap();
        assert_eq!(disk.bytes[CHUNKS_AT..CHUNKS_AT + 2], [2, 0]);
        assert_eq!(disk.bytes[0x10..0x14], [0x40, 0, 0x10, 0]);
        assert_eq!(&disk.bytes[SECTOR..SECTOR + 8], b"one-cpu\0");
        assert_eq!(disk.bytes[IMAGE_SECTOR * SECTOR..][..CHUNK + 2], [&flat[..], &[0]].concat());
        assert_eq!(disk.bytes.len(), disk.cylinders * CYLINDER);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let good = sector(0x7c10);
        assert_eq!(image(&good[1..], &[], 0, ""), Err(DiskError::BootSector(511)));
        for place in [0, 0x7bff, 0x7c00 + 510, u32::MAX] {
            let refused = image(&sector(place), &[], 0, "");
            assert!(matches!(refused, Err(DiskError::EntryPlace(_))), "{place:#x}");
        }
        let long = "x".repeat(SECTOR);
        assert_eq!(image(&good, &[], 0, &long), Err(DiskError::CommandLine(SECTOR)));
        let huge = vec![0; CHUNK * 0x1_0000];
        assert_eq!(image(&good, &huge, 0, ""), Err(DiskError::Image(huge.len())));
        assert_eq!(entry_of(&[0; 27]), Err(DiskError::Elf(27)));
    }
}
