//! Images for the bare machine: assembled here, or by the host's compiler from the
//! sources beside this file.

use std::path::{Path, PathBuf};
use std::process::Command;

use iced_x86::IcedError;
use iced_x86::code_asm::CodeAssembler;
use tempfile::TempDir;

use crate::guest_programs::{skip, text};

/// Where the code of [`code64`] is loaded and entered.
const AT: u64 = 0x20_0000;

/// A 64-bit image with code that is assembled at its place.
pub(crate) fn code64(assemble: impl Fn(&mut CodeAssembler) -> Result<(), IcedError>) -> Vec<u8> {
    let mut asm = CodeAssembler::new(64).expect("64 bits");
    assemble(&mut asm).expect("code");
    elf64(AT, &asm.assemble(AT).expect("code"))
}

/// A 64-bit executable of one segment that is entered at its start.
pub(crate) fn elf64(at: u64, code: &[u8]) -> Vec<u8> {
    let mut out = b"\x7fELF\x02\x01\x01".to_vec();
    out.resize(16, 0);
    [2u16, 62, 1, 0].iter().for_each(|half| out.extend(half.to_le_bytes()));
    [at, 64, 0].iter().for_each(|word| out.extend(word.to_le_bytes()));
    out.extend([0; 4]);
    [64u16, 56, 1, 0, 0, 0].iter().for_each(|half| out.extend(half.to_le_bytes()));
    [1u32, 7].iter().for_each(|word| out.extend(word.to_le_bytes()));
    let len = code.len() as u64;
    [120, at, at, len, len, 16].iter().for_each(|word| out.extend(word.to_le_bytes()));
    out.extend(code);
    out
}

/// Builds `boot/NAME.S` as a file of this class; none (and a `skipped:` line) where there
/// is no compiler for it.
pub(crate) fn build_or_skip(directory: &TempDir, name: &str, bits: u32) -> Option<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/boot");
    let to = directory.path().join(format!("{name}-{bits}.elf"));
    let mut command = Command::new("gcc");
    command.current_dir(sources).arg(format!("-m{bits}"));
    command.args(["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-T", "image.ld"]);
    match command.arg(format!("{name}.S")).arg("-o").arg(&to).output() {
        Ok(output) => {
            assert!(output.status.success(), "{name}.S:\n{}", text(&output.stderr));
            Some(to)
        }
        Err(error) => {
            skip(format_args!("no gcc ({error})"));
            None
        }
    }
}
