//! The ACPI tables, written where a guest looks for them: from 0xe0000.
//! Source: ACPI specification 6.5, 5.2.

use super::{CONTROL_PORT, EVENT_PORT, TIMER_PORT};
use crate::board::apic::DEFAULT_BASE;
use crate::board::{ioapic, pci};
use crate::mem::phys::PhysMem;

/// Where the ACPI tables begin, with the RSDP: a physical address.
pub const RSDP_ADDRESS: u64 = 0xe0000;
const OEM: &[u8; 6] = b"DR7   ";
const OEM_TABLE: &[u8; 8] = b"DR7BOARD";
const CREATOR: &[u8; 4] = b"DR7 ";
/// Length of a table header.
const HEADER: usize = 36;
const CHECKSUM_AT: usize = 9;
const ALIGNMENT: u64 = 64;
/// Interrupt of events.
const SCI: u16 = 9;
/// What resets the machine when written to port 0xcf9.
const RESET_VALUE: u8 = 0x06;

/// `Name (\_S5, Package (4) { 0, 0, 0, 0 })`: soft-off is sleep type 0.
const DSDT: &[u8] = &[0x08, b'_', b'S', b'5', b'_', 0x12, 0x06, 0x04, 0x00, 0x00, 0x00, 0x00];

mod fadt {
    /// Length in revision 3.
    pub(super) const LENGTH: usize = 244;
    /// WBINVD, PROC_C1, PWR_BUTTON and SLP_BUTTON (none fixed), FIX_RTC (none),
    /// RESET_REG_SUP.
    pub(super) const FLAGS: u32 = 1 << 0 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 10;
    /// LEGACY_DEVICES, 8042, VGA not present, MSI not supported.
    pub(super) const BOOT_ARCH: u16 = 0x0f;
}

/// Writes the tables for a number of processors. What does not fit into RAM is lost.
pub(in crate::board) fn install(mem: &mut PhysMem, nr_cpus: usize) {
    // The RSDP comes first and names the others.
    let mut place = Placer { mem, next: RSDP_ADDRESS + ALIGNMENT };
    let facs = place.put(&facs());
    let dsdt = place.put(&table(b"DSDT", 1, DSDT));
    let fadt = place.put(&fadt(facs, dsdt));
    let madt = place.put(&madt(nr_cpus));
    let pointers = |size: usize| -> Vec<u8> {
        [fadt, madt].iter().flat_map(|at| at.to_le_bytes()[..size].to_vec()).collect()
    };
    let rsdt = place.put(&table(b"RSDT", 1, &pointers(4)));
    let xsdt = place.put(&table(b"XSDT", 1, &pointers(8)));
    place.mem.write(RSDP_ADDRESS, &rsdp(rsdt, xsdt));
}

/// Puts one table behind the other.
struct Placer<'mem> {
    mem: &'mem mut PhysMem,
    next: u64,
}

impl Placer<'_> {
    fn put(&mut self, bytes: &[u8]) -> u64 {
        let at = self.next;
        self.mem.write(at, bytes);
        self.next = (at + bytes.len() as u64).next_multiple_of(ALIGNMENT);
        at
    }
}

/// A table: header and body.
fn table(signature: &[u8; 4], revision: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER + body.len());
    bytes.extend(signature);
    bytes.extend(((HEADER + body.len()) as u32).to_le_bytes());
    bytes.extend([revision, 0]);
    bytes.extend(OEM);
    bytes.extend(OEM_TABLE);
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(CREATOR);
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(body);
    bytes[CHECKSUM_AT] = checksum(&bytes);
    bytes
}

/// What makes the sum of the bytes 0.
fn checksum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte))
}

fn rsdp(rsdt: u64, xsdt: u64) -> [u8; 36] {
    let mut bytes = [0; 36];
    bytes[..8].copy_from_slice(b"RSD PTR ");
    bytes[9..15].copy_from_slice(OEM);
    bytes[15] = 2;
    bytes[16..20].copy_from_slice(&(rsdt as u32).to_le_bytes());
    bytes[8] = checksum(&bytes[..20]);
    bytes[20..24].copy_from_slice(&36u32.to_le_bytes());
    bytes[24..32].copy_from_slice(&xsdt.to_le_bytes());
    bytes[32] = checksum(&bytes);
    bytes
}

fn facs() -> [u8; 64] {
    let mut bytes = [0; 64];
    bytes[..4].copy_from_slice(b"FACS");
    bytes[4..8].copy_from_slice(&64u32.to_le_bytes());
    // Version.
    bytes[32] = 1;
    bytes
}

/// The fixed description. Offsets are those of the whole table.
fn fadt(facs: u64, dsdt: u64) -> Vec<u8> {
    let mut body = [0; fadt::LENGTH - HEADER];
    let mut put = |at: usize, bytes: &[u8]| {
        body[at - HEADER..at - HEADER + bytes.len()].copy_from_slice(bytes);
    };
    put(36, &(facs as u32).to_le_bytes());
    put(40, &(dsdt as u32).to_le_bytes());
    put(46, &SCI.to_le_bytes());
    let blocks = [
        (56, 148, 88, EVENT_PORT, 4),
        (64, 172, 89, CONTROL_PORT, 2),
        (76, 208, 91, TIMER_PORT, 4),
    ];
    for (at, extended_at, length_at, port, length) in blocks {
        put(at, &u32::from(port).to_le_bytes());
        put(length_at, &[length]);
        put(extended_at, &io_address(port, length));
    }
    // P_LVL2_LAT and P_LVL3_LAT: not supported.
    put(96, &101u16.to_le_bytes());
    put(98, &1001u16.to_le_bytes());
    // Index of the century in CMOS.
    put(108, &[0x32]);
    put(109, &fadt::BOOT_ARCH.to_le_bytes());
    put(112, &fadt::FLAGS.to_le_bytes());
    put(116, &io_address(pci::RESET_PORT, 1));
    put(128, &[RESET_VALUE]);
    put(132, &facs.to_le_bytes());
    put(140, &dsdt.to_le_bytes());
    table(b"FACP", 3, &body)
}

/// A generic address in I/O space.
fn io_address(port: u16, bytes: u8) -> [u8; 12] {
    let mut address = [0; 12];
    address[0] = 1;
    address[1] = bytes * 8;
    // Access size: 1 for a byte, 2 for a word, 3 for a double word.
    address[3] = bytes.ilog2() as u8 + 1;
    address[4..6].copy_from_slice(&port.to_le_bytes());
    address
}

/// Interrupt controllers: local APICs, the I/O APIC, line 0 at input 2, LINT1 is NMI.
fn madt(nr_cpus: usize) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend((DEFAULT_BASE as u32).to_le_bytes());
    // PCAT_COMPAT: there are 8259s.
    body.extend(1u32.to_le_bytes());
    for id in 0..nr_cpus as u32 {
        match u8::try_from(id) {
            Ok(id) if id != 0xff => body.extend([0, 8, id, id, 1, 0, 0, 0]),
            _ => {
                body.extend([9, 16, 0, 0]);
                body.extend(id.to_le_bytes());
                body.extend(1u32.to_le_bytes());
                body.extend(id.to_le_bytes());
            }
        }
    }
    body.extend([1, 12, 0, 0]);
    body.extend((ioapic::BASE as u32).to_le_bytes());
    body.extend(0u32.to_le_bytes());
    body.extend([2, 10, 0, 0, 2, 0, 0, 0, 0, 0]);
    // All processors, polarity and trigger of the bus, LINT1.
    body.extend([4, 6, 0xff, 0, 0, 1]);
    table(b"APIC", 3, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(nr_cpus: usize) -> PhysMem {
        let mut mem = PhysMem::new(1 << 20);
        install(&mut mem, nr_cpus);
        mem
    }

    fn bytes(mem: &PhysMem, at: u64, len: u64) -> Vec<u8> {
        mem.slice(at, len).expect("in RAM").to_vec()
    }

    fn sum(bytes: &[u8]) -> u8 {
        bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
    }

    fn word(mem: &PhysMem, at: u64) -> u64 {
        mem.read_u64(at) & 0xffff_ffff
    }

    /// A table with its checksum verified.
    fn found(mem: &PhysMem, at: u64, signature: &[u8]) -> Vec<u8> {
        let table = bytes(mem, at, word(mem, at + 4));
        assert_eq!(&table[..4], signature);
        assert_eq!(sum(&table), 0);
        table
    }

    #[test]
    fn all_tables_can_be_reached() {
        let mem = installed(2);
        let rsdp = bytes(&mem, RSDP_ADDRESS, 36);
        assert_eq!((&rsdp[..8], sum(&rsdp[..20]), sum(&rsdp)), (&b"RSD PTR "[..], 0, 0));
        let rsdt = word(&mem, RSDP_ADDRESS + 16);
        let xsdt = mem.read_u64(RSDP_ADDRESS + 24);
        found(&mem, rsdt, b"RSDT");
        found(&mem, xsdt, b"XSDT");
        let (fadt, madt) = (word(&mem, rsdt + 36), word(&mem, rsdt + 40));
        assert_eq!((mem.read_u64(xsdt + 36), mem.read_u64(xsdt + 44)), (fadt, madt));
        found(&mem, madt, b"APIC");
        let fadt = found(&mem, fadt, b"FACP");
        assert_eq!(fadt[76..80], 0x608u32.to_le_bytes());
        let dsdt = u64::from(u32::from_le_bytes([fadt[40], fadt[41], fadt[42], fadt[43]]));
        found(&mem, dsdt, b"DSDT");
        let facs = u64::from(u32::from_le_bytes([fadt[36], fadt[37], fadt[38], fadt[39]]));
        assert_eq!((bytes(&mem, facs, 4), facs % 64), (b"FACS".to_vec(), 0));
    }

    #[test]
    fn the_madt_has_every_processor() {
        let mut rest = &madt(257)[44..];
        let mut ids = Vec::new();
        let mut others = Vec::new();
        while let [kind, length, ..] = *rest {
            match kind {
                0 => ids.push(u32::from(rest[3])),
                9 => ids.push(u32::from_le_bytes([rest[4], rest[5], rest[6], rest[7]])),
                _ => others.push(kind),
            }
            rest = &rest[usize::from(length)..];
        }
        assert!(ids.into_iter().eq(0..257));
        assert_eq!(others, [1, 2, 4]);
    }

    #[test]
    fn a_machine_without_room_for_tables() {
        let mut mem = PhysMem::new(4096);
        install(&mut mem, 1);
        assert_eq!(mem.read_u64(0), 0);
    }
}
