//! Strings as C would write them.

use std::fmt::Write;

/// The bytes in quotation marks, with what cannot be shown escaped: as C has it, in octal with no
/// more digits than are needed.
#[must_use]
pub fn quote(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    for (index, byte) in bytes.iter().enumerate() {
        match byte {
            b'"' | b'\\' => {
                text.push('\\');
                text.push(char::from(*byte));
            }
            b'\n' => text.push_str("\\n"),
            b'\t' => text.push_str("\\t"),
            b'\r' => text.push_str("\\r"),
            0x0c => text.push_str("\\f"),
            0x0b => text.push_str("\\v"),
            b' '..=b'~' => text.push(char::from(*byte)),
            _ => {
                let digit_follows = bytes.get(index + 1).is_some_and(u8::is_ascii_digit);
                let width = if digit_follows { 3 } else { 0 };
                let _ = write!(text, "\\{byte:0width$o}");
            }
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_shown_is_escaped() {
        assert_eq!(quote(b"a\n\t\"\\"), r#""a\n\t\"\\""#);
        assert_eq!(quote(b"\x001\x7f\xffz"), r#""\0001\177\377z""#);
        assert_eq!(quote(b"\0"), r#""\0""#);
    }
}
