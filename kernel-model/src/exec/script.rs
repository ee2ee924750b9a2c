//! The first line of a script: its interpreter and at most one argument.
//! Source: Linux 6.18 `fs/binfmt_script.c`; execve(2), "Interpreter scripts".

use perf_core::Errno;

/// Bytes of a file that decide what it is (`BINPRM_BUF_SIZE`).
pub const HEAD_BYTES: usize = 256;

/// What the first line of a script names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Path of the interpreter.
    pub interpreter: Vec<u8>,
    /// All that follows it on the line, without spaces at the ends; one argument.
    pub argument: Option<Vec<u8>>,
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn is_terminator(byte: u8) -> bool {
    is_blank(byte) || byte == 0
}

/// Reads the first line of a file; `None` where it does not start with `#!`.
///
/// # Errors
/// ENOEXEC for a line without an interpreter, and for one whose interpreter may go on behind the
/// first [`HEAD_BYTES`] bytes.
pub fn parse(file: &[u8]) -> Option<Result<Script, Errno>> {
    let line = file.strip_prefix(b"#!")?;
    let line = &line[..line.len().min(HEAD_BYTES - 2)];
    // The buffer of a shorter file is filled up with zeroes.
    let is_whole = file.len() < HEAD_BYTES;
    Some(match line.iter().position(|byte| *byte == b'\n') {
        Some(end) => parse_line(&line[..end]),
        None => {
            let name = line.iter().position(|byte| !is_blank(*byte));
            let ends = name.is_some_and(|name| line[name..].iter().any(|b| is_terminator(*b)));
            if is_whole || ends { parse_line(line) } else { Err(Errno::ENOEXEC) }
        }
    })
}

fn parse_line(line: &[u8]) -> Result<Script, Errno> {
    let end = line.iter().rposition(|byte| !is_blank(*byte)).map_or(0, |last| last + 1);
    let line = &line[..end];
    let start = line.iter().position(|byte| !is_blank(*byte)).ok_or(Errno::ENOEXEC)?;
    let line = &line[start..];
    let name_end = line.iter().position(|byte| is_terminator(*byte)).unwrap_or(line.len());
    let (name, rest) = line.split_at(name_end);
    let mut argument = None;
    if rest.first().is_some_and(|byte| is_blank(*byte)) {
        let rest: &[u8] = &rest[rest.iter().position(|byte| !is_blank(*byte)).unwrap_or(0)..];
        let text = rest.split(|byte| *byte == 0).next().unwrap_or_default();
        argument = Some(text.to_vec());
    }
    Ok(Script { interpreter: name.to_vec(), argument })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_linux_reads_them() {
        let script = |name: &str, argument: Option<&str>| {
            Some(Ok(Script {
                interpreter: name.as_bytes().to_vec(),
                argument: argument.map(|text| text.as_bytes().to_vec()),
            }))
        };
        let long = |letter: &str, nr| letter.repeat(nr);
        for (file, want) in [
            ("\u{7f}ELF".to_owned(), None),
            ("#!/bin/sh\n".to_owned(), script("/bin/sh", None)),
            ("#!/bin/sh".to_owned(), script("/bin/sh", None)),
            ("#! \t/bin/sh -e  -x \t\necho\n".to_owned(), script("/bin/sh", Some("-e  -x"))),
            ("#!\n".to_owned(), Some(Err(Errno::ENOEXEC))),
            ("#!   \t\n".to_owned(), Some(Err(Errno::ENOEXEC))),
            ("#!".to_owned(), Some(Err(Errno::ENOEXEC))),
            (format!("#!/{}", long("a", 300)), Some(Err(Errno::ENOEXEC))),
            (format!("#!/{}\n", long("a", 250)), script(&format!("/{}", long("a", 250)), None)),
            (format!("#!/{}\n", long("a", 253)), Some(Err(Errno::ENOEXEC))),
            (
                format!("#!/bin/sh {}", long("b", 300)),
                script("/bin/sh", Some(&long("b", 256 - 10))),
            ),
        ] {
            assert_eq!(parse(file.as_bytes()), want, "{file:?}");
        }
    }
}
