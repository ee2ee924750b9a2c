//! `dr7 boot`: what was typed, in dr7's spelling or in QEMU's.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use clap::Args;
use emulator::cpuid::{CpuModel, CpuVendor};
use emulator::timing::TimingChoice;

use super::kept_hits::KeptHitsArg;
use super::size;

/// Where the guest's serial port leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serial {
    /// Output to standard output; no input.
    Output,
    /// The same, and input from standard input.
    Stdio,
    /// Output to a file.
    File(PathBuf),
}

/// What `--help` says after the options.
const AFTER_HELP: &str = "Images: multiboot-1 (ELF or with addresses in the header; entered in \
32-bit protected mode), ELF with a PVH entry note (the same), any other ELF-64 (entered in 64-bit \
mode with RDI = multiboot information, RSI = 0x2badb002).

-kernel, -append, -initrd and -serial are accepted as QEMU spells them, and so are commas between \
modules (a doubled comma is one).

Exit status:
  V * 2 + 1  the guest wrote V to the debug-exit port 0xf4 (modulo 256, always odd)
  0          the guest turned the power off, or reset the machine (a note tells which)
  2          what dr7 itself could not do: bad input, an instruction that is not built
  4          triple fault
  6          halted for ever: all CPUs wait and nothing will come
  8          stopped at the limit of --max-insns
  10         a CPU delivers exceptions without end";

/// `dr7 boot`.
#[derive(Clone, Debug, Args)]
#[command(override_usage = "dr7 boot [OPTIONS] IMAGE")]
#[command(after_help = AFTER_HELP)]
pub struct BootArgs {
    /// The image to start.
    #[arg(value_name = "IMAGE", required_unless_present = "kernel")]
    image: Option<PathBuf>,

    /// The same, as QEMU has it.
    #[arg(long, value_name = "IMAGE", conflicts_with = "image", hide = true)]
    kernel: Option<PathBuf>,

    /// CPUs of the machine, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub cpus: usize,

    /// Memory of the machine, 1M to 3G, in bytes or with K, M or G.
    #[arg(long, value_name = "SIZE", default_value = "128M", value_parser = size::parse)]
    pub mem: u64,

    /// Where COM1 leads: a file, or stdio; by default its output goes to standard output.
    ///
    /// With stdio, standard input goes to COM1 if it is a file or a pipe; it is read to its
    /// end before the start, so that equal input makes equal runs.
    #[arg(long, value_name = "FILE|stdio")]
    serial: Option<OsString>,

    /// Stop after so many instructions of all CPUs.
    #[arg(long, value_name = "N")]
    pub max_insns: Option<u64>,

    /// Arguments for the image: its command line after its name.
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub append: Option<OsString>,

    /// Load a file beside the image as a module; its string is all of this.
    #[arg(long, value_name = "FILE[ ARGS]", allow_hyphen_values = true)]
    initrd: Vec<OsString>,

    /// The processor: v1, v2 or v3, after the x86-64 psABI levels.
    #[arg(long, value_name = "MODEL", default_value_t = CpuModel::default())]
    pub cpu: CpuModel,

    /// The processor's maker, where they differ: intel or amd.
    #[arg(long, value_name = "VENDOR", default_value_t = CpuVendor::default())]
    pub cpu_vendor: CpuVendor,

    /// How cycles are counted: none or table.
    #[arg(long, value_name = "MODEL", default_value_t = TimingChoice::None)]
    pub timing: TimingChoice,

    /// A hit kept by MOV SS, when the next instruction enters a handler.
    #[arg(long, value_name = "FATE", value_enum, default_value_t = KeptHitsArg::default())]
    pub kept_hits: KeptHitsArg,
}

impl BootArgs {
    /// The image to start, by either of its options.
    #[must_use]
    pub fn image(&self) -> PathBuf {
        self.image.clone().or_else(|| self.kernel.clone()).unwrap_or_default()
    }

    /// Where the serial port leads.
    #[must_use]
    pub fn serial(&self) -> Serial {
        match self.serial.as_deref() {
            None => Serial::Output,
            Some(word) if word == "stdio" => Serial::Stdio,
            Some(path) => Serial::File(path.into()),
        }
    }

    /// The strings of the modules: the words of `--initrd`, split at single commas.
    pub fn modules(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        self.initrd.iter().flat_map(|word| split_at_commas(word.as_encoded_bytes()))
    }
}

fn split_at_commas(word: &[u8]) -> Vec<Vec<u8>> {
    let mut parts = vec![Vec::new()];
    let mut rest = word;
    loop {
        rest = match rest {
            [] => return parts,
            [b',', b',', rest @ ..] => {
                parts.last_mut().expect("never empty").push(b',');
                rest
            }
            [b',', rest @ ..] => {
                parts.push(Vec::new());
                rest
            }
            [byte, rest @ ..] => {
                parts.last_mut().expect("never empty").push(*byte);
                rest
            }
        };
    }
}

/// The options that may have one dash.
const QEMU_OPTIONS: [&str; 4] = ["kernel", "append", "initrd", "serial"];

/// Rewrites QEMU's spellings in the words of a `dr7 boot` command line; others are left as
/// they are.
pub fn rewrite_qemu_spellings(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut words = words.into_iter();
    let mut out: Vec<OsString> = words.by_ref().take(2).collect();
    if out.get(1).is_none_or(|command| command != "boot") {
        out.extend(words);
        return out;
    }
    while let Some(word) = words.next() {
        if word == "--" {
            out.push(word);
            break;
        }
        let Some(option) = qemu_option(&word) else {
            out.push(word);
            continue;
        };
        // The value joins it: it may begin with a dash.
        let mut joined = OsString::from("--");
        joined.push(option);
        if let Some(value) = words.next() {
            joined.push("=");
            joined.push(value);
        }
        out.push(joined);
    }
    out.extend(words);
    out
}

/// The option that a word is, with one dash or two.
fn qemu_option(word: &OsStr) -> Option<&'static str> {
    let name = word.to_str()?.strip_prefix('-')?;
    let name = name.strip_prefix('-').unwrap_or(name);
    QEMU_OPTIONS.into_iter().find(|option| *option == name)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Cli, Command};

    fn boot(words: &[&str]) -> BootArgs {
        let words = ["dr7", "boot"].iter().chain(words).map(OsString::from);
        match Cli::try_parse_from(rewrite_qemu_spellings(words)).unwrap().command {
            Command::Boot(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn qemu_s_spelling_says_the_same() {
        let qemu = boot(&[
            "-kernel",
            "k.elf",
            "-append",
            "-serial x",
            "-serial",
            "stdio",
            "-initrd",
            "env,b c,,d",
        ]);
        let own = boot(&[
            "k.elf",
            "--append",
            "-serial x",
            "--serial=stdio",
            "--initrd=env",
            "--initrd",
            "b c,,d",
        ]);
        for args in [&qemu, &own] {
            assert_eq!(args.image(), PathBuf::from("k.elf"));
            assert_eq!(args.append.as_deref(), Some(OsStr::new("-serial x")));
            assert_eq!(args.serial(), Serial::Stdio);
            let modules: Vec<_> = args.modules().collect();
            assert_eq!(modules, [b"env".to_vec(), b"b c,d".to_vec()]);
        }
        assert_eq!(boot(&["k"]).serial(), Serial::Output);
        assert_eq!(boot(&["k", "-serial", "out"]).serial(), Serial::File("out".into()));
        assert_eq!(boot(&["k", "-append", ""]).append, Some(OsString::new()));
    }

    #[test]
    fn other_command_lines_are_left_alone() {
        let words = ["dr7", "run", "--", "prog", "-append", "x"].map(OsString::from);
        assert_eq!(rewrite_qemu_spellings(words.clone()), words);
        let words = ["dr7"].map(OsString::from);
        assert_eq!(rewrite_qemu_spellings(words.clone()), words);
        let words = ["dr7", "boot", "--", "-append"].map(OsString::from);
        assert_eq!(rewrite_qemu_spellings(words.clone()), words);
    }

    #[test]
    fn what_is_missing_or_wrong_is_refused() {
        for words in [
            &["dr7", "boot"][..],
            &["dr7", "boot", "a", "-kernel", "b"],
            &["dr7", "boot", "a", "-append"],
            &["dr7", "boot", "a", "--timing", "exact"],
            &["dr7", "boot", "a", "--mem", "much"],
            &["dr7", "boot", "a", "--kept-hits", "both"],
        ] {
            let words = rewrite_qemu_spellings(words.iter().map(OsString::from));
            assert_eq!(Cli::try_parse_from(&words).unwrap_err().exit_code(), 2, "{words:?}");
        }
    }
}
