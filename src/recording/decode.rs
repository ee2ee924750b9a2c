//! Bounds-checked reading of a section's payload.
//!
//! A length or count in a payload is believed only as far as the bytes that are
//! there: nothing is allocated for what could not follow.

/// Why a payload is not what its section's tag says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PayloadError {
    /// A value is longer than what is left.
    #[error("{what} needs {needed} bytes, {left} are left")]
    Short {
        /// The value.
        what: &'static str,
        /// Bytes that it needs.
        needed: u64,
        /// Bytes that are left.
        left: u64,
    },
    /// A number that stands for nothing.
    #[error("{what}: {value} is not a known value")]
    Unknown {
        /// The value.
        what: &'static str,
        /// What is there.
        value: u64,
    },
    /// A name that stands for nothing.
    #[error("{what}: \"{name}\" is not a known name")]
    UnknownName {
        /// The value.
        what: &'static str,
        /// What is there.
        name: String,
    },
    /// Text that is not UTF-8.
    #[error("{what} is not UTF-8")]
    Text {
        /// The value.
        what: &'static str,
    },
    /// A value that no run has.
    #[error("{what}: {value} is outside its range")]
    Range {
        /// The value.
        what: &'static str,
        /// What is there.
        value: u64,
    },
    /// Bytes after the last value.
    #[error("{left} bytes follow the last value")]
    Trailing {
        /// How many.
        left: u64,
    },
}

/// A payload being read.
#[derive(Debug)]
pub(super) struct Decoder<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Decoder<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Bytes read so far: where the next value, or the last error, lies.
    pub(super) const fn position(&self) -> usize {
        self.position
    }

    pub(super) const fn left(&self) -> usize {
        self.bytes.len() - self.position
    }

    /// The next `needed` bytes.
    pub(super) fn raw(
        &mut self,
        what: &'static str,
        needed: u64,
    ) -> Result<&'a [u8], PayloadError> {
        let left = self.left();
        let fits = usize::try_from(needed).ok().filter(|&len| len <= left);
        let Some(len) = fits else {
            return Err(PayloadError::Short { what, needed, left: left as u64 });
        };
        let start = self.position;
        self.position += len;
        Ok(&self.bytes[start..start + len])
    }

    pub(super) fn array<const N: usize>(
        &mut self,
        what: &'static str,
    ) -> Result<[u8; N], PayloadError> {
        let mut array = [0; N];
        array.copy_from_slice(self.raw(what, N as u64)?);
        Ok(array)
    }

    pub(super) fn u8(&mut self, what: &'static str) -> Result<u8, PayloadError> {
        Ok(self.array::<1>(what)?[0])
    }

    pub(super) fn u32(&mut self, what: &'static str) -> Result<u32, PayloadError> {
        Ok(u32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn u64(&mut self, what: &'static str) -> Result<u64, PayloadError> {
        Ok(u64::from_le_bytes(self.array(what)?))
    }

    pub(super) fn bytes(&mut self, what: &'static str) -> Result<Vec<u8>, PayloadError> {
        let len = self.u64(what)?;
        Ok(self.raw(what, len)?.to_vec())
    }

    pub(super) fn text(&mut self, what: &'static str) -> Result<String, PayloadError> {
        let bytes = self.bytes(what)?;
        String::from_utf8(bytes).map_err(|_| PayloadError::Text { what })
    }

    /// A count, then each item; every item takes at least `least_bytes`.
    pub(super) fn list<T>(
        &mut self,
        what: &'static str,
        least_bytes: u64,
        mut each: impl FnMut(&mut Self) -> Result<T, PayloadError>,
    ) -> Result<Vec<T>, PayloadError> {
        let count = self.u64(what)?;
        let needed = count.saturating_mul(least_bytes.max(1));
        let left = self.left() as u64;
        if needed > left {
            return Err(PayloadError::Short { what, needed, left });
        }
        (0..count).map(|_| each(self)).collect()
    }

    pub(super) fn option<T>(
        &mut self,
        what: &'static str,
        each: impl FnOnce(&mut Self) -> Result<T, PayloadError>,
    ) -> Result<Option<T>, PayloadError> {
        match self.u8(what)? {
            0 => Ok(None),
            1 => each(self).map(Some),
            value => Err(PayloadError::Unknown { what, value: u64::from(value) }),
        }
    }

    /// Refuses what follows the last value.
    pub(super) fn finish(&self) -> Result<(), PayloadError> {
        match self.left() {
            0 => Ok(()),
            left => Err(PayloadError::Trailing { left: left as u64 }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_beyond_the_payload_is_refused_without_allocating() {
        let mut payload = u64::MAX.to_le_bytes().to_vec();
        payload.extend_from_slice(b"abc");
        let mut decoder = Decoder::new(&payload);
        let answer = decoder.bytes("name");
        assert_eq!(answer, Err(PayloadError::Short { what: "name", needed: u64::MAX, left: 3 }));
        let mut decoder = Decoder::new(&payload);
        let answer = decoder.list("names", 8, |decoder| decoder.u64("name"));
        assert_eq!(answer, Err(PayloadError::Short { what: "names", needed: u64::MAX, left: 3 }));
    }

    #[test]
    fn what_is_left_is_refused() {
        let mut decoder = Decoder::new(&[1, 2]);
        assert_eq!(decoder.u8("first"), Ok(1));
        assert_eq!(decoder.finish(), Err(PayloadError::Trailing { left: 1 }));
        assert_eq!(decoder.u8("second"), Ok(2));
        assert_eq!(decoder.finish(), Ok(()));
    }
}
