//! What must never be in perf-core: an instruction set, its registers, a sibling crate.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("source directory is readable") {
        let path = entry.expect("directory entry is readable").path();
        if path.is_dir() {
            if path.file_name().is_none_or(|n| n != "tests") {
                sources(&path, out);
            }
        } else {
            out.push(path);
        }
    }
}

/// Code only: comments may name what is absent.
fn code_words(text: &str) -> Vec<String> {
    text.lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        // What is in quotes is text: where the list of defects says that something shows.
        .map(|line| line.split('"').step_by(2).collect::<Vec<_>>().join(" "))
        .flat_map(|line| {
            let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.map(str::to_lowercase).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn no_instruction_set() {
    let forbidden = [
        "x86",
        "x86_64",
        "dr0",
        "dr1",
        "dr2",
        "dr3",
        "dr6",
        "dr7",
        "debugreg",
        "rflags",
        "eflags",
        "rip",
        "rsp",
        "icebp",
        "int3",
        "emulator",
        "kernel_model",
    ];
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    assert!(files.len() > 30, "sources found");
    for file in files {
        let text = fs::read_to_string(&file).expect("source file is readable");
        for word in code_words(&text) {
            assert!(!forbidden.contains(&word.as_str()), "{word} in {}", file.display());
        }
    }
}

#[test]
fn knows_no_sibling_crate() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let text = fs::read_to_string(manifest).expect("manifest is readable");
    let (_, dependencies) = text.split_once("[dependencies]").expect("has dependencies");
    let (dependencies, _) = dependencies.split_once("\n[").expect("has more sections");
    assert_eq!(dependencies.trim(), "thiserror.workspace = true");
}
