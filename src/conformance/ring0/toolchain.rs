//! Builds the image with the machine's own gcc, ld and objcopy.
//!
//! All is written into one directory: sources, objects, the two containers and a disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::disk::{self, DiskError};
use super::sources::FILES;

/// Compiler options: freestanding, without vector registers, at a fixed address.
const COMPILER_OPTIONS: &[&str] = &[
    "-O2",
    "-std=gnu11",
    "-Wall",
    "-Wextra",
    "-Wno-missing-field-initializers",
    "-ffreestanding",
    "-fno-pic",
    "-fno-pie",
    "-mno-red-zone",
    "-mgeneral-regs-only",
    "-fno-stack-protector",
    "-fcf-protection=none",
    "-fno-asynchronous-unwind-tables",
    "-fno-toplevel-reorder",
    "-fno-strict-aliasing",
    "-Wa,--divide",
];

/// Linker options of both containers.
const LINKER_OPTIONS: &[&str] = &[
    "-m",
    "elf_x86_64",
    "-nostdlib",
    "-static",
    "--build-id=none",
    "--no-warn-rwx-segments",
    "-z",
    "noexecstack",
    "-z",
    "max-page-size=4096",
    "-T",
    "link.ld",
];

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// A program that is needed is not installed.
    #[error("{tool} is not installed")]
    Missing {
        /// Its name.
        tool: &'static str,
    },
    /// A program could not be started.
    #[error("{tool}: {source}")]
    Start {
        /// Its name.
        tool: &'static str,
        /// Why not.
        source: io::Error,
    },
    /// A program refused what it was given.
    #[error("{tool} {about}: {said}")]
    Failed {
        /// Its name.
        tool: &'static str,
        /// What it was to make.
        about: String,
        /// What it said.
        said: String,
    },
    /// A file of the build.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The disk image.
    #[error("disk image: {0}")]
    Disk(#[from] DiskError),
}

/// A directory with the image in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    directory: PathBuf,
}

impl Built {
    /// The multiboot-1 image, an ELF32 file.
    #[must_use]
    pub fn multiboot(&self) -> PathBuf {
        self.directory.join("ring0.elf32")
    }

    /// The image with a 64-bit entry, an ELF64 file.
    #[must_use]
    pub fn elf64(&self) -> PathBuf {
        self.directory.join("ring0.elf64")
    }

    /// Everything that was made.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Writes a bootable disk whose image is started with `command_line`.
    ///
    /// # Errors
    /// If a file cannot be read or written, or the command line is too long.
    pub fn write_disk(&self, command_line: &str) -> Result<Disk, BuildError> {
        let sector = read(&self.directory.join("bootsector.bin"))?;
        let flat = read(&self.directory.join("ring0.flat"))?;
        let linked = read(&self.directory.join("ring0.linked32"))?;
        let disk = disk::image(&sector, &flat, disk::entry_of(&linked)?, command_line)?;
        let path = self.directory.join("ring0.disk");
        write(&path, &disk.bytes)?;
        Ok(Disk { path, cylinders: disk.cylinders })
    }
}

/// A disk image in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disk {
    /// The file.
    pub path: PathBuf,
    /// Cylinders of 16 heads and 63 sectors.
    pub cylinders: usize,
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    fs::read(path).map_err(|source| BuildError::File { path: path.to_owned(), source })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), BuildError> {
    fs::write(path, bytes).map_err(|source| BuildError::File { path: path.to_owned(), source })
}

/// Builds both containers and what a disk is made of in `directory`.
///
/// # Errors
/// If a program is missing or fails, or a file cannot be written.
pub fn build(directory: &Path) -> Result<Built, BuildError> {
    fs::create_dir_all(directory)
        .map_err(|source| BuildError::File { path: directory.to_owned(), source })?;
    for (name, text) in FILES {
        write(&directory.join(name), text.as_bytes())?;
    }
    let mut objects = Vec::new();
    for (name, _) in FILES {
        let Some((stem, kind @ ("c" | "S"))) = name.rsplit_once('.') else { continue };
        let object = format!("{stem}.o");
        let options: &[&str] = match (stem, kind) {
            ("bootsector", _) => &["-m32"],
            (_, "c") => COMPILER_OPTIONS,
            _ => &[],
        };
        run("gcc", directory, &object, &[options, &["-c", "-o", &object, name]].concat())?;
        if !["bootsector", "multiboot"].contains(&stem) {
            objects.push(object);
        }
    }
    link(directory, &objects)?;
    Ok(Built { directory: directory.to_owned() })
}

fn link(directory: &Path, objects: &[String]) -> Result<(), BuildError> {
    let objects: Vec<&str> = objects.iter().map(String::as_str).collect();
    let ld = |to: &str, entry: &str, first: &[&str]| {
        let what = [LINKER_OPTIONS, &["-e", entry, "-o", to], first, &objects].concat();
        run("ld", directory, to, &what)
    };
    ld("ring0.elf64", "start64", &[])?;
    ld("ring0.linked32", "start32", &["multiboot.o"])?;
    let objcopy = |to: &str, what: &[&str]| run("objcopy", directory, to, what);
    objcopy("ring0.elf32", &["-O", "elf32-i386", "ring0.linked32", "ring0.elf32"])?;
    // With the zeros of .bss in it: a boot sector only copies.
    let zeros = ".bss=alloc,load,contents";
    let flat = ["-O", "binary", "--set-section-flags", zeros, "ring0.linked32", "ring0.flat"];
    objcopy("ring0.flat", &flat)?;
    let sector = ["-m", "elf_i386", "-Ttext", "0x7c00", "-e", "_start", "-o", "bootsector.elf"];
    run("ld", directory, "bootsector.elf", &[&sector[..], &["bootsector.o"]].concat())?;
    let only_text = ["-O", "binary", "-j", ".text", "bootsector.elf", "bootsector.bin"];
    objcopy("bootsector.bin", &only_text)
}

fn run(
    tool: &'static str,
    directory: &Path,
    about: &str,
    arguments: &[&str],
) -> Result<(), BuildError> {
    let output = match Command::new(tool).args(arguments).current_dir(directory).output() {
        Ok(output) => output,
        Err(source) if source.kind() == io::ErrorKind::NotFound => {
            return Err(BuildError::Missing { tool });
        }
        Err(source) => return Err(BuildError::Start { tool, source }),
    };
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(BuildError::Failed { tool, about: about.to_owned(), said })
}
