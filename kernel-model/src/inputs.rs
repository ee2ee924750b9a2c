//! The one door through which anything non-deterministic enters the guest.
//!
//! Everything that the guest can observe and that is not a function of its own
//! work comes through [`Inputs`]. A recorder wraps one and logs each answer; a
//! replayer gives the logged answers back in order.

/// A request through the door that could not be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// A replay has no answer left, or the next one answers another question.
    #[error("input {position}: the guest asked for {asked}, the recording has {recorded}")]
    Diverged {
        /// Index of the input, from 0.
        position: u64,
        /// What the guest asked for.
        asked: &'static str,
        /// What the recording holds there.
        recorded: &'static str,
    },
    /// The host's standard input failed.
    #[error("standard input: {0}")]
    Host(std::io::ErrorKind),
}

/// The sources of everything that is not a function of the guest's own work.
pub trait Inputs {
    /// Up to `max` bytes of the guest's standard input; empty at its end.
    fn stdin(&mut self, max: usize) -> Result<Vec<u8>, InputError>;

    /// Fills `out` with random bytes (AT_RANDOM, getrandom, RDRAND).
    fn random(&mut self, out: &mut [u8]) -> Result<(), InputError>;

    /// Nanoseconds since 1970 at the moment of boot.
    fn boot_realtime_ns(&mut self) -> Result<u64, InputError>;
}

/// Inputs with nothing of the host in them: an empty standard input, a seeded
/// generator, and a fixed date of boot. Two runs with it are identical.
#[derive(Clone, Debug)]
pub struct FixedInputs {
    state: u64,
    boot_realtime_ns: u64,
}

/// 1 January 2025, 00:00 UTC: the guest's date of boot unless told otherwise.
pub const DEFAULT_BOOT_REALTIME_NS: u64 = 1_735_689_600_000_000_000;

impl FixedInputs {
    /// A generator that starts from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed, boot_realtime_ns: DEFAULT_BOOT_REALTIME_NS }
    }

    /// The next 64 bits: a Weyl sequence through a finalizer (SplitMix64).
    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

impl Inputs for FixedInputs {
    fn stdin(&mut self, _max: usize) -> Result<Vec<u8>, InputError> {
        Ok(Vec::new())
    }

    fn random(&mut self, out: &mut [u8]) -> Result<(), InputError> {
        for chunk in out.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            chunk.copy_from_slice(&bytes[..chunk.len()]);
        }
        Ok(())
    }

    fn boot_realtime_ns(&mut self) -> Result<u64, InputError> {
        Ok(self.boot_realtime_ns)
    }
}
