//! The repository's files, and Rust source without its comments and literals,
//! for tests that hold what the source may not contain.
#![allow(dead_code, reason = "each test target uses a part of it")]

use std::fs;
use std::path::Path;

/// Directories that hold nothing of the project's own.
const NOT_OURS: [&str; 2] = ["target", ".git"];

/// A file of the repository.
pub(crate) struct RepoFile {
    /// Path below the repository, with slashes.
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

impl RepoFile {
    /// The file as text; bytes that are not UTF-8 are replaced.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }
}

/// All files of the repository, sorted by path.
pub(crate) fn files() -> Vec<RepoFile> {
    let mut found = Vec::new();
    visit(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.iter().any(|file| file.path == "Cargo.toml"), "no repository found");
    found
}

fn visit(directory: &Path, prefix: &str, found: &mut Vec<RepoFile>) {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
    for entry in entries {
        let entry = entry.unwrap_or_else(|e| panic!("{}: {e}", directory.display()));
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if prefix.is_empty() { name.clone() } else { format!("{prefix}/{name}") };
        match entry.file_type() {
            Ok(kind) if kind.is_dir() && !NOT_OURS.contains(&name.as_str()) => {
                visit(&entry.path(), &path, found);
            }
            Ok(kind) if kind.is_file() => {
                // Another test's or an editor's temporary file may be gone by now.
                if let Ok(bytes) = fs::read(entry.path()) {
                    found.push(RepoFile { path, bytes });
                }
            }
            _ => {}
        }
    }
}

/// One line of code.
pub(crate) struct Line {
    /// From 1.
    pub(crate) number: usize,
    pub(crate) code: String,
}

/// The lines of `file` without comments, literals, and what follows
/// `#[cfg(test)]` in front of a module with a body (tests stand at the end).
pub(crate) fn code_lines(file: &RepoFile) -> Vec<Line> {
    let code = code_only(&file.text());
    let lines: Vec<&str> = code.lines().collect();
    let tests_start = lines.windows(2).position(|pair| {
        pair[0].trim() == "#[cfg(test)]"
            && pair[1].trim_start().starts_with("mod ")
            && pair[1].trim_end().ends_with('{')
    });
    let end = tests_start.unwrap_or(lines.len());
    let numbered = lines[..end].iter().zip(1..);
    numbered.map(|(code, number)| Line { number, code: (*code).to_owned() }).collect()
}

/// The identifiers of a line of code, in order.
pub(crate) fn identifiers(code: &str) -> impl Iterator<Item = &str> {
    let parts = code.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    parts.filter(|part| part.starts_with(|c: char| c.is_alphabetic() || c == '_'))
}

/// Rust source with comments and the contents of literals blanked; lines keep
/// their numbers.
pub(crate) fn code_only(source: &str) -> String {
    let chars: Vec<char> = source.chars().collect();
    let mut out = String::with_capacity(source.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match literal_or_comment_end(&chars, at) {
            Some(end) => end,
            None => {
                out.push(chars[at]);
                at += 1;
                continue;
            }
        };
        out.extend(chars[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
        at = end;
    }
    out
}

/// Where the comment or literal that starts at `at` ends, if one does.
fn literal_or_comment_end(chars: &[char], at: usize) -> Option<usize> {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => Some(find(chars, at, &['\n'])),
        '/' if next == Some('*') => Some(block_comment_end(chars, at)),
        '"' => Some(string_end(chars, at + 1)),
        'r' if !continues_identifier(chars, at) => raw_string_end(chars, at + 1),
        '\'' if next == Some('\\') => Some((find(chars, at + 3, &['\'']) + 1).min(chars.len())),
        '\'' if chars.get(at + 2) == Some(&'\'') => Some(at + 3),
        _ => None,
    }
}

/// Whether the character before `at` belongs to the same identifier (`b` and
/// `c` in front of a raw string do not).
fn continues_identifier(chars: &[char], at: usize) -> bool {
    let identifier = |c: char| c.is_alphanumeric() || c == '_';
    let Some(before) = at.checked_sub(1).map(|i| chars[i]).filter(|&c| identifier(c)) else {
        return false;
    };
    let prefix = matches!(before, 'b' | 'c');
    !prefix || at.checked_sub(2).is_some_and(|i| identifier(chars[i]))
}

fn find(chars: &[char], from: usize, wanted: &[char]) -> usize {
    (from..chars.len()).find(|&i| wanted.contains(&chars[i])).unwrap_or(chars.len())
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], from: usize) -> usize {
    let mut at = from;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// The end of a raw string whose `r` stands before `from`; none for a raw
/// identifier or a plain one.
fn raw_string_end(chars: &[char], from: usize) -> Option<usize> {
    let quote = (from..chars.len()).find(|&i| chars[i] != '#')?;
    if chars[quote] != '"' {
        return None;
    }
    let hashes = quote - from;
    let closes = |at: usize| {
        chars[at] == '"'
            && chars.get(at + 1..at + 1 + hashes).is_some_and(|tail| tail.iter().all(|&c| c == '#'))
    };
    let end = (quote + 1..chars.len()).find(|&at| closes(at));
    Some(end.map_or(chars.len(), |at| at + 1 + hashes))
}
