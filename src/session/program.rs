//! Finding the program and refusing, by name, what cannot be run.
//!
//! Source of the layout: ELF-64 Object File Format 1.5; System V gABI chapter 4.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};

use super::host_tree::{HostTree, Mount};
use super::plan::Image;

/// Why a program cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// No such file, by path.
    #[error("{path}: cannot read: {source}")]
    Unreadable {
        /// What was looked for.
        path: String,
        /// Why not.
        source: io::Error,
    },
    /// Neither a path nor found through PATH.
    #[error("{name}: not found in PATH (a program in this directory is ./{name})")]
    NotInPath {
        /// What was looked for.
        name: String,
    },
    /// The path's bytes are not UTF-8.
    #[error("{path}: the path of a program must be UTF-8")]
    PathText {
        /// The path, as far as it can be shown.
        path: String,
    },
    /// The file cannot be run as it is.
    #[error("{path}: {source}")]
    Elf {
        /// The program.
        path: String,
        /// Why not.
        source: ElfError,
    },
}

/// Why a file is not a static x86-64 program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ElfError {
    /// An empty file.
    #[error("not an ELF file (it is empty)")]
    Empty,
    /// A script.
    #[error("not an ELF file (a script that starts with #!)")]
    Script,
    /// Any other file.
    #[error("not an ELF file (it does not start with 7f 45 4c 46)")]
    NotElf,
    /// A 32-bit file.
    #[error("a 32-bit ELF file; only 64-bit programs run")]
    Class32,
    /// A class that does not exist.
    #[error("ELF class {0} does not exist")]
    Class(u8),
    /// A big-endian file.
    #[error("not little endian (ELF data encoding {0})")]
    Encoding(u8),
    /// Another processor.
    #[error("for another processor (ELF machine {0}); only x86-64 (62) runs")]
    Machine(u16),
    /// An object, a core file.
    #[error("{}; only executables run", elf_type(*.0))]
    Type(u16),
    /// Needs a dynamic loader.
    #[error(
        "dynamically linked (it asks for an interpreter); link it with -static, or give a --root"
    )]
    Dynamic,
    /// Position independent.
    #[error("position independent (static-pie); link it with -static -no-pie")]
    StaticPie,
    /// Headers of an odd size.
    #[error("program headers of {0} bytes; ELF-64 has 56")]
    HeaderSize(u16),
    /// No segments.
    #[error("it has no program headers: there is nothing to load")]
    NoSegments,
    /// The file ends before what its headers promise.
    #[error("truncated: {what} ends at offset {end}, the file at {len}")]
    Truncated {
        /// The part.
        what: &'static str,
        /// Where it ends.
        end: u64,
        /// Length of the file.
        len: u64,
    },
}

fn elf_type(number: u16) -> &'static str {
    match number {
        1 => "an object file (ET_REL)",
        4 => "a core file (ET_CORE)",
        _ => "not an executable",
    }
}

/// Finds, reads and checks the program that was named on the command line.
///
/// # Errors
/// If it is not there or cannot be run.
pub fn load(
    name: &OsStr,
    search_path: Option<&OsStr>,
    mounts: &[Mount],
) -> Result<Image, ProgramError> {
    let path = find(name, search_path)?;
    let shown = path.display().to_string();
    let bytes =
        read(&path).map_err(|source| ProgramError::Unreadable { path: shown.clone(), source })?;
    match check(&bytes) {
        // What loads it may be in a mounted directory.
        Err(ElfError::Dynamic | ElfError::Script | ElfError::StaticPie) if !mounts.is_empty() => {}
        other => other.map_err(|source| ProgramError::Elf { path: shown.clone(), source })?,
    }
    match path.to_str() {
        Some(path) => Ok(Image { path: path.to_owned(), bytes }),
        None => Err(ProgramError::PathText { path: shown }),
    }
}

/// Finds the program in the guest's own tree, by the PATH of the guest's environment. Its bytes
/// are for symbols only; what can be run is the guest kernel's to say.
///
/// # Errors
/// If it is not there.
pub fn load_from_tree(
    name: &OsStr,
    tree: &HostTree,
    cwd: &[u8],
    envp: &[Vec<u8>],
) -> Result<Image, ProgramError> {
    let shown = name.to_string_lossy().into_owned();
    let name = name.as_encoded_bytes();
    let found = if name.contains(&b'/') {
        Some(name.to_vec())
    } else {
        let path = envp.iter().rev().find_map(|variable| variable.strip_prefix(b"PATH="));
        let directories = path.unwrap_or_default().split(|byte| *byte == b':');
        directories
            .map(|directory| [directory, b"/", name].concat())
            .find(|path| tree.locate(path).is_some_and(|host| host.is_file()))
    };
    let Some(path) = found else { return Err(ProgramError::NotInPath { name: shown }) };
    let from_top = if path.starts_with(b"/") { path.clone() } else { [cwd, b"/", &path].concat() };
    let host = tree.locate(&from_top);
    let bytes = match host.as_deref().map(read) {
        Some(Ok(bytes)) => bytes,
        Some(Err(source)) => return Err(ProgramError::Unreadable { path: shown, source }),
        None => {
            let source = io::ErrorKind::NotFound.into();
            return Err(ProgramError::Unreadable { path: shown, source });
        }
    };
    match String::from_utf8(path) {
        Ok(path) => Ok(Image { path, bytes }),
        Err(_) => Err(ProgramError::PathText { path: shown }),
    }
}

/// A name with a slash is a path; any other is looked for, as a shell does.
fn find(name: &OsStr, search_path: Option<&OsStr>) -> Result<PathBuf, ProgramError> {
    if name.as_encoded_bytes().contains(&b'/') {
        return Ok(PathBuf::from(name));
    }
    let candidates = search_path.into_iter().flat_map(std::env::split_paths);
    candidates
        .map(|directory| directory.join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| ProgramError::NotInPath { name: name.to_string_lossy().into_owned() })
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    if path.metadata()?.is_dir() {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    std::fs::read(path)
}

const ELF_HEADER_BYTES: u64 = 64;
const PROGRAM_HEADER_BYTES: u64 = 56;
const SECTION_HEADER_BYTES: u64 = 64;
const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const ET_EXEC: u16 = 2;
const ET_DYN: u16 = 3;
const EM_X86_64: u16 = 62;

/// A file with bounds-checked reads.
#[derive(Clone, Copy)]
struct Elf<'a>(&'a [u8]);

impl Elf<'_> {
    fn array<const N: usize>(self, what: &'static str, at: u64) -> Result<[u8; N], ElfError> {
        self.within(what, at, N as u64)?;
        let start = at as usize;
        let mut array = [0; N];
        array.copy_from_slice(&self.0[start..start + N]);
        Ok(array)
    }

    fn u16(self, what: &'static str, at: u64) -> Result<u16, ElfError> {
        Ok(u16::from_le_bytes(self.array(what, at)?))
    }

    fn u32(self, what: &'static str, at: u64) -> Result<u32, ElfError> {
        Ok(u32::from_le_bytes(self.array(what, at)?))
    }

    fn u64(self, what: &'static str, at: u64) -> Result<u64, ElfError> {
        Ok(u64::from_le_bytes(self.array(what, at)?))
    }

    fn within(self, what: &'static str, at: u64, bytes: u64) -> Result<(), ElfError> {
        let (end, len) = (at.saturating_add(bytes), self.0.len() as u64);
        if end <= len { Ok(()) } else { Err(ElfError::Truncated { what, end, len }) }
    }
}

/// Refuses what is not a whole static x86-64 executable.
///
/// # Errors
/// What it is instead.
pub fn check(bytes: &[u8]) -> Result<(), ElfError> {
    check_ident(bytes)?;
    let elf = Elf(bytes);
    elf.within("the ELF header", 0, ELF_HEADER_BYTES)?;
    let machine = elf.u16("the ELF header", 18)?;
    if machine != EM_X86_64 {
        return Err(ElfError::Machine(machine));
    }
    let kind = elf.u16("the ELF header", 16)?;
    if kind != ET_EXEC && kind != ET_DYN {
        return Err(ElfError::Type(kind));
    }
    let has_interpreter = check_segments(elf)?;
    check_section_headers(elf)?;
    match (kind, has_interpreter) {
        (_, true) => Err(ElfError::Dynamic),
        (ET_DYN, false) => Err(ElfError::StaticPie),
        (_, false) => Ok(()),
    }
}

fn check_ident(bytes: &[u8]) -> Result<(), ElfError> {
    match bytes {
        [] => Err(ElfError::Empty),
        [b'#', b'!', ..] => Err(ElfError::Script),
        [0x7f, b'E', b'L', b'F', class, encoding, ..] => match (*class, *encoding) {
            (2, 1) => Ok(()),
            (1, _) => Err(ElfError::Class32),
            (2, encoding) => Err(ElfError::Encoding(encoding)),
            (class, _) => Err(ElfError::Class(class)),
        },
        [0x7f, b'E', b'L', b'F', ..] => Elf(bytes).within("the ELF header", 0, ELF_HEADER_BYTES),
        _ => Err(ElfError::NotElf),
    }
}

/// Checks every segment; says whether one asks for an interpreter.
fn check_segments(elf: Elf<'_>) -> Result<bool, ElfError> {
    let table = elf.u64("the ELF header", 32)?;
    let size = elf.u16("the ELF header", 54)?;
    let count = elf.u16("the ELF header", 56)?;
    if count == 0 {
        return Err(ElfError::NoSegments);
    }
    if u64::from(size) != PROGRAM_HEADER_BYTES {
        return Err(ElfError::HeaderSize(size));
    }
    let what = "the program header table";
    elf.within(what, table, u64::from(count) * PROGRAM_HEADER_BYTES)?;
    let mut has_interpreter = false;
    for index in 0..u64::from(count) {
        let header = table + index * PROGRAM_HEADER_BYTES;
        match elf.u32(what, header)? {
            PT_LOAD => {
                let offset = elf.u64(what, header + 8)?;
                elf.within("a segment", offset, elf.u64(what, header + 32)?)?;
            }
            PT_INTERP => has_interpreter = true,
            // The other kinds say nothing that the loader needs.
            _ => {}
        }
    }
    Ok(has_interpreter)
}

/// The section headers lie at the end: their absence shows a cut file.
fn check_section_headers(elf: Elf<'_>) -> Result<(), ElfError> {
    let table = elf.u64("the ELF header", 40)?;
    let count = elf.u16("the ELF header", 60)?;
    if table == 0 {
        return Ok(());
    }
    elf.within("the section header table", table, u64::from(count) * SECTION_HEADER_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::script::tiny_elf as tiny;

    fn changed(at: usize, value: u8) -> Result<(), ElfError> {
        let mut elf = tiny();
        elf[at] = value;
        check(&elf)
    }

    #[test]
    fn each_kind_is_named() {
        assert_eq!(check(&tiny()), Ok(()));
        assert_eq!(check(b""), Err(ElfError::Empty));
        assert_eq!(check(b"#!/bin/sh\n"), Err(ElfError::Script));
        assert_eq!(check(b"hello, world"), Err(ElfError::NotElf));
        assert_eq!(changed(4, 1), Err(ElfError::Class32));
        assert_eq!(changed(4, 7), Err(ElfError::Class(7)));
        assert_eq!(changed(5, 2), Err(ElfError::Encoding(2)));
        assert_eq!(changed(18, 183), Err(ElfError::Machine(183)));
        assert_eq!(changed(16, 1), Err(ElfError::Type(1)));
        assert_eq!(changed(16, 3), Err(ElfError::StaticPie));
        assert_eq!(changed(64, 3), Err(ElfError::Dynamic));
        assert_eq!(changed(54, 32), Err(ElfError::HeaderSize(32)));
        assert_eq!(changed(56, 0), Err(ElfError::NoSegments));
    }

    #[test]
    fn every_truncation_is_refused() {
        let elf = tiny();
        for len in 0..elf.len() {
            assert!(check(&elf[..len]).is_err(), "{len} bytes");
        }
        assert_eq!(
            check(&elf[..119]),
            Err(ElfError::Truncated { what: "the program header table", end: 120, len: 119 })
        );
    }

    #[test]
    fn lengths_that_wrap_are_refused() {
        let mut elf = tiny();
        elf[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(check(&elf), Err(ElfError::Truncated { end: u64::MAX, .. })));
        let mut elf = tiny();
        elf[72..80].copy_from_slice(&u64::MAX.to_le_bytes());
        assert!(matches!(check(&elf), Err(ElfError::Truncated { what: "a segment", .. })));
    }

    #[test]
    fn a_bare_name_is_looked_for() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("tiny"), tiny()).unwrap();
        let image = load(OsStr::new("tiny"), Some(directory.path().as_os_str()), &[]).unwrap();
        assert_eq!(image.bytes, tiny());
        let missing = load(OsStr::new("tinier"), Some(directory.path().as_os_str()), &[]);
        assert!(matches!(missing, Err(ProgramError::NotInPath { .. })));
        assert!(matches!(load(OsStr::new("tiny"), None, &[]), Err(ProgramError::NotInPath { .. })));
        let directory = load(directory.path().as_os_str(), None, &[]);
        assert!(matches!(directory, Err(ProgramError::Unreadable { .. })));
    }
}
