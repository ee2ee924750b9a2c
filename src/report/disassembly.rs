//! One instruction as text, in Intel syntax.

use emulator::cpuid::CpuModel;
use iced_x86::{Decoder, DecoderOptions, Formatter, Instruction, IntelFormatter};

/// The instruction at `ip`; none where the bytes are none.
fn decode(ip: u64, bytes: &[u8]) -> Option<Instruction> {
    if bytes.is_empty() {
        return None;
    }
    let instruction = Decoder::with_ip(64, bytes, ip, DecoderOptions::NONE).decode();
    (!instruction.is_invalid()).then_some(instruction)
}

/// The name of the feature that the instruction at `ip` needs and `model` has not, as
/// CPUID's documentation writes it; none where it is undefined for another reason.
pub(super) fn missing_feature(model: CpuModel, ip: u64, bytes: &[u8]) -> Option<String> {
    let feature = model.missing(&decode(ip, bytes)?)?;
    Some(format!("{feature:?}"))
}

/// The instruction at `ip` as text; none where the bytes are none.
pub(super) fn disassemble(ip: u64, bytes: &[u8]) -> Option<String> {
    let instruction = decode(ip, bytes)?;
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

    #[test]
    fn what_a_model_lacks_has_a_name() {
        let missing = |model, bytes: &[u8]| missing_feature(model, 0x40_1000, bytes);
        let zmm = [0x62, 0xf1, 0x74, 0x48, 0x58, 0xc2, 0, 0, 0];
        assert_eq!(missing(CpuModel::V3, &zmm).as_deref(), Some("AVX512F"));
        let vaddps = [0xc5, 0xf0, 0x58, 0xc2];
        assert_eq!(missing(CpuModel::V2, &vaddps).as_deref(), Some("AVX"));
        assert_eq!(missing(CpuModel::V3, &vaddps), None);
        assert_eq!(missing(CpuModel::V1, &[0x0f, 0x0b]), None, "ud2 needs nothing");
    }
}
