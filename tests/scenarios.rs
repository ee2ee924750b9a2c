//! Every file of `tests/scenarios` answers as it says, and `dr7 scenario` tells so.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use dr7::scenario::{parse, run};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

fn files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory()).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "scn"));
    files.sort();
    files
}

#[test]
fn every_scenario_answers_as_it_says() {
    let files = files();
    assert!(files.len() >= 11, "only {} scenarios", files.len());
    let mut wrong = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let scenario = parse::scenario(&text).unwrap_or_else(|error| panic!("{name}:{error}"));
        let has_answers = scenario.steps.iter().any(|step| step.expected.is_some());
        assert!(has_answers, "{name} expects nothing");
        let outcome = run::play(&scenario, run::Refusals::Bare).unwrap();
        wrong.extend(outcome.wrong().map(|step| {
            let got = step.got.as_ref().map_or_else(ToString::to_string, Clone::clone);
            format!("{name}:{}: {}: expected {:?}, got {got}", step.line, step.op, step.expected)
        }));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The examples of a page: the blocks that are marked as scenarios.
fn examples(page: &str) -> Vec<String> {
    let blocks = page.split("```scn\n").skip(1);
    blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn the_examples_of_the_page_answer_as_they_say() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenarios.md");
    let page = std::fs::read_to_string(page).unwrap();
    let examples = examples(&page);
    let mut words = std::collections::BTreeSet::new();
    for example in &examples {
        let scenario = parse::scenario(example).unwrap_or_else(|e| panic!("{e} in\n{example}"));
        words.extend(example.lines().filter_map(|line| line.split_whitespace().next()));
        let outcome = run::play(&scenario, run::Refusals::Bare).unwrap();
        let wrong: Vec<_> = outcome.wrong().collect();
        assert!(wrong.is_empty(), "{wrong:?} in\n{example}");
    }
    for verb in parse::VERBS {
        assert!(words.contains(verb), "docs/scenarios.md has no example of {verb}");
    }
}

#[test]
fn refusals_are_explained_on_request() {
    let (_directory, path) = written(
        "var x\ntask T0\nopen a T0@* w1:x\nopen b T0@* w1:x\nopen c T0@1 w1:x\n\
         open d C1 w1:x\nopen e T0@* w1:x = ENOSPC\n",
    );
    let output = dr7_scenario(&[&path, Path::new("--explain")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    for line in [
        "no breakpoint slot for T0 on any CPU: cpu1 would need 5, has 4\n",
        "A(c): cpu0 0, cpu1 1\n",
        "N(t,c): cpu0 2, cpu1 3\n",
        "rule 2.1.3: max over CPUs of A(c) + N(t,c) + 1 = 5, more than 4\n",
    ] {
        assert!(text.contains(line), "{line}not in\n{text}");
    }
}

fn dr7_scenario(arguments: &[&Path]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dr7"));
    command.arg("scenario").args(arguments).output().unwrap()
}

fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("case.scn");
    std::fs::write(&path, text).unwrap();
    (directory, path)
}

#[test]
fn a_scenario_is_told_line_by_line() {
    let (directory, path) =
        written("var x\ntask T0\nopen a T0@* w4:x = ok\nrun T0 on 0\nhit T0 store4 x = 1\n");
    let json = directory.path().join("out.jsonl");
    let output = dr7_scenario(&[&path, Path::new("--json"), &json]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{text}");
    let file = path.display();
    let want = format!(
        "{file}:1: var x = ok\n{file}:2: task T0 = ok\n{file}:3: open a T0@* w4:x = ok\n\
         {file}:4: run T0 on 0 = ok\n{file}:5: hit T0 store4 x = 1\n\
         cpu0: a w4:x, -, -, -; DR7 0xd0602\ncpu1: -, -, -, -; DR7 0x400\n\
         {file}: 5 steps, 0 wrong\n"
    );
    assert_eq!(text, want);
    let lines = std::fs::read_to_string(json).unwrap();
    assert_eq!(lines.lines().count(), 7);
    let last: serde_json::Value = serde_json::from_str(lines.lines().nth(5).unwrap()).unwrap();
    assert_eq!(last["registers"][0]["owner"], "a");
    assert_eq!(last["shadow_equal"], true);
}

#[test]
fn a_wrong_answer_is_told_and_the_rest_is_played() {
    let (_directory, path) =
        written("var x\nopen a C0 w4:x = ENOSPC\nopen b C0 w3:x = EINVAL\nread c\n");
    let output = dr7_scenario(&[&path]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    let file = path.display();
    for line in [
        format!("{file}:2: open a C0 w4:x: expected ENOSPC, got ok\n"),
        format!("{file}:3: open b C0 w3:x = EINVAL\n"),
        format!("{file}:4: read c: there is no event c\n"),
        format!("{file}: 4 steps, 2 wrong\n"),
    ] {
        assert!(text.contains(&line), "{line}not in\n{text}");
    }
}

#[test]
fn a_bad_file_is_refused_with_its_place() {
    let (directory, path) = written("var x\nopen a C0 w4;x = ok\n");
    let output = dr7_scenario(&[&path]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8(output.stderr).unwrap();
    let want = format!("dr7: {}:2:11: 'w4;x' is no breakpoint", path.display());
    assert!(text.starts_with(&want), "{text}");
    let missing = directory.path().join("none.scn");
    let output = dr7_scenario(&[&missing]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("cannot read"));
}
