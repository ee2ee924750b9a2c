//! Sizes: bytes, or with a binary unit.

/// Why a size is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SizeError {
    #[error("a size is a number of bytes, or of K, M or G (powers of 1024)")]
    NotSize,
    #[error("the size does not fit into 64 bits")]
    TooBig,
}

/// `4096`, `64K`, `512M`, `2G`.
pub(super) fn parse(text: &str) -> Result<u64, SizeError> {
    let (digits, shift) = match text.char_indices().last() {
        Some((at, 'k' | 'K')) => (&text[..at], 10),
        Some((at, 'm' | 'M')) => (&text[..at], 20),
        Some((at, 'g' | 'G')) => (&text[..at], 30),
        Some(_) | None => (text, 0),
    };
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(SizeError::NotSize);
    }
    let number: u64 = digits.parse().map_err(|_| SizeError::TooBig)?;
    number.checked_mul(1 << shift).ok_or(SizeError::TooBig)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units() {
        assert_eq!(parse("4096"), Ok(4096));
        assert_eq!(parse("64k"), Ok(64 << 10));
        assert_eq!(parse("512M"), Ok(512 << 20));
        assert_eq!(parse("2G"), Ok(2 << 30));
        for text in ["", "M", "-1", "1.5G", "0x10", "1T", "é"] {
            assert_eq!(parse(text), Err(SizeError::NotSize), "{text}");
        }
        assert_eq!(parse("18446744073709551616"), Err(SizeError::TooBig));
        assert_eq!(parse("17179869184G"), Err(SizeError::TooBig));
    }
}
