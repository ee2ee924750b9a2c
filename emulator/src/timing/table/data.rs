//! The format of the data files: comments, a heading, rows of a fixed number of fields, exact decimals.
//!
//! Deliberately strict: no quoting, no optional fields, no blank lines, so that a slip in a table is an error
//! with its file and line. Key types: [`DataError`], [`Ticks`]. Neighbours: `costs` and `classify`, the readers.

use thiserror::Error;

/// Time within the model: ten-thousandths of a core cycle, the resolution of the measurements.
pub(super) type Ticks = u64;

/// Ticks in one core cycle.
pub(super) const TICKS_PER_CYCLE: Ticks = 10_000;

/// Digits after the decimal point that a figure may have.
const DECIMALS: usize = 4;

/// What is wrong with a data file.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DataError {
    /// The first line that is no comment is not the expected heading.
    #[error("{file}: the heading is not {expected:?}")]
    Heading {
        /// The file.
        file: &'static str,
        /// The heading that was expected.
        expected: String,
    },
    /// A line has the wrong number of fields.
    #[error("{file}:{line}: {found} fields, not {expected}")]
    Fields {
        /// The file.
        file: &'static str,
        /// Line number, from 1.
        line: usize,
        /// Fields found.
        found: usize,
        /// Fields expected.
        expected: usize,
    },
    /// A field is no number of cycles.
    #[error("{file}:{line}: {text:?} is no number of cycles")]
    Number {
        /// The file.
        file: &'static str,
        /// Line number, from 1.
        line: usize,
        /// The field.
        text: String,
    },
    /// A field is not the hexadecimal bytes of as many instructions as the row says.
    #[error("{file}:{line}: {text:?} is not the machine code of the row")]
    Hex {
        /// The file.
        file: &'static str,
        /// Line number, from 1.
        line: usize,
        /// The field.
        text: String,
    },
    /// A name occurs twice.
    #[error("{file}:{line}: {name:?} occurs twice")]
    Duplicate {
        /// The file.
        file: &'static str,
        /// Line number, from 1.
        line: usize,
        /// The name.
        name: String,
    },
    /// An expression does not parse, goes below zero, or names a figure that does not exist.
    #[error("the cost {expression:?} cannot be evaluated")]
    Expression {
        /// The expression.
        expression: String,
    },
    /// A word is not one of those that a column allows.
    #[error("{file}:{line}: unknown word {word:?}")]
    Word {
        /// The file.
        file: &'static str,
        /// Line number, from 1.
        line: usize,
        /// The word.
        word: String,
    },
    /// A rule of the model has no line.
    #[error("rules.csv has no rule {rule:?}")]
    MissingRule {
        /// The rule.
        rule: String,
    },
}

/// The rows of a data file with their line numbers: `#` lines, the heading, then rows of exactly `N` fields
/// without quoting.
pub(super) fn rows<const N: usize>(
    file: &'static str,
    text: &'static str,
    heading: [&'static str; N],
) -> Result<Vec<(usize, [&'static str; N])>, DataError> {
    let mut lines = text.lines().enumerate().skip_while(|(_, line)| line.starts_with('#'));
    let expected = heading.join(",");
    if lines.next().is_none_or(|(_, line)| line != expected) {
        return Err(DataError::Heading { file, expected });
    }
    lines
        .map(|(index, line)| {
            let line_number = index + 1;
            let fields: Vec<&'static str> = line.split(',').collect();
            let found = fields.len();
            let fields = fields.try_into().map_err(|_| DataError::Fields {
                file,
                line: line_number,
                found,
                expected: N,
            })?;
            Ok((line_number, fields))
        })
        .collect()
}

/// A decimal number of cycles with at most [`DECIMALS`] digits after the point.
pub(super) fn parse_ticks(text: &str) -> Option<Ticks> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > DECIMALS {
        return None;
    }
    let fraction: Ticks = format!("{fraction:0<DECIMALS$}").parse().ok()?;
    whole.parse::<Ticks>().ok()?.checked_mul(TICKS_PER_CYCLE)?.checked_add(fraction)
}

/// Bytes from pairs of hexadecimal digits; at least one.
pub(super) fn parse_hex(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let pairs = text.as_bytes().chunks(2);
    pairs
        .map(|pair| {
            u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok().filter(|_| pair.len() == 2)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_strictly() {
        assert_eq!(parse_ticks("7.346"), Some(73_460));
        assert_eq!(parse_ticks("3.0284"), Some(30_284));
        assert_eq!(parse_ticks("16"), Some(160_000));
        for bad in ["", ".", "1.", ".5", "1.23456", "-1", "1e3", " 1", "0x1"] {
            assert_eq!(parse_ticks(bad), None, "{bad:?}");
        }
        assert_eq!(parse_hex("48ff"), Some(vec![0x48, 0xff]));
        for bad in ["", "4", "48f", "zz", "+1"] {
            assert_eq!(parse_hex(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_broken_file_is_refused_with_its_line() {
        let heading = ["a", "b"];
        assert_eq!(rows("x.csv", "# c\na,b\n1,2\n", heading), Ok(vec![(3, ["1", "2"])]));
        assert!(matches!(rows("x.csv", "a,c\n", heading), Err(DataError::Heading { .. })));
        assert!(matches!(
            rows("x.csv", "a,b\n1\n", heading),
            Err(DataError::Fields { line: 2, found: 1, .. })
        ));
        assert!(matches!(
            rows("x.csv", "a,b\n\n", heading),
            Err(DataError::Fields { line: 2, .. })
        ));
    }
}
