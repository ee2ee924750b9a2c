//! The PCI configuration ports, 0xcf8 and 0xcfc, of a machine without PCI devices, and
//! the reset control register at 0xcf9. Source: 82371AB (PIIX4) 4.1 and 4.2.5.

/// Port of the configuration address.
pub(super) const ADDRESS_PORT: u16 = 0xcf8;
/// Port of the reset control register: a byte among those of the address.
pub(super) const RESET_PORT: u16 = 0xcf9;
/// The last of the configuration ports.
pub(super) const LAST_PORT: u16 = 0xcff;

/// The configuration address is a register of 4 bytes only.
const ADDRESS_BITS: u32 = 0x80ff_fffc;
/// Reset, and hard instead of soft.
const RESET: u8 = 1 << 2;
const RESET_BITS: u8 = 0x06;

/// The registers.
#[derive(Debug, Default)]
pub(super) struct Pci {
    address: u32,
    reset: u8,
}

impl Pci {
    /// Reads the ports from 0xcf8 to 0xcff. Configuration data are ones: no device.
    pub(super) fn read(&self, port: u16, size: u8) -> u32 {
        match (port, size) {
            (ADDRESS_PORT, 4) => self.address,
            (RESET_PORT, 1) => u32::from(self.reset),
            _ => u32::MAX,
        }
    }

    /// Writes the ports from 0xcf8 to 0xcff: whether the machine resets.
    pub(super) fn write(&mut self, port: u16, size: u8, value: u32) -> bool {
        match (port, size) {
            (ADDRESS_PORT, 4) => self.address = value & ADDRESS_BITS,
            (RESET_PORT, 1) => {
                self.reset = value as u8 & RESET_BITS;
                return self.reset & RESET != 0;
            }
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_reads_back_and_nothing_is_there() {
        let mut pci = Pci::default();
        pci.write(0xcf8, 4, 0x8000_1003);
        assert_eq!(pci.read(0xcf8, 4), 0x8000_1000);
        assert_eq!(pci.read(0xcfc, 4), u32::MAX);
        assert_eq!(pci.read(0xcfe, 2) & 0xffff, 0xffff);
    }

    #[test]
    fn reset_control() {
        let mut pci = Pci::default();
        assert!(!pci.write(0xcf9, 1, 0x02));
        assert_eq!(pci.read(0xcf9, 1), 2);
        assert!(!pci.write(0xcf8, 4, 0x8000_0600), "not a write to the register");
        assert!(pci.write(0xcf9, 1, 0x06));
    }
}
