//! `dr7 chaos`: what was typed.

use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;

use clap::Args;

use super::GuestArgs;

/// What `--help` says after the options.
const AFTER_HELP: &str = "The program is run as dr7 run would run it, and then with each seed, \
which is dr7 run --sched-seed SEED. A seed varies how many instructions a thread runs before \
another one may (one to some thousands), at which instruction it is preempted, which of the \
runnable threads runs next, on which CPU a woken one goes on, and whether it preempts its waker; \
it holds threads back for up to some milliseconds of the guest's time, and gives some a low \
priority for a while. Not varied: the order in which waiters of one futex or pipe are woken, \
memory order (CPUs are sequentially consistent), the program's input, random numbers and date.\n\n\
A run differs if it ends in another way or not within --max-insns (unless given: 20 times the \
first run's instructions and 100,000,000 more), prints something else to standard output or \
error, or hits a watch more or less often or leaves another value in it. Standard input is read \
to its end before the first run.\n\nExit status: 0 all seeds agree with the first run, 1 one \
differs, 2 for what dr7 itself could not do.";

/// `dr7 chaos`.
#[derive(Clone, Debug, Args)]
#[command(override_usage = "dr7 chaos [OPTIONS] -- PROG [ARGS]...")]
#[command(after_long_help = AFTER_HELP)]
#[command(after_help = "What is varied, and what counts as a difference: --help. Exit status: 0 \
    all seeds agree with the first run, 1 one differs, 2 for what dr7 itself could not do.")]
pub struct ChaosArgs {
    /// Seeds to run.
    #[arg(short = 'n', long = "seeds", value_name = "N", default_value = "100")]
    pub seeds: NonZeroU64,

    /// The first seed.
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub from: u64,

    /// Runs at once; as many as the host has processors unless told otherwise.
    #[arg(long, value_name = "J")]
    pub jobs: Option<NonZeroUsize>,

    /// Go on after the first seed that differs.
    #[arg(long)]
    pub all: bool,

    /// The recording of the first seed that differs; PROG.seedN.dr7 unless told otherwise.
    #[arg(short = 'o', long = "output", value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// What to run; --sched-seed is that of the first run.
    #[command(flatten)]
    pub guest: GuestArgs,
}
