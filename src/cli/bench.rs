//! `dr7 bench`: what was typed.

use clap::{Args, Subcommand, ValueEnum};

/// What runs the kernels besides the processor itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Contender {
    /// This machine, one cycle an instruction.
    Dr7,
    /// The same with a watch armed that nothing hits.
    Watch,
    /// `qemu-x86_64`, user mode.
    Qemu,
    /// Unicorn 2, from Python.
    Unicorn,
    /// `valgrind --tool=none`.
    Valgrind,
}

impl Contender {
    /// All, in the order of the table.
    pub const ALL: [Self; 5] = [Self::Dr7, Self::Watch, Self::Qemu, Self::Unicorn, Self::Valgrind];

    /// The heading of its column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Dr7 => "dr7",
            Self::Watch => "dr7+watch",
            Self::Qemu => "qemu",
            Self::Unicorn => "unicorn",
            Self::Valgrind => "valgrind",
        }
    }
}

/// How figures are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchFormat {
    /// A table for people.
    Table,
    /// One JSON object a line.
    Json,
}

/// `dr7 bench`.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "The kernels are compiled with musl-gcc, or cc, at -O2 -static for the \
    baseline x86-64.\nExit status: 0 if all contenders print what the processor prints, 1 if one \
    does not, 2 for what dr7 itself could not do.",
    args_conflicts_with_subcommands = true
)]
pub struct BenchArgs {
    /// Something else to measure.
    #[command(subcommand)]
    pub what: Option<BenchWhat>,

    /// Runs of each kernel by each contender; the median counts.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub runs: u32,

    /// Only kernels with this in their name.
    #[arg(long, value_name = "KERNEL")]
    pub filter: Option<String>,

    /// Only these contenders, with commas between them.
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',')]
    pub contenders: Vec<Contender>,

    /// Run each kernel for an N-th of its usual count.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub divide: u64,

    /// As JSON lines.
    #[arg(long)]
    pub json: bool,
}

/// What else is measured.
#[derive(Clone, Debug, Subcommand)]
pub enum BenchWhat {
    /// Breakpoint slots: what a reservation costs by tasks and CPUs, and what follows it.
    Slots(SlotsArgs),
    /// The kernel layer: system calls, fork, context switches, page faults, threads.
    Linux(LinuxArgs),
}

/// `dr7 bench linux`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Each program does one operation many times, natively and under dr7, and \
    the median of the wall-clock times counts, less that of runs that do none.\nExit status: as \
    of dr7 bench.")]
pub struct LinuxArgs {
    /// Runs of each program.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub runs: u32,

    /// Do an N-th of the usual number of operations.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    pub divide: u64,

    /// As JSON lines.
    #[arg(long)]
    pub json: bool,
}

impl LinuxArgs {
    /// How the figures are written.
    #[must_use]
    pub const fn format(&self) -> BenchFormat {
        if self.json { BenchFormat::Json } else { BenchFormat::Table }
    }
}

/// `dr7 bench slots`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "Each round measures every cell once, for some tens of microseconds, and \
    the median counts. Where the running kernel allows it, its own perf_event_open and close of a \
    breakpoint are measured in the same rounds.")]
pub struct SlotsArgs {
    /// Rounds.
    #[arg(long, value_name = "N", default_value_t = 101, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rounds: u32,

    /// The most tasks that hold a breakpoint.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub tasks: u32,

    /// As JSON lines.
    #[arg(long)]
    pub json: bool,
}

impl SlotsArgs {
    /// How the figures are written.
    #[must_use]
    pub const fn format(&self) -> BenchFormat {
        if self.json { BenchFormat::Json } else { BenchFormat::Table }
    }
}

impl BenchArgs {
    /// The contenders asked for, in the order of the table.
    pub fn contenders(&self) -> impl Iterator<Item = Contender> + '_ {
        let wanted = |contender: &Contender| {
            self.contenders.is_empty() || self.contenders.contains(contender)
        };
        Contender::ALL.into_iter().filter(wanted)
    }

    /// How the figures are written.
    #[must_use]
    pub const fn format(&self) -> BenchFormat {
        if self.json { BenchFormat::Json } else { BenchFormat::Table }
    }
}
