//! What emulators have for test images: the exit port (QEMU's isa-debug-exit at 0xf4),
//! the shutdown port 0x8900 (Bochs), and the port and memory of QEMU's pc-testdev.

/// Bytes of the exit port.
pub(super) const EXIT_PORTS: std::ops::RangeInclusive<u16> = 0xf4..=0xf7;
/// The shutdown port.
pub(super) const SHUTDOWN_PORT: u16 = 0x8900;
/// A register of 4 bytes that keeps what is written.
pub(super) const SCRATCH_PORTS: std::ops::RangeInclusive<u16> = 0xe0..=0xe3;
/// Makes a page of the host absent, which a guest cannot tell.
pub(super) const FLUSH_PORTS: std::ops::RangeInclusive<u16> = 0xe4..=0xe7;
/// A port for each interrupt line.
pub(super) const LINE_PORTS: std::ops::RangeInclusive<u16> = 0x2000..=0x2017;
/// Where the memory begins.
pub(super) const MEMORY: u64 = 0xff00_0000;
/// Bytes of the memory.
pub(super) const MEMORY_SIZE: u64 = 0x1_0000;

const SHUTDOWN: &[u8] = b"Shutdown";

/// The registers.
#[derive(Debug, Default)]
pub(super) struct TestDevice {
    scratch: [u8; 4],
    /// Bytes of "Shutdown" that were written.
    progress: usize,
    /// Empty until the guest writes there.
    memory: Vec<u8>,
}

impl TestDevice {
    /// The shutdown port: whether the power goes off.
    pub(super) fn shutdown(&mut self, byte: u8) -> bool {
        let goes_on = SHUTDOWN.get(self.progress) == Some(&byte);
        self.progress = match goes_on {
            true => self.progress + 1,
            false => usize::from(SHUTDOWN.first() == Some(&byte)),
        };
        self.progress == SHUTDOWN.len()
    }

    /// A byte of the scratch register.
    pub(super) fn read_scratch(&self, port: u16) -> u8 {
        self.scratch[usize::from(port & 3)]
    }

    /// A byte of the scratch register.
    pub(super) fn write_scratch(&mut self, port: u16, value: u8) {
        self.scratch[usize::from(port & 3)] = value;
    }

    /// Reads the memory at an offset.
    pub(super) fn read_memory(&self, offset: u64, out: &mut [u8]) {
        for (place, at) in out.iter_mut().zip(offset as usize..) {
            *place = self.memory.get(at).copied().unwrap_or(0);
        }
    }

    /// Writes the memory at an offset.
    pub(super) fn write_memory(&mut self, offset: u64, data: &[u8]) {
        self.memory.resize(MEMORY_SIZE as usize, 0);
        for (byte, at) in data.iter().zip(offset as usize..) {
            if let Some(place) = self.memory.get_mut(at) {
                *place = *byte;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shutdown_must_be_spelled() {
        let mut device = TestDevice::default();
        let mut spell = |word: &[u8]| word.iter().any(|byte| device.shutdown(*byte));
        assert!(!spell(b"Shu"));
        assert!(!spell(b"down?Shutdow"));
        assert!(spell(b"SShutdown"));
    }

    #[test]
    fn memory_keeps_what_fits() {
        let mut device = TestDevice::default();
        device.write_memory(MEMORY_SIZE - 1, &[1, 2]);
        let mut out = [9; 3];
        device.read_memory(MEMORY_SIZE - 2, &mut out);
        assert_eq!(out, [0, 1, 0]);
    }
}
