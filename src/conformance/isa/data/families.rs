//! Files of the data set, by instruction.

use iced_x86::{Code, CpuidFeature, Mnemonic};

/// The file, without ending, that holds cases of a form.
#[must_use]
pub fn family(code: Code) -> &'static str {
    let features = code.cpuid_features();
    let any = |wanted: fn(&CpuidFeature) -> bool| features.iter().any(wanted);
    let name = format!("{:?}", code.mnemonic());
    if any(|feature| format!("{feature:?}").starts_with("FPU")) {
        return "x87";
    }
    if any(|feature| matches!(feature, CpuidFeature::MMX)) {
        return "mmx";
    }
    if any(|feature| format!("{feature:?}").starts_with("AVX")) {
        return "avx";
    }
    if any(|feature| format!("{feature:?}").starts_with("SSE")) {
        return match name.as_str() {
            _ if name.contains("Cvt") => "sse_convert",
            _ if name.starts_with("Mov") || name.starts_with("Mask") => "sse_move",
            _ if name.starts_with('P') && !name.starts_with("Prefetch") => "sse_integer",
            _ => "sse_float",
        };
    }
    general(code.mnemonic(), &name)
}

fn general(mnemonic: Mnemonic, name: &str) -> &'static str {
    use Mnemonic::*;
    match mnemonic {
        Add | Adc | Sub | Sbb | Cmp | And | Or | Xor | Test | Inc | Dec | Neg | Not | Adcx
        | Adox => "alu",
        Shl | Sal | Shr | Sar | Rol | Ror | Rcl | Rcr | Shld | Shrd | Rorx | Sarx | Shlx | Shrx => {
            "shift"
        }
        Bt | Bts | Btr | Btc | Bsf | Bsr | Tzcnt | Lzcnt | Popcnt | Bswap | Movbe | Andn
        | Bextr | Blsi | Blsmsk | Blsr | Bzhi | Pdep | Pext | Crc32 => "bits",
        Mul | Imul | Div | Idiv | Mulx => "muldiv",
        Push | Pop | Pushf | Pushfq | Popf | Popfq | Enter | Leave => "stack",
        Call | Ret | Jmp | Loop | Loope | Loopne | Jcxz | Jecxz | Jrcxz => "branch",
        Xadd | Cmpxchg | Cmpxchg8b | Cmpxchg16b | Xchg => "atomic",
        Clc | Stc | Cmc | Cld | Std | Lahf | Sahf => "flags",
        Movsb | Movsw | Movsd | Movsq | Stosb | Stosw | Stosd | Stosq | Lodsb | Lodsw | Lodsd
        | Lodsq | Cmpsb | Cmpsw | Cmpsd | Cmpsq | Scasb | Scasw | Scasd | Scasq => "string",
        Mov | Movnti | Movzx | Movsx | Movsxd | Lea | Cbw | Cwde | Cdqe | Cwd | Cdq | Cqo
        | Xlatb => "move",
        _ if name.starts_with("Cmov") || name.starts_with("Set") || name.starts_with('J') => {
            "condition"
        }
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_forms_and_their_files() {
        let expected = [
            (Code::Add_rm64_r64, "alu"),
            (Code::Movsd_m32_m32, "string"),
            (Code::Movsd_xmm_xmmm64, "sse_move"),
            (Code::Paddb_xmm_xmmm128, "sse_integer"),
            (Code::Cvtsi2sd_xmm_rm64, "sse_convert"),
            (Code::Jne_rel8_64, "condition"),
            (Code::Fld_m80fp, "x87"),
            (Code::Ud2, "other"),
        ];
        for (code, name) in expected {
            assert_eq!(family(code), name, "{code:?}");
        }
    }
}
