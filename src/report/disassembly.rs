//! One instruction as text, in Intel syntax.

use iced_x86::{Decoder, DecoderOptions, Formatter, IntelFormatter};

/// The instruction at `ip`; none where the bytes are none.
pub(super) fn disassemble(ip: u64, bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() {
        return None;
    }
    let mut decoder = Decoder::with_ip(64, bytes, ip, DecoderOptions::NONE);
    let instruction = decoder.decode();
    if instruction.is_invalid() {
        return None;
    }
    let mut formatter = IntelFormatter::new();
    let options = formatter.options_mut();
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    options.set_uppercase_hex(false);
    options.set_small_hex_numbers_in_decimal(true);
    options.set_space_after_operand_separator(true);
    let mut text = String::new();
    formatter.format(&instruction, &mut text);
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intel_syntax() {
        let text = disassemble(0x40_1000, &[0x48, 0x89, 0x07]).unwrap();
        assert_eq!(text, "mov [rdi], rax");
        let text = disassemble(0x40_1000, &[0x83, 0x05, 0x09, 0x63, 0x0c, 0x00, 0x01]).unwrap();
        assert_eq!(text, "add dword ptr [0x4c7310], 1");
        assert_eq!(disassemble(0, &[]), None);
        assert_eq!(disassemble(0, &[0x48]), None);
    }
}
