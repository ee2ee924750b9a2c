//! The invariants of ARCHITECTURE.md, each with a test that names file and line.

mod source_tree;

use std::collections::{BTreeMap, BTreeSet};

use source_tree::{RepoFile, code_lines, code_only, files, identifiers};

/// The packages of this workspace.
const PACKAGES: [&str; 4] = ["dr7", "emulator", "perf-core", "kernel-model"];

/// The longest source file that is still read in one go.
const MAX_LINES: usize = 600;

/// Fails with one line for each finding.
fn assert_none(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}\n", findings.join("\n  "));
}

/// `path:line: code` for each line of code, in the Rust files that `applies`
/// names, that has an identifier for which `forbidden` says why not.
fn findings(
    applies: impl Fn(&str) -> bool,
    forbidden: impl Fn(&str) -> Option<&'static str>,
) -> Vec<String> {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.is_rust() && applies(&file.path)) {
        for line in code_lines(file) {
            for why in identifiers(&line.code).filter_map(&forbidden) {
                let code = line.code.trim();
                found.push(format!("{}:{}: {why}: {code}", file.path, line.number));
            }
        }
    }
    found
}

/// Whether a file holds tests only, by its name or directory.
fn is_test_code(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.starts_with("tests/")
        || path.contains("/tests/")
        || name == "tests.rs"
        || name.ends_with("_tests.rs")
}

// ---------------------------------------------------------------- crate edges

/// The packages of this workspace that a manifest depends on, in any section.
fn workspace_dependencies(manifest: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut in_dependencies = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            in_dependencies = !section.starts_with("workspace") && section.contains("dependencies");
            // [dependencies.name]
            let name = section.rsplit('.').next().unwrap_or(section);
            if in_dependencies && PACKAGES.contains(&name) {
                found.insert(name.to_owned());
            }
        } else if in_dependencies {
            let name = line.split(['.', '=', ' ']).next().unwrap_or("");
            if PACKAGES.contains(&name) {
                found.insert(name.to_owned());
            }
            let renamed = PACKAGES.into_iter().filter(|package| {
                line.contains(&format!("package = \"{package}\""))
                    || line.contains(&format!("path = \"../{package}\""))
            });
            found.extend(renamed.map(str::to_owned));
        }
    }
    found
}

#[test]
fn crates_depend_on_each_other_in_one_direction() {
    let expected: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("emulator/Cargo.toml", [].as_slice()),
        ("perf-core/Cargo.toml", &[]),
        ("kernel-model/Cargo.toml", &["emulator", "perf-core"]),
        ("Cargo.toml", &["emulator", "perf-core", "kernel-model"]),
    ]);
    let all = files();
    let mut wrong = Vec::new();
    for (path, dependencies) in expected {
        let manifest = all.iter().find(|file| file.path == path).map(RepoFile::text);
        let found = workspace_dependencies(&manifest.unwrap_or_default());
        let dependencies = dependencies.iter().map(|&name| name.to_owned()).collect();
        if found != dependencies {
            wrong.push(format!("{path}:1: depends on {found:?}, not on {dependencies:?}"));
        }
    }
    assert_none("crate edges", &wrong);
}

#[test]
fn manifest_reader_sees_every_spelling() {
    let manifest = "[package]\nname = \"dr7\"\n[dependencies]\nemulator.workspace = true\n\
                    [dev-dependencies.perf-core]\npath = \"x\"\n[target.'cfg(unix)'.dependencies]\n\
                    other = { package = \"kernel-model\" }\n[workspace.dependencies]\ndr7 = \"1\"\n";
    let found: Vec<String> = workspace_dependencies(manifest).into_iter().collect();
    assert_eq!(found, ["emulator", "kernel-model", "perf-core"]);
}

// ------------------------------------------------------- what a crate may name

#[test]
fn only_the_x86_layer_of_the_kernel_model_names_the_emulator() {
    let applies = |path: &str| {
        path.starts_with("kernel-model/src/") && !path.starts_with("kernel-model/src/arch/x86/")
    };
    let found =
        findings(applies, |identifier| (identifier == "emulator").then_some("outside arch/x86"));
    assert_none("the emulator is named only in kernel-model/src/arch/x86", &found);
}

/// The signals that a processor's exceptions become, and the best-known others.
const SIGNALS: [&str; 16] = [
    "SIGTRAP", "SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGIO", "SIGCHLD", "SIGKILL", "SIGSTOP",
    "SIGCONT", "SIGINT", "SIGTERM", "SIGABRT", "SIGALRM", "SIGUSR1", "SIGUSR2",
];

/// Why an identifier of the emulator belongs to an operating system.
fn operating_system_word(identifier: &str) -> Option<&'static str> {
    let has_part = |part| identifier.split('_').any(|found| found.eq_ignore_ascii_case(part));
    match identifier {
        _ if has_part("pid") || has_part("tid") || has_part("tgid") => Some("a process id"),
        "Pid" | "Tid" | "Task" | "TaskId" | "Process" => Some("a task"),
        "Signal" | "siginfo" | "SigInfo" | "sigaction" => Some("a signal"),
        "Errno" | "errno" => Some("a system call's error"),
        _ if SIGNALS.contains(&identifier) => Some("a signal"),
        _ if identifier.starts_with("perf_event") || identifier.starts_with("PerfEvent") => {
            Some("a perf event")
        }
        _ if ["__NR_", "SYS_", "sys_"].iter().any(|prefix| identifier.starts_with(prefix)) => {
            Some("a system call's number or name")
        }
        _ => None,
    }
}

#[test]
fn the_emulator_knows_no_operating_system() {
    let found = findings(|path| path.starts_with("emulator/src/"), operating_system_word);
    assert_none("no pid, signal, system call number or perf event in emulator", &found);
}

/// Why an identifier of the perf core belongs to a processor.
fn processor_word(identifier: &str) -> Option<&'static str> {
    let lower = identifier.to_ascii_lowercase();
    let words = ["x86", "dr0", "dr6", "dr7", "debugreg", "debug_register", "debugregister"];
    let part_of = |word: &&str| lower.split('_').any(|part| part == *word) || lower == **word;
    let long = |word: &&str| word.len() > 3 && lower.contains(*word);
    words.iter().find(|word| part_of(word) || long(word)).map(|_| "a processor's")
}

#[test]
fn the_perf_core_knows_no_processor() {
    let found = findings(|path| path.starts_with("perf-core/src/"), processor_word);
    assert_none("no x86 and no debug register in perf-core", &found);
}

#[test]
fn word_lists_find_what_they_are_for() {
    for word in ["pid", "guest_pid", "Task", "SIGTRAP", "__NR_read", "SYS_write", "perf_event_open"]
    {
        assert!(operating_system_word(word).is_some(), "{word}");
    }
    for word in ["rapid", "TaskSwitched", "SIGN_BIT", "syscall", "signed", "perform"] {
        assert!(operating_system_word(word).is_none(), "{word}");
    }
    for word in ["x86", "dr7", "write_dr7", "DR6", "set_debugreg", "DebugRegister"] {
        assert!(processor_word(word).is_some(), "{word}");
    }
    for word in ["drained", "hdr", "debug", "register_event"] {
        assert!(processor_word(word).is_none(), "{word}");
    }
}

// ------------------------------------------------------------- nondeterminism

/// Files that may name a source of nondeterminism, which, and why.
const MAY_DIFFER: &[(&str, &[&str], &str)] = &[
    ("src/main.rs", &["env"], "the command line"),
    ("src/cli", &["env"], "the command line"),
    ("src/cmd/", &["env", "Instant", "time"], "the command line, and the host's own speed"),
    ("src/cmd/chaos/", &["thread"], "runs at once, each its own machine, told in order"),
    ("src/report/", &["Instant", "time"], "the host's own speed, told and never recorded"),
    ("src/conformance/slots/native/", &["thread", "time"], "waits for processes of the host"),
    ("src/host_perf/", &["env"], "where temporary files are, for a lock"),
    ("src/kgdb/", &["thread", "time"], "a debugger; its runs are never recorded"),
    ("src/session/program.rs", &["env"], "PATH, before anything runs"),
    ("emulator/src/dispatch/cache.rs", &["FxHashMap"], "a fixed hash, never iterated"),
];

/// Whether an identifier by itself stands for something that may make two runs differ.
fn source_of_difference(identifier: &str) -> bool {
    let clocks = ["Instant", "SystemTime"];
    let order_of_hashes =
        ["HashMap", "HashSet", "RandomState", "DefaultHasher", "FxHashMap", "FxHashSet"];
    let randomness = ["rand", "getrandom"];
    [clocks.as_slice(), &order_of_hashes, &randomness].concat().contains(&identifier)
}

/// Modules of std that do the same: not any `time`, `env` or `thread`, and not
/// the question whether a panic is under way, which changes no result.
fn std_module(code: &str) -> Option<&'static str> {
    let compact: String = code.split_whitespace().collect();
    let compact = compact.replace("std::thread::panicking", "");
    let names = ["time", "env", "thread"];
    names.into_iter().find(|name| compact.contains(&format!("std::{name}")))
}

fn may_differ(path: &str, word: &str) -> bool {
    let mut allowed = MAY_DIFFER.iter().filter(|(prefix, ..)| path.starts_with(prefix));
    allowed.any(|(_, words, _)| words.contains(&word))
}

#[test]
fn nothing_else_makes_two_runs_differ() {
    let applies = |path: &str| {
        let of_the_project = ["src/", "emulator/src/", "perf-core/src/", "kernel-model/src/"];
        of_the_project.iter().any(|root| path.starts_with(root)) && !is_test_code(path)
    };
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.is_rust() && applies(&file.path)) {
        for line in code_lines(file) {
            let words = identifiers(&line.code).filter(|word| source_of_difference(word));
            for word in words.chain(std_module(&line.code)) {
                if !may_differ(&file.path, word) {
                    found.push(format!("{}:{}: {word}", file.path, line.number));
                }
            }
        }
    }
    assert_none("clocks, hashes, threads and the environment only where MAY_DIFFER says", &found);
}

// ------------------------------------------------------------------- the rest

/// Files that may contain unsafe code: none so far.
const MAY_BE_UNSAFE: &[&str] = &[];

#[test]
fn there_is_no_unsafe_code() {
    let found = findings(
        |path| !MAY_BE_UNSAFE.contains(&path),
        |identifier| (identifier == "unsafe").then_some("unsafe"),
    );
    assert_none("unsafe code only where MAY_BE_UNSAFE says", &found);
}

#[test]
fn no_file_names_a_directory_of_some_machine() {
    let directories = ["work", "root", "home"].map(|name| format!("/{name}/"));
    let mut found = Vec::new();
    for file in files() {
        for (line, number) in file.text().lines().zip(1..) {
            for directory in directories.iter().filter(|directory| line.contains(*directory)) {
                found.push(format!("{}:{number}: {directory}", file.path));
            }
        }
    }
    assert_none("no absolute path of a machine", &found);
}

#[test]
fn nothing_is_left_to_do() {
    let mut found = Vec::new();
    for file in files().iter().filter(|file| file.is_rust()) {
        for (code, number) in code_only(&file.text()).lines().zip(1..) {
            if code.contains("todo!") || code.contains("unimplemented!") {
                found.push(format!("{}:{number}: {}", file.path, code.trim()));
            }
        }
    }
    assert_none("no todo!() and no unimplemented!()", &found);
}

#[test]
fn source_files_are_short() {
    let mut lengths: Vec<(usize, String)> = files()
        .iter()
        .filter(|file| [".rs", ".c", ".h", ".S"].iter().any(|end| file.path.ends_with(end)))
        .map(|file| (file.text().lines().count(), file.path.clone()))
        .collect();
    lengths.sort_unstable_by(|a, b| b.cmp(a));
    let longest = lengths.iter().take(10);
    let listed: Vec<String> = longest.map(|(lines, path)| format!("{path}:{lines}")).collect();
    let too_long = lengths.iter().any(|(lines, _)| *lines > MAX_LINES);
    assert!(!too_long, "at most {MAX_LINES} lines; the longest:\n  {}\n", listed.join("\n  "));
}

#[test]
fn comments_and_literals_are_not_code() {
    let source =
        "a /* b /* c */ d */ e // f\n\"g \\\" h\" i r#\"j \" k\"# l 'm' '\\'' n: &'o p br\"q\" r";
    let code = code_only(source);
    let words: Vec<&str> = identifiers(&code).collect();
    assert_eq!(words, ["a", "e", "i", "l", "n", "o", "p", "b", "r"]);
    assert_eq!(code.lines().count(), 2);
}
