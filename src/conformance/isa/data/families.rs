//! Files of the data set, by instruction.

use iced_x86::{Code, Mnemonic, OpCodeOperandKind};

/// The file, without ending, that holds cases of a form.
#[must_use]
pub fn family(code: Code) -> &'static str {
    let features: Vec<String> =
        code.cpuid_features().iter().map(|feature| format!("{feature:?}")).collect();
    let any = |starts: &[&str]| {
        features.iter().any(|feature| starts.iter().any(|start| feature.starts_with(start)))
    };
    let name = format!("{:?}", code.mnemonic());
    if any(&["FPU"]) {
        return "x87";
    }
    if any(&["MMX"]) || code.op_code().op_kinds().iter().any(is_mmx) {
        return "mmx";
    }
    if any(&["AES", "PCLMULQDQ", "SHA"]) {
        return "crypto";
    }
    if any(&["FMA"]) {
        return "fma";
    }
    if any(&["AVX", "F16C"]) {
        return avx(name.strip_prefix('V').unwrap_or(&name));
    }
    if any(&["SSE", "SSSE"]) {
        return sse(&name);
    }
    general(code.mnemonic(), &name)
}

fn is_mmx(kind: &OpCodeOperandKind) -> bool {
    use OpCodeOperandKind as K;
    matches!(kind, K::mm_reg | K::mm_rm | K::mm_or_mem)
}

/// The name has lost its V.
fn avx(name: &str) -> &'static str {
    const MOVES: [&str; 9] = [
        "mov",
        "maskmov",
        "pmaskmov",
        "broadcast",
        "pbroadcast",
        "insert",
        "extract",
        "perm",
        "blend",
    ];
    let starts = |words: &[&str]| words.iter().any(|word| name.starts_with(word));
    match name {
        _ if name.contains("cvt") => "avx_convert",
        _ if name.contains("gather") => "avx_gather",
        _ if starts(&MOVES) => "avx_move",
        _ if starts(&["p", "mpsadbw"]) => "avx_integer",
        _ => "avx_float",
    }
}

fn sse(name: &str) -> &'static str {
    match name {
        _ if name.contains("Cvt") => "sse_convert",
        "Crc32" | "Popcnt" => "bits",
        _ if name.starts_with("Mov") || name.starts_with("Mask") => "sse_move",
        _ if name.starts_with('P') && !name.starts_with("Prefetch") => "sse_integer",
        _ => "sse_float",
    }
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
        Fxsave | Fxsave64 | Fxrstor | Fxrstor64 | Xsave | Xsave64 | Xsavec | Xsavec64
        | Xsaveopt | Xsaveopt64 | Xrstor | Xrstor64 | Rdfsbase | Rdgsbase | Wrfsbase | Wrgsbase
        | Lss | Lfs | Lgs | Lar | Lsl | Verr | Verw | Retf => "system",
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
            (Code::Pshufb_mm_mmm64, "mmx"),
            (Code::Pshufb_xmm_xmmm128, "sse_integer"),
            (Code::VEX_Vpaddd_ymm_ymm_ymmm256, "avx_integer"),
            (Code::VEX_Vfmadd213ss_xmm_xmm_xmmm32, "fma"),
            (Code::VEX_Vaesenc_xmm_xmm_xmmm128, "crypto"),
            (Code::Retfq, "system"),
            (Code::Ud2, "other"),
        ];
        for (code, name) in expected {
            assert_eq!(family(code), name, "{code:?}");
        }
    }
}
