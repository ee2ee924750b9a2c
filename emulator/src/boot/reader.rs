//! Bounds-checked little-endian reads from a file, for which every failure has a position.

use super::error::ImageError;

/// The bytes of an image file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The bytes `[at, at + len)` of the file, which hold `what`.
    pub(super) fn slice(
        self,
        what: &'static str,
        at: u64,
        len: u64,
    ) -> Result<&'a [u8], ImageError> {
        let end = at.saturating_add(len);
        let file_len = self.0.len() as u64;
        if end > file_len {
            return Err(ImageError::Truncated { what, at, end, file_len });
        }
        Ok(&self.0[at as usize..end as usize])
    }

    fn array<const N: usize>(self, what: &'static str, at: u64) -> Result<[u8; N], ImageError> {
        let mut array = [0; N];
        array.copy_from_slice(self.slice(what, at, N as u64)?);
        Ok(array)
    }

    pub(super) fn u16(self, what: &'static str, at: u64) -> Result<u16, ImageError> {
        self.array(what, at).map(u16::from_le_bytes)
    }

    pub(super) fn u32(self, what: &'static str, at: u64) -> Result<u32, ImageError> {
        self.array(what, at).map(u32::from_le_bytes)
    }

    pub(super) fn u64(self, what: &'static str, at: u64) -> Result<u64, ImageError> {
        self.array(what, at).map(u64::from_le_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_exact_and_may_not_wrap() {
        let reader = Reader(&[1, 2, 3, 4, 5]);
        assert_eq!(reader.u32("a word", 1), Ok(0x0504_0302));
        let past = ImageError::Truncated { what: "a word", at: 2, end: 6, file_len: 5 };
        assert_eq!(reader.u32("a word", 2), Err(past));
        assert!(reader.slice("a table", u64::MAX, 8).is_err());
        assert_eq!(reader.slice("nothing", 5, 0), Ok(&[][..]));
    }
}
