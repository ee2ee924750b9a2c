//! CRC-32C, the checksum of the CRC32 instruction (SDM vol. 2A, CRC32).

/// The polynomial 0x11EDC6F41 with its bits reversed and without the highest.
const POLYNOMIAL: u32 = 0x82f6_3b78;

/// The remainders of all bytes.
static REMAINDERS: [u32; 256] = remainders();

const fn remainders() -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut value = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            value = value >> 1 ^ if value & 1 != 0 { POLYNOMIAL } else { 0 };
            bit += 1;
        }
        table[byte] = value;
        byte += 1;
    }
    table
}

/// Continues a checksum by the low `bytes` bytes of `data`, lowest first.
#[must_use]
pub fn crc32c(sum: u32, data: u64, bytes: u32) -> u32 {
    let data = data.to_le_bytes();
    data.iter().take(bytes as usize).fold(sum, |sum, byte| {
        let index = (sum as u8) ^ byte;
        sum >> 8 ^ REMAINDERS[usize::from(index)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The manual's definition: reflected operands, division by the polynomial bit by bit.
    fn divided(sum: u32, data: u64, bytes: u32) -> u32 {
        let bits = 8 * bytes;
        let reflected = data.reverse_bits() >> (64 - bits);
        let mut dividend = u128::from(reflected) << 32 ^ u128::from(sum.reverse_bits()) << bits;
        for place in (32..32 + bits).rev() {
            if dividend >> place & 1 != 0 {
                dividend ^= 0x1_1edc_6f41 << (place - 32);
            }
        }
        (dividend as u32).reverse_bits()
    }

    #[test]
    fn the_usual_check_value() {
        let sum = b"123456789".iter().fold(!0, |sum, byte| crc32c(sum, u64::from(*byte), 1));
        assert_eq!(!sum, 0xe306_9283);
    }

    proptest! {
        #[test]
        fn sums_are_remainders(sum: u32, data: u64, width in 0u32..4) {
            let bytes = 1 << width;
            prop_assert_eq!(crc32c(sum, data, bytes), divided(sum, data, bytes));
        }
    }
}
