//! The programs of `workloads/` print the same natively and under `dr7 run`,
//! line by line, with only ids and times masked, and end in the same way.
//!
//! `tests/transcripts/` holds what they printed on Linux 6.18, so that there is
//! something to compare with where the host refuses breakpoints;
//! `DR7_WRITE_TRANSCRIPTS=1` writes them anew from native runs.

mod guest_programs;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::{Mutex, PoisonError};

use guest_programs::{
    BREAKPOINT_PROGRAMS, PLAIN_PROGRAMS, Variant, build_or_skip, dr7, run, skip, text,
};

/// Exit status of a program that may not use breakpoints (workloads/breakpoint.h).
const STATUS_REFUSED: i32 = 77;

/// Under load, hypervisors lose a hit now and then or make a SIGTRAP of it; the
/// program's answer is right when it agrees once.
const NATIVE_ATTEMPTS: usize = 5;

/// The oldest kernel that answers all of the programs' questions as the model
/// does (siginfo of the last overflow of a budget).
const OLDEST_KERNEL: (u32, u32) = (6, 17);

/// Native programs share the host's debug registers: one at a time.
static DEBUG_REGISTERS: Mutex<()> = Mutex::new(());

/// What a program printed, with ids and times masked, and how it ended.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    lines: Vec<String>,
    status: String,
}

impl Run {
    fn of(output: &Output) -> Self {
        let lines = text(&output.stdout).lines().map(mask).collect();
        Self { lines, status: describe(output.status) }
    }

    fn from_transcript(file: &str) -> Self {
        let mut lines: Vec<String> = file.lines().map(str::to_owned).collect();
        let status = lines.pop().unwrap_or_default();
        Self { lines, status }
    }

    fn to_transcript(&self) -> String {
        let lines: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        format!("{lines}{}\n", self.status)
    }
}

/// The status as a shell shows it: `dr7 run` gives a signal back as 128 + number.
fn describe(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.map_or_else(|| format!("{status}"), |code| format!("status {code}"))
}

/// Replaces the values of `id=` and `time=` tokens.
fn mask(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((at, token)) = next_token(rest) {
        out.push_str(&rest[..at + token.len()]);
        out.push('#');
        rest = rest[at + token.len()..]
            .trim_start_matches(|c: char| c.is_ascii_hexdigit() || c == 'x');
    }
    out + rest
}

/// The first token whose value differs from run to run, at the start of a word.
fn next_token(line: &str) -> Option<(usize, &'static str)> {
    let starts_word = |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
    let found = ["id=", "time="].into_iter().flat_map(|token| {
        line.match_indices(token).filter(|&(at, _)| starts_word(at)).map(move |(at, _)| (at, token))
    });
    found.min()
}

/// Where the two differ first, with both sides.
fn first_difference(expected: &Run, found: &Run) -> String {
    let longest = expected.lines.len().max(found.lines.len());
    let side = |run: &Run, at: usize| {
        run.lines.get(at).map_or_else(|| format!("(end, {})", run.status), Clone::clone)
    };
    let at = (0..longest).find(|&at| expected.lines.get(at) != found.lines.get(at));
    let at = at.unwrap_or(longest);
    format!("line {}\n  expected: {}\n  found:    {}", at + 1, side(expected, at), side(found, at))
}

/// What the program is given.
fn arguments(program: &str) -> &'static [&'static str] {
    match program {
        "hello" => &["7", "two words", ""],
        "spin" => &["20000"],
        _ => &[],
    }
}

fn standard_input(program: &str) -> Vec<u8> {
    match program {
        "read_stdin" => (0..100).flat_map(|n: u32| format!("line {n}\n").into_bytes()).collect(),
        _ => Vec::new(),
    }
}

fn run_emulated(program: &str, path: &Path, nr_cpus: &str) -> Run {
    let mut command = dr7();
    command.args(["run", "--cpus", nr_cpus, "--"]).arg(path).args(arguments(program));
    let output = run(&mut command, &standard_input(program));
    let complaint = text(&output.stderr);
    assert!(!complaint.contains("panicked at"), "{program}: dr7 panicked:\n{complaint}");
    Run::of(&output)
}

fn run_native(program: &str, path: &Path) -> Run {
    let mut command = Command::new(path);
    command.args(arguments(program));
    Run::of(&run(&mut command, &standard_input(program)))
}

/// Why this host cannot say what breakpoint programs print.
fn native_refusal(native: &Run) -> Option<String> {
    if native.status == format!("status {STATUS_REFUSED}") {
        return native.lines.first().cloned();
    }
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let mut numbers = release.split(['.', '-']).map_while(|part| part.trim().parse::<u32>().ok());
    let kernel = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (kernel < OLDEST_KERNEL).then(|| format!("native kernel {} is older than 6.17", release.trim()))
}

fn transcript_path(program: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join("transcripts");
    directory.join(format!("{program}.txt"))
}

fn write_transcript(program: &str, native: &Run) {
    let path = transcript_path(program);
    fs::write(&path, native.to_transcript()).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}

/// Compares with native runs, the best of some attempts.
fn compare_with_native(program: &str, variant: Variant, path: &Path, emulated: &Run) {
    let _registers = DEBUG_REGISTERS.lock().unwrap_or_else(PoisonError::into_inner);
    let mut last = None;
    for _ in 0..NATIVE_ATTEMPTS {
        let native = run_native(program, path);
        if let Some(reason) =
            native_refusal(&native).filter(|_| BREAKPOINT_PROGRAMS.contains(&program))
        {
            skip(reason);
            return;
        }
        if native == *emulated {
            return;
        }
        last = Some(native);
    }
    if let Some(native) = last {
        let difference = first_difference(&native, emulated);
        panic!("{program} ({variant}): dr7 differs from the native run at {difference}");
    }
}

/// The whole comparison for one program: every way of building it, with the
/// transcript and with this host.
fn compare(program: &str) {
    for variant in Variant::ALL {
        let Some(path) = build_or_skip(program, variant) else {
            continue;
        };
        if std::env::var_os("DR7_WRITE_TRANSCRIPTS").is_some() {
            let _registers = DEBUG_REGISTERS.lock().unwrap_or_else(PoisonError::into_inner);
            write_transcript(program, &run_native(program, &path));
            return;
        }
        let emulated = run_emulated(program, &path, "2");
        let file = transcript_path(program);
        let expected =
            fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let expected = Run::from_transcript(&expected);
        if emulated != expected {
            let difference = first_difference(&expected, &emulated);
            panic!("{program} ({variant}): dr7 differs from {} at {difference}", file.display());
        }
        compare_with_native(program, variant, &path, &emulated);
    }
}

/// One test a program: a failure names it, and they run side by side.
macro_rules! programs {
    ($($program:ident),* $(,)?) => {
        $(
            #[test]
            fn $program() {
                compare(stringify!($program));
            }
        )*

        #[test]
        fn every_program_is_compared() {
            let mut here = vec![$(stringify!($program)),*];
            let mut all = [BREAKPOINT_PROGRAMS.as_slice(), PLAIN_PROGRAMS].concat();
            here.sort_unstable();
            all.sort_unstable();
            assert_eq!(here, all);
        }
    };
}

programs!(
    compat,
    event_files,
    timers_signals,
    exec,
    files,
    hello,
    job_control,
    overflow,
    perf_bp,
    perf_count,
    perf_errors,
    perf_group,
    perf_modify,
    perf_ring,
    perf_sample,
    perf_signal,
    ptrace_debugreg,
    ptrace_events,
    ptrace_steps,
    read_stdin,
    sigtrap,
    slots,
    sockets_inet,
    sockets_unix,
    sort,
    spin,
    tiny,
    two_tasks,
);

#[test]
fn every_source_is_a_known_program() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("workloads");
    let entries =
        fs::read_dir(&directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if path.extension().is_some_and(|extension| extension == "c") {
            let name = name.as_str();
            assert!(
                BREAKPOINT_PROGRAMS.contains(&name) || PLAIN_PROGRAMS.contains(&name),
                "{name}.c"
            );
        }
    }
}

/// What the programs print depends on no number of CPUs and on no timing model.
#[test]
fn cpus_and_timing_change_no_output() {
    for program in ["two_tasks", "perf_sample", "perf_count"] {
        let Some(path) = build_or_skip(program, Variant::SMALL) else {
            continue;
        };
        let one = run_emulated(program, &path, "1");
        assert_eq!(one, run_emulated(program, &path, "4"), "{program}");
        let mut command = dr7();
        command.args(["run", "--timing", "table", "--"]).arg(&path);
        assert_eq!(one, Run::of(&run(&mut command, &[])), "{program} with --timing table");
    }
}

#[test]
fn only_ids_and_times_are_masked() {
    assert_eq!(mask("id=12 grid=3 time=0x1f, id=7"), "id=# grid=3 time=#, id=#");
    assert_eq!(mask("count 12"), "count 12");
}
