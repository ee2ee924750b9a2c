//! The command line, first stage: what was typed.
//!
//! Names are those that perf and rr users expect. The second stage (`cmd::plan`)
//! makes validated objects from these.

pub mod bench;
pub mod boot;
pub mod chaos;
pub mod conformance_debug;
pub mod conformance_ring0;
pub mod conformance_slots;
pub mod count_spec;
pub mod instructions;
pub mod kept_hits;
pub mod kernel;
pub mod scenario;
mod size;
pub mod strace;
pub mod syscalls;
pub mod watch_spec;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use emulator::cpuid::{CpuModel, CpuVendor};

use crate::session::config::Timing;
use crate::session::plan::DEFAULT_MARK_EVERY;

/// A deterministic x86-64 machine with faithful debug registers.
#[derive(Clone, Debug, Parser)]
#[command(name = "dr7", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run a static x86-64 program and print each hit of its watches.
    Run(RunArgs),
    /// Run a program and keep all that a replay needs.
    Record(RecordArgs),
    /// Run a recording again and verify every input, hit and digest.
    Replay(ReplayArgs),
    /// Run a program under many interleavings of its threads, and record one that differs.
    Chaos(chaos::ChaosArgs),
    /// Show what a recording holds.
    Dump(DumpArgs),
    /// Start an image on a bare machine: multiboot, PVH or ELF-64.
    Boot(boot::BootArgs),
    /// Compare the emulator with what it emulates.
    Conformance(ConformanceArgs),
    /// Play files of breakpoint operations on the kernel model and check the answers.
    Scenario(scenario::ScenarioArgs),
    /// List the instructions, and which are built.
    Instructions(instructions::InstructionsArgs),
    /// List the system calls, and how far each is supported.
    Syscalls(syscalls::SyscallsArgs),
    /// Measure speed beside the processor's own and other emulators'.
    Bench(bench::BenchArgs),
}

/// What `-h` says of `-e`.
const EVENT_HELP: &str =
    "Watch memory or execution, mem:ADDR_OR_SYMBOL[+OFF][/LEN][:rwx], or count: cycles,{a,b}:u";
/// What `--help` says of `-e`.
const EVENT_LONG_HELP: &str = "Watch memory or execution: mem:ADDR_OR_SYMBOL[+OFF][/LEN][:rwx]

ADDR is decimal, or hexadecimal after 0x. The access has the letters w, rw or x in any order \
(default rw); LEN is 1, 2, 4 or 8 bytes (default 4, and 8 for x). May be given several times.

Or count events by perf's names, in comma lists and {groups}, with modifiers u, k, h, D and e: \
cycles, instructions, branches, branch-misses, cache-references, cache-misses, ref-cycles, \
task-clock, page-faults, context-switches and so on. Branches and caches are counted with \
--timing table. A CPU has 4 counters; more events take turns, and their counts are scaled";

/// Which program on which machine, with which watches.
#[derive(Clone, Debug, Args)]
pub struct GuestArgs {
    /// Watches on memory or execution, and events to count, as `perf` writes them.
    #[arg(short = 'e', long = "event", value_name = "EVENT", help = EVENT_HELP, long_help = EVENT_LONG_HELP)]
    pub events: Vec<String>,

    /// CPUs of the machine, 1 to 64.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub cpus: u32,

    /// The processor: v1, v2 or v3, after the x86-64 psABI levels.
    #[arg(long, value_name = "MODEL", default_value_t = CpuModel::default())]
    pub cpu: CpuModel,

    /// Whose rules hold where they differ: intel or amd.
    #[arg(long, value_name = "VENDOR", default_value_t = CpuVendor::default())]
    pub cpu_vendor: CpuVendor,

    /// Which kernel is modelled.
    #[command(flatten)]
    pub kernel: kernel::KernelArgs,

    /// How cycles are counted.
    #[arg(long, value_name = "MODEL", value_enum, default_value_t = Timing::None)]
    pub timing: Timing,

    /// Memory of the machine, in bytes or with K, M or G.
    #[arg(long, value_name = "SIZE", default_value = "512M", value_parser = size::parse)]
    pub mem: u64,

    /// Where the guest's random numbers start from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,

    /// Another interleaving of the guest's threads and processes, the same each time.
    #[arg(long, value_name = "N")]
    pub sched_seed: Option<u64>,

    /// The guest's root directory: a directory of the host. Changes stay in the guest.
    #[arg(long, value_name = "DIR")]
    pub root: Option<PathBuf>,

    /// A directory or file of the host in the guest; with :ro nothing in it can be changed.
    #[arg(long = "mount", value_name = "HOST:GUEST[:ro]")]
    pub mounts: Vec<OsString>,

    /// Stop after so many instructions.
    #[arg(long, value_name = "N")]
    pub max_insns: Option<u64>,

    /// Add a variable to the guest's small fixed environment, or replace one.
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<OsString>,

    /// Scheduling quanta between two digests of the machine's state.
    #[arg(long, value_name = "STEPS", default_value_t = DEFAULT_MARK_EVERY, hide = true)]
    pub mark_every: u64,

    /// The program, a path or found through PATH, and its arguments.
    #[arg(
        value_name = "PROG",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub command: Vec<OsString>,
}

/// How much of the hits is printed.
#[derive(Clone, Copy, Debug, Args)]
pub struct HitArgs {
    /// Print at most so many hits of each watch; all are counted.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub hits: u64,
}

/// `dr7 run`.
#[derive(Clone, Debug, Args)]
#[command(override_usage = "dr7 run [OPTIONS] -- PROG [ARGS]...")]
#[command(after_help = "Exit status: the guest's own (128 + signal if it was killed), \
    or 2 for what dr7 itself could not do.")]
pub struct RunArgs {
    /// Also write hits, armed spans, exits and the summary as JSON lines.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Let gdb control the machine: :PORT, HOST:PORT of this host, or unix:PATH. The run waits for
    /// it before the first user instruction.
    #[arg(long, value_name = "PLACE")]
    pub kgdb: Option<String>,

    /// Trace accesses to a variable of the kernel: SYMBOL:rw- or SYMBOL:-w-, as
    /// ksym_trace_filter takes them. May be given several times.
    #[arg(long, value_name = "SYMBOL:ACCESS")]
    pub ksym: Vec<String>,

    /// Write an ELF file with the kernel's symbols, for gdb's add-symbol-file.
    #[arg(long, value_name = "FILE")]
    pub kernel_symbols: Option<PathBuf>,

    /// Whether system calls are shown.
    #[command(flatten)]
    pub strace: strace::StraceArgs,

    /// How much is printed.
    #[command(flatten)]
    pub hits: HitArgs,

    /// What to run.
    #[command(flatten)]
    pub guest: GuestArgs,
}

/// `dr7 record`.
#[derive(Clone, Debug, Args)]
#[command(override_usage = "dr7 record [OPTIONS] -o FILE -- PROG [ARGS]...")]
#[command(after_help = "Exit status: as of dr7 run.")]
pub struct RecordArgs {
    /// The recording, written when the run has ended.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub output: PathBuf,

    /// Also write hits, armed spans, exits and the summary as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Refused: what a debugger does is not part of a recording.
    #[arg(long, value_name = "PLACE", hide = true)]
    pub kgdb: Option<String>,

    /// Whether system calls are shown.
    #[command(flatten)]
    pub strace: strace::StraceArgs,

    /// How much is printed.
    #[command(flatten)]
    pub hits: HitArgs,

    /// What to run.
    #[command(flatten)]
    pub guest: GuestArgs,
}

/// `dr7 replay`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Exit status: 0 identical, 1 diverged, 2 for what dr7 itself could not do.")]
pub struct ReplayArgs {
    /// The recording.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// Also write hits, armed spans, exits and the summary as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Whether system calls are shown.
    #[command(flatten)]
    pub strace: strace::StraceArgs,

    /// How much is printed.
    #[command(flatten)]
    pub hits: HitArgs,
}

/// `dr7 dump`.
#[derive(Clone, Debug, Args)]
pub struct DumpArgs {
    /// The recording.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,

    /// As JSON lines.
    #[arg(long)]
    pub json: bool,
}

/// `dr7 conformance`.
#[derive(Clone, Debug, Args)]
pub struct ConformanceArgs {
    /// What to compare.
    #[command(subcommand)]
    pub what: Conformance,
}

/// What to compare.
#[derive(Clone, Debug, Subcommand)]
pub enum Conformance {
    /// User instructions with this processor: registers, flags, memory, exceptions.
    Isa(IsaArgs),
    /// Debug-register cases measured on a processor with this emulator.
    Debug(conformance_debug::DebugArgs),
    /// The ring-0 conformance image here, on QEMU and on Bochs.
    Ring0(conformance_ring0::Ring0Args),
    /// Random breakpoint operations on the model and on the running kernel.
    Slots(conformance_slots::SlotsArgs),
}

/// `dr7 conformance isa`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Exit status: 0 no mismatch, or skipped; 1 a mismatch; 2 for what dr7 \
    itself could not do.")]
pub struct IsaArgs {
    /// Cases to compare.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub cases: u64,

    /// Where the cases come from.
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,

    /// Number of the first case.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub from: u64,

    /// Only instructions of this name, as the manual has it.
    #[arg(long, value_name = "MNEMONIC")]
    pub filter: Option<String>,

    /// Most instructions in a case; with more than one, half of all cases are blocks.
    #[arg(
        long,
        value_name = "LEN",
        default_value_t = 30,
        value_parser = clap::value_parser!(u64).range(1..=30)
    )]
    pub block_len: u64,

    /// Compare what the manual leaves undefined as well: processors differ there.
    #[arg(long)]
    pub undefined: bool,

    /// Write data files with this processor's answers instead.
    #[arg(long, value_name = "DIR")]
    pub write_data: Option<PathBuf>,

    /// Cases of each instruction form in data files.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub per_form: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn options_end_where_the_program_starts() {
        let words = ["dr7", "run", "-e", "mem:a:w", "--cpus", "4", "--", "prog", "-e", "--cpus"];
        let Command::Run(run) = Cli::try_parse_from(words).unwrap().command else {
            panic!("not run");
        };
        assert_eq!(run.guest.events, ["mem:a:w"]);
        assert_eq!(run.guest.cpus, 4);
        assert_eq!(run.guest.command, ["prog", "-e", "--cpus"]);

        assert_eq!(run.guest.cpu, CpuModel::V3);

        let words = ["dr7", "record", "-o", "f", "--timing", "table", "--cpu", "v2", "prog", "-x"];
        let Command::Record(record) = Cli::try_parse_from(words).unwrap().command else {
            panic!("not record");
        };
        assert_eq!(record.guest.timing, Timing::Table);
        assert_eq!(record.guest.cpu, CpuModel::V2);
        assert_eq!(record.guest.command, ["prog", "-x"]);
    }

    #[test]
    fn what_is_missing_is_refused() {
        for words in [
            &["dr7", "run"][..],
            &["dr7", "record", "--", "prog"],
            &["dr7", "replay"],
            &["dr7", "run", "--timing", "exact", "--", "prog"],
            &["dr7", "run", "--mem", "lots", "--", "prog"],
            &["dr7", "run", "--cpu", "v4", "--", "prog"],
            &["dr7", "run", "--kernel", "2.4", "--", "prog"],
            &["dr7", "run", "--defect", "S99=off", "--", "prog"],
        ] {
            let error = Cli::try_parse_from(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{words:?}");
        }
    }
}
