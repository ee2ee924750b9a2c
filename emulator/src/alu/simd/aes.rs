//! AES-NI: one round at a time (FIPS 197; SDM vol. 1, 12.13).
//!
//! Byte `4 * column + row` of a vector is the state's byte at that row and column. A
//! round is a table look-up for every byte: the tables give what a byte contributes
//! to its column after the substitution and the mixing. They are computed when the
//! crate is compiled.

use super::VectorOp;

/// AESENC: a round; the second operand is the round key.
#[derive(Debug)]
pub struct AesEncrypt;
/// AESENCLAST: a round without mixing of columns.
#[derive(Debug)]
pub struct AesEncryptLast;
/// AESDEC: a round of the equivalent inverse cipher.
#[derive(Debug)]
pub struct AesDecrypt;
/// AESDECLAST.
#[derive(Debug)]
pub struct AesDecryptLast;
/// AESIMC: mixes the columns of the second operand inversely.
#[derive(Debug)]
pub struct AesInvMixColumns;
/// AESKEYGENASSIST: substituted and rotated words of the second operand; the
/// immediate is the round constant.
#[derive(Debug)]
pub struct AesKeygenAssist;

/// Twice `value` in AES's field, whose polynomial is x^8 + x^4 + x^3 + x + 1.
const fn double(value: u8) -> u8 {
    value << 1 ^ if value & 0x80 != 0 { 0x1b } else { 0 }
}

/// The product in the field.
const fn product(mut a: u8, mut b: u8) -> u8 {
    let mut sum = 0;
    while b != 0 {
        if b & 1 != 0 {
            sum ^= a;
        }
        a = double(a);
        b >>= 1;
    }
    sum
}

/// FIPS 197, 5.1.1: the inverse in the field and an affine map.
const SUBSTITUTE: [u8; 256] = {
    let mut table = [0; 256];
    // 3 generates the field: both walk through it, each the other's inverse.
    let (mut power, mut inverse) = (1u8, 1u8);
    let mut step = 0;
    while step < 255 {
        let mixed = inverse
            ^ inverse.rotate_left(1)
            ^ inverse.rotate_left(2)
            ^ inverse.rotate_left(3)
            ^ inverse.rotate_left(4);
        table[power as usize] = mixed ^ 0x63;
        power = product(power, 3);
        // 0xf6 is the inverse of 3.
        inverse = product(inverse, 0xf6);
        step += 1;
    }
    table[0] = 0x63;
    table
};

/// The inverse of [`SUBSTITUTE`].
const INVERSE: [u8; 256] = {
    let mut table = [0; 256];
    let mut value = 0;
    while value < 256 {
        table[SUBSTITUTE[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// What each byte in row 0 contributes to its column: the byte substituted, times the
/// four factors. A byte in another row contributes the same rotated by its row.
const fn columns(substitute: &[u8; 256], factors: [u8; 4]) -> [u32; 256] {
    let mut table = [0; 256];
    let mut value = 0;
    while value < 256 {
        let byte = substitute[value];
        table[value] = u32::from_le_bytes([
            product(byte, factors[0]),
            product(byte, factors[1]),
            product(byte, factors[2]),
            product(byte, factors[3]),
        ]);
        value += 1;
    }
    table
}

/// FIPS 197, 5.1.3.
static MIXED: [u32; 256] = columns(&SUBSTITUTE, [2, 1, 1, 3]);
/// FIPS 197, 5.3.3.
static INVERSE_MIXED: [u32; 256] = columns(&INVERSE, [14, 9, 13, 11]);
static SUBSTITUTED: [u8; 256] = SUBSTITUTE;
static INVERSE_SUBSTITUTED: [u8; 256] = INVERSE;

/// Columns that a byte of row 1 comes from when rows are shifted: to the left for
/// encryption, to the right for decryption.
const LEFT: usize = 1;
const RIGHT: usize = 3;

/// The state with row `row` shifted by `row * step` columns and every column made by
/// `column` of its four bytes.
#[inline(always)]
fn by_columns(state: u128, step: usize, column: impl Fn([u8; 4]) -> u32) -> u128 {
    let bytes = state.to_le_bytes();
    (0..4).fold(0, |result, place| {
        let shifted = std::array::from_fn(|row| bytes[(place + row * step) % 4 * 4 + row]);
        result | u128::from(column(shifted)) << (32 * place)
    })
}

/// A column as the sum of its bytes' contributions.
#[inline(always)]
fn mix(table: &[u32; 256], bytes: [u8; 4]) -> u32 {
    let part = |row: usize| table[usize::from(bytes[row])].rotate_left(8 * row as u32);
    part(0) ^ part(1) ^ part(2) ^ part(3)
}

/// A column of substituted bytes.
#[inline(always)]
fn substitute(table: &[u8; 256], bytes: [u8; 4]) -> u32 {
    u32::from_le_bytes(bytes.map(|byte| table[usize::from(byte)]))
}

impl VectorOp for AesEncrypt {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        by_columns(a, LEFT, |bytes| mix(&MIXED, bytes)) ^ b
    }
}

impl VectorOp for AesEncryptLast {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        by_columns(a, LEFT, |bytes| substitute(&SUBSTITUTED, bytes)) ^ b
    }
}

impl VectorOp for AesDecrypt {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        by_columns(a, RIGHT, |bytes| mix(&INVERSE_MIXED, bytes)) ^ b
    }
}

impl VectorOp for AesDecryptLast {
    #[inline(always)]
    fn apply(a: u128, b: u128, _imm: u8) -> u128 {
        by_columns(a, RIGHT, |bytes| substitute(&INVERSE_SUBSTITUTED, bytes)) ^ b
    }
}

impl VectorOp for AesInvMixColumns {
    #[inline(always)]
    fn apply(_a: u128, b: u128, _imm: u8) -> u128 {
        // The table's substitution is undone beforehand.
        by_columns(b, 0, |bytes| {
            mix(&INVERSE_MIXED, bytes.map(|byte| SUBSTITUTED[usize::from(byte)]))
        })
    }
}

impl VectorOp for AesKeygenAssist {
    #[inline(always)]
    fn apply(_a: u128, b: u128, imm: u8) -> u128 {
        let word =
            |place: u32| substitute(&SUBSTITUTED, ((b >> (32 * place)) as u32).to_le_bytes());
        let half = |word: u32| {
            let rotated = word.rotate_right(8) ^ u32::from(imm);
            u128::from(word) | u128::from(rotated) << 32
        };
        half(word(1)) | half(word(3)) << 64
    }
}
