//! Builds the programs of `workloads/` with the host's C compilers, once for
//! each compiler, set of options and state of the sources, and runs programs
//! with a bound on their time.
#![allow(dead_code, reason = "each test target uses a part of it")]

pub(crate) mod beside;
pub(crate) mod recipe;

use std::fmt;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The programs of `workloads/` that use breakpoints themselves.
pub(crate) const BREAKPOINT_PROGRAMS: [&str; 12] = [
    "perf_bp",
    "perf_count",
    "perf_sample",
    "perf_ring",
    "perf_group",
    "perf_signal",
    "perf_errors",
    "perf_modify",
    "ptrace_debugreg",
    "sigtrap",
    "slots",
    "two_tasks",
];

/// The programs that do not.
pub(crate) const PLAIN_PROGRAMS: &[&str] = &[
    "sockets_inet",
    "sockets_unix",
    "compat",
    "event_files",
    "timers_signals",
    "exec",
    "files",
    "hello",
    "overflow",
    "sort",
    "spin",
    "read_stdin",
    "tiny",
    "job_control",
    "ptrace_events",
    "ptrace_steps",
];

/// No program of these tests, native or emulated, takes as long as this.
const TIME_LIMIT: Duration = Duration::from_secs(180);

/// The C library that a program is linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Libc {
    /// The one of the host's `cc`.
    Host,
    /// musl, by its compiler wrapper.
    Musl,
}

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Variant {
    pub(crate) libc: Libc,
    /// A level of `-O`.
    pub(crate) level: u8,
}

impl Variant {
    /// musl at -O1: the smallest programs.
    pub(crate) const SMALL: Self = Self { libc: Libc::Musl, level: 1 };
    /// The host's library at -O1.
    pub(crate) const HOST: Self = Self { libc: Libc::Host, level: 1 };
    /// Both libraries, without and with optimisation.
    pub(crate) const ALL: [Self; 4] = [
        Self { libc: Libc::Host, level: 0 },
        Self { libc: Libc::Host, level: 2 },
        Self { libc: Libc::Musl, level: 0 },
        Self { libc: Libc::Musl, level: 2 },
    ];

    fn compiler(self) -> &'static str {
        match self.libc {
            Libc::Host => "cc",
            Libc::Musl => "musl-gcc",
        }
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -O{}", self.compiler(), self.level)
    }
}

/// Tells that a test could not do its work here; the line is counted by CI.
#[expect(clippy::print_stdout, reason = "the way of a test to say so")]
pub(crate) fn skip(reason: impl fmt::Display) {
    // A line of its own, also where the harness has begun one.
    println!("\nskipped: {reason}");
}

/// The path of the built program, or none (and a `skipped:` line) where this
/// compiler cannot make static programs.
pub(crate) fn build_or_skip(program: &str, variant: Variant) -> Option<PathBuf> {
    let built = build(program, variant);
    if built.is_none() {
        skip(format_args!("no static C compiler ({})", variant.compiler()));
    }
    built
}

/// The path of the built program; none where the compiler cannot make static
/// programs at all.
///
/// # Panics
/// If the compiler works and the program does not compile.
pub(crate) fn build(program: &str, variant: Variant) -> Option<PathBuf> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("workloads");
    let to = built_path(&sources, program, variant);
    if to.is_file() {
        return Some(to);
    }
    if !makes_static_programs(variant) {
        return None;
    }
    let mut command = compiler(variant, &to);
    if program == "tiny" {
        command.args(["-nostdlib", "-ffreestanding"]);
    }
    // Debug information with paths relative to the sources, so that a program
    // and its recording are the same wherever the repository lies.
    command
        .arg(format!("-fdebug-prefix-map={}=.", sources.display()))
        .arg(format!("{program}.c"))
        .current_dir(&sources);
    let output = command.output().unwrap_or_else(|e| panic!("{variant}: {e}"));
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{variant} {program}.c:\n{complaint}");
    keep(&to);
    Some(to)
}

/// Where the program goes: a name that changes with its sources and options.
fn built_path(sources: &Path, program: &str, variant: Variant) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    let mut parts: Vec<PathBuf> = vec![sources.join(format!("{program}.c"))];
    let entries = fs::read_dir(sources).unwrap_or_else(|e| panic!("{}: {e}", sources.display()));
    parts.extend(
        entries.flatten().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "h")),
    );
    parts.sort();
    for part in parts {
        fs::read(&part).unwrap_or_else(|e| panic!("{}: {e}", part.display())).hash(&mut hasher);
    }
    let libc = match variant.libc {
        Libc::Host => "host",
        Libc::Musl => "musl",
    };
    let directory = format!("{libc}-O{}-{:016x}", variant.level, hasher.finish());
    scratch_directory().join(directory).join(program)
}

/// Where tests keep what they build; Cargo's own place for it.
pub(crate) fn scratch_directory() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// A compiler that writes to the place that `keep` makes permanent.
fn compiler(variant: Variant, to: &Path) -> Command {
    let directory = to.parent().unwrap_or_else(|| panic!("{}", to.display()));
    fs::create_dir_all(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    let mut command = Command::new(variant.compiler());
    command
        .args(["-g", "-static", &format!("-O{}", variant.level), "-o"])
        .arg(unfinished(to))
        .stdin(Stdio::null());
    command
}

/// Test threads and processes may build the same program at once: each builds
/// its own, and the last one's name stays.
fn unfinished(to: &Path) -> PathBuf {
    let thread = format!("{:?}", thread::current().id());
    let number: String = thread.chars().filter(char::is_ascii_digit).collect();
    to.with_extension(format!("{}-{number}", std::process::id()))
}

fn keep(to: &Path) {
    fs::rename(unfinished(to), to).unwrap_or_else(|e| panic!("{}: {e}", to.display()));
}

/// Whether the compiler exists and has a static C library.
fn makes_static_programs(variant: Variant) -> bool {
    let to = scratch_directory().join(format!("probe-{:?}", variant.libc));
    let mut command = compiler(variant, &to);
    command.args(["-x", "c", "-"]).stdin(Stdio::piped()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else {
        return false;
    };
    if let Some(mut stdin) = child.stdin.take() {
        // A compiler that ends before it reads says so by its status.
        let _ = stdin.write_all(b"#include <stdio.h>\nint main(void) { return puts(\"\") < 0; }\n");
    }
    let works = child.wait().is_ok_and(|status| status.success());
    let _ = fs::remove_file(unfinished(&to));
    works
}

/// A `dr7` command line, without arguments so far.
pub(crate) fn dr7() -> Command {
    Command::new(env!("CARGO_BIN_EXE_dr7"))
}

/// Runs a program to its end with the given standard input.
///
/// # Panics
/// If it does not end in time; it is ended then.
pub(crate) fn run(command: &mut Command, stdin: &[u8]) -> Output {
    let name = format!("{command:?}");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap_or_else(|e| panic!("{name}: {e}"));
    let input = child.stdin.take();
    let (out, err) = (child.stdout.take(), child.stderr.take());
    thread::scope(|scope| {
        scope.spawn(move || input.map(|mut to| to.write_all(stdin)));
        let stdout = scope.spawn(move || read_all(out));
        let stderr = scope.spawn(move || read_all(err));
        let status = wait(&mut child, &name);
        let collect = |reader: thread::ScopedJoinHandle<'_, Vec<u8>>| {
            reader.join().unwrap_or_else(|_| panic!("{name}: reading its output"))
        };
        Output { status, stdout: collect(stdout), stderr: collect(stderr) }
    })
}

fn read_all(from: Option<impl Read>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        // What came before an error is what there is.
        let _ = from.read_to_end(&mut bytes);
    }
    bytes
}

fn wait(child: &mut Child, name: &str) -> std::process::ExitStatus {
    let deadline = Instant::now() + TIME_LIMIT;
    let mut pause = Duration::from_micros(200);
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status,
            Ok(None) if Instant::now() < deadline => thread::sleep(pause),
            Ok(None) => {
                let _ = child.kill();
                let _ = child.wait();
                panic!("{name}: not ended after {TIME_LIMIT:?}");
            }
            Err(error) => panic!("{name}: {error}"),
        }
        pause = (pause * 2).min(Duration::from_millis(20));
    }
}

/// The bytes as text, for messages and searches.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
