//! The data set of `tests/insn`: each line's bytes on the emulator, from the state
//! that it gives to the one that a processor answered.

use std::fs;
use std::path::Path;

use dr7::conformance::isa::data::replay::{Answer, Replay, read};

/// Lines below which something has been lost.
const AT_LEAST: usize = 1000;
/// Failures that are shown.
const SHOWN: usize = 20;

#[test]
fn every_line_holds() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/insn");
    let mut files: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "insn"))
        .collect();
    files.sort();
    let mut replay = Replay::default();
    let mut lines = 0;
    let mut wrong = Vec::new();
    for file in files {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&file).unwrap();
        let cases = read(&text).unwrap_or_else(|(at, error)| panic!("{name}:{at}: {error}"));
        for (number, line) in cases {
            lines += 1;
            let found = match replay.check(&line) {
                Answer::Same => continue,
                Answer::Differs(differences) => {
                    differences.iter().map(|found| format!("\n    {found}")).collect()
                }
                Answer::NotRun(why) => format!("\n    not run: {why}"),
            };
            wrong.push(format!("{name}:{number}: {line}{found}"));
        }
    }
    assert!(lines >= AT_LEAST, "only {lines} lines");
    let shown = wrong.iter().take(SHOWN).cloned().collect::<Vec<_>>().join("\n");
    assert!(wrong.is_empty(), "{} of {lines} lines:\n{shown}", wrong.len());
}
